/* The loop above its backends: it keeps the contract of io.h and asserts it.
 *
 * Owns the queue of completed ops, the timers, the tasks and the reaps of one thread's loop. A backend only carries
 * operations out and reports each by io_complete; whether an op may be submitted, when its `done` is called, what
 * comes before what in a turn and when a close may begin is decided here, once for every backend. Called by the
 * owning thread alone, io_wake excepted.
 *
 * An accept reports one connection at a time: after each it is given to the backend again, so that a burst of
 * connections is an ordinary sequence of completions and falls under the same bound.
 */
#include "io/io.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "io/io_backend.h"

enum { TURN_COMPLETIONS = 256, TURN_TASKS = 1024 };

#define NS_PER_MS     INT64_C(1000000)
#define WAIT_LIMIT_MS INT64_C(1000000000)

int io_create(const struct io_options *options, struct io **ret_io)
{
    ASSERT(options->backend != NULL && options->buffers != NULL);
    struct io *io = calloc(1, sizeof(*io)); /* start-up only: once for each loop */
    if (io == NULL)
        return -ERR_NO_MEMORY;
    io->backend = options->backend;
    io->options = *options;
    list_init(&io->completed);
    list_init(&io->tasks);
    list_init(&io->late);
    list_init(&io->reaps);
    list_init(&io->pipes);
    int code = io->backend->init(io);
    if (code != 0) {
        free(io); /* start-up only: see above */
        return code;
    }
    io->now_ns = io->backend->now_ns(io);
    timer_wheel_init(&io->wheel, io_now_ms(io));
    *ret_io = io;
    return 0;
}

static void run_reaps(struct io *io)
{
    struct list *link;
    while ((link = list_pop(&io->reaps)) != NULL) {
        struct io_reap *reap = CONTAINER_OF(link, struct io_reap, link);
        reap->reap(reap);
    }
}

void io_destroy(struct io **io)
{
    struct io *self = *io;
    if (self == NULL)
        return;
    ASSERT(!self->in_turn);
    ASSERT(self->ops_in_flight == 0);
    ASSERT(self->open_socks == 0);
    run_reaps(self);
    io_pipe_drop_kept(self);
    ASSERT(self->pipes_taken == 0);
    self->backend->fini(self);
    free(self); /* start-up only: and at its end */
    *io = NULL;
}

static bool turn_has_work(struct io *io)
{
    return !list_empty(&io->completed) || !list_empty(&io->tasks) || !list_empty(&io->late) ||
           !list_empty(&io->reaps) || atomic_load_explicit(&io->woken, memory_order_relaxed);
}

static int64_t turn_timeout_ns(struct io *io, int64_t max_wait_ms)
{
    if (turn_has_work(io))
        return 0;
    int64_t timeout = -1;
    if (max_wait_ms >= 0)
        timeout = (max_wait_ms < WAIT_LIMIT_MS ? max_wait_ms : WAIT_LIMIT_MS) * NS_PER_MS;
    int64_t due_ms = timer_wheel_next(&io->wheel);
    if (due_ms == TIMER_NEVER || due_ms - io_now_ms(io) > WAIT_LIMIT_MS)
        return timeout;
    int64_t until = due_ms * NS_PER_MS - io->now_ns;
    if (until < 0)
        until = 0;
    return timeout < 0 || until < timeout ? until : timeout;
}

static void turn_wait(struct io *io, int64_t max_wait_ms)
{
    /* What is queued already may go first, but new events are looked for at least every other turn. */
    bool skip = !io->skipped_wait && (!list_empty(&io->completed) || !list_empty(&io->tasks));
    io->skipped_wait = skip;
    if (!skip)
        io->backend->wait(io, turn_timeout_ns(io, max_wait_ms));
    io->now_ns = io->backend->now_ns(io);
    if (!atomic_load_explicit(&io->woken, memory_order_relaxed))
        return;
    atomic_exchange(&io->woken, false);
    if (io->options.on_wake != NULL)
        io->options.on_wake(io->options.context);
}

static void sock_try_close(struct io_sock *sock)
{
    if (sock->closing == NULL || sock->fd < 0 || sock->rx != NULL || sock->tx != NULL)
        return;
    bool reset = sock->closing->result != 0;
    sock->io->backend->close(sock->io, sock, reset);
    sock->fd = -1;
}

static void splice_leave(struct io_op *op)
{
    uint32_t moved = op->result > 0 ? (uint32_t)op->result : 0;
    if (op->kind == IO_OP_SPLICE_IN) {
        op->pipe->held += moved;
    } else {
        ASSERT(moved <= op->pipe->held);
        op->pipe->held -= moved;
    }
    io_pipe_unref(op->pipe);
}

static void op_leave(struct io_op *op)
{
    struct io_sock *sock = op->sock;
    if (sock->rx == op)
        sock->rx = NULL;
    else if (sock->tx == op)
        sock->tx = NULL;
    else
        sock->closing = NULL;
    if (op->kind == IO_OP_CLOSE)
        sock->io->open_socks--;
    if (op->kind == IO_OP_RECV && op->buf != NULL) {
        op->buf->lent = false;
        if (op->result > 0)
            op->buf->used += (uint32_t)op->result;
    }
    if (op->kind == IO_OP_SPLICE_IN || op->kind == IO_OP_SPLICE_OUT)
        splice_leave(op);
    op->kind = IO_OP_NONE;
    sock->io->ops_in_flight--;
}

/* One report of an accept that goes on. */
static void accept_deliver(struct io_op *op)
{
    op->done(op);
    if (op->completed)
        return;
    if (op->cancelled)
        io_complete(op, -ERR_CANCELLED);
    else
        op->sock->io->backend->submit(op->sock->io, op);
}

static void op_deliver(struct io_op *op)
{
    struct io_sock *sock = op->sock;
    ASSERT(op->completed);
    op->completed = false;
    if (op->kind == IO_OP_ACCEPT && op->result != -ERR_CANCELLED) {
        accept_deliver(op);
        return;
    }
    bool closed = op->kind == IO_OP_CLOSE;
    op_leave(op);
    op->done(op);
    if (!closed)
        sock_try_close(sock);
}

static void run_completions(struct io *io, uint32_t *budget)
{
    while (*budget > 0 && !list_empty(&io->completed)) {
        struct list *link = list_pop(&io->completed);
        (*budget)--;
        io->stats.completions++;
        op_deliver(CONTAINER_OF(link, struct io_op, link));
    }
}

static void run_tasks(struct io *io, uint32_t *budget)
{
    while (*budget > 0 && !list_empty(&io->tasks)) {
        struct list *link = list_pop(&io->tasks);
        struct io_task *task = CONTAINER_OF(link, struct io_task, link);
        (*budget)--;
        task->run(task);
    }
}

/* While each look finds something new, more may come for the same task to do. */
static void release_late(struct io *io, bool found)
{
    if (list_empty(&io->late) || (found && ++io->late_turns < IO_LATE_TURNS))
        return;
    io->late_turns = 0;
    list_splice(&io->tasks, &io->late);
}

void io_turn(struct io *io, int64_t max_wait_ms)
{
    uint32_t completions = TURN_COMPLETIONS;
    uint32_t tasks = TURN_TASKS;
    ASSERT(!io->in_turn);
    io->in_turn = true;
    io->stats.turns++;
    turn_wait(io, max_wait_ms);
    run_completions(io, &completions);
    timer_wheel_run(&io->wheel, io_now_ms(io));
    release_late(io, io->skipped_wait || completions < TURN_COMPLETIONS);
    /* Tasks send, and a send tried at once has completed by now: the usual request is finished within its turn. */
    do {
        run_tasks(io, &tasks);
        run_completions(io, &completions);
    } while (tasks > 0 && !list_empty(&io->tasks));
    run_reaps(io);
    io->in_turn = false;
}

int64_t io_now_ms(const struct io *io)
{
    return io->now_ns / NS_PER_MS;
}

int64_t io_now_ns(const struct io *io)
{
    return io->now_ns;
}

void io_wake(struct io *io)
{
    if (!atomic_exchange(&io->woken, true))
        io->backend->wake(io);
}

const struct io_stats *io_stats(const struct io *io)
{
    return &io->stats;
}

struct buf_pool *io_buffers(struct io *io)
{
    return io->options.buffers;
}

static int sock_entered(struct io *io, struct io_sock *sock, int code)
{
    if (code != 0) {
        sock->fd = -1;
        return code;
    }
    ASSERT(sock->fd >= 0);
    io->open_socks++;
    return 0;
}

int io_open(struct io *io, struct io_sock *sock, int family)
{
    *sock = (struct io_sock){.io = io, .fd = -1};
    return sock_entered(io, sock, io->backend->open(io, sock, family));
}

int io_adopt(struct io *io, struct io_sock *sock, int fd)
{
    ASSERT(fd >= 0);
    *sock = (struct io_sock){.io = io, .fd = fd};
    return sock_entered(io, sock, io->backend->adopt(io, sock, fd));
}

void io_discard(struct io *io, int fd)
{
    ASSERT(fd >= 0);
    io->backend->discard(io, fd);
}

static void op_enter(struct io_sock *sock, struct io_op *op, enum io_op_kind kind, struct io_op **slot)
{
    ASSERT(op->kind == IO_OP_NONE && !op->completed);
    ASSERT(op->done != NULL);
    ASSERT(sock->fd >= 0 && sock->closing == NULL);
    ASSERT(*slot == NULL);
    list_init(&op->link);
    op->sock = sock;
    op->result = 0;
    op->kind = (uint8_t)kind;
    op->cancelled = false;
    *slot = op;
    sock->io->ops_in_flight++;
}

void io_accept(struct io_sock *sock, struct io_op *op, struct sockaddr_storage *peer)
{
    op_enter(sock, op, IO_OP_ACCEPT, &sock->rx);
    op->peer = peer;
    sock->io->backend->submit(sock->io, op);
}

void io_connect(struct io_sock *sock, struct io_op *op, struct sockaddr_storage *to)
{
    op_enter(sock, op, IO_OP_CONNECT, &sock->tx);
    op->peer = to;
    sock->io->backend->submit(sock->io, op);
}

void io_recv(struct io_sock *sock, struct io_op *op, struct buf *into)
{
    op_enter(sock, op, IO_OP_RECV, &sock->rx);
    op->buf = into;
    if (into != NULL) {
        ASSERT(buf_room(into) > 0);
        into->lent = true;
    }
    sock->io->backend->submit(sock->io, op);
}

void io_send(struct io_sock *sock, struct io_op *op, struct bufq *queue)
{
    ASSERT(bufq_bytes(queue) > 0);
    op_enter(sock, op, IO_OP_SEND, &sock->tx);
    op->queue = queue;
    sock->io->backend->submit(sock->io, op);
}

void io_splice_in(struct io_sock *sock, struct io_op *op, struct io_pipe *pipe, uint32_t max)
{
    ASSERT(pipe->held == 0 && max > 0 && max <= INT32_MAX);
    op_enter(sock, op, IO_OP_SPLICE_IN, &sock->rx);
    op->pipe = io_pipe_ref(pipe);
    op->result = (int32_t)max; /* until it completes */
    sock->io->backend->submit(sock->io, op);
}

void io_splice_out(struct io_sock *sock, struct io_op *op, struct io_pipe *pipe)
{
    ASSERT(pipe->held > 0);
    op_enter(sock, op, IO_OP_SPLICE_OUT, &sock->tx);
    op->pipe = io_pipe_ref(pipe);
    sock->io->backend->submit(sock->io, op);
}

void io_await_room(struct io_sock *sock, struct io_op *op)
{
    op_enter(sock, op, IO_OP_ROOM, &sock->tx);
    sock->io->backend->submit(sock->io, op);
}

void io_shutdown_send(struct io_sock *sock)
{
    ASSERT(sock->fd >= 0 && sock->closing == NULL && sock->tx == NULL);
    sock->io->backend->shutdown_send(sock->io, sock);
}

void io_close(struct io_sock *sock, struct io_op *op, bool reset)
{
    op_enter(sock, op, IO_OP_CLOSE, &sock->closing);
    op->result = reset; /* until it completes */
    if (sock->rx != NULL)
        io_cancel(sock->rx);
    if (sock->tx != NULL)
        io_cancel(sock->tx);
    sock_try_close(sock);
}

void io_cancel(struct io_op *op)
{
    if (op->kind == IO_OP_NONE || op->kind == IO_OP_CLOSE || op->cancelled)
        return;
    op->cancelled = true;
    if (!op->completed)
        op->sock->io->backend->cancel(op->sock->io, op);
}

void io_complete(struct io_op *op, int32_t result)
{
    ASSERT(op->kind != IO_OP_NONE && !op->completed);
    op->completed = true;
    op->result = result;
    list_append(&op->sock->io->completed, &op->link);
}

void io_timer_set(struct io *io, struct timer *timer, int64_t due_ms)
{
    timer_set(&io->wheel, timer, due_ms);
}

void io_timer_fini(struct io *io, struct timer *timer)
{
    timer_fini(&io->wheel, timer);
}

void io_note_broken(struct io_sock *sock)
{
    if (sock->broken)
        return;
    sock->broken = true;
    if (sock->on_broken != NULL && sock->closing == NULL)
        io_task_queue(sock->io, sock->on_broken);
}

uint32_t io_untaken(const struct io_sock *sock)
{
    const struct io_backend *backend = sock->io->backend;

    return sock->fd >= 0 && backend->untaken ? backend->untaken(sock) : 0;
}

void io_local(const struct io_sock *sock, struct sockaddr_storage *ret_address)
{
    if (sock->fd >= 0 && sock->io->backend->local)
        sock->io->backend->local(sock, ret_address);
}

uint32_t io_timers(const struct io *io)
{
    return io->wheel.linked;
}

void io_task_init(struct io_task *task, void (*run)(struct io_task *task))
{
    list_init(&task->link);
    task->run = run;
}

void io_task_queue(struct io *io, struct io_task *task)
{
    if (!list_linked(&task->link))
        list_append(&io->tasks, &task->link);
}

void io_task_queue_late(struct io *io, struct io_task *task)
{
    if (!list_linked(&task->link))
        list_append(&io->late, &task->link);
}

void io_task_cancel(struct io_task *task)
{
    list_remove(&task->link);
}

void io_reap_queue(struct io *io, struct io_reap *reap)
{
    list_init(&reap->link);
    list_append(&io->reaps, &reap->link);
}
