/* A scripted worker that speaks HTTP/2, by libnghttp2's server session: a peer that was written by others. Each stream
 * is judged as a request of HTTP/1 is, by the same checks: its head and body go through the same reader. It answers
 * each as the request's plan says; refuses and resets streams; says GOAWAY, with and without a notice; gives credit
 * late or never; and cuts connections with all that is on them. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/h2_script.h"
#include "tests/sim/worker.h"

enum { AHEAD_BYTES = 16384, HEAD_BYTES = 100, FIELDS_MAX = 8 };

#define NS_PER_MS INT64_C(1000000)

struct h2_link {
    struct list link; /* the worker's */
    struct sim_worker *worker;
    struct io_sim_peer *peer; /* NULL: closed */
    nghttp2_session *h2;
    struct list streams;
    uint32_t open, served;
    int32_t newest; /* the highest number of a stream so far */
    int32_t last;   /* of streams above nothing is known any more */
    int64_t idle_due_ns;
    bool noticed; /* the notice of a GOAWAY is on its way */
    bool leaving; /* ends with its last stream */
    bool ended;   /* has said its end, and waits for the other side's */
    bool cut;     /* goes away as soon as the library has returned */
    bool credit_waits;
    bool pumping;
};

struct h2_script {
    struct list link;
    struct h2_link *conn;
    int32_t id;
    struct wire_reader reader;
    const struct plan_request *request; /* NULL: a probe */
    struct request_log *log;
    uint64_t given, allowed, all; /* of the answer's body: to the library; may be; it has */
    uint64_t stop_at;             /* UINT64_MAX: never */
    bool unknown;                 /* above a GOAWAY: not looked at */
    bool answered, stopped, resets;
    bool closed;
    int32_t uncredited;
};

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

static void note(const struct h2_script *script, const char *what)
{
    worker_note(script->conn->worker, script->request, what);
}

static void after(const struct h2_link *conn, int64_t delay_ns, io_sim_timer_fn fn, void *context)
{
    io_sim_after(conn->worker->world->net, delay_ns, fn, context);
}

/* Whose RST_STREAM has not left is not known to have failed: all that the balancer sees is a closed connection. */
static void close_conn(struct h2_link *conn, bool reset)
{
    if (conn->peer == NULL)
        return;
    bool all_left = io_sim_peer_unsent(conn->peer) == 0;
    io_sim_peer_close(&conn->peer, reset);
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (script->log != NULL && !(script->closed && all_left))
            script->log->failed_on &= ~(1u << conn->worker->index);
        script->closed = true;
    }
}

/* ---- sending ---- */

static void reset_stopped(struct h2_link *conn)
{
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (!script->resets || script->closed)
            continue;
        script->resets = false;
        ASSERT(nghttp2_submit_rst_stream(conn->h2, 0, script->id,
                                         script->request->answer.kind == ANSWER_CUT ? NGHTTP2_CANCEL
                                                                                    : NGHTTP2_INTERNAL_ERROR) == 0);
    }
}

/* As much as is to wait: what gives credit must not stand behind whole bodies. */
static void pump(struct h2_link *conn)
{
    const uint8_t *bytes;
    ssize_t n = 1;
    if (conn->pumping || conn->peer == NULL || conn->ended)
        return;
    conn->pumping = true;
    while (n > 0 && io_sim_peer_unsent(conn->peer) < AHEAD_BYTES) {
        reset_stopped(conn);
        n = nghttp2_session_mem_send(conn->h2, &bytes);
        ASSERT(n >= 0);
        if (n > 0)
            io_sim_peer_send(conn->peer, bytes, (size_t)n);
    }
    conn->pumping = false;
    bool over = !nghttp2_session_want_read(conn->h2) && !nghttp2_session_want_write(conn->h2);
    conn->ended = (over || (conn->leaving && conn->open == 0)) && n == 0 && io_sim_peer_unsent(conn->peer) == 0;
    if (conn->ended)
        io_sim_peer_shutdown(conn->peer);
}

static void begin_idling(struct h2_link *conn);

/* An answer is over when it has left: until then the connection may not be closed. */
static void on_idle(void *context)
{
    struct h2_link *conn = context;
    bool reset = plan_of(conn)->closes_by_reset;
    if (conn->peer == NULL || conn->open > 0 || conn->leaving || world_now_ns(conn->worker->world) < conn->idle_due_ns)
        return;
    if (io_sim_peer_unsent(conn->peer) > 0) {
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
    pump(conn);
}

static void begin_idling(struct h2_link *conn)
{
    int64_t ns = plan_of(conn)->idle_close_ms * NS_PER_MS;
    if (ns == 0 || conn->open > 0 || conn->peer == NULL)
        return;
    conn->idle_due_ns = world_now_ns(conn->worker->world) + ns;
    after(conn, ns, on_idle, conn);
}

/* ---- answers ---- */

static void on_gap(void *context)
{
    struct h2_script *script = context;
    if (script->closed || script->conn->peer == NULL)
        return;
    script->allowed += script->all / script->request->answer.pieces + 1;
    nghttp2_session_resume_data(script->conn->h2, script->id);
    pump(script->conn);
}

static void stop(struct h2_script *script)
{
    enum plan_answer_kind kind = script->request->answer.kind;
    script->stopped = true;
    script->resets = kind != ANSWER_STALL;
    script->log->stalled_ns = world_now_ns(script->conn->worker->world);
    note(script, kind == ANSWER_STALL ? "stalls inside its answer to" : "resets the stream inside its answer to");
}

static ssize_t end_body(nghttp2_session *h2, const struct h2_script *script, uint32_t *flags, size_t n)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (script->request == NULL)
        return (ssize_t)n;
    script->log->answered_ns = world_now_ns(script->conn->worker->world);
    if (script->request->answer.trailers) {
        char value[16];
        snprintf(value, sizeof(value), "%u", script->request->id);
        nghttp2_nv trailer = h2_script_field("x-sim-end", value);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        ASSERT(nghttp2_submit_trailer(h2, script->id, &trailer, 1) == 0);
    }
    return (ssize_t)n;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    struct h2_script *script = source->ptr;
    uint64_t until = script->all < script->allowed ? script->all : script->allowed;
    if (script->stopped)
        return NGHTTP2_ERR_DEFERRED;
    if (until > script->stop_at)
        until = script->stop_at;
    size_t n = until - script->given < room ? (size_t)(until - script->given) : room;
    struct sim_bytes bytes = {0};
    if (script->request != NULL)
        wire_append_body(&bytes, world_answer_key(script->conn->worker->world, script->request->id), script->given, n);
    else
        wire_append(&bytes, "ok");
    memcpy(out, sim_bytes_all(&bytes).p, n);
    sim_bytes_free(&bytes);
    script->given += n;
    if (script->given == script->stop_at)
        stop(script);
    else if (script->given == script->all)
        return end_body(h2, script, flags, n);
    else if (script->given == script->allowed)
        after(script->conn, script->request->answer.gap_ms * NS_PER_MS, on_gap, script);
    return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

static void send_head(struct h2_script *script, const nghttp2_nv *fields, size_t count, bool ends)
{
    nghttp2_data_provider body = {.source.ptr = script, .read_callback = read_body};
    ASSERT(nghttp2_submit_response(script->conn->h2, script->id, fields, count, ends ? NULL : &body) == 0);
    if (ends && script->request != NULL)
        script->log->answered_ns = world_now_ns(script->conn->worker->world);
}

static bool is_bodiless(const struct plan_request *request)
{
    return request->method == PLAN_HEAD || request->answer.status == 204 || request->answer.status == 304;
}

/* With a length that its body has not; 0: as planned. */
static void answer_right(struct h2_script *script, uint32_t wrong_length)
{
    const struct plan_answer *answer = &script->request->answer;
    char status[8], said[24], bytes[16];
    snprintf(status, sizeof(status), "%u", answer->status);
    snprintf(said, sizeof(said), "%u.%u", script->request->id, script->conn->worker->index);
    snprintf(bytes, sizeof(bytes), "%u", wrong_length > 0 ? wrong_length : answer->body_bytes);
    const nghttp2_nv fields[] = {h2_script_field(":status", status), h2_script_field("x-sim", said),
                                 h2_script_field("content-length", bytes)};
    bool sized = answer->framing == PLAN_LENGTH && answer->status != 204 && answer->status != 304;
    bool ends = is_bodiless(script->request) || (answer->body_bytes == 0 && !answer->trailers);
    script->all = answer->body_bytes;
    send_head(script, fields, sized || wrong_length > 0 ? 3 : 2, ends);
}

/* What may not be passed on: found in the head, or in a body that is shorter or longer than the head said. */
static void answer_garbage(struct h2_script *script)
{
    const nghttp2_nv ok = h2_script_field(":status", "200"), low = h2_script_field(":status", "99"),
                     switching = h2_script_field(":status", "101"), close = h2_script_field("connection", "close"),
                     coding = h2_script_field("transfer-encoding", "chunked");
    const nghttp2_nv heads[][2] = {{low, ok}, {switching, switching}, {ok, close}, {ok, ok}, {close, ok}, {ok, coding}};
    if (script->request->answer.garbage == 3 && !is_bodiless(script->request))
        answer_right(script, script->request->answer.body_bytes + 3);
    else
        send_head(script, heads[script->request->answer.garbage], 2, true);
}

/* Where its body ends too early; UINT64_MAX: nowhere. False: not even its head comes. */
static bool set_stop(struct h2_script *script)
{
    const struct plan_answer *answer = &script->request->answer;
    script->stop_at = UINT64_MAX;
    if (answer->kind != ANSWER_STALL && answer->kind != ANSWER_CUT && answer->kind != ANSWER_RESET)
        return true;
    if (is_bodiless(script->request) || answer->body_bytes == 0 || answer->at_byte < HEAD_BYTES)
        return false;
    script->stop_at = answer->at_byte - HEAD_BYTES;
    if (script->stop_at >= answer->body_bytes)
        script->stop_at = answer->body_bytes - 1;
    return true;
}

static void send_interims(struct h2_script *script)
{
    char id[16];
    snprintf(id, sizeof(id), "%u", script->request->id);
    for (uint8_t i = 0; i < script->request->answer.interims; i++) {
        const nghttp2_nv fields[] = {h2_script_field(":status", i % 2 ? "102" : "103"),
                                     h2_script_field("x-sim-hint", id)};
        ASSERT(nghttp2_submit_headers(script->conn->h2, 0, script->id, NULL, fields, 2, NULL) == 0);
    }
}

static void leave_after(struct h2_script *script);

static void begin_answer(struct h2_script *script)
{
    const struct plan_answer *answer = &script->request->answer;
    script->answered = true;
    if (answer->kind == ANSWER_HANG) {
        note(script, "says nothing to");
        return;
    }
    note(script, "answers");
    send_interims(script);
    script->allowed = answer->pieces > 1 ? answer->body_bytes / answer->pieces + 1 : UINT64_MAX;
    if (!set_stop(script)) {
        if (answer->interims == 0 && answer->kind != ANSWER_STALL)
            script->log->failed_on |= 1u << script->conn->worker->index;
        stop(script);
    } else if (answer->kind == ANSWER_GARBAGE) {
        answer_garbage(script);
    } else {
        answer_right(script, 0);
        if (answer->close_after)
            leave_after(script);
    }
    pump(script->conn);
}

static void on_delay(void *context)
{
    struct h2_script *script = context;
    if (script->conn->peer != NULL && !script->closed && !script->answered)
        begin_answer(script);
}

static void answer_later(struct h2_script *script)
{
    uint32_t delay = script->request->answer.delay_ms;
    after(script->conn, delay * NS_PER_MS, on_delay, script); /* not from inside the library */
}

static void answer_probe(struct h2_script *script)
{
    struct sim_worker *worker = script->conn->worker;
    const struct plan_window *window = worker_window(worker, WINDOW_STATUS, WINDOW_GARBAGE);
    const nghttp2_nv good = h2_script_field(":status", "200"), bad = h2_script_field(":status", "503"),
                     low = h2_script_field(":status", "99");
    script->stop_at = script->allowed = UINT64_MAX;
    script->all = 2;
    worker->good_answers += window == NULL;
    if (window == NULL)
        send_head(script, &good, 1, false);
    else if (window->kind == WINDOW_STATUS)
        send_head(script, &bad, 1, true);
    else if (window->kind == WINDOW_GARBAGE)
        send_head(script, &low, 1, true);
    else if (window->kind == WINDOW_CUT)
        script->conn->cut = true;
}

/* ---- GOAWAY ---- */

/* With a notice, and named only when the other side has seen it: nothing is lost by it. */
static void leave_after(struct h2_script *script)
{
    struct h2_link *conn = script->conn;
    if (conn->noticed || conn->leaving)
        return;
    conn->noticed = true;
    note(script, "says that it will leave after");
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
    note(script, "leaves before");
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
    note(script, "refuses the stream of");
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
        note(script, "cuts its connection on");
        conn->cut = true;
        return true;
    }
    if (!script->request->answer.cut_first || script->log->begun > 1 || script->log->refused > 0)
        return false;
    note(script, "resets the first try of");
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
        note(script, "gets the head of");
        check_request_head(conn->worker, reader, script->request);
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
        answer_later(script);
    else if (wire_reader_field(reader, "Expect", &value) == 1 && answer->kind == ANSWER_RIGHT)
        ASSERT(nghttp2_submit_headers(conn->h2, 0, script->id, NULL, &go_on, 1, NULL) == 0);
}

static void request_is_whole(struct h2_script *script)
{
    struct wire_reader *reader = &script->reader;
    if (script->request == NULL) {
        answer_probe(script);
        return;
    }
    if (reader->state != WIRE_OPEN && reader->state != WIRE_DONE)
        check_fail("strict", TRACE_NOBODY, id_of(script), "w%u gets the end of q%d before its body's",
                   script->conn->worker->index, id_of(script));
    script->log->handled++;
    script->log->whole_ns = world_now_ns(script->conn->worker->world);
    note(script, "has all of");
    check_request_whole(script->conn->worker, reader, script->request);
    if (!script->request->answer.early)
        answer_later(script);
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
    if (str_eq(field, STR(":method")))
        n = snprintf(line, sizeof(line), "%.*s ", STR_ARG(said));
    else if (str_eq(field, STR(":path")))
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
    if (ends && !script->unknown && !conn->cut)
        request_is_whole(script);
    return 0;
}

static void on_credit(void *context)
{
    struct h2_link *conn = context;
    conn->credit_waits = false;
    LIST_FOREACH (link, &conn->streams) {
        struct h2_script *script = CONTAINER_OF(link, struct h2_script, link);
        if (conn->peer != NULL && script->uncredited > 0)
            nghttp2_session_consume(conn->h2, script->id, (size_t)script->uncredited);
        script->uncredited = 0;
    }
    pump(conn);
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
            after(conn, plan_of(conn)->credit_ms * NS_PER_MS, on_credit, conn);
        conn->credit_waits = true;
    }
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *context)
{
    struct h2_script *script = stream_of(h2, id);
    struct str all = str_slice((const char *)bytes, n);
    give_credit(context, script, id, n);
    if (script != NULL && wire_reader_feed(&script->reader, all, false) < n)
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
        note(script, "sees the end of the stream of");
    script->closed = true;
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
        io_sim_peer_send(conn->peer, "this is no frame of HTTP/2", 26);
    close_conn(conn, plan_of(conn)->closes_by_reset);
}

static void read_bytes(struct h2_link *conn)
{
    while (conn->peer != NULL) {
        struct str got = io_sim_peer_received(conn->peer);
        if (got.n == 0)
            return;
        ssize_t used = nghttp2_session_mem_recv(conn->h2, (const uint8_t *)got.p, got.n);
        if (used < 0)
            check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets what is no HTTP/2: %s", conn->worker->index,
                       nghttp2_strerror((int)used));
        io_sim_peer_take(conn->peer, got.n);
        if (conn->cut)
            break_off(conn);
        pump(conn);
    }
}

static void on_event(struct io_sim_peer *peer, void *context)
{
    struct h2_link *conn = context;
    read_bytes(conn);
    pump(conn);
    if (conn->peer == NULL)
        return;
    enum io_sim_peer_state state = io_sim_peer_state(peer);
    if (state == IO_SIM_PEER_ENDED || state == IO_SIM_PEER_RESET)
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

void worker_h2_accept(struct io_sim_peer *peer, void *context)
{
    struct sim_worker *worker = context;
    struct h2_link *conn = sim_take(sizeof(*conn));
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker->plan->streams},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, worker->plan->h2_window}};
    conn->worker = worker;
    conn->peer = peer;
    conn->last = INT32_MAX;
    conn->h2 = create_session(conn);
    list_init(&conn->streams);
    list_init(&conn->link);
    list_append(&worker->conns, &conn->link);
    ASSERT(nghttp2_submit_settings(conn->h2, 0, settings, 2) == 0);
    io_sim_peer_on_event(peer, on_event, conn);
    pump(conn);
}

void worker_h2_leave(struct sim_worker *worker, enum plan_window_kind how)
{
    LIST_FOREACH (link, &worker->conns) {
        struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        if (conn->peer != NULL && how == WINDOW_DARK)
            io_sim_peer_dark(conn->peer);
        else
            close_conn(conn, how == WINDOW_DIE || conn->open > 0);
    }
}

void worker_h2_check(const struct sim_worker *worker)
{
    LIST_FOREACH (link, &worker->conns) {
        const struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        uint64_t unsent = conn->peer != NULL ? io_sim_peer_unsent(conn->peer) : 0;
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
    while ((link = list_pop(&worker->conns)) != NULL) {
        struct h2_link *conn = CONTAINER_OF(link, struct h2_link, link);
        close_conn(conn, true);
        nghttp2_session_del(conn->h2);
        while ((link = list_pop(&conn->streams)) != NULL)
            free(CONTAINER_OF(link, struct h2_script, link));
        free(conn);
    }
}
