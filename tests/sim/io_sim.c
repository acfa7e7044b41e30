/* The simulated backend: struct io_backend over the ends and listeners of io_sim_net.c.
 *
 * One struct sim_loop for each loop; called by io.c, and poked by the net when something arrived at a socket of this
 * loop. Like the other backends it only queues completions: `done` is called by io.c in the loop's turn.
 */
#include "tests/sim/io_sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "io/io_backend.h"
#include "tests/sim/io_sim_net.h"

enum { ACCEPT_BURST = 16, SEND_SLICES = 16 };

static struct sim_end *sock_end(struct io_sock *sock)
{
    struct sim_loop *loop = sock->io->state;
    return sim_fd_find(loop->net, sock->fd, SIM_FD_END);
}

static bool op_waits(const struct io_op *op)
{
    return op != NULL && !op->completed;
}

/* ---- Operations ---- */

static void recv_bytes(struct sim_end *end, struct io_op *op)
{
    struct buf *buf = op->buf != NULL ? op->buf : buf_take(op->sock->io->options.buffers);
    if (buf == NULL) {
        io_complete(op, -ERR_NO_MEMORY);
        return;
    }
    size_t room = buf->cap - buf->used;
    if (room > end->net->limits.segment_bytes)
        room = end->net->limits.segment_bytes;
    op->buf = buf;
    io_complete(op, (int32_t)sim_end_read(end, buf->data + buf->used, room));
}

static void recv_try(struct sim_end *end, struct io_op *op)
{
    if (end->arrived > 0)
        recv_bytes(end, op);
    else if (end->reset)
        io_complete(op, -ERR_CONN_RESET);
    else if (end->ended)
        io_complete(op, 0);
}

static void send_try(struct sim_end *end, struct io_op *op)
{
    struct iovec slices[SEND_SLICES];
    if (end->reset || end->fin_sent) {
        io_complete(op, -ERR_CONN_RESET);
        return;
    }
    int count = bufq_iov(op->queue, slices, SEND_SLICES, end->net->limits.segment_bytes);
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        size_t n = sim_end_send(end, slices[i].iov_base, slices[i].iov_len);
        sent += n;
        if (n < slices[i].iov_len)
            break;
    }
    if (sent > 0)
        io_complete(op, (int32_t)sent);
}

static void splice_in_try(struct sim_end *end, struct io_op *op)
{
    char bytes[IO_PIPE_BYTES];
    size_t room = io_splice_max(op) < sizeof(bytes) ? io_splice_max(op) : sizeof(bytes);
    if (room > end->net->limits.segment_bytes)
        room = end->net->limits.segment_bytes;
    size_t n = sim_end_read(end, bytes, room);
    if (n > 0) {
        sim_bytes_append(op->pipe->state, bytes, n);
        io_complete(op, (int32_t)n);
    } else if (end->reset) {
        io_complete(op, -ERR_CONN_RESET);
    } else if (end->ended) {
        io_complete(op, 0);
    }
}

static void splice_out_try(struct sim_end *end, struct io_op *op)
{
    struct sim_bytes *held = op->pipe->state;
    if (end->reset || end->fin_sent) {
        io_complete(op, -ERR_CONN_RESET);
        return;
    }
    size_t most = held->n < end->net->limits.segment_bytes ? held->n : end->net->limits.segment_bytes;
    size_t n = sim_end_send(end, sim_bytes_all(held).p, most);
    if (n == 0)
        return;
    sim_bytes_drop(held, n);
    io_complete(op, (int32_t)n);
}

static void room_try(struct sim_end *end, struct io_op *op)
{
    if (end->reset || end->fin_sent || sim_end_room(end) > 0)
        io_complete(op, 0);
    else
        end->blocked = true;
}

static int sim_pipe_open(struct io_pipe *pipe)
{
    pipe->state = sim_take(sizeof(struct sim_bytes));
    return 0;
}

static void sim_pipe_close(struct io_pipe *pipe)
{
    sim_bytes_free(pipe->state);
    free(pipe->state);
}

static void sim_pipe_read(struct io_pipe *pipe, char *into, size_t n)
{
    struct sim_bytes *held = pipe->state;

    ASSERT(n <= held->n);
    memcpy(into, sim_bytes_all(held).p, n);
    sim_bytes_drop(held, n);
}

static void connect_try(struct sim_end *end, struct io_op *op)
{
    if (end->refused)
        io_complete(op, -ERR_CONNECT_REFUSED);
    else if (end->connected)
        io_complete(op, 0);
}

void sim_sock_poke(struct sim_end *end)
{
    struct io_op *tx = end->sock->tx;
    struct io_op *rx = end->sock->rx;
    if (op_waits(tx)) {
        if (tx->kind == IO_OP_CONNECT)
            connect_try(end, tx);
        else if (tx->kind == IO_OP_SPLICE_OUT)
            splice_out_try(end, tx);
        else if (tx->kind == IO_OP_ROOM)
            room_try(end, tx);
        else
            send_try(end, tx);
    }
    if (op_waits(rx) && rx->kind == IO_OP_SPLICE_IN)
        splice_in_try(end, rx);
    else if (op_waits(rx))
        recv_try(end, rx);
}

static void accept_try(struct sim_listener *listener, struct io_op *op)
{
    struct sim_loop *loop = op->sock->io->state;
    if (op->sock->burst >= ACCEPT_BURST) {
        list_append(&loop->again, &op->link);
        return;
    }
    struct sim_end *end = sim_listener_pop(listener);
    if (end == NULL)
        return;
    op->sock->burst++;
    end->fd = sim_fd_take(listener->net, SIM_FD_END, end);
    *op->peer = end->peer->address;
    io_complete(op, end->fd);
}

void sim_accept_poke(struct sim_listener *listener)
{
    for (int i = 0; i < SIM_SHARERS; i++) {
        struct io_sock *sock = listener->socks[i];
        if (sock == NULL || !op_waits(sock->rx) || list_linked(&sock->rx->link))
            continue;
        sock->burst = 0;
        accept_try(listener, sock->rx);
    }
}

static void sim_submit(struct io *io, struct io_op *op)
{
    struct sim_loop *loop = io->state;
    switch ((enum io_op_kind)op->kind) {
    case IO_OP_RECV: recv_try(sock_end(op->sock), op); break;
    case IO_OP_SEND: send_try(sock_end(op->sock), op); break;
    case IO_OP_SPLICE_IN: splice_in_try(sock_end(op->sock), op); break;
    case IO_OP_SPLICE_OUT: splice_out_try(sock_end(op->sock), op); break;
    case IO_OP_ROOM: room_try(sock_end(op->sock), op); break;
    case IO_OP_ACCEPT: accept_try(sim_fd_find(loop->net, op->sock->fd, SIM_FD_LISTENER), op); break;
    case IO_OP_CONNECT: sim_end_connect(sock_end(op->sock), op->peer); break;
    case IO_OP_NONE:
    case IO_OP_CLOSE: ASSERT(!"submitted");
    }
}

static void sim_cancel(struct io *io, struct io_op *op)
{
    list_remove(&op->link);
    io_complete(op, -ERR_CANCELLED);
}

/* ---- Sockets ---- */

static int sim_open(struct io *io, struct io_sock *sock, int family)
{
    struct sim_loop *loop = io->state;
    struct sim_end *end = sim_end_create(loop->net);
    end->fd = sim_fd_take(loop->net, SIM_FD_END, end);
    end->sock = sock;
    sock->fd = end->fd;
    return 0;
}

static int sim_adopt(struct io *io, struct io_sock *sock, int fd)
{
    struct sim_loop *loop = io->state;
    if (sim_fd_kind(loop->net, fd) == SIM_FD_LISTENER) {
        struct sim_listener *listener = sim_fd_find(loop->net, fd, SIM_FD_LISTENER);
        int place = listener->socks[0] == NULL ? 0 : 1;
        ASSERT(listener->socks[place] == NULL && !listener->scripted);
        listener->socks[place] = sock;
        return 0;
    }
    struct sim_end *end = sim_fd_find(loop->net, fd, SIM_FD_END);
    ASSERT(end->sock == NULL && end->script == NULL);
    end->sock = sock;
    sock->peer_ended = end->ended || end->reset;
    return 0;
}

static void sim_discard(struct io *io, int fd)
{
    struct sim_loop *loop = io->state;
    sim_end_close(sim_fd_find(loop->net, fd, SIM_FD_END), false);
}

static void sim_close(struct io *io, struct io_sock *sock, bool reset)
{
    struct sim_loop *loop = io->state;
    if (sim_fd_kind(loop->net, sock->fd) == SIM_FD_LISTENER)
        sim_listener_close(sim_fd_find(loop->net, sock->fd, SIM_FD_LISTENER), sock->fd, sock);
    else
        sim_end_close(sock_end(sock), reset);
    io_complete(sock->closing, 0);
}

static void sim_shutdown_send(struct io *io, struct io_sock *sock)
{
    sim_end_shutdown(sock_end(sock));
}

/* ---- The loop's side ---- */

static void accepts_resume(struct sim_loop *loop)
{
    struct list ops;
    struct list *link;
    list_init(&ops);
    list_splice(&ops, &loop->again);
    while ((link = list_pop(&ops)) != NULL) {
        struct io_op *op = CONTAINER_OF(link, struct io_op, link);
        op->sock->burst = 0;
        accept_try(sim_fd_find(loop->net, op->sock->fd, SIM_FD_LISTENER), op);
    }
}

/* io_sim_run never waits here; a test that turns its one loop by hand does, and time then passes as if it slept. */
static void sim_wait(struct io *io, int64_t timeout_ns)
{
    struct sim_loop *loop = io->state;
    struct io_sim_net *net = loop->net;
    int64_t end_ns = timeout_ns < 0 ? INT64_MAX : net->now_ns + timeout_ns;
    io->stats.waits++;
    accepts_resume(loop);
    sim_net_deliver(net);
    while (net->now_ns < end_ns && list_empty(&io->completed) && !io->woken) {
        int64_t next = sim_net_next_ns(net);
        if (next > end_ns)
            next = end_ns;
        ASSERT(next != INT64_MAX); /* nothing will ever happen */
        sim_net_advance(net, next);
        sim_net_deliver(net);
    }
}

static void sim_wake(struct io *io)
{
    /* The scheduler looks at io->woken. */
}

static int64_t sim_now_ns(struct io *io)
{
    struct sim_loop *loop = io->state;
    return loop->net->now_ns;
}

static int sim_init(struct io *io)
{
    struct io_sim_net *net = sim_net_current();
    ASSERT(net != NULL);
    struct sim_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return -ERR_NO_MEMORY;
    loop->io = io;
    loop->net = net;
    list_init(&loop->link);
    list_init(&loop->again);
    list_append(&net->loops, &loop->link);
    io->state = loop;
    return 0;
}

static void sim_fini(struct io *io)
{
    struct sim_loop *loop = io->state;
    list_remove(&loop->link);
    free(loop);
    io->state = NULL;
}

const struct io_backend io_sim_backend = {
    .name = "simulation",
    .init = sim_init,
    .fini = sim_fini,
    .open = sim_open,
    .adopt = sim_adopt,
    .discard = sim_discard,
    .pipe_open = sim_pipe_open,
    .pipe_close = sim_pipe_close,
    .pipe_read = sim_pipe_read,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .shutdown_send = sim_shutdown_send,
    .close = sim_close,
    .wait = sim_wait,
    .wake = sim_wake,
    .now_ns = sim_now_ns,
};
