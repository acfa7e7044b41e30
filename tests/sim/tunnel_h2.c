/* Words go from the pacer into a queue, and from there as the library has credit for them. */
#include "tests/sim/tunnel_h2.h"

#include <stdlib.h>

#include "tests/sim/check.h"

#define NS_PER_MS INT64_C(1000000)

static void go_on(struct h2_tunnel *tunnel)
{
    if (tunnel->peer == NULL)
        return;
    nghttp2_session_resume_data(tunnel->h2, tunnel->id);
    tunnel->wake(tunnel->context);
}

/* ---- what the pacer and tunnel.c call ---- */

static void queue_words(void *context, struct str words)
{
    struct h2_tunnel *tunnel = context;
    sim_bytes_append(&tunnel->queue, words.p, words.n);
    go_on(tunnel);
}

static void on_words_sent(void *context)
{
    struct h2_tunnel *tunnel = context;
    if (tunnel->queue.n == 0)
        sim_tunnel_sent(&tunnel->end);
}

static void say(void *context)
{
    struct h2_tunnel *tunnel = context;
    pacer_kick(&tunnel->out);
}

/* It has not ended then; and that is to be told, unless it was the balancer that ended it. */
static void quit(struct h2_tunnel *tunnel)
{
    struct tunnel_log *log = sim_tunnel_log_of(&tunnel->end);
    tunnel->resets = true;
    tunnel->end.said_end = !log->down_ended;
    log->up_ended = false;
}

static void shut(void *context)
{
    struct h2_tunnel *tunnel = context;
    if (tunnel->end.client && tunnel->end.request->tunnel.quits)
        quit(tunnel);
    else
        tunnel->ends = true;
    go_on(tunnel);
}

/* ---- what a worker's plan stops ---- */

static void on_stop(void *context)
{
    struct h2_tunnel *tunnel = context;
    tunnel->resets = tunnel->end.request->answer.kind != ANSWER_STALL;
    trace_line((int)(tunnel->end.request->id - 1000) / 100, (int)tunnel->end.request->id,
               "the worker %s the tunnel q%u", tunnel->resets ? "is to reset" : "stalls in", tunnel->end.request->id);
    go_on(tunnel);
}

static void set_pace(struct h2_tunnel *tunnel)
{
    const struct plan_tunnel *plan = &tunnel->end.request->tunnel;
    bool client = tunnel->end.client;
    uint32_t pieces = client ? plan->up_pieces : plan->down_pieces, bytes = client ? plan->up_bytes : plan->down_bytes;
    tunnel->out.piece = pieces > 1 ? bytes / pieces + 1 : 0;
    tunnel->out.gap_ns = (client ? plan->up_gap_ms : plan->down_gap_ms) * NS_PER_MS;
    tunnel->pause_ms = client ? plan->client_pause_ms : plan->worker_pause_ms;
}

/* ---- life ---- */

struct h2_tunnel *h2_tunnel_open(const struct h2_tunnel_place *place)
{
    struct h2_tunnel *tunnel = sim_take(sizeof(*tunnel));
    tunnel->peer = place->peer;
    tunnel->h2 = place->h2;
    tunnel->id = place->id;
    tunnel->reader = place->reader;
    tunnel->wake = place->wake;
    tunnel->context = place->context;
    pacer_init(&tunnel->out, place->world, &tunnel->peer, tunnel);
    tunnel->out.send = queue_words;
    tunnel->out.on_sent = on_words_sent;
    tunnel->out.on_stop = on_stop;
    tunnel->end = (struct tunnel_end){
        .world = place->world,
        .request = place->request,
        .client = place->client,
        .out = &tunnel->out,
        .words = &tunnel->out.bytes,
        .queue = &tunnel->queue,
        .say = say,
        .shut = shut,
        .context = tunnel,
    };
    wire_reader_start(place->reader);
    place->reader->state = WIRE_OPEN;
    place->reader->key = place->client ? world_answer_key(place->world, place->request->id)
                                       : world_request_key(place->world, place->request->id);
    set_pace(tunnel);
    return tunnel;
}

void h2_tunnel_free(struct h2_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    sim_bytes_free(&tunnel->out.bytes);
    sim_bytes_free(&tunnel->queue);
    free(tunnel);
}

void h2_tunnel_note_reset(struct h2_tunnel *tunnel)
{
    tunnel->is_reset = true;
    if (!tunnel->end.said_end)
        sim_tunnel_log_of(&tunnel->end)->reset_ns = world_now_ns(tunnel->end.world);
}

void h2_tunnel_close(struct h2_tunnel *tunnel)
{
    if (tunnel->peer == NULL)
        return;
    tunnel->peer = NULL;
    if (!tunnel->end.heard_end && !tunnel->is_reset)
        check_tunnel_end(&tunnel->end, false);
}

/* ---- bytes ---- */

ssize_t h2_tunnel_give(struct h2_tunnel *tunnel, uint8_t *out, size_t room, uint32_t *flags)
{
    size_t n = tunnel->queue.n < room ? tunnel->queue.n : room;
    memcpy(out, sim_bytes_all(&tunnel->queue).p, n);
    sim_bytes_drop(&tunnel->queue, n);
    if (n > 0)
        sim_tunnel_note_moved(&tunnel->end);
    if (tunnel->queue.n == 0 && tunnel->out.bytes.n == 0 && !tunnel->out.stopped && !tunnel->resets)
        sim_tunnel_sent(&tunnel->end);
    if (tunnel->queue.n > 0 || !tunnel->ends)
        return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void on_credit(void *context)
{
    struct h2_tunnel *tunnel = context;
    tunnel->credit_waits = false;
    if (tunnel->peer == NULL)
        return;
    nghttp2_session_consume_stream(tunnel->h2, tunnel->id, tunnel->uncredited);
    tunnel->uncredited = 0;
    tunnel->wake(tunnel->context);
}

/* Of its connection at once: a tunnel that is read slowly holds up itself alone. */
static void give_credit(struct h2_tunnel *tunnel, size_t n)
{
    nghttp2_session_consume_connection(tunnel->h2, n);
    tunnel->uncredited += n;
    if (tunnel->credit_waits)
        return;
    tunnel->credit_waits = true;
    io_sim_after(tunnel->end.world->net, tunnel->pause_ms * NS_PER_MS, on_credit, tunnel);
}

void h2_tunnel_take(struct h2_tunnel *tunnel, struct str bytes)
{
    wire_reader_feed(tunnel->reader, bytes, tunnel->end.client);
    sim_tunnel_read(&tunnel->end, tunnel->reader);
    if (tunnel->pause_ms > 0)
        give_credit(tunnel, bytes.n);
}

void h2_tunnel_hear_end(struct h2_tunnel *tunnel)
{
    if (!tunnel->end.heard_end)
        check_tunnel_end(&tunnel->end, true);
    sim_tunnel_hear_end(&tunnel->end);
}
