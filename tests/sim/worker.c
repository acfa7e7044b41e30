/* A scripted worker: takes requests on its connections and answers each as the request's plan says, right or wrong;
 * answers probes by its windows; dies, comes back, closes what idles. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/worker.h"

#define NS_PER_MS INT64_C(1000000)

struct conn_script {
    struct list link; /* the worker's */
    struct sim_worker *worker;
    struct worker_line line;
    struct wire_reader reader;
    struct pacer out;
    const struct plan_request *request; /* of a client; NULL: a probe */
    struct request_log *log;
    uint32_t served;
    int64_t idle_due_ns;
    int64_t idle_from_ns; /* the balancer had read all of the last answer; 0: not yet */
    uint64_t answer_from; /* where the answer begins in out */
    struct tunnel_end tunnel;
    bool held; /* its tunnel is counted in world->tunnels_held */
    bool paused;
    bool busy;     /* a request is here, and not all of it or of its answer is gone */
    bool answered; /* the answer was begun */
    bool gone;     /* and was sent: queued, at least */
    bool resting;  /* and has left: nothing is queued */
    bool leaving;  /* closes when it has left */
    bool ended;    /* has said its end, and waits for the other side's */
};

static int64_t now_ms(const struct sim_worker *worker)
{
    return (world_now_ns(worker->world) - worker->world->start_ns) / NS_PER_MS;
}

static int id_of(const struct conn_script *conn)
{
    return conn->request != NULL ? (int)conn->request->id : TRACE_NOBODY;
}

static int client_of(const struct conn_script *conn)
{
    return conn->request != NULL ? (int)(conn->request->id - 1000) / 100 : TRACE_NOBODY;
}

void worker_note(const struct sim_worker *worker, const struct plan_request *request, const char *what)
{
    if (request != NULL)
        trace_line((int)(request->id - 1000) / 100, (int)request->id, "w%u %s q%u", worker->index, what, request->id);
}

static void note(const struct conn_script *conn, const char *what)
{
    worker_note(conn->worker, conn->request, what);
}

/* Where that is the end of an answer it must be said; else it is as the worker does. */
static enum line_close how_it_closes(const struct conn_script *conn, bool reset)
{
    const struct plan_answer *answer = conn->request != NULL ? &conn->request->answer : NULL;
    bool silent = conn->worker->plan->tls.silent && conn->tunnel.request == NULL;
    if (answer != NULL && answer->framing == PLAN_CLOSE)
        silent = answer->kind != ANSWER_RIGHT;
    return reset ? LINE_RESET : silent ? LINE_CUT : LINE_WORD;
}

static void drop(struct conn_script *conn, bool reset)
{
    if (conn->line.peer == NULL)
        return;
    if (conn->tunnel.request != NULL && reset)
        sim_tunnel_log_of(&conn->tunnel)->reset_ns = world_now_ns(conn->worker->world);
    conn->worker->world->tunnels_held -= conn->held;
    conn->held = false;
    worker_line_close(&conn->line, how_it_closes(conn, reset));
}

/* The first window of these kinds that is open at this time. */
static const struct plan_window *window_at(const struct sim_worker *worker, int64_t ms, enum plan_window_kind low,
                                           enum plan_window_kind high)
{
    for (uint32_t i = 0; i < worker->plan->windows; i++) {
        const struct plan_window *window = &worker->plan->window[i];
        if (ms >= window->from_ms && ms < window->to_ms && window->kind >= low && window->kind <= high)
            return window;
    }
    return NULL;
}

const struct plan_window *worker_window(const struct sim_worker *worker, enum plan_window_kind low,
                                        enum plan_window_kind high)
{
    return window_at(worker, now_ms(worker), low, high);
}

static const struct plan_window *away_at(const struct sim_worker *worker, int64_t ms)
{
    return window_at(worker, ms, WINDOW_DIE, WINDOW_DARK);
}

/* ---- what is answered ---- */

static const char garbage_wish[] = "nonsense and more of it\r\n\r\n";

/* It was drawn for HTTP/2, perhaps. */
static bool closes_after(const struct plan_answer *answer)
{
    return answer->close_after || answer->framing == PLAN_CLOSE;
}

static void write_fields(struct sim_bytes *out, const struct conn_script *conn, const struct plan_answer *answer)
{
    wire_append(out, "X-Sim: %u.%u\r\nX-Hop: 1\r\nConnection: X-Hop%s\r\n", conn->request->id, conn->worker->index,
                closes_after(answer) ? ", close" : "");
    if (answer->status == 204 || answer->status == 304)
        return;
    if (answer->framing == PLAN_LENGTH)
        wire_append(out, "Content-Length: %u\r\n", answer->body_bytes);
    if (answer->framing == PLAN_CHUNKED)
        wire_append(out, "Transfer-Encoding: chunked\r\n");
}

static void write_answer(struct sim_bytes *out, const struct conn_script *conn)
{
    const struct plan_answer *answer = &conn->request->answer;
    uint64_t key = world_answer_key(conn->worker->world, conn->request->id);
    char trailers[40] = "";
    wire_append(out, "HTTP/1.%d %u Said\r\n", answer->old ? 0 : 1, answer->status);
    write_fields(out, conn, answer);
    wire_append(out, "\r\n");
    if (conn->request->method == PLAN_HEAD || answer->status == 204 || answer->status == 304)
        return;
    if (answer->trailers)
        snprintf(trailers, sizeof(trailers), "X-Sim-End: %u\r\n", conn->request->id);
    if (answer->framing == PLAN_CHUNKED)
        wire_append_chunks(out, key, answer->body_bytes, trailers);
    else
        wire_append_body(out, key, 0, answer->body_bytes);
}

static void write_garbage(struct sim_bytes *out, const struct conn_script *conn)
{
    uint64_t key = world_answer_key(conn->worker->world, conn->request->id);
    switch (conn->request->answer.garbage) {
    case 0: wire_append(out, "%s", garbage_wish); break;
    case 1: wire_append(out, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"); break;
    case 2:
        wire_append(out, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        break;
    case 3:
        wire_append(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Sim: %u.%u\r\n\r\n5\r\n",
                    conn->request->id, conn->worker->index);
        wire_append_body(out, key, 0, 5);
        wire_append(out, "\r\nzz\r\n");
        break;
    case 4: wire_append(out, "HTTP/1.1 99 Low\r\n\r\n"); break;
    default: wire_append(out, "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n"); break;
    }
}

/* A whole answer that nobody asked for: whoever gets it was given another's. */
static void write_extra(struct sim_bytes *out)
{
    wire_append(out, "HTTP/1.1 200 Extra\r\nX-Sim: 9.9\r\nContent-Length: 4\r\n\r\nmore");
}

static bool switches(const struct conn_script *conn)
{
    const struct plan_request *request = conn->request;
    return request->tunnel.asked && !request->tunnel.refused && request->answer.kind != ANSWER_GARBAGE;
}

static void write_switch(struct sim_bytes *out, const struct conn_script *conn)
{
    struct str key = STR("");
    wire_reader_field(&conn->reader, "Sec-WebSocket-Key", &key);
    conn->log->tunnel.lied = conn->request->tunnel.lies;
    sim_tunnel_write_switch(out, conn->request, conn->worker->index, key);
}

static void write_some_answer(struct conn_script *conn)
{
    struct sim_bytes *out = &conn->out.bytes;
    if (conn->request->answer.kind == ANSWER_GARBAGE)
        write_garbage(out, conn);
    else if (switches(conn))
        write_switch(out, conn);
    else
        write_answer(out, conn);
    if (conn->request->answer.extra)
        write_extra(out);
}

static void say_in_tunnel(void *context)
{
    struct conn_script *conn = context;
    pacer_kick(&conn->out);
}

static void shut_tunnel(void *context)
{
    struct conn_script *conn = context;
    worker_line_shutdown(&conn->line);
}

/* Its 101 is written, and leaves with the first bytes behind it. */
static void begin_tunnel(struct conn_script *conn)
{
    const struct plan_tunnel *tunnel = &conn->request->tunnel;
    struct world *world = conn->worker->world;
    wire_reader_start(&conn->reader);
    conn->reader.state = WIRE_OPEN;
    conn->reader.key = world_request_key(world, conn->request->id);
    conn->tunnel = (struct tunnel_end){
        .world = world,
        .request = conn->request,
        .out = &conn->out,
        .words = &conn->out.bytes,
        .say = say_in_tunnel,
        .shut = shut_tunnel,
        .context = conn,
    };
    uint32_t piece = tunnel->down_pieces > 1 ? tunnel->down_bytes / tunnel->down_pieces + 1 : 0;
    conn->out.piece = piece > 0 ? piece + conn->out.bytes.n : 0;
    conn->out.gap_ns = tunnel->down_gap_ms * NS_PER_MS;
    conn->held = plan_excuse(world->plan, (conn->request->id - 1000) / 100, (conn->request->id - 1000) % 100) == NULL;
    world->tunnels_held += conn->held;
    sim_tunnel_open(&conn->tunnel);
    pacer_kick(&conn->out);
    conn->out.piece = piece;
}

/* All of it may have come, and it is cut. */
static bool ends_by_word(const struct conn_script *conn)
{
    const struct plan_answer *answer = &conn->request->answer;
    return conn->line.tls != NULL && answer->framing == PLAN_CLOSE && answer->kind == ANSWER_CUT && !switches(conn);
}

static void begin_answer(struct conn_script *conn)
{
    const struct plan_answer *answer = &conn->request->answer;
    struct sim_bytes *out = &conn->out.bytes;
    conn->answered = true;
    conn->answer_from = UINT64_MAX;
    if (answer->kind == ANSWER_HANG) {
        note(conn, "says nothing to");
        return;
    }
    for (uint8_t i = 0; i < answer->interims; i++)
        wire_append(out, "HTTP/1.1 %d Early\r\nX-Sim-Hint: %u\r\n\r\n", i % 2 ? 102 : 103, conn->request->id);
    size_t head_at = out->n;
    conn->answer_from = conn->out.sent + head_at;
    write_some_answer(conn);
    size_t whole = out->n + (switches(conn) ? conn->request->tunnel.down_bytes : 0);
    if (answer->kind == ANSWER_STALL || answer->kind == ANSWER_CUT || answer->kind == ANSWER_RESET) {
        size_t at = head_at + (size_t)answer->at_byte, most = ends_by_word(conn) ? whole : whole - 1;
        conn->out.stop_at = conn->out.sent + (at < most ? at : most);
    }
    conn->out.piece = answer->pieces > 1 ? out->n / answer->pieces + 1 : 0;
    conn->out.gap_ns = answer->gap_ms * NS_PER_MS;
    note(conn, switches(conn) ? "switches for" : "answers");
    if (switches(conn))
        begin_tunnel(conn);
    else
        pacer_kick(&conn->out);
}

static void on_delay(void *context)
{
    struct conn_script *conn = context;
    if (conn->line.peer != NULL && conn->busy && !conn->answered)
        begin_answer(conn);
}

static void answer_later(struct conn_script *conn)
{
    uint32_t delay = conn->request->answer.delay_ms;
    if (delay > 0)
        io_sim_after(conn->worker->world->net, delay * NS_PER_MS, on_delay, conn);
    else
        begin_answer(conn);
}

static void answer_probe(struct conn_script *conn)
{
    struct sim_worker *worker = conn->worker;
    const struct plan_window *window = worker_window(worker, WINDOW_STATUS, WINDOW_GARBAGE);
    if (window == NULL) {
        worker->good_answers++;
        wire_append(&conn->out.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    } else if (window->kind == WINDOW_STATUS) {
        wire_append(&conn->out.bytes, "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
    } else if (window->kind == WINDOW_GARBAGE) {
        wire_append(&conn->out.bytes, "%s", garbage_wish);
    } else if (window->kind == WINDOW_CUT) {
        drop(conn, false);
    }
    pacer_kick(&conn->out);
}

/* ---- what comes in ---- */

static void on_event(struct io_sim_peer *peer, void *context);

/* Made for the request that it has. One that was made before it was needed looks the same from here, and may have
 * idled. */
static bool is_fresh(const struct conn_script *conn)
{
    return conn->served == 0 && conn->worker->world->plan->warm_per_worker == 0;
}

/* The worst moment: the connection goes away as a request comes in on it. True when it did. */
static bool close_on_request(struct conn_script *conn)
{
    const struct plan_worker *plan = conn->worker->plan;
    const struct plan_answer *answer = &conn->request->answer;
    if (conn->served > 0 && plan->close_on_request_per > 0 &&
        rand_below(&conn->worker->rand, 100) < plan->close_on_request_per) {
        note(conn, "closes its idle connection on");
        drop(conn, plan->closes_by_reset);
        return true;
    }
    if (!answer->cut_first || conn->log->begun > 1)
        return false;
    if (is_fresh(conn))
        conn->log->failed_on |= 1u << conn->worker->index;
    note(conn, "cuts the first try of");
    drop(conn, answer->cut_resets);
    return true;
}

/* Nothing that it sends arrives then: its closings are not seen either. */
static bool goes_away(const struct plan_worker *plan)
{
    for (uint32_t i = 0; i < plan->windows; i++)
        if (plan->window[i].kind >= WINDOW_DIE)
            return true;
    return false;
}

bool worker_closings_are_seen(const struct sim_worker *worker)
{
    static const int64_t seen_ns = 100 * NS_PER_MS;
    return worker->idle_closings >= 3 && world_now_ns(worker->world) - worker->idle_closed_ns >= seen_ns;
}

/* When it has been seen often enough how long this worker keeps idle connections, none comes that is about to be
 * closed. */
static void check_idle_age(const struct conn_script *conn)
{
    const struct sim_worker *worker = conn->worker;
    int64_t now = world_now_ns(worker->world);
    if (!plan_has(worker->world->plan, FAMILY_KEEP_ALIVE) || goes_away(worker->plan) || conn->served == 0 ||
        worker->idle_untold || !worker_closings_are_seen(worker) || conn->idle_from_ns == 0)
        return;
    int64_t idle_ms = (now - conn->idle_from_ns) / NS_PER_MS;
    if (idle_ms * 100 >= (int64_t)worker->plan->idle_close_ms * 97)
        check_fail("idle-age", client_of(conn), id_of(conn),
                   "w%u closes connections after %u ms idle, has closed %u, and gets a request on one after %lld ms",
                   worker->index, worker->plan->idle_close_ms, worker->idle_closings, (long long)idle_ms);
}

const struct plan_request *worker_identify(const struct sim_worker *worker, const struct wire_reader *reader)
{
    const struct plan_request *request = NULL;
    unsigned pool = 0, id = 0;
    char target[64];
    if (str_eq(reader->target, STR("/health")))
        return NULL;
    snprintf(target, sizeof(target), "%.*s", STR_ARG(reader->target));
    if (sscanf(target, "/p%u/q/%u", &pool, &id) == 2)
        request = plan_find(worker->world->plan, id);
    if (request == NULL)
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets a request that nobody sent: %.*s", worker->index,
                   (int)reader->head_n, reader->head);
    return request;
}

static void head_is_whole(struct conn_script *conn)
{
    struct wire_reader *reader = &conn->reader;
    struct str value;
    conn->busy = true;
    conn->answered = false;
    conn->gone = false;
    conn->resting = false;
    conn->request = worker_identify(conn->worker, reader);
    if (conn->request == NULL) {
        wire_reader_body(reader, false, false);
        return;
    }
    conn->log = world_log(conn->worker->world, conn->request->id);
    conn->log->begun++;
    note(conn, "gets the head of");
    check_request_head(conn->worker, reader, conn->request);
    check_switch_asked(conn->worker, reader, conn->request);
    check_idle_age(conn);
    reader->key = world_request_key(conn->worker->world, conn->request->id);
    wire_reader_body(reader, false, false);
    if (close_on_request(conn))
        return;
    const struct plan_answer *answer = &conn->request->answer;
    if (answer->early && !hostile_in_body(conn->request->hostile))
        answer_later(conn);
    else if (wire_reader_field(reader, "Expect", &value) == 1 && answer->kind == ANSWER_RIGHT)
        worker_line_send(&conn->line, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void request_is_whole(struct conn_script *conn)
{
    if (conn->request == NULL) {
        answer_probe(conn);
        return;
    }
    conn->log->handled++;
    conn->log->whole_ns = world_now_ns(conn->worker->world);
    note(conn, "has all of");
    check_request_whole(conn->worker, &conn->reader, conn->request);
    if (!conn->request->answer.early)
        answer_later(conn);
    else if (conn->gone)
        conn->busy = false;
}

static void on_read_again(void *context)
{
    struct conn_script *conn = context;
    conn->paused = false;
    if (conn->line.peer == NULL)
        return;
    io_sim_peer_pause(conn->line.peer, false);
    on_event(conn->line.peer, conn);
}

static void read_tunnel(struct conn_script *conn, struct str got)
{
    uint32_t pause_ms = conn->request->tunnel.worker_pause_ms;
    worker_line_take(&conn->line, wire_reader_feed(&conn->reader, got, false));
    sim_tunnel_read(&conn->tunnel, &conn->reader);
    if (pause_ms == 0 || conn->line.peer == NULL)
        return;
    conn->paused = true;
    io_sim_peer_pause(conn->line.peer, true);
    io_sim_after(conn->worker->world->net, pause_ms * NS_PER_MS, on_read_again, conn);
}

static void read_bytes(struct conn_script *conn)
{
    while (conn->line.peer != NULL && !conn->paused) {
        struct str got = worker_line_received(&conn->line);
        if (got.n == 0)
            return;
        if (conn->ended) {
            worker_line_take(&conn->line, got.n);
            continue;
        }
        if (conn->tunnel.request != NULL) {
            read_tunnel(conn, got);
            continue;
        }
        if (conn->reader.state == WIRE_DONE && conn->busy)
            check_fail("no-mixing", client_of(conn), id_of(conn),
                       "w%u gets bytes behind q%d, whose answer is not over: %.60s", conn->worker->index, id_of(conn),
                       got.p);
        if (conn->reader.state == WIRE_DONE)
            wire_reader_start(&conn->reader);
        size_t used = wire_reader_feed(&conn->reader, got, false);
        worker_line_take(&conn->line, used);
        if (conn->reader.bad != NULL)
            check_fail("strict", client_of(conn), id_of(conn), "w%u gets %s: %.*s", conn->worker->index,
                       conn->reader.bad, (int)conn->reader.head_n, conn->reader.head);
        if (conn->reader.state == WIRE_READY)
            head_is_whole(conn);
        if (conn->line.peer != NULL && conn->reader.state == WIRE_DONE)
            request_is_whole(conn);
    }
}

static void on_idle(void *context)
{
    static const int64_t apart_ns = 200 * NS_PER_MS;
    struct conn_script *conn = context;
    struct sim_worker *worker = conn->worker;
    int64_t now = world_now_ns(worker->world);
    if (conn->line.peer == NULL || conn->ended || !conn->resting || now < conn->idle_due_ns)
        return;
    conn->ended = conn->line.tls != NULL && worker->plan->tls.lingers;
    if (conn->ended)
        worker_line_say_end(&conn->line);
    else
        drop(conn, worker->plan->closes_by_reset);
    /* One whose client has not taken all of the answer is not idle to the balancer. */
    if (conn->request == NULL || conn->log->outcome == OUTCOME_NONE || now - worker->idle_closed_ns < apart_ns)
        return;
    worker->idle_closings++;
    worker->idle_closed_ns = now;
}

/* An answer is over when it has left: until then neither is the connection idle, nor may it be closed. */
static void rest_when_sent(struct conn_script *conn)
{
    const struct sim_worker *worker = conn->worker;
    if (conn->line.peer == NULL || io_sim_peer_unsent(conn->line.peer) > 0)
        return;
    if (conn->leaving && how_it_closes(conn, false) == LINE_WORD)
        worker_line_say_end(&conn->line); /* which has to leave too */
    if (conn->leaving) {
        if (io_sim_peer_unsent(conn->line.peer) == 0)
            drop(conn, false);
        return;
    }
    if (conn->resting || conn->busy || !conn->gone)
        return;
    conn->resting = true;
    conn->idle_from_ns = 0;
    if (worker->plan->idle_close_ms == 0)
        return;
    conn->idle_due_ns = world_now_ns(worker->world) + worker->plan->idle_close_ms * NS_PER_MS;
    io_sim_after(worker->world->net, worker->plan->idle_close_ms * NS_PER_MS, on_idle, conn);
}

/* Its client's end was passed on, or it was reset. */
static void end_tunnel(struct conn_script *conn, bool clean)
{
    if (!conn->tunnel.heard_end)
        check_tunnel_end(&conn->tunnel, clean);
    if (clean)
        sim_tunnel_hear_end(&conn->tunnel);
    if (conn->line.peer != NULL && (!clean || conn->out.stopped || sim_tunnel_is_over(&conn->tunnel)))
        drop(conn, false);
}

static void on_event(struct io_sim_peer *peer, void *context)
{
    struct conn_script *conn = context;
    read_bytes(conn);
    rest_when_sent(conn);
    if (conn->line.peer == NULL)
        return;
    enum io_sim_peer_state state = io_sim_peer_state(peer);
    if (state == IO_SIM_PEER_RESET && conn->paused)
        io_sim_peer_pause(peer, false); /* what came before the reset can still be read */
    if (state != IO_SIM_PEER_ENDED && state != IO_SIM_PEER_RESET)
        return;
    if (conn->tunnel.request != NULL) {
        end_tunnel(conn, worker_line_ended_well(&conn->line));
    } else {
        check_line_end(&conn->line, conn->resting);
        if (conn->busy)
            note(conn, state == IO_SIM_PEER_ENDED ? "sees the end inside" : "is reset inside");
        drop(conn, false);
    }
}

/* ---- after an answer ---- */

static void on_answer_sent(void *context)
{
    struct conn_script *conn = context;
    struct sim_worker *worker = conn->worker;
    if (conn->tunnel.request != NULL) {
        sim_tunnel_sent(&conn->tunnel);
        if (sim_tunnel_is_over(&conn->tunnel))
            drop(conn, false);
        return;
    }
    if (!conn->busy)
        return; /* an answer to nothing: an interim one */
    conn->busy = conn->reader.state != WIRE_DONE;
    conn->gone = true;
    if (conn->request != NULL)
        conn->log->answered_ns = world_now_ns(worker->world);
    conn->served++;
    conn->leaving =
        conn->request != NULL && conn->request->answer.kind == ANSWER_RIGHT && closes_after(&conn->request->answer);
    rest_when_sent(conn);
}

static void on_answer_progress(void *context)
{
    const struct conn_script *conn = context;
    if (conn->tunnel.request != NULL)
        sim_tunnel_note_moved(&conn->tunnel);
}

static void send_words(void *context, struct str words)
{
    struct conn_script *conn = context;
    worker_line_send(&conn->line, words);
}

static void on_answer_stop(void *context)
{
    struct conn_script *conn = context;
    const struct plan_answer *answer = &conn->request->answer;
    note(conn, answer->kind == ANSWER_STALL ? "stalls inside its answer to"
               : answer->kind == ANSWER_CUT ? "cuts its answer to"
                                            : "resets inside its answer to");
    if (is_fresh(conn) && conn->out.sent == 0 && answer->kind != ANSWER_STALL)
        conn->log->failed_on |= 1u << conn->worker->index;
    if (conn->out.bytes.n > 0 && answer->at_byte % 2 == 0)
        worker_line_send_half(&conn->line, sim_bytes_all(&conn->out.bytes));
    if (!conn->line.garbled) /* which ends it before its time */
        conn->log->stalled_ns = world_now_ns(conn->worker->world);
    if (answer->kind != ANSWER_STALL)
        drop(conn, answer->kind == ANSWER_RESET);
}

/* ---- life ---- */

static void begin(struct sim_worker *worker, const struct worker_line *line)
{
    struct conn_script *conn = sim_take(sizeof(*conn));
    conn->worker = worker;
    conn->line = *line;
    wire_reader_start(&conn->reader);
    pacer_init(&conn->out, worker->world, &conn->line.peer, conn);
    conn->out.send = send_words;
    conn->out.on_sent = on_answer_sent;
    conn->out.on_progress = on_answer_progress;
    conn->out.on_stop = on_answer_stop;
    list_init(&conn->link);
    list_append(&worker->conns, &conn->link);
    io_sim_peer_on_event(line->peer, on_event, conn);
    if (line->tls != NULL)
        on_event(line->peer, conn); /* what has come with the end of the handshake */
}

static void on_ready(struct sim_worker *worker, const struct worker_line *line)
{
    bool h2 = line->tls != NULL ? sim_tls_is_h2(line->tls) : worker->plan->h2;
    if (h2)
        worker_h2_begin(worker, line);
    else
        begin(worker, line);
}

static void on_accept(struct io_sim_peer *peer, void *context)
{
    worker_line_greet(context, peer, on_ready);
}

static void open_door(struct sim_worker *worker)
{
    worker->listener = io_sim_peer_listen(worker->world->net, &worker->address, on_accept, worker);
}

/* The prober's connection goes, so that it is asked anew what it shows. */
static void on_certificate(void *context)
{
    struct sim_worker *worker = context;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "w%u shows a wrong certificate", worker->index);
    worker_h2_leave_probes(worker);
    LIST_FOREACH (link, &worker->conns) {
        struct conn_script *conn = CONTAINER_OF(link, struct conn_script, link);
        if (conn->served > 0 && conn->request == NULL && conn->resting)
            drop(conn, false);
    }
}

static void on_window_begin(void *context)
{
    struct sim_worker *worker = context;
    const struct plan_window *window = away_at(worker, now_ms(worker));
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "w%u goes away", worker->index);
    if (window->kind != WINDOW_DARK && worker->listener >= 0) {
        io_sim_peer_unlisten(worker->world->net, worker->listener);
        worker->listener = -1;
    } else if (window->kind == WINDOW_DARK) {
        io_sim_dark(worker->world->net, &worker->address, true);
    }
    worker_line_leave(worker, window->kind);
    worker_h2_leave(worker, window->kind);
    LIST_FOREACH (link, &worker->conns) {
        struct conn_script *conn = CONTAINER_OF(link, struct conn_script, link);
        if (conn->line.peer != NULL && window->kind == WINDOW_DARK)
            io_sim_peer_dark(conn->line.peer);
        else
            drop(conn, window->kind == WINDOW_DIE || conn->busy || conn->leaving);
    }
}

static void on_window_end(void *context)
{
    struct sim_worker *worker = context;
    if (away_at(worker, now_ms(worker)) != NULL)
        return; /* another one goes on */
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "w%u comes back", worker->index);
    io_sim_dark(worker->world->net, &worker->address, false);
    if (worker->listener < 0)
        open_door(worker);
}

void worker_init(struct sim_worker *worker, struct world *world, uint32_t index)
{
    worker->world = world;
    worker->plan = &world->plan->worker[index];
    worker->index = index;
    rand_seed(&worker->rand, world->plan->seed ^ (index + 77));
    rand_seed(&worker->tls_rand, world->plan->seed ^ (index + 7777));
    list_init(&worker->greetings);
    list_init(&worker->conns);
    list_init(&worker->links);
    open_door(worker);
    if (worker->plan->tls.wrong != SHOWN_RIGHT)
        io_sim_after(world->net, worker->plan->tls.wrong_from_ms * NS_PER_MS, on_certificate, worker);
    for (uint32_t i = 0; i < worker->plan->windows; i++) {
        if (worker->plan->window[i].kind < WINDOW_DIE)
            continue;
        io_sim_after(world->net, worker->plan->window[i].from_ms * NS_PER_MS, on_window_begin, worker);
        io_sim_after(world->net, worker->plan->window[i].to_ms * NS_PER_MS, on_window_end, worker);
    }
}

void worker_fini(struct sim_worker *worker)
{
    struct list *link;
    if (worker->listener >= 0)
        io_sim_peer_unlisten(worker->world->net, worker->listener);
    worker_line_fini_greetings(worker);
    worker_h2_fini(worker);
    while ((link = list_pop(&worker->conns)) != NULL) {
        struct conn_script *conn = CONTAINER_OF(link, struct conn_script, link);
        drop(conn, true);
        worker_line_fini(&conn->line);
        sim_bytes_free(&conn->out.bytes);
        free(conn);
    }
}

void worker_check(const struct sim_worker *worker)
{
    worker_h2_check(worker);
    LIST_FOREACH (link, &worker->conns) {
        struct conn_script *conn = CONTAINER_OF(link, struct conn_script, link);
        struct io_sim_peer *peer = conn->line.peer;
        if (peer != NULL && conn->resting && conn->idle_from_ns == 0 && io_sim_peer_unread(peer) == 0)
            conn->idle_from_ns = world_now_ns(worker->world);
        if (peer == NULL || conn->request == NULL || !conn->answered)
            continue;
        uint64_t unsent = io_sim_peer_unsent(peer); /* records are longer than what they say */
        uint64_t left = conn->out.sent > unsent ? conn->out.sent - unsent : 0;
        if (left > conn->answer_from)
            check_taken(worker->world, conn->request, left - conn->answer_from);
    }
}
