/* A scripted worker that speaks HTTP/2, by libnghttp2's server session: a peer that was written by others. Each stream
 * is judged as a request of HTTP/1 is, by the same checks: its head and body go through the same reader. It answers
 * each as the request's plan says; refuses and resets streams; says GOAWAY, with and without a notice; gives credit
 * late or never; and cuts connections with all that is on them. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/worker_h2_parts.h"

enum { AHEAD_BYTES = 16384 };

#define NS_PER_MS INT64_C(1000000)

static struct h2_script *stream_of(nghttp2_session *h2, int32_t id)
{
    struct h2_script *script = id > 0 ? nghttp2_session_get_stream_user_data(h2, id) : NULL;
    return script == NULL || script->unknown || script->conn->cut ? NULL : script;
}

static const struct plan_worker *plan_of(const struct h2_link *conn)
{
    return conn->worker->plan;
}

static int id_of(const struct h2_script *script)
{
    return script->request != NULL ? (int)script->request->id : TRACE_NOBODY;
}

void worker_h2_note(const struct h2_script *script, const char *what)
{
    worker_note(script->conn->worker, script->request, what);
}

void worker_h2_after(const struct h2_link *conn, int64_t delay_ns, io_sim_timer_fn fn, void *context)
{
    io_sim_after(conn->worker->world->net, delay_ns, fn, context);
}

static void close_tunnel(struct h2_script *script)
{
    if (script->tunnel != NULL)
        h2_tunnel_close(script->tunnel);
    script->conn->worker->world->tunnels_held -= script->held;
    script->held = false;
}

/* Whose RST_STREAM has not left is not known to have failed: all that the balancer sees is a closed connection. */
static void close_conn(struct h2_link *conn, bool reset)
{
    if (conn->line.peer == NULL)
        return;
    bool all_left = io_sim_peer_unsent(conn->line.peer) == 0;
    worker_line_close(&conn->line, reset ? LINE_RESET : plan_of(conn)->tls.silent ? LINE_CUT : LINE_WORD);
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (script->log != NULL && !(script->closed && all_left))
            script->log->failed_on &= ~(1u << conn->worker->index);
        script->closed = true;
        if (script->tunnel != NULL && script->tunnel->peer != NULL)
            h2_tunnel_note_reset(script->tunnel);
        close_tunnel(script);
    }
}

/* ---- sending ---- */

static uint32_t reset_code(const struct h2_script *script)
{
    return script->request->answer.kind == ANSWER_CUT ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR;
}

/* At once, or behind what has been said. */
static bool tunnel_resets(const struct h2_script *script)
{
    const struct h2_tunnel *tunnel = script->tunnel;
    return tunnel != NULL && tunnel->resets && !tunnel->is_reset && !script->closed &&
           (tunnel->queue.n == 0 || script->request->answer.at_byte % 2 == 0);
}

/* True: it was cut with its connection. */
static bool reset_tunnels(struct h2_link *conn)
{
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (!tunnel_resets(script))
            continue;
        if (script->request->tunnel.cuts_link) {
            worker_h2_note(script, "cuts the connection of");
            close_conn(conn, script->request->answer.kind == ANSWER_RESET);
            return true;
        }
        h2_tunnel_note_reset(script->tunnel);
        ASSERT(nghttp2_submit_rst_stream(conn->h2, 0, script->id, reset_code(script)) == 0);
    }
    return false;
}

static void reset_stopped(struct h2_link *conn)
{
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (!script->resets || script->closed)
            continue;
        script->resets = false;
        ASSERT(nghttp2_submit_rst_stream(conn->h2, 0, script->id, reset_code(script)) == 0);
    }
}

/* As much as is to wait: what gives credit must not stand behind whole bodies. */
void worker_h2_pump(struct h2_link *conn)
{
    const uint8_t *bytes;
    ssize_t n = 1;
    if (conn->pumping || conn->line.peer == NULL || conn->ended)
        return;
    conn->pumping = true;
    while (n > 0 && conn->line.peer != NULL && io_sim_peer_unsent(conn->line.peer) < AHEAD_BYTES) {
        reset_stopped(conn);
        if (reset_tunnels(conn))
            break;
        n = nghttp2_session_mem_send(conn->h2, &bytes);
        ASSERT(n >= 0);
        if (n > 0)
            worker_line_send(&conn->line, str_slice((const char *)bytes, (size_t)n));
    }
    conn->pumping = false;
    if (conn->line.peer == NULL)
        return;
    bool over = !nghttp2_session_want_read(conn->h2) && !nghttp2_session_want_write(conn->h2);
    conn->ended = (over || (conn->leaving && conn->open == 0)) && n == 0 && io_sim_peer_unsent(conn->line.peer) == 0;
    if (conn->ended)
        worker_line_shutdown(&conn->line);
}

static void begin_idling(struct h2_link *conn);

/* An answer is over when it has left: until then the connection may not be closed. */
static void on_idle(void *context)
{
    struct h2_link *conn = context;
    bool reset = plan_of(conn)->closes_by_reset;
    if (conn->line.peer == NULL || conn->open > 0 || conn->leaving ||
        world_now_ns(conn->worker->world) < conn->idle_due_ns)
        return;
    if (io_sim_peer_unsent(conn->line.peer) > 0) {
        begin_idling(conn);
        return;
    }
    if (reset || plan_of(conn)->rude) {
        close_conn(conn, reset);
        return;
    }
    conn->leaving = true;
    conn->last = conn->newest;
    ASSERT(nghttp2_submit_goaway(conn->h2, 0, conn->last, NGHTTP2_NO_ERROR, NULL, 0) == 0);
    worker_h2_pump(conn);
}

static void begin_idling(struct h2_link *conn)
{
    int64_t ns = plan_of(conn)->idle_close_ms * NS_PER_MS;
    if (ns == 0 || conn->open > 0 || conn->line.peer == NULL)
        return;
    conn->idle_due_ns = world_now_ns(conn->worker->world) + ns;
    worker_h2_after(conn, ns, on_idle, conn);
}

/* ---- GOAWAY ---- */

/* With a notice, and named only when the other side has seen it: nothing is lost by it. */
void worker_h2_leave_after(struct h2_script *script)
{
    struct h2_link *conn = script->conn;
    if (conn->noticed || conn->leaving)
        return;
    conn->noticed = true;
    worker_h2_note(script, "says that it will leave after");
    ASSERT(nghttp2_submit_shutdown_notice(conn->h2) == 0);
}

/* Only now: the library sends PING before all that waits. */
static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.last_stream_id == INT32_MAX)
        ASSERT(nghttp2_submit_ping(h2, 0, NULL) == 0);
    return 0;
}

static void on_notice_seen(struct h2_link *conn)
{
    if (!conn->noticed || conn->leaving)
        return;
    conn->leaving = true;
    conn->last = conn->newest;
    ASSERT(nghttp2_submit_goaway(conn->h2, 0, conn->last, NGHTTP2_NO_ERROR, NULL, 0) == 0);
}

/* At once: this stream and all after it are as if they had never been. */
static void leave_before(struct h2_script *script)
{
    struct h2_link *conn = script->conn;
    worker_h2_note(script, "leaves before");
    conn->leaving = true;
    conn->last = script->id > 1 ? script->id - 2 : 0;
    script->unknown = true;
    ASSERT(nghttp2_submit_goaway(conn->h2, 0, conn->last, NGHTTP2_NO_ERROR, NULL, 0) == 0);
}

/* ---- what comes in ---- */

/* True: of this one nothing more is to be done. */
static bool refuse(struct h2_script *script)
{
    struct sim_worker *worker = script->conn->worker;
    const struct plan_answer *answer = &script->request->answer;
    bool first = script->log->begun + script->log->refused == 0;
    if (worker->plan->leave_at > 0 && ++worker->heads == worker->plan->leave_at && !script->conn->leaving) {
        script->log->refused++;
        leave_before(script);
        return true;
    }
    if (!first || !answer->cut_first || answer->cut_resets)
        return false;
    script->log->refused++;
    worker_h2_note(script, "refuses the stream of");
    script->unknown = true;
    ASSERT(nghttp2_submit_rst_stream(script->conn->h2, 0, script->id, NGHTTP2_REFUSED_STREAM) == 0);
    return true;
}

static bool cut_on_request(struct h2_script *script)
{
    struct h2_link *conn = script->conn;
    struct sim_worker *worker = conn->worker;
    if (conn->served > 1 && worker->plan->close_on_request_per > 0 &&
        rand_below(&worker->rand, 100) < worker->plan->close_on_request_per) {
        worker_h2_note(script, "cuts its connection on");
        conn->cut = true;
        return true;
    }
    if (!script->request->answer.cut_first || script->log->begun > 1 || script->log->refused > 0)
        return false;
    worker_h2_note(script, "resets the first try of");
    script->log->failed_on |= 1u << worker->index;
    script->unknown = true;
    ASSERT(nghttp2_submit_rst_stream(conn->h2, 0, script->id, NGHTTP2_INTERNAL_ERROR) == 0);
    return true;
}

static void head_is_whole(struct h2_script *script, bool ends)
{
    struct h2_link *conn = script->conn;
    struct wire_reader *reader = &script->reader;
    wire_reader_feed(reader, STR("\r\n"), false);
    if (reader->bad != NULL)
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets %s: %.*s", conn->worker->index, reader->bad,
                   (int)reader->head_n, reader->head);
    script->request = worker_identify(conn->worker, reader);
    conn->served++;
    if (script->request != NULL) {
        script->log = world_log(conn->worker->world, script->request->id);
        if (refuse(script))
            return;
        script->log->begun++;
        worker_h2_note(script, "gets the head of");
        check_request_head(conn->worker, reader, script->request);
        check_connect_asked(conn->worker, reader, script->request, script->connects);
        reader->key = world_request_key(conn->worker->world, script->request->id);
    }
    wire_reader_body(reader, false, false);
    if (!ends && reader->state == WIRE_DONE)
        reader->state = WIRE_OPEN;
    if (script->request == NULL || cut_on_request(script))
        return;
    const struct plan_answer *answer = &script->request->answer;
    struct str value;
    const nghttp2_nv go_on = h2_script_field(":status", "100");
    if (answer->early && !hostile_in_body(script->request->hostile))
        worker_h2_answer_later(script);
    else if (wire_reader_field(reader, "Expect", &value) == 1 && answer->kind == ANSWER_RIGHT)
        ASSERT(nghttp2_submit_headers(conn->h2, 0, script->id, NULL, &go_on, 1, NULL) == 0);
}

static void request_is_whole(struct h2_script *script)
{
    struct wire_reader *reader = &script->reader;
    if (script->request == NULL) {
        worker_h2_answer_probe(script);
        return;
    }
    if (reader->state != WIRE_OPEN && reader->state != WIRE_DONE)
        check_fail("strict", TRACE_NOBODY, id_of(script), "w%u gets the end of q%d before its body's",
                   script->conn->worker->index, id_of(script));
    script->log->handled++;
    script->log->whole_ns = world_now_ns(script->conn->worker->world);
    worker_h2_note(script, "has all of");
    check_request_whole(script->conn->worker, reader, script->request);
    if (!script->request->answer.early)
        worker_h2_answer_later(script);
}

/* ---- what the library tells ---- */

static int on_begin(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    struct h2_link *conn = context;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct h2_script *script = sim_take(sizeof(*script));
    script->conn = conn;
    script->id = frame->hd.stream_id;
    script->unknown = script->id > conn->last;
    script->stop_at = UINT64_MAX;
    conn->newest = script->id;
    list_init(&script->link);
    list_append(&conn->streams, &script->link);
    nghttp2_session_set_stream_user_data(h2, script->id, script);
    if (++conn->open > plan_of(conn)->streams)
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets %u streams on a connection, it wants %u",
                   conn->worker->index, conn->open, plan_of(conn)->streams);
    return 0;
}

/* The request line is made of the first fields, the Host of :authority. */
static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *context)
{
    struct h2_script *script = stream_of(h2, frame->hd.stream_id);
    struct str field = str_slice((const char *)name, name_n), said = str_slice((const char *)value, value_n);
    char line[1024];
    if (script == NULL)
        return 0;
    struct wire_reader *reader = &script->reader;
    if (reader->state != WIRE_HEAD) {
        reader->trailers_n =
            (size_t)snprintf(reader->trailers, sizeof(reader->trailers), "%.*s: %.*s", STR_ARG(field), STR_ARG(said));
        return 0;
    }
    int n = 0;
    if (str_eq(field, STR(":method"))) {
        script->connects = str_eq(said, STR("CONNECT")); /* what HTTP/1 asks for with GET */
        n = snprintf(line, sizeof(line), "%.*s ", STR_ARG(script->connects ? STR("GET") : said));
    } else if (str_eq(field, STR(":path")))
        n = snprintf(line, sizeof(line), "%.*s HTTP/1.1\r\n", STR_ARG(said));
    else if (str_eq(field, STR(":authority")))
        n = snprintf(reader->line, sizeof(reader->line), "Host: %.*s\r\n", STR_ARG(said));
    else if (field.p[0] != ':')
        n = snprintf(line, sizeof(line), "%.*s: %.*s\r\n", STR_ARG(field), STR_ARG(said));
    ASSERT(n >= 0 && (size_t)n < sizeof(line));
    if (!str_eq(field, STR(":authority")))
        wire_reader_feed(reader, str_slice(line, (size_t)n), false);
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    struct h2_link *conn = context;
    struct h2_script *script = stream_of(h2, frame->hd.stream_id);
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK)
        on_notice_seen(conn);
    if (script == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && script->reader.state == WIRE_HEAD) {
        wire_reader_feed(&script->reader, str_of(script->reader.line), false);
        head_is_whole(script, ends);
    }
    if (script->unknown || conn->cut)
        return 0;
    if (ends && script->tunnel != NULL)
        h2_tunnel_hear_end(script->tunnel);
    else if (script->connects ? frame->hd.type == NGHTTP2_HEADERS : ends)
        request_is_whole(script);
    return 0;
}

static void on_credit(void *context)
{
    struct h2_link *conn = context;
    conn->credit_waits = false;
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (conn->line.peer != NULL && script->uncredited > 0)
            nghttp2_session_consume(conn->h2, script->id, (size_t)script->uncredited);
        script->uncredited = 0;
    }
    worker_h2_pump(conn);
}

/* Credit at once, after a while, or, for one that is never answered, of the connection alone. */
static void give_credit(struct h2_link *conn, struct h2_script *script, int32_t id, size_t n)
{
    bool never = script != NULL && script->request != NULL && script->request->answer.kind == ANSWER_HANG;
    if (never) {
        nghttp2_session_consume_connection(conn->h2, n);
    } else if (script == NULL || plan_of(conn)->credit_ms == 0) {
        nghttp2_session_consume(conn->h2, id, n);
    } else {
        script->uncredited += (int32_t)n;
        if (!conn->credit_waits)
            worker_h2_after(conn, plan_of(conn)->credit_ms * NS_PER_MS, on_credit, conn);
        conn->credit_waits = true;
    }
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *context)
{
    struct h2_script *script = stream_of(h2, id);
    struct str all = str_slice((const char *)bytes, n);
    bool tunnel = script != NULL && script->tunnel != NULL;
    if (script != NULL && script->connects && !tunnel)
        check_fail("no-mixing", TRACE_NOBODY, id_of(script), "w%u gets bytes of q%d, which is no tunnel yet",
                   script->conn->worker->index, id_of(script));
    if (!tunnel || script->tunnel->pause_ms == 0)
        give_credit(context, script, id, n);
    if (tunnel)
        h2_tunnel_take(script->tunnel, all);
    else if (script != NULL && wire_reader_feed(&script->reader, all, false) < n)
        check_fail("no-mixing", TRACE_NOBODY, id_of(script), "w%u gets more than q%d", script->conn->worker->index,
                   id_of(script));
    return 0;
}

static int on_invalid(nghttp2_session *h2, const nghttp2_frame *frame, int error, void *context)
{
    const struct h2_link *conn = context;
    check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets a frame of type %u that breaks a rule: %s",
               conn->worker->index, frame->hd.type, nghttp2_strerror(error));
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error, void *context)
{
    struct h2_link *conn = context;
    struct h2_script *script = nghttp2_session_get_stream_user_data(h2, id);
    if (script == NULL)
        return 0;
    if (error != NGHTTP2_NO_ERROR && script->reader.state != WIRE_HEAD && !script->unknown)
        worker_h2_note(script, "sees the end of the stream of");
    script->closed = true;
    close_tunnel(script);
    nghttp2_session_consume_connection(h2, (size_t)script->uncredited);
    script->uncredited = 0;
    conn->open--;
    begin_idling(conn);
    return 0;
}

/* ---- connections ---- */

static void break_off(struct h2_link *conn)
{
    if (plan_of(conn)->rude && !plan_of(conn)->closes_by_reset && !conn->ended)
        worker_line_send(&conn->line, STR("this is no frame of HTTP/2"));
    close_conn(conn, plan_of(conn)->closes_by_reset);
}

static void read_bytes(struct h2_link *conn)
{
    while (conn->line.peer != NULL) {
        struct str got = worker_line_received(&conn->line);
        if (got.n == 0)
            return;
        conn->pumping = true; /* not from inside the library */
        ssize_t used = nghttp2_session_mem_recv(conn->h2, (const uint8_t *)got.p, got.n);
        conn->pumping = false;
        if (used < 0)
            check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets what is no HTTP/2: %s", conn->worker->index,
                       nghttp2_strerror((int)used));
        worker_line_take(&conn->line, got.n);
        if (conn->cut)
            break_off(conn);
        worker_h2_pump(conn);
    }
}

static void on_event(struct io_sim_peer *peer, void *context)
{
    struct h2_link *conn = context;
    read_bytes(conn);
    worker_h2_pump(conn);
    if (conn->line.peer == NULL)
        return;
    enum io_sim_peer_state state = io_sim_peer_state(peer);
    if (state != IO_SIM_PEER_ENDED && state != IO_SIM_PEER_RESET)
        return;
    LIST_FOREACH (link, &conn->streams)
        close_tunnel(CONTAINER_OF(link, struct h2_script, link));
    close_conn(conn, false);
}

static nghttp2_session *create_session(struct h2_link *conn)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_option *option;
    nghttp2_mem memory = h2_script_memory();
    ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_option_set_no_auto_window_update(option, 1);
    ASSERT(nghttp2_session_server_new3(&session, callbacks, conn, option, &memory) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

void worker_h2_begin(struct sim_worker *worker, const struct worker_line *line)
{
    struct h2_link *conn = sim_take(sizeof(*conn));
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker->plan->streams},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, worker->plan->h2_window},
                                               {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};
    conn->worker = worker;
    conn->line = *line;
    conn->last = INT32_MAX;
    conn->h2 = create_session(conn);
    list_init(&conn->streams);
    list_init(&conn->link);
    list_append(&worker->links, &conn->link);
    ASSERT(nghttp2_submit_settings(conn->h2, 0, settings, worker->plan->takes_tunnels ? 3 : 2) == 0);
    io_sim_peer_on_event(line->peer, on_event, conn);
    worker_h2_pump(conn);
    if (line->tls != NULL)
        on_event(line->peer, conn); /* what has come with the end of the handshake */
}

void worker_h2_leave_probes(struct sim_worker *worker)
{
    LIST_FOREACH (link, &worker->links) {
        struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        bool probes = conn->served > 0 && conn->open == 0 && conn->line.peer != NULL;
        LIST_FOREACH (stream, &conn->streams)
            probes &= CONTAINER_OF(stream, struct h2_script, link)->request == NULL;
        if (probes && io_sim_peer_unsent(conn->line.peer) == 0)
            close_conn(conn, false);
    }
}

void worker_h2_leave(struct sim_worker *worker, enum plan_window_kind how)
{
    LIST_FOREACH (link, &worker->links) {
        struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        if (conn->line.peer != NULL && how == WINDOW_DARK)
            io_sim_peer_dark(conn->line.peer);
        else
            close_conn(conn, how == WINDOW_DIE || conn->open > 0);
    }
}

void worker_h2_check(const struct sim_worker *worker)
{
    LIST_FOREACH (link, &worker->links) {
        const struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        uint64_t unsent = conn->line.peer != NULL ? io_sim_peer_unsent(conn->line.peer) : 0;
        LIST_FOREACH (stream, &conn->streams) {
            const struct h2_script *script = CONTAINER_OF(stream, struct h2_script, link);
            if (!script->closed && script->request != NULL && script->given > unsent)
                check_taken(worker->world, script->request, script->given - unsent);
        }
    }
}

void worker_h2_fini(struct sim_worker *worker)
{
    struct list *link;
    while ((link = list_pop(&worker->links)) != NULL) {
        struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        close_conn(conn, true);
        worker_line_fini(&conn->line);
        nghttp2_session_del(conn->h2);
        while ((link = list_pop(&conn->streams)) != NULL) {
            h2_tunnel_free(CONTAINER_OF(link, struct h2_script, link)->tunnel);
            free(CONTAINER_OF(link, struct h2_script, link));
        }
        free(conn);
    }
}
