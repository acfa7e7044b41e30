/* The epoll backend: readiness made to look like completions, at the fewest calls into the kernel.
 *
 * Owns one epoll descriptor and one eventfd for a loop; called by io.c on that loop's thread, `wake` excepted.
 * A socket is registered once, edge-triggered in both directions, and what is known of it stands in its `ready` bits:
 * an op is tried as it is submitted unless it is known to be in vain, and again when an edge comes. A receive that did
 * not fill its room has emptied the socket, so that a request on a kept connection costs one receive and one send; the
 * end of the peer's stream breaks that rule (the next receive must see the 0), hence READY_ENDED.
 *
 * Stale events cannot reach a socket that was closed or opened anew: nobody's code runs while a batch of events is
 * worked off (ops are only queued as completed), and closing takes a descriptor out of the set before the next batch.
 * Only a listening descriptor may be shared with another process and so outlive its close here: whatever has carried
 * no data is taken out by name.
 */
#include "io/io_epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "io/io_backend.h"
#include "io/sock.h"

enum {
    READY_READ = 1,
    READY_WRITE = 2,
    READY_ENDED = 4,       /* the peer's end or an error was reported: receives are always tried */
    READY_PRIVATE = 8,     /* has carried data, so that no other process holds it */
    READY_PAUSED = 16,     /* accept: the system was out of something */
    READY_REGISTERED = 32, /* in the epoll set */
};

enum {
    EVENTS_MAX = 256,
    ACCEPT_BURST = 16, /* for each listener and turn */
    ACCEPT_PAUSE_MS = 10,
    SEND_SLICES = 16,
    SEND_BYTES = 256 * 1024,
};

struct epoll_state {
    struct io *io;
    int epoll_fd;
    int wake_fd;
    struct list again;  /* accepts that used up their burst: io_op.link */
    struct list paused; /* accepts that wait for the timer: io_op.link */
    struct timer pause;
};

/* ---- Registration ---- */

static int epoll_register(struct io *io, struct io_sock *sock)
{
    struct epoll_state *state = io->state;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = sock};
    if (epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, sock->fd, &event) != 0)
        return err_from_errno(errno);
    sock->ready |= READY_REGISTERED;
    return 0;
}

static int epoll_open(struct io *io, struct io_sock *sock, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_errno(errno);
    int on = 1;
    if (family != AF_UNIX && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        close(fd);
        return -ERR_SYSTEM;
    }
    sock->fd = fd; /* registered once connect(2) was called: an idle new socket reports a hang-up */
    return 0;
}

static int epoll_adopt(struct io *io, struct io_sock *sock, int fd)
{
    /* What was just accepted has its first bytes already, as a rule. */
    sock->ready = READY_READ | READY_WRITE;
    return epoll_register(io, sock);
}

static void epoll_discard(struct io *io, int fd)
{
    close(fd);
}

static void epoll_close(struct io *io, struct io_sock *sock, bool reset)
{
    struct epoll_state *state = io->state;
    if ((sock->ready & (READY_REGISTERED | READY_PRIVATE)) == READY_REGISTERED) {
        struct epoll_event unused = {0};
        int code = epoll_ctl(state->epoll_fd, EPOLL_CTL_DEL, sock->fd, &unused);
        ASSERT(code == 0);
    }
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(sock->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    int code = close(sock->fd);
    ASSERT(code == 0 || errno != EBADF);
    io_complete(sock->closing, 0);
}

static void epoll_shutdown_send(struct io *io, struct io_sock *sock)
{
    (void)shutdown(sock->fd, SHUT_WR);
}

/* ---- Operations ---- */

/* Whatever ends an established stream is a reset to those above, except running out of memory. */
static int stream_code(int system_errno)
{
    return system_errno == ENOMEM || system_errno == ENOBUFS ? -ERR_NO_MEMORY : -ERR_CONN_RESET;
}

static void recv_try(struct io *io, struct io_op *op)
{
    struct io_sock *sock = op->sock;
    struct buf *buf = op->buf != NULL ? op->buf : buf_take(io->options.buffers);
    if (buf == NULL) {
        io_complete(op, -ERR_NO_MEMORY);
        return;
    }
    size_t room = buf->cap - buf->used;
    ssize_t n = recv(sock->fd, buf->data + buf->used, room, 0);
    if (n > 0) {
        op->buf = buf;
        if ((size_t)n < room && (sock->ready & READY_ENDED) == 0)
            sock->ready &= (uint8_t)~READY_READ;
        io_complete(op, (int32_t)n);
        return;
    }
    int failure = errno;
    if (op->buf == NULL)
        buf_unref(buf);
    if (n < 0 && failure == EAGAIN) {
        sock->ready &= (uint8_t)~READY_READ;
        return;
    }
    sock->peer_ended = true;
    sock->ready |= READY_ENDED;
    io_complete(op, n == 0 ? 0 : stream_code(failure));
}

static ssize_t send_slices(const struct io_sock *sock, struct iovec *slices, int count)
{
    int flags = MSG_NOSIGNAL | (sock->more ? MSG_MORE : 0);
    if (count == 1)
        return send(sock->fd, slices->iov_base, slices->iov_len, flags);
    struct msghdr message = {.msg_iov = slices, .msg_iovlen = (size_t)count};
    return sendmsg(sock->fd, &message, flags);
}

static void send_try(struct io_op *op)
{
    struct io_sock *sock = op->sock;
    struct iovec slices[SEND_SLICES];
    int count = bufq_iov(op->queue, slices, SEND_SLICES, SEND_BYTES);
    size_t wanted = 0;
    for (int i = 0; i < count; i++)
        wanted += slices[i].iov_len;
    ssize_t n = send_slices(sock, slices, count);
    if (n >= 0) {
        if ((size_t)n < wanted)
            sock->ready &= (uint8_t)~READY_WRITE;
        io_complete(op, (int32_t)n);
    } else if (errno == EAGAIN) {
        sock->ready &= (uint8_t)~READY_WRITE;
    } else {
        io_complete(op, stream_code(errno));
    }
}

static void splice_in_try(struct io_op *op)
{
    struct io_sock *sock = op->sock;
    /* The pipe is empty, so that EAGAIN speaks of the socket. A short count says nothing: the pipe counts in pages. */
    ssize_t n = splice(sock->fd, NULL, op->pipe->ends[1], NULL, io_splice_max(op), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        io_complete(op, (int32_t)n);
    } else if (n < 0 && errno == EAGAIN) {
        sock->ready &= (uint8_t)~READY_READ;
    } else {
        sock->peer_ended = true;
        sock->ready |= READY_ENDED;
        io_complete(op, n == 0 ? 0 : stream_code(errno));
    }
}

static void splice_out_try(struct io_op *op)
{
    struct io_sock *sock = op->sock;
    ssize_t n = splice(op->pipe->ends[0], NULL, sock->fd, NULL, op->pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0)
        io_complete(op, (int32_t)n);
    else if (n < 0 && errno == EAGAIN)
        sock->ready &= (uint8_t)~READY_WRITE;
    else
        io_complete(op, stream_code(errno));
}

/* What was known of the socket is of its last send, and this asks for more room than that needed. */
static void room_try(struct io_op *op)
{
    struct pollfd room = {.fd = op->sock->fd, .events = POLLOUT};
    if (poll(&room, 1, 0) != 0)
        io_complete(op, 0);
}

static int epoll_pipe_open(struct io_pipe *pipe)
{
    return pipe2(pipe->ends, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : err_from_errno(errno);
}

static void epoll_pipe_close(struct io_pipe *pipe)
{
    close(pipe->ends[0]);
    close(pipe->ends[1]);
}

static void epoll_pipe_read(struct io_pipe *pipe, char *into, size_t n)
{
    while (n > 0) {
        ssize_t got = read(pipe->ends[0], into, n);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            into += got;
            n -= (size_t)got;
        }
    }
}

static int connect_code(int system_errno)
{
    switch (system_errno) {
    case 0: return 0;
    case ENOENT:     /* a Unix socket that is not there */
    case EAGAIN:     /* a Unix socket whose backlog is full */
    case ECONNRESET: /* before it was established: nothing can have been sent */
    case EPIPE: return -ERR_CONNECT_REFUSED;
    case EACCES: /* a Unix socket's mode, or a firewall's word */
    case EPERM:
    case EADDRINUSE: /* no local port is left towards this worker */
    case EADDRNOTAVAIL: return -ERR_CONNECT_UNREACHABLE;
    default: return err_from_errno(system_errno);
    }
}

static void connect_start(struct io *io, struct io_op *op)
{
    struct io_sock *sock = op->sock;
    const struct sockaddr *to = (const struct sockaddr *)op->peer;
    bool pending = false;
    if (connect(sock->fd, to, sock_addr_len(op->peer)) != 0) {
        if (errno != EINPROGRESS) {
            io_complete(op, connect_code(errno));
            return;
        }
        pending = true;
    }
    int code = epoll_register(io, sock);
    if (code != 0 || !pending) {
        sock->ready |= READY_WRITE;
        io_complete(op, code);
    }
}

static void connect_finish(struct io_op *op, uint32_t events)
{
    int failure = 0;
    socklen_t len = sizeof(failure);
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 && getsockopt(op->sock->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0)
        failure = errno;
    io_complete(op, connect_code(failure));
}

/* ---- Accepting ---- */

static int accept_once(struct io_op *op)
{
    socklen_t len = sizeof(*op->peer);
    memset(op->peer, 0, sizeof(*op->peer)); /* a nameless Unix peer fills nothing but the family */
    return accept4(op->sock->fd, (struct sockaddr *)op->peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Failures of one connection that was about to be accepted: accept(2) says to go on as if it had not been. */
static bool accept_skips(int system_errno)
{
    switch (system_errno) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT: return true;
    default: return false;
    }
}

static void accept_try(struct io *io, struct io_op *op)
{
    struct epoll_state *state = io->state;
    struct io_sock *sock = op->sock;
    while (sock->burst < ACCEPT_BURST) {
        sock->burst++;
        int fd = accept_once(op);
        if (fd >= 0) {
            io_complete(op, fd);
            return;
        }
        if (errno == EAGAIN) {
            sock->ready &= (uint8_t)~READY_READ;
            return;
        }
        if (!accept_skips(errno)) {
            sock->ready |= READY_PAUSED;
            io_complete(op, err_from_errno(errno));
            return;
        }
    }
    list_append(&state->again, &op->link);
}

static void accept_submit(struct io *io, struct io_op *op)
{
    struct epoll_state *state = io->state;
    struct io_sock *sock = op->sock;
    if ((sock->ready & READY_PAUSED) != 0) {
        list_append(&state->paused, &op->link);
        if (!timer_is_set(&state->pause))
            io_timer_set(io, &state->pause, io_now_ms(io) + ACCEPT_PAUSE_MS);
    } else if ((sock->ready & READY_READ) != 0) {
        accept_try(io, op);
    }
}

/* A list that accept_try may append to is walked from a copy. */
static void accept_resume(struct io *io, struct list *from)
{
    struct list ops;
    struct list *link;
    list_init(&ops);
    list_splice(&ops, from);
    while ((link = list_pop(&ops)) != NULL) {
        struct io_op *op = CONTAINER_OF(link, struct io_op, link);
        op->sock->ready &= (uint8_t)~READY_PAUSED;
        op->sock->ready |= READY_READ;
        op->sock->burst = 0;
        accept_try(io, op);
    }
}

static void on_pause_over(struct timer *timer)
{
    struct epoll_state *state = CONTAINER_OF(timer, struct epoll_state, pause);
    accept_resume(state->io, &state->paused);
}

/* ---- The loop's side ---- */

static void epoll_submit(struct io *io, struct io_op *op)
{
    struct io_sock *sock = op->sock;
    switch ((enum io_op_kind)op->kind) {
    case IO_OP_RECV:
        sock->ready |= READY_PRIVATE;
        if ((sock->ready & READY_READ) != 0)
            recv_try(io, op);
        break;
    case IO_OP_SEND:
        sock->ready |= READY_PRIVATE;
        if ((sock->ready & READY_WRITE) != 0)
            send_try(op);
        break;
    case IO_OP_SPLICE_IN:
        sock->ready |= READY_PRIVATE;
        if ((sock->ready & READY_READ) != 0)
            splice_in_try(op);
        break;
    case IO_OP_SPLICE_OUT:
        sock->ready |= READY_PRIVATE;
        if ((sock->ready & READY_WRITE) != 0)
            splice_out_try(op);
        break;
    case IO_OP_ROOM:
        sock->ready |= READY_PRIVATE;
        room_try(op);
        break;
    case IO_OP_ACCEPT: accept_submit(io, op); break;
    case IO_OP_CONNECT: connect_start(io, op); break;
    case IO_OP_NONE:
    case IO_OP_CLOSE: ASSERT(!"submitted");
    }
}

static void epoll_cancel(struct io *io, struct io_op *op)
{
    list_remove(&op->link);
    io_complete(op, -ERR_CANCELLED);
}

static bool op_waits(const struct io_op *op)
{
    return op != NULL && !op->completed;
}

static void rx_edge(struct io *io, struct io_op *op)
{
    if (op->kind == IO_OP_RECV) {
        recv_try(io, op);
    } else if (op->kind == IO_OP_SPLICE_IN) {
        splice_in_try(op);
    } else if ((op->sock->ready & READY_PAUSED) == 0 && !list_linked(&op->link)) {
        op->sock->burst = 0;
        accept_try(io, op);
    }
}

static void tx_edge(struct io_op *op, uint32_t events)
{
    if (op->kind == IO_OP_SEND)
        send_try(op);
    else if (op->kind == IO_OP_SPLICE_OUT)
        splice_out_try(op);
    else if (op->kind == IO_OP_ROOM)
        room_try(op);
    else
        connect_finish(op, events);
}

static void on_edge(struct io *io, struct io_sock *sock, uint32_t events)
{
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        sock->peer_ended = true;
        sock->ready |= READY_READ | READY_ENDED;
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (sock->tx == NULL || sock->tx->kind != IO_OP_CONNECT))
        io_note_broken(sock);
    if ((events & EPOLLIN) != 0)
        sock->ready |= READY_READ;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        sock->ready |= READY_WRITE;
    if ((sock->ready & READY_WRITE) != 0 && op_waits(sock->tx))
        tx_edge(sock->tx, events);
    if ((sock->ready & READY_READ) != 0 && op_waits(sock->rx))
        rx_edge(io, sock->rx);
}

static int timeout_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -1;
    int64_t ms = (timeout_ns + 999999) / 1000000; /* up: a timer must not find that it is too early */
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void epoll_wait_events(struct io *io, int64_t timeout_ns)
{
    struct epoll_state *state = io->state;
    struct epoll_event events[EVENTS_MAX];
    if (!list_empty(&state->again))
        timeout_ns = 0;
    io->stats.waits++;
    int count = epoll_wait(state->epoll_fd, events, EVENTS_MAX, timeout_ms(timeout_ns));
    ASSERT(count >= 0 || errno == EINTR);
    accept_resume(io, &state->again);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr != NULL)
            on_edge(io, events[i].data.ptr, events[i].events);
    }
}

/* The counter is never read: with edges every write is an event of its own. */
static void epoll_wake(struct io *io)
{
    struct epoll_state *state = io->state;
    int saved = errno;
    uint64_t one = 1;
    ssize_t n = write(state->wake_fd, &one, sizeof(one));
    ASSERT(n == (ssize_t)sizeof(one));
    errno = saved;
}

static int64_t epoll_now_ns(struct io *io)
{
    return clock_steady_ns();
}

static void state_free(struct epoll_state *state)
{
    if (state->wake_fd >= 0)
        close(state->wake_fd);
    if (state->epoll_fd >= 0)
        close(state->epoll_fd);
    free(state); /* start-up only: once for each loop */
}

static int epoll_init(struct io *io)
{
    struct epoll_state *state = calloc(1, sizeof(*state)); /* start-up only: once for each loop */
    if (state == NULL)
        return -ERR_NO_MEMORY;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    state->io = io;
    state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    state->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (state->epoll_fd < 0 || state->wake_fd < 0 ||
        epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, state->wake_fd, &event) != 0) {
        int code = err_from_errno(errno);
        state_free(state);
        return code;
    }
    list_init(&state->again);
    list_init(&state->paused);
    timer_init(&state->pause, on_pause_over);
    io->state = state;
    return 0;
}

static void epoll_fini(struct io *io)
{
    struct epoll_state *state = io->state;
    io_timer_fini(io, &state->pause);
    state_free(state);
    io->state = NULL;
}

static uint32_t epoll_untaken(const struct io_sock *sock)
{
    int bytes = 0;
    return ioctl(sock->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

static void epoll_local(const struct io_sock *sock, struct sockaddr_storage *ret_address)
{
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof(address);
    if (getsockname(sock->fd, (struct sockaddr *)&address, &n) == 0)
        *ret_address = address;
}

const struct io_backend io_epoll_backend = {
    .name = "epoll",
    .init = epoll_init,
    .fini = epoll_fini,
    .open = epoll_open,
    .adopt = epoll_adopt,
    .discard = epoll_discard,
    .pipe_open = epoll_pipe_open,
    .pipe_close = epoll_pipe_close,
    .pipe_read = epoll_pipe_read,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .shutdown_send = epoll_shutdown_send,
    .close = epoll_close,
    .wait = epoll_wait_events,
    .wake = epoll_wake,
    .now_ns = epoll_now_ns,
    .untaken = epoll_untaken,
    .local = epoll_local,
};
