/* A scripted client: sends its requests as its plan says and reads what comes back, strictly, in order. It knows what
 * each answer must be; check_answer.c says whether it is. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/check.h"

enum { EXPECT_WAIT_MS = 60, UNREAD_MS = 12000, RECORD_MORE_BYTES = 64 };

#define NS_PER_MS INT64_C(1000000)

static void start(void *context);
static void on_event(struct io_sim_peer *peer, void *context);
static void on_end(struct sim_client *client, bool clean);

static const struct plan_request *planned(const struct sim_client *client, uint32_t index)
{
    return &client->plan->requests[index];
}

static void after_ms(struct sim_client *client, int64_t ms, io_sim_timer_fn fn)
{
    io_sim_after(client->world->net, ms * NS_PER_MS, fn, client);
}

static void say_goodbye(struct sim_client *client)
{
    sim_tls_end(client->tls, &client->words);
    io_sim_peer_send(client->peer, sim_bytes_all(&client->words).p, client->words.n);
    sim_bytes_drop(&client->words, client->words.n);
}

/* Orderly: whoever closes without a word is taken for cut off. */
static void leave(struct sim_client *client)
{
    if (client->tls != NULL && io_sim_peer_state(client->peer) == IO_SIM_PEER_OPEN)
        say_goodbye(client);
    io_sim_peer_close(&client->peer, false);
}

void client_finish(struct sim_client *client)
{
    if (client->peer != NULL)
        leave(client);
    if (client->done)
        return;
    for (uint32_t i = 0; client->streams != NULL && i < client->plan->count; i++)
        client->streams[i].peer = NULL;
    client->done = true;
    client->world->clients_done++;
    trace_line((int)client->index, TRACE_NOBODY, "c%u is done", client->index);
}

/* Long bodies are not to take for ever in small pieces. */
static size_t piece_of(const struct sim_client *client, size_t bytes)
{
    if (client->tunnel.request != NULL) {
        const struct plan_tunnel *tunnel = &client->tunnel.request->tunnel;
        return tunnel->up_pieces > 1 ? tunnel->up_bytes / tunnel->up_pieces + 1 : 0;
    }
    return client->plan->piece > 0 && client->plan->piece < bytes / 40 ? bytes / 40 : client->plan->piece;
}

static void set_pace(struct sim_client *client)
{
    size_t piece = piece_of(client, client->out.bytes.n);
    bool sealed = client->tls != NULL && client->tunnel.request != NULL;
    client->out.piece = piece > 0 && sealed ? piece + RECORD_MORE_BYTES : piece;
    client->out.gap_ns = client->plan->gap_ms * NS_PER_MS;
    if (client->tunnel.request != NULL)
        client->out.gap_ns = client->tunnel.request->tunnel.up_gap_ms * NS_PER_MS;
}

/* ---- TLS, or none ---- */

/* On the way a byte becomes another: whoever opens the record must see it. */
static void garble(struct sim_client *client)
{
    uint64_t at = client->plan->garble;
    if (at == 0 || client->garbled || at < client->out.sent || at >= client->out.sent + client->out.bytes.n)
        return;
    trace_line((int)client->index, TRACE_NOBODY, "byte %u of c%u is garbled", client->plan->garble, client->index);
    client->garbled = true;
    client->out.bytes.p[client->out.bytes.head + (at - client->out.sent)] ^= 0x10;
}

/* Who is slow sends small records: what has come of one is no progress before all of it has. */
void client_say(struct sim_client *client)
{
    struct str words = sim_bytes_all(&client->words);
    if (client->tls != NULL) {
        sim_tls_seal(client->tls, &client->words, piece_of(client, words.n), &client->out.bytes);
        garble(client);
        return;
    }
    sim_bytes_append(&client->out.bytes, words.p, words.n);
    sim_bytes_drop(&client->words, words.n);
}

/* What has arrived is read, and what that asks for is on its way: which may be where the client stops. */
static void hear(struct sim_client *client)
{
    struct str got = io_sim_peer_received(client->peer);
    if (got.n == 0)
        return;
    sim_tls_receive(client->tls, got, &client->out.bytes);
    io_sim_peer_take(client->peer, got.n);
    garble(client);
    if (sim_tls_flaw(client->tls) != NULL && !client->garbled)
        check_fail("strict", (int)client->index, TRACE_NOBODY, "c%u gets what is no TLS: %s", client->index,
                   sim_tls_flaw(client->tls));
    pacer_kick(&client->out);
}

struct str client_heard(struct sim_client *client)
{
    if (client->tls == NULL)
        return io_sim_peer_received(client->peer);
    hear(client);
    return client->peer == NULL ? STR("") : sim_bytes_all(sim_tls_words(client->tls));
}

void client_take(struct sim_client *client, size_t n)
{
    if (client->tls == NULL)
        io_sim_peer_take(client->peer, n);
    else
        sim_bytes_drop(sim_tls_words(client->tls), n);
}

/* Connected, and past the handshake. */
static bool can_begin(struct sim_client *client)
{
    if (!plan_has(client->world->plan, FAMILY_TLS))
        return true;
    if (client->tls == NULL) {
        client->tls = sim_tls_create(client->plan->h2 ? "h2" : "http/1.1", client->plan->old_tls, &client->session);
        client->greeted_ns = world_now_ns(client->world);
        sim_tls_begin(client->tls, &client->out.bytes);
        garble(client);
        set_pace(client);
        pacer_kick(&client->out);
    }
    if (client->peer != NULL)
        hear(client);
    return client->peer != NULL && sim_tls_is_ready(client->tls);
}

/* ---- sending ---- */

static void write_head(struct sim_bytes *out, const struct plan_request *request)
{
    char target[64];
    snprintf(target, sizeof(target), "/p%u/q/%u", request->pool, request->id);
    wire_append(out, "%s %s HTTP/1.%d\r\nHost: sim.test\r\n", plan_method_name(request->method),
                request->metrics ? "/metrics" : target, request->old ? 0 : 1);
    wire_append(out, "X-Sim-Id: %u\r\nX-Hop: 1\r\nConnection: x-hop%s%s\r\n", request->id,
                request->last_close ? ", close" : "", request->tunnel.asked ? ", upgrade" : "");
    if (request->tunnel.asked)
        sim_tunnel_write_fields(out, request);
    if (request->framing == PLAN_LENGTH)
        wire_append(out, "Content-Length: %u\r\n", request->body_bytes);
    if (request->framing == PLAN_CHUNKED)
        wire_append(out, "Transfer-Encoding: chunked\r\n");
    if (request->expect)
        wire_append(out, "Expect: 100-continue\r\n");
    wire_append(out, "\r\n");
}

static void write_body(struct sim_client *client, const struct plan_request *request)
{
    uint64_t key = world_request_key(client->world, request->id);
    char trailers[40] = "";
    if (request->trailers)
        snprintf(trailers, sizeof(trailers), "X-Sim-End: %u\r\n", request->id);
    if (request->framing == PLAN_LENGTH)
        wire_append_body(&client->words, key, 0, request->body_bytes);
    else if (request->framing == PLAN_CHUNKED)
        wire_append_chunks(&client->words, key, request->body_bytes, trailers);
    client_say(client);
}

static void send_body(struct sim_client *client)
{
    client->body_waits = false;
    write_body(client, planned(client, client->next - 1));
    client->ends[client->next - 1] = client->out.sent + client->out.bytes.n;
    set_pace(client);
    pacer_kick(&client->out);
}

static void on_expect_timer(void *context)
{
    struct sim_client *client = context;
    if (client->body_waits && client->peer != NULL)
        send_body(client);
}

/* Of the tunnel that it asks for, not knowing whether there will be one. */
static void say_early(struct sim_client *client, const struct plan_request *request)
{
    client->tunnel.said = request->tunnel.early_bytes;
    wire_append_body(&client->words, world_request_key(client->world, request->id), 0, request->tunnel.early_bytes);
    client_say(client);
}

static void queue_request(struct sim_client *client)
{
    uint32_t index = client->next++;
    const struct plan_request *request = planned(client, index);
    client->begins[index] = client->out.sent + client->out.bytes.n;
    if (request->hostile)
        hostile_write(&client->words, request);
    else
        write_head(&client->words, request);
    client_say(client);
    /* In the clear by "HEAD ", sealed by all of its record. */
    client->asks[index] = client->tls ? client->out.sent + client->out.bytes.n : client->begins[index] + 5;
    if (request->expect && !client->plan->pipelined && request->framing != PLAN_NO_BODY) {
        client->body_waits = true;
        client->ends[index] = UINT64_MAX;
        after_ms(client, EXPECT_WAIT_MS, on_expect_timer);
        return;
    }
    write_body(client, request);
    client->ends[index] = client->out.sent + client->out.bytes.n;
    if (request->tunnel.asked)
        say_early(client, request);
}

static void send_next(struct sim_client *client)
{
    client->sending = true;
    do
        queue_request(client);
    while (client->plan->pipelined && client->next < client->plan->count &&
           !planned(client, client->next - 1)->tunnel.asked);
    trace_line((int)client->index, (int)planned(client, client->next - 1)->id, "c%u sends up to q%u (%zu bytes)",
               client->index, planned(client, client->next - 1)->id, client->out.bytes.n);
    set_pace(client);
    pacer_kick(&client->out);
}

static void on_think_timer(void *context)
{
    struct sim_client *client = context;
    if (client->peer != NULL && client->sending && client->next == client->awaiting &&
        client->next < client->plan->count && !client->told_close)
        send_next(client);
}

/* What has left so far, for whoever asks what a worker may have. */
static void note_sent(void *context)
{
    struct sim_client *client = context;
    for (uint32_t i = 0; i < client->next; i++) {
        struct request_log *log = &client->world->logs[client->index][i];
        if (client->out.sent > client->begins[i]) {
            if (!log->sent_any)
                log->first_sent_ns = world_now_ns(client->world);
            if (!log->sent_whole)
                log->last_sent_ns = world_now_ns(client->world);
            log->sent_any = true;
        }
        log->sent_whole |= client->out.sent >= client->ends[i];
    }
    if (client->tunnel.request != NULL)
        sim_tunnel_note_moved(&client->tunnel);
}

static void tunnel_has_sent(struct sim_client *client)
{
    sim_tunnel_sent(&client->tunnel);
    if (sim_tunnel_is_over(&client->tunnel))
        on_end(client, true);
}

static void on_sent(void *context)
{
    struct sim_client *client = context;
    if (client->plan->h2)
        client_h2_sent(client);
    else if (client->tunnel.request != NULL)
        tunnel_has_sent(client);
    else if (client->plan->half_close && client->next == client->plan->count && !client->body_waits) {
        trace_line((int)client->index, TRACE_NOBODY, "c%u ends its sending", client->index);
        io_sim_peer_shutdown(client->peer);
    }
}

static void stop(struct sim_client *client)
{
    trace_line((int)client->index, TRACE_NOBODY, "c%u %s", client->index,
               client->plan->stop == STOP_RESET     ? "resets"
               : client->plan->stop == STOP_LEAVE   ? "leaves"
               : client->plan->stop == STOP_READING ? "stops reading"
                                                    : "stalls");
    if (client->plan->stop == STOP_STALL && client->tunnel.request != NULL && client->tunnel.heard_end)
        on_end(client, true); /* nothing more will come */
    if (client->plan->stop != STOP_RESET && client->plan->stop != STOP_LEAVE)
        return;
    if (client->tunnel.request != NULL && client->plan->stop == STOP_RESET)
        sim_tunnel_log_of(&client->tunnel)->reset_ns = world_now_ns(client->world);
    if (client->plan->h2)
        client_h2_note_cut(client);
    io_sim_peer_close(&client->peer, client->plan->stop == STOP_RESET);
    client_finish(client);
}

static void on_stop(void *context)
{
    struct sim_client *client = context;
    stop(client);
}

/* ---- tunnels ---- */

static void say_in_tunnel(void *context)
{
    struct sim_client *client = context;
    client_say(client);
    pacer_kick(&client->out);
}

static void shut_tunnel(void *context)
{
    struct sim_client *client = context;
    if (client->tls != NULL)
        say_goodbye(client);
    io_sim_peer_shutdown(client->peer);
}

static void begin_tunnel(struct sim_client *client)
{
    uint64_t early = client->tunnel.said;
    wire_reader_body(&client->reader, true, false);
    client->tunnel = (struct tunnel_end){
        .world = client->world,
        .request = planned(client, client->awaiting),
        .client = true,
        .out = &client->out,
        .words = &client->words,
        .say = say_in_tunnel,
        .shut = shut_tunnel,
        .context = client,
        .said = early,
    };
    set_pace(client);
    sim_tunnel_open(&client->tunnel);
}

/* ---- reading ---- */

/* What was not asked yet is asked on another connection. */
static void begin_anew(struct sim_client *client)
{
    io_sim_peer_close(&client->peer, false);
    sim_tls_destroy(&client->tls);
    for (uint32_t i = 0; i < client->next; i++)
        if (client->ends[i] > client->out.sent)
            client->ends[i] = UINT64_MAX; /* its rest is never sent */
    sim_bytes_drop(&client->out.bytes, client->out.bytes.n);
    if (client->next == client->plan->count || client->out.stopped) {
        client_finish(client);
        return;
    }
    client->told_close = false;
    client->not_reading = false;
    client->paused = false;
    client->sending = false;
    client->body_waits = false;
    client->interims = 0;
    client->tunnel.request = NULL;
    wire_reader_start(&client->reader);
    after_ms(client, 1, start);
}

static void answer_is_whole(struct sim_client *client)
{
    check_answer_whole(client);
    trace_line((int)client->index, (int)planned(client, client->awaiting)->id, "c%u has its answer of %d to q%u",
               client->index, client->reader.status, planned(client, client->awaiting)->id);
    client->answered_ns = world_now_ns(client->world);
    client->awaiting++;
    client->interims = 0;
    client->body_waits = false;
    wire_reader_start(&client->reader);
    if (planned(client, client->awaiting - 1)->tunnel.early_bytes > 0) {
        begin_anew(client); /* what it said in vain is no request */
        return;
    }
    if (client->told_close)
        return;
    if (client->awaiting == client->plan->count && !client->plan->lingers && !client->plan->half_close)
        client_finish(client);
    else if (client->awaiting == client->next && client->next < client->plan->count)
        after_ms(client, client->plan->think_ms, on_think_timer);
}

static void head_is_whole(struct sim_client *client)
{
    struct wire_reader *reader = &client->reader;
    const struct plan_request *request = planned(client, client->awaiting);
    struct str value;
    check_answer_head(client);
    if (reader->status == 101) {
        begin_tunnel(client);
        return;
    }
    if (reader->status < 200) {
        trace_line((int)client->index, (int)request->id, "c%u gets an interim %d", client->index, reader->status);
        client->interims++;
        wire_reader_start(reader);
        if (client->body_waits)
            send_body(client);
        return;
    }
    if (wire_reader_field(reader, "Connection", &value) == 1 && str_ieq(value, STR("close")))
        client->told_close = true;
    bool head = request->method == PLAN_HEAD && client->out.sent >= client->asks[client->awaiting];
    bool bodiless = head || reader->status == 204 || reader->status == 304;
    wire_reader_body(reader, true, bodiless && !request->hostile);
}

static void read_bytes(struct sim_client *client)
{
    if (client->plan->h2) {
        client_h2_read(client);
        return;
    }
    while (client->peer != NULL && !client->not_reading) {
        struct str got = client_heard(client);
        if (got.n == 0)
            return;
        if (client->awaiting == client->next)
            check_fail("one-answer", (int)client->index, TRACE_NOBODY, "c%u gets bytes that it did not ask for: %.60s",
                       client->index, got.p);
        size_t used = wire_reader_feed(&client->reader, got, true);
        client_take(client, used);
        client->received += used;
        if (client->tunnel.request != NULL)
            sim_tunnel_read(&client->tunnel, &client->reader);
        if (client->reader.bad != NULL)
            check_fail("one-answer", (int)client->index, (int)planned(client, client->awaiting)->id,
                       "c%u gets %s: %.*s", client->index, client->reader.bad, (int)client->reader.head_n,
                       client->reader.head);
        if (client->reader.state == WIRE_READY)
            head_is_whole(client);
        if (client->reader.state == WIRE_DONE)
            answer_is_whole(client);
    }
}

static void lose_tunnel(struct sim_client *client, bool clean)
{
    struct request_log *log = &client->world->logs[client->index][client->awaiting];
    if (!client->tunnel.heard_end)
        check_tunnel_end(&client->tunnel, clean);
    log->status = 101;
    log->outcome = log->tunnel.down_whole ? OUTCOME_RIGHT : OUTCOME_CUT;
    client->awaiting = client->next;
}

static void lose_answers(struct sim_client *client, bool clean)
{
    bool idle = client->awaiting == client->next;
    if (clean && client->reader.state == WIRE_OPEN) {
        check_answer_whole(client);
        client->awaiting++;
    } else if (idle) {
        check_idle_end(client);
    }
    for (; client->awaiting < client->next; client->awaiting++)
        check_answer_cut(client, clean);
}

/* The connection is over: what was asked and not answered is lost, what was not asked yet goes on another one. */
static void on_end(struct sim_client *client, bool clean)
{
    trace_line((int)client->index, TRACE_NOBODY, "c%u sees the end (%s)", client->index, clean ? "orderly" : "reset");
    if (client->tls != NULL && !client->sending)
        check_handshake_end(client);
    if (client->plan->h2)
        client_h2_end(client);
    else if (client->tunnel.request != NULL)
        lose_tunnel(client, clean);
    else
        lose_answers(client, clean);
    begin_anew(client);
}

static void on_read_again(void *context)
{
    struct sim_client *client = context;
    if (client->not_reading)
        return;
    client->paused = false;
    if (client->peer == NULL)
        return;
    io_sim_peer_pause(client->peer, false);
    on_event(client->peer, client);
}

static void on_unread_timer(void *context)
{
    struct sim_client *client = context;
    client->not_reading = false;
    on_read_again(client);
}

static bool stop_was_reached(struct sim_client *client)
{
    if (!client->plan->stop_on_received || client->plan->stop == STOP_NONE || client->stop_done || client->paused ||
        client->received < client->plan->stop_at)
        return false;
    client->stop_done = true;
    client->out.stopped = client->plan->stop != STOP_READING;
    stop(client);
    if (client->plan->stop == STOP_READING) {
        client->not_reading = true;
        client->paused = true;
        io_sim_peer_pause(client->peer, true);
        after_ms(client, UNREAD_MS, on_unread_timer);
    }
    return client->peer == NULL;
}

/* The worker's end was passed on. True when nothing more can be said either. */
static bool tunnel_ends(struct sim_client *client)
{
    if (!client->tunnel.heard_end)
        check_tunnel_end(&client->tunnel, true);
    sim_tunnel_hear_end(&client->tunnel);
    return client->out.stopped || sim_tunnel_is_over(&client->tunnel);
}

static void refuse(struct sim_client *client)
{
    if (!client->world->draining)
        check_fail("one-answer", (int)client->index, TRACE_NOBODY, "c%u is refused", client->index);
    for (uint32_t i = client->next; i < client->plan->count; i++)
        client->world->logs[client->index][i].outcome = OUTCOME_NEVER_SENT;
    client_finish(client);
}

static void on_event(struct io_sim_peer *peer, void *context)
{
    struct sim_client *client = context;
    enum io_sim_peer_state state = io_sim_peer_state(peer);
    if (state == IO_SIM_PEER_CONNECTING)
        return;
    if (state == IO_SIM_PEER_REFUSED) {
        refuse(client);
        return;
    }
    if (state == IO_SIM_PEER_RESET && client->paused && !client->not_reading)
        io_sim_peer_pause(peer, false); /* what came before the reset can still be read */
    bool begins = !client->sending && state == IO_SIM_PEER_OPEN && can_begin(client);
    if (begins && client->plan->h2)
        client_h2_begin(client);
    else if (begins)
        send_next(client);
    if (client->peer == NULL)
        return;
    read_bytes(client);
    if (client->peer == NULL || stop_was_reached(client))
        return;
    state = io_sim_peer_state(client->peer);
    if (state == IO_SIM_PEER_ENDED || state == IO_SIM_PEER_RESET) {
        bool said = client->tls == NULL || sim_tls_has_ended(client->tls);
        bool clean = state == IO_SIM_PEER_ENDED && said;
        if (client->tunnel.request == NULL || !clean || tunnel_ends(client))
            on_end(client, clean);
    } else if (client->plan->pause_ms > 0 && !client->paused && client->received > 0) {
        client->paused = true;
        io_sim_peer_pause(client->peer, true);
        after_ms(client, client->plan->pause_ms, on_read_again);
    }
}

/* ---- life ---- */

static void start(void *context)
{
    struct sim_client *client = context;
    trace_line((int)client->index, TRACE_NOBODY, "c%u connects", client->index);
    client->peer = io_sim_peer_connect(client->world->net, &client->world->address);
    io_sim_peer_on_event(client->peer, on_event, client);
}

void client_init(struct sim_client *client, struct world *world, uint32_t index)
{
    client->world = world;
    client->plan = &world->plan->client[index];
    client->index = index;
    pacer_init(&client->out, world, &client->peer, client);
    client->out.on_sent = on_sent;
    client->out.on_progress = note_sent;
    client->out.on_stop = on_stop;
    wire_reader_start(&client->reader);
    if (client->plan->stop != STOP_NONE && !client->plan->stop_on_received)
        client->out.stop_at = client->plan->stop_at;
    if (!client->plan->there)
        return;
    if (client->plan->h2)
        client_h2_init(client);
    world->clients_there++;
    after_ms(client, client->plan->start_ms, start);
}

void client_fini(struct sim_client *client)
{
    if (client->peer != NULL)
        io_sim_peer_close(&client->peer, true);
    client_h2_fini(client);
    sim_tls_destroy(&client->tls);
    sim_tls_forget(&client->session);
    sim_bytes_free(&client->words);
    sim_bytes_free(&client->out.bytes);
}
