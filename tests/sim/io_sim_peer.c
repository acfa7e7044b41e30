/* Scripted peers: the far ends of simulated connections, without a loop of their own.
 *
 * A peer owns one end of a connection, what waits to be sent on it and what was received. The net pokes it when
 * something arrived; the test (or the peer's on_event) reads and answers.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/io_sim_net.h"

struct io_sim_peer {
    struct io_sim_net *net;
    struct sim_end *end;
    struct sim_bytes out;
    struct sim_bytes in;
    io_sim_event_fn on_event;
    void *context;
    bool paused;
    bool shutdown_wanted;
};

static struct io_sim_peer *peer_create(struct sim_end *end)
{
    struct io_sim_peer *peer = sim_take(sizeof(*peer));
    peer->net = end->net;
    peer->end = end;
    end->script = peer;
    return peer;
}

struct io_sim_peer *io_sim_peer_connect(struct io_sim_net *net, const struct sockaddr_storage *to)
{
    struct io_sim_peer *peer = peer_create(sim_end_create(net));
    sim_end_connect(peer->end, to);
    return peer;
}

struct io_sim_peer *io_sim_peer_pair(struct io_sim_net *net, int *ret_fd)
{
    struct sim_end *end = sim_end_create(net);
    sim_end_join(end);
    end->peer->fd = sim_fd_take(net, SIM_FD_END, end->peer);
    *ret_fd = end->peer->fd;
    return peer_create(end);
}

int io_sim_peer_listen(struct io_sim_net *net, const struct sockaddr_storage *address, io_sim_accept_fn on_accept,
                       void *context)
{
    struct sim_listener *listener = sim_listener_create(net, address);
    listener->scripted = true;
    listener->on_accept = on_accept;
    listener->context = context;
    return listener->fd;
}

struct io_sim_peer *io_sim_peer_accept(struct io_sim_net *net, int listener)
{
    struct sim_end *end = sim_listener_pop(sim_fd_find(net, listener, SIM_FD_LISTENER));
    return end == NULL ? NULL : peer_create(end);
}

void io_sim_peer_unlisten(struct io_sim_net *net, int listener)
{
    io_sim_unlisten(net, listener);
}

void sim_peer_accept_poke(struct sim_listener *listener)
{
    if (listener->on_accept != NULL)
        listener->on_accept(io_sim_peer_accept(listener->net, listener->fd), listener->context);
}

static void peer_flush(struct io_sim_peer *peer)
{
    struct sim_end *end = peer->end;
    if (!end->connected || end->reset || end->fin_sent)
        return;
    while (peer->out.n > 0) {
        struct str all = sim_bytes_all(&peer->out);
        size_t most = peer->net->limits.segment_bytes;
        size_t n = sim_end_send(end, all.p, all.n < most ? all.n : most);
        if (n == 0)
            return;
        sim_bytes_drop(&peer->out, n);
    }
    if (peer->shutdown_wanted)
        sim_end_shutdown(end);
}

static void peer_read(struct io_sim_peer *peer)
{
    char bytes[4096];
    size_t n;
    while (!peer->paused && (n = sim_end_read(peer->end, bytes, sizeof(bytes))) > 0)
        sim_bytes_append(&peer->in, bytes, n);
}

void sim_peer_poke(struct io_sim_peer *peer)
{
    peer_flush(peer);
    peer_read(peer);
    if (peer->on_event != NULL)
        peer->on_event(peer, peer->context);
}

void io_sim_peer_on_event(struct io_sim_peer *peer, io_sim_event_fn on_event, void *context)
{
    peer->on_event = on_event;
    peer->context = context;
}

void io_sim_peer_send(struct io_sim_peer *peer, const void *bytes, size_t n)
{
    ASSERT(!peer->shutdown_wanted);
    sim_bytes_append(&peer->out, bytes, n);
    peer_flush(peer);
}

size_t io_sim_peer_unsent(const struct io_sim_peer *peer)
{
    return peer->out.n;
}

size_t io_sim_peer_unread(const struct io_sim_peer *peer)
{
    return peer->out.n + peer->end->peer->in.n;
}

struct str io_sim_peer_received(struct io_sim_peer *peer)
{
    peer_read(peer);
    return sim_bytes_all(&peer->in);
}

void io_sim_peer_take(struct io_sim_peer *peer, size_t n)
{
    sim_bytes_drop(&peer->in, n);
}

void io_sim_peer_pause(struct io_sim_peer *peer, bool paused)
{
    peer->paused = paused;
    peer_read(peer);
}

enum io_sim_peer_state io_sim_peer_state(const struct io_sim_peer *peer)
{
    const struct sim_end *end = peer->end;
    if (end->refused)
        return IO_SIM_PEER_REFUSED;
    if (end->reset)
        return IO_SIM_PEER_RESET;
    if (!end->connected)
        return IO_SIM_PEER_CONNECTING;
    return end->ended && end->arrived == 0 ? IO_SIM_PEER_ENDED : IO_SIM_PEER_OPEN;
}

struct expectation {
    struct io_sim_peer *peer;
    size_t n;
};

static bool expectation_ripe(void *context)
{
    const struct expectation *expectation = context;
    return io_sim_peer_received(expectation->peer).n >= expectation->n;
}

bool io_sim_peer_expect(struct io_sim_peer *peer, struct str bytes, int64_t max_ms)
{
    struct expectation expectation = {.peer = peer, .n = bytes.n};
    if (!io_sim_run(peer->net, expectation_ripe, &expectation, max_ms))
        return false;
    struct str received = io_sim_peer_received(peer);
    if (!str_eq(str_slice(received.p, bytes.n), bytes))
        return false;
    io_sim_peer_take(peer, bytes.n);
    return true;
}

void io_sim_peer_dark(struct io_sim_peer *peer)
{
    peer->end->pair->dark = true;
}

void io_sim_peer_break(struct io_sim_peer *peer)
{
    sim_end_break(peer->end);
}

void io_sim_peer_shutdown(struct io_sim_peer *peer)
{
    peer->shutdown_wanted = true;
    peer_flush(peer);
}

void io_sim_peer_close(struct io_sim_peer **peer, bool reset)
{
    struct io_sim_peer *self = *peer;
    sim_end_close(self->end, reset);
    sim_bytes_free(&self->in);
    sim_bytes_free(&self->out);
    free(self);
    *peer = NULL;
}
