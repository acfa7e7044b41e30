/* What the scripted worker of HTTP/2 answers: as the request's plan says, right or wrong. */
#include <stdio.h>

#include "tests/sim/worker_h2_parts.h"

enum { HEAD_BYTES = 100 };

#define NS_PER_MS INT64_C(1000000)

static void on_gap(void *context)
{
    struct h2_script *script = context;
    if (script->closed || script->conn->line.peer == NULL)
        return;
    script->allowed += script->all / script->request->answer.pieces + 1;
    nghttp2_session_resume_data(script->conn->h2, script->id);
    worker_h2_pump(script->conn);
}

static void stop(struct h2_script *script)
{
    enum plan_answer_kind kind = script->request->answer.kind;
    script->stopped = true;
    script->resets = kind != ANSWER_STALL;
    if (!script->conn->line.garbled)
        script->log->stalled_ns = world_now_ns(script->conn->worker->world);
    worker_h2_note(script,
                   kind == ANSWER_STALL ? "stalls inside its answer to" : "resets the stream inside its answer to");
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

static ssize_t give_of_tunnel(struct h2_script *script, uint8_t *out, size_t room, uint32_t *flags)
{
    ssize_t n = h2_tunnel_give(script->tunnel, out, room, flags);
    script->given += n > 0 ? (uint64_t)n : 0;
    return n;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    struct h2_script *script = source->ptr;
    if (script->tunnel != NULL)
        return give_of_tunnel(script, out, room, flags);
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
        worker_h2_after(script->conn, script->request->answer.gap_ms * NS_PER_MS, on_gap, script);
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

static bool switches(const struct h2_script *script)
{
    return script->connects && !script->request->tunnel.refused && script->request->answer.kind != ANSWER_GARBAGE;
}

/* Where its body ends too early; UINT64_MAX: nowhere. False: not even its head comes. */
static bool set_stop(struct h2_script *script)
{
    const struct plan_answer *answer = &script->request->answer;
    uint32_t all = switches(script)               ? script->request->tunnel.down_bytes
                   : is_bodiless(script->request) ? 0
                                                  : answer->body_bytes;
    script->stop_at = UINT64_MAX;
    if (answer->kind != ANSWER_STALL && answer->kind != ANSWER_CUT && answer->kind != ANSWER_RESET)
        return true;
    if (all == 0 || answer->at_byte < HEAD_BYTES)
        return false;
    script->stop_at = answer->at_byte - HEAD_BYTES;
    if (script->stop_at >= all)
        script->stop_at = all - 1;
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

static void wake(void *context)
{
    worker_h2_pump(context);
}

/* Its 200 leaves with the first bytes behind it, or is the end too. */
static void begin_tunnel(struct h2_script *script)
{
    struct world *world = script->conn->worker->world;
    const struct plan_request *request = script->request;
    const struct h2_tunnel_place place = {
        .world = world,
        .request = request,
        .peer = script->conn->line.peer,
        .h2 = script->conn->h2,
        .id = script->id,
        .reader = &script->reader,
        .wake = wake,
        .context = script->conn,
    };
    char said[24];
    snprintf(said, sizeof(said), "%u.%u", request->id, script->conn->worker->index);
    const nghttp2_nv fields[] = {h2_script_field(":status", "200"), h2_script_field("x-sim", said)};
    struct h2_tunnel *tunnel = h2_tunnel_open(&place);
    script->tunnel = tunnel;
    script->held = plan_excuse(world->plan, (request->id - 1000) / 100, (request->id - 1000) % 100) == NULL;
    world->tunnels_held += script->held;
    tunnel->out.stop_at = script->stop_at > 0 ? script->stop_at : 1;
    sim_tunnel_open(&tunnel->end);
    if (request->tunnel.down_bytes == 0 && request->id % 2 == 0)
        sim_tunnel_sent(&tunnel->end);
    send_head(script, fields, 2, tunnel->ends);
}

static void begin_answer(struct h2_script *script)
{
    const struct plan_answer *answer = &script->request->answer;
    script->answered = true;
    if (answer->kind == ANSWER_HANG) {
        worker_h2_note(script, "says nothing to");
        return;
    }
    worker_h2_note(script, switches(script) ? "switches for" : "answers");
    send_interims(script);
    script->allowed = answer->pieces > 1 ? answer->body_bytes / answer->pieces + 1 : UINT64_MAX;
    if (!set_stop(script)) {
        if (answer->interims == 0 && answer->kind != ANSWER_STALL)
            script->log->failed_on |= 1u << script->conn->worker->index;
        stop(script);
    } else if (answer->kind == ANSWER_GARBAGE) {
        answer_garbage(script);
    } else {
        if (switches(script))
            begin_tunnel(script);
        else
            answer_right(script, 0);
        if (answer->close_after)
            worker_h2_leave_after(script);
    }
    worker_h2_pump(script->conn);
}

static void on_delay(void *context)
{
    struct h2_script *script = context;
    if (script->conn->line.peer != NULL && !script->closed && !script->answered)
        begin_answer(script);
}

void worker_h2_answer_later(struct h2_script *script)
{
    uint32_t delay = script->request->answer.delay_ms;
    worker_h2_after(script->conn, delay * NS_PER_MS, on_delay, script); /* not from inside the library */
}

void worker_h2_answer_probe(struct h2_script *script)
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
