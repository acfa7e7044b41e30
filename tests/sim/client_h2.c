/* A scripted client that speaks HTTP/2 by prior knowledge, with libnghttp2's client session: a peer that was written by
 * others. Each request is a stream; each stream is judged as an answer of HTTP/1 is, by the same checks: it is a client
 * of one request to them, and its answer's head and body go through the same reader. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/tunnel_h2.h"

enum { AHEAD_BYTES = 16384 };

#define NS_PER_MS INT64_C(1000000)

static struct sim_client *owner_of(const struct sim_client *stream)
{
    return &stream->world->clients[stream->index];
}

static const struct plan_request *asked_by(const struct sim_client *stream)
{
    return &stream->plan->requests[stream->awaiting];
}

static _Noreturn void fail(const struct sim_client *stream, const char *what)
{
    check_fail("one-answer", (int)stream->index, (int)asked_by(stream)->id, "c%u gets %s to q%u: %.*s", stream->index,
               what, asked_by(stream)->id, (int)stream->reader.head_n, stream->reader.head);
}

/* ---- what the library tells ---- */

static struct sim_client *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static void feed(struct sim_client *stream, struct str bytes)
{
    if (wire_reader_feed(&stream->reader, bytes, true) < bytes.n || stream->reader.bad != NULL)
        fail(stream, stream->reader.bad != NULL ? stream->reader.bad : "more than its answer");
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *context)
{
    struct sim_client *stream = stream_of(session, frame->hd.stream_id);
    char line[1024];
    if (stream == NULL || stream->reader.state != WIRE_HEAD)
        return 0; /* trailers: read and checked by the library */
    int n = stream->reader.head_n == 0
                ? snprintf(line, sizeof(line), "HTTP/1.1 %.*s Said\r\n", (int)value_n, (const char *)value)
                : snprintf(line, sizeof(line), "%.*s: %.*s\r\n", (int)name_n, (const char *)name, (int)value_n,
                           (const char *)value);
    ASSERT(n > 0 && (size_t)n < sizeof(line));
    feed(stream, str_slice(line, (size_t)n));
    return 0;
}

static void wake(void *context);
static void ask(struct sim_client *client, struct sim_client *stream);

static void begin_tunnel(struct sim_client *stream)
{
    const struct h2_tunnel_place place = {
        .world = stream->world,
        .request = asked_by(stream),
        .client = true,
        .peer = stream->peer,
        .h2 = owner_of(stream)->h2,
        .id = stream->stream_id,
        .reader = &stream->reader,
        .wake = wake,
        .context = owner_of(stream),
    };
    check_connected(stream);
    stream->h2_tunnel = h2_tunnel_open(&place);
    sim_tunnel_open(&stream->h2_tunnel->end);
}

static void head_is_whole(struct sim_client *stream)
{
    struct wire_reader *reader = &stream->reader;
    if (reader->state != WIRE_HEAD)
        return;
    feed(stream, STR("\r\n"));
    if (asked_by(stream)->tunnel.asked && reader->status / 100 == 2) {
        begin_tunnel(stream);
        return;
    }
    check_answer_head(stream);
    if (reader->status < 200) {
        stream->interims++;
        wire_reader_start(reader);
        return;
    }
    bool bodiless = asked_by(stream)->method == PLAN_HEAD || reader->status == 204 || reader->status == 304;
    wire_reader_body(reader, true, bodiless);
}

static void answer_is_whole(struct sim_client *stream)
{
    if (stream->reader.state != WIRE_OPEN && stream->reader.state != WIRE_DONE)
        fail(stream, "the end before its answer");
    check_answer_whole(stream);
    stream->done = true;
    trace_line((int)stream->index, (int)asked_by(stream)->id, "c%u has its answer of %d to q%u", stream->index,
               stream->reader.status, asked_by(stream)->id);
}

/* Only now is it known whether tunnels are taken. */
static void on_greeting(struct sim_client *client)
{
    client->settings_came = true;
    if (nghttp2_session_get_remote_settings(client->h2, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) != 1)
        check_fail("one-answer", (int)client->index, TRACE_NOBODY, "c%u is told that no tunnels are taken",
                   client->index);
    for (uint32_t i = 0; i < client->next; i++) {
        struct sim_client *stream = &client->streams[i];
        bool waits = stream->waits;
        stream->waits = false;
        if (waits)
            ask(client, stream);
    }
}

/* Our side too: or it waits for the reset that such a stream ends in. */
static void end_refused(nghttp2_session *session, const struct sim_client *stream)
{
    if (asked_by(stream)->tunnel.asked && asked_by(stream)->id % 2 == 0)
        nghttp2_session_resume_data(session, stream->stream_id);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct sim_client *client = context, *stream = stream_of(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        on_greeting(client);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        trace_line((int)client->index, TRACE_NOBODY, "c%u is told to leave (%u)", client->index,
                   frame->goaway.error_code);
        client->told_close = true;
    }
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        head_is_whole(stream);
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    if (stream->h2_tunnel != NULL) {
        h2_tunnel_hear_end(stream->h2_tunnel);
    } else {
        answer_is_whole(stream);
        end_refused(session, stream);
    }
    return 0;
}

/* Some tunnel's client does so late. */
static bool gives_credit(const struct sim_client *client)
{
    bool late = false;
    for (uint32_t i = 0; i < client->plan->count; i++)
        late |= client->plan->requests[i].tunnel.client_pause_ms > 0;
    return late;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *context)
{
    struct sim_client *stream = stream_of(session, id);
    bool tunnel = stream != NULL && stream->h2_tunnel != NULL;
    if (gives_credit(context) && !(tunnel && stream->h2_tunnel->pause_ms > 0))
        nghttp2_session_consume(session, id, n);
    if (tunnel)
        h2_tunnel_take(stream->h2_tunnel, str_slice((const char *)bytes, n));
    else if (stream != NULL)
        feed(stream, str_slice((const char *)bytes, n));
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *context)
{
    const struct sim_client *client = context;
    check_fail("one-answer", (int)client->index, TRACE_NOBODY, "c%u gets a frame of type %u that breaks a rule: %s",
               client->index, frame->hd.type, nghttp2_strerror(error));
}

/* What was not asked, because the connection was to end by then, is to be asked on another one. */
static bool was_asked(const struct sim_client *stream)
{
    const struct sim_client *client = owner_of(stream);
    return !asked_by(stream)->tunnel.asked || !client->told_close || client->ends[stream->awaiting] != UINT64_MAX;
}

static void lose_tunnel(struct sim_client *stream)
{
    struct request_log *log = &stream->world->logs[stream->index][stream->awaiting];
    h2_tunnel_close(stream->h2_tunnel);
    log->status = 101;
    log->outcome = log->tunnel.down_whole ? OUTCOME_RIGHT : OUTCOME_CUT;
}

static void lose(struct sim_client *stream)
{
    struct request_log *log = &stream->world->logs[stream->index][stream->awaiting];
    stream->done = true;
    if (stream->h2_tunnel != NULL) {
        lose_tunnel(stream);
    } else if (was_asked(stream)) {
        check_answer_cut(stream, false);
    } else {
        owner_of(stream)->begins[stream->awaiting] = UINT64_MAX;
        log->sent_any = false;
        log->outcome = OUTCOME_NEVER_SENT;
    }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    struct sim_client *stream = stream_of(session, id);
    if (stream == NULL)
        return 0;
    stream->peer = NULL;
    if (stream->done)
        return 0;
    trace_line((int)stream->index, (int)asked_by(stream)->id, "c%u: the stream of q%u is reset (%u)", stream->index,
               asked_by(stream)->id, error);
    lose(stream);
    return 0;
}

/* Where in what is sent a request begins and ends. */
static int on_frame_begins(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct sim_client *client = context;
    const struct sim_client *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL && frame->hd.type == NGHTTP2_HEADERS && client->begins[stream->awaiting] == UINT64_MAX)
        client->begins[stream->awaiting] = client->out.sent + client->out.bytes.n;
    bool whole = stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM || asked_by(stream)->tunnel.asked);
    if (whole && frame->hd.type == NGHTTP2_HEADERS)
        client->ending = stream;
    return 0;
}

/* ---- sending ---- */

/* Nothing, until it is one; and the end, when it will be none. */
static ssize_t give_of_tunnel(struct sim_client *stream, uint8_t *out, size_t room, uint32_t *flags)
{
    if (stream->h2_tunnel != NULL)
        return h2_tunnel_give(stream->h2_tunnel, out, room, flags);
    if (!stream->done)
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    struct sim_client *stream = source->ptr;
    const struct plan_request *request = asked_by(stream);
    if (request->tunnel.asked)
        return give_of_tunnel(stream, out, room, flags);
    size_t left = request->body_bytes - stream->received, n = left < room ? left : room;
    struct sim_bytes bytes = {0};
    wire_append_body(&bytes, world_request_key(stream->world, request->id), stream->received, n);
    memcpy(out, sim_bytes_all(&bytes).p, n);
    sim_bytes_free(&bytes);
    stream->received += n;
    if (n < left)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!request->trailers)
        owner_of(stream)->ending = stream;
    if (request->trailers) {
        char value[16];
        snprintf(value, sizeof(value), "%u", request->id);
        nghttp2_nv trailer = h2_script_field("x-sim-end", value);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        ASSERT(nghttp2_submit_trailer(session, id, &trailer, 1) == 0);
    }
    return (ssize_t)n;
}

/* As much as is to wait: what gives credit must not stand behind a whole body. */
static size_t fill(struct sim_client *client)
{
    const uint8_t *bytes;
    ssize_t n = 1;
    while (client->out.bytes.n < AHEAD_BYTES && (n = nghttp2_session_mem_send(client->h2, &bytes)) > 0) {
        sim_bytes_append(&client->words, bytes, (size_t)n);
        client_say(client);
        if (client->ending != NULL)
            client->ends[client->ending->awaiting] = client->out.sent + client->out.bytes.n;
        client->ending = NULL;
    }
    ASSERT(n >= 0);
    return client->out.bytes.n;
}

/* In a few pieces for all that it asks: a stream waits for the others' pieces too. */
static void set_pace(struct sim_client *client)
{
    size_t least = 0;
    for (uint32_t i = 0; i < client->plan->count; i++)
        least += client->plan->requests[i].body_bytes / 3 + client->plan->requests[i].tunnel.up_bytes / 10;
    client->out.piece = client->plan->piece > 0 && client->plan->piece < least ? least : client->plan->piece;
    client->out.gap_ns = client->plan->gap_ms * NS_PER_MS;
}

/* Of those that were left in this moment; true: there were some. */
static bool reset_quit(struct sim_client *client)
{
    bool some = false;
    for (uint32_t i = 0; i < client->next; i++) {
        struct h2_tunnel *tunnel = client->streams[i].h2_tunnel;
        if (tunnel == NULL || tunnel->peer == NULL || !tunnel->resets || tunnel->is_reset)
            continue;
        h2_tunnel_note_reset(tunnel);
        ASSERT(nghttp2_submit_rst_stream(client->h2, 0, tunnel->id, NGHTTP2_NO_ERROR) == 0);
        some = true;
    }
    return some;
}

static void pump(struct sim_client *client)
{
    if (client->h2 == NULL || client->pumping)
        return;
    client->pumping = true;
    while (client->peer != NULL && !client->out.stopped && !client->out.waiting &&
           (fill(client) > 0 || reset_quit(client))) {
        set_pace(client);
        pacer_kick(&client->out);
    }
    client->pumping = false;
}

static void go_on(struct sim_client *client);

static void on_cancel_timer(void *context)
{
    struct sim_client *stream = context, *client = owner_of(stream);
    if (stream->done || stream->peer == NULL || client->h2 == NULL)
        return;
    trace_line((int)stream->index, (int)asked_by(stream)->id, "c%u resets the stream of q%u", stream->index,
               asked_by(stream)->id);
    bool quietly = asked_by(stream)->tunnel.asked && asked_by(stream)->id % 2 == 0;
    if (stream->h2_tunnel != NULL)
        h2_tunnel_note_reset(stream->h2_tunnel);
    ASSERT(nghttp2_submit_rst_stream(client->h2, 0, stream->stream_id, quietly ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL) ==
           0);
    pump(client);
    go_on(client);
}

/* RFC 8441 section 4. */
static int32_t submit_connect(struct sim_client *client, struct sim_client *stream, const char *path, const char *id)
{
    const nghttp2_nv fields[] = {
        h2_script_field(":method", "CONNECT"),
        h2_script_field(":protocol", "websocket"),
        h2_script_field(":scheme", client->tls ? "https" : "http"),
        h2_script_field(":authority", "sim.test"),
        h2_script_field(":path", path),
        h2_script_field("x-sim-id", id),
        h2_script_field("sec-websocket-version", "13"),
    };
    nghttp2_data_provider words = {.source.ptr = stream, .read_callback = read_body};
    return nghttp2_submit_request(client->h2, NULL, fields, 7, &words, stream);
}

static void ask(struct sim_client *client, struct sim_client *stream)
{
    const struct plan_request *request = asked_by(stream);
    if (request->tunnel.asked && !client->settings_came) {
        stream->waits = true;
        return;
    }
    char target[64], id[16], length[16];
    snprintf(target, sizeof(target), "/p%u/q/%u", request->pool, request->id);
    snprintf(id, sizeof(id), "%u", request->id);
    snprintf(length, sizeof(length), "%u", request->body_bytes);
    const nghttp2_nv fields[] = {
        h2_script_field(":method", plan_method_name(request->method)),
        h2_script_field(":scheme", client->tls ? "https" : "http"),
        h2_script_field(":authority", "sim.test"),
        h2_script_field(":path", request->metrics ? "/metrics" : target),
        h2_script_field("x-sim-id", id),
        h2_script_field("content-length", length),
    };
    bool ends_with_head = request->framing == PLAN_NO_BODY || (request->framing == PLAN_LENGTH && !request->body_bytes);
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
    stream->peer = client->peer;
    if (request->tunnel.asked)
        stream->stream_id = submit_connect(client, stream, target, id);
    else
        stream->stream_id = nghttp2_submit_request(client->h2, NULL, fields, request->framing == PLAN_LENGTH ? 6 : 5,
                                                   ends_with_head ? NULL : &body, stream);
    ASSERT(stream->stream_id > 0);
    if (request->cancel_ms > 0)
        io_sim_after(client->world->net, request->cancel_ms * NS_PER_MS, on_cancel_timer, stream);
}

/* begins: where what is sent for the first of them does; UINT64_MAX: where its head does. */
static void ask_next(struct sim_client *client, uint64_t begins)
{
    do {
        struct sim_client *stream = &client->streams[client->next];
        client->begins[client->next] = begins;
        client->ends[client->next] = begins = UINT64_MAX;
        client->next++;
        ask(client, stream);
    } while (client->plan->pipelined && client->next < client->plan->count);
    trace_line((int)client->index, (int)client->plan->requests[client->next - 1].id, "c%u asks up to q%u",
               client->index, client->plan->requests[client->next - 1].id);
    pump(client);
}

static void on_think_timer(void *context)
{
    struct sim_client *client = context;
    if (client->peer != NULL && client->h2 != NULL && client->awaiting == client->next &&
        client->next < client->plan->count && !client->told_close)
        ask_next(client, UINT64_MAX);
}

/* ---- what client.c calls ---- */

static nghttp2_session *create_session(struct sim_client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_option *option;
    nghttp2_mem memory = h2_script_memory();
    ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, gives_credit(client));
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, on_frame_begins);
    ASSERT(nghttp2_session_client_new3(&session, callbacks, client, option, &memory) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

void client_h2_init(struct sim_client *client)
{
    client->streams = sim_take(PLAN_REQUESTS * sizeof(*client->streams));
    for (uint32_t i = 0; i < client->plan->count; i++) {
        struct sim_client *stream = &client->streams[i];
        stream->world = client->world;
        stream->plan = client->plan;
        stream->index = client->index;
        stream->awaiting = i;
        wire_reader_start(&stream->reader);
    }
}

void client_h2_begin(struct sim_client *client)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, client->plan->window};
    client->sending = true;
    client->settings_came = false;
    client->h2 = create_session(client);
    ASSERT(nghttp2_submit_settings(client->h2, 0, &window, 1) == 0);
    ask_next(client, client->out.sent); /* the preface is a part of it */
}

static void say_goodbye(struct sim_client *client)
{
    trace_line((int)client->index, TRACE_NOBODY, "c%u says that it leaves", client->index);
    ASSERT(nghttp2_submit_goaway(client->h2, 0, 0, NGHTTP2_NO_ERROR, NULL, 0) == 0);
    pump(client);
}

static bool asks_for_tunnels(const struct sim_client *client)
{
    bool asks = false;
    for (uint32_t i = 0; i < client->plan->count; i++)
        asks |= client->plan->requests[i].tunnel.asked;
    return asks;
}

/* Once all that was asked is over; a tunnel's end has to leave, too. */
static void go_on(struct sim_client *client)
{
    uint32_t before = client->awaiting;
    if (client->peer != NULL && asks_for_tunnels(client) && client->out.bytes.n + io_sim_peer_unsent(client->peer) > 0)
        return;
    while (client->awaiting < client->next && client->streams[client->awaiting].done)
        client->awaiting++;
    if (client->peer == NULL || client->awaiting < client->next || client->awaiting == before)
        return;
    if (client->next == client->plan->count && client->plan->polite)
        say_goodbye(client);
    else if (client->next == client->plan->count && !client->plan->lingers)
        client_finish(client);
    else if (client->next < client->plan->count)
        io_sim_after(client->world->net, client->plan->think_ms * NS_PER_MS, on_think_timer, client);
}

/* What a tunnel has to say leaves, unless that will be done in a moment. */
static void wake(void *context)
{
    struct sim_client *client = context;
    if (client->pumping)
        return;
    pump(client);
    go_on(client);
}

void client_h2_sent(struct sim_client *client)
{
    pump(client);
    if (asks_for_tunnels(client))
        go_on(client);
}

void client_h2_read(struct sim_client *client)
{
    while (client->peer != NULL && client->h2 != NULL && !client->not_reading) {
        struct str got = client_heard(client);
        if (got.n == 0)
            break;
        client->pumping = true; /* not from inside the library */
        ssize_t used = nghttp2_session_mem_recv(client->h2, (const uint8_t *)got.p, got.n);
        client->pumping = false;
        if (used != (ssize_t)got.n)
            check_fail("one-answer", (int)client->index, TRACE_NOBODY, "c%u gets what is no HTTP/2: %s", client->index,
                       nghttp2_strerror((int)used));
        client_take(client, got.n);
        client->received += got.n;
        pump(client);
    }
    go_on(client);
}

void client_h2_end(struct sim_client *client)
{
    if (client->h2 != NULL)
        nghttp2_session_del(client->h2);
    client->h2 = NULL;
    for (uint32_t i = 0; i < client->next; i++) {
        client->streams[i].peer = NULL;
        if (!client->streams[i].done)
            lose(&client->streams[i]);
    }
    client->awaiting = client->next;
}

void client_h2_note_cut(struct sim_client *client)
{
    for (uint32_t i = 0; i < client->next; i++) {
        struct h2_tunnel *tunnel = client->streams[i].h2_tunnel;
        if (tunnel == NULL || tunnel->peer == NULL)
            continue;
        h2_tunnel_note_reset(tunnel);
        lose_tunnel(&client->streams[i]);
    }
}

void client_h2_fini(struct sim_client *client)
{
    if (client->h2 != NULL)
        nghttp2_session_del(client->h2);
    for (uint32_t i = 0; client->streams != NULL && i < client->plan->count; i++)
        h2_tunnel_free(client->streams[i].h2_tunnel);
    free(client->streams);
}
