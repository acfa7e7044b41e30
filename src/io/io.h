/* The only way Ballast does I/O: operations are submitted, and complete later, once.
 *
 * Completion-shaped because readiness can imitate completions and the reverse is ugly. A backend is a const struct of
 * a few functions (io_backend.h); the contract below is asserted in io.c and tested by one suite for every backend.
 *
 *  1. Every submitted op completes exactly once (an accept: once a connection, then once at its end), cancelled or not.
 *  2. `done` is called only from io_turn, never from inside a submit.
 *  3. The owner keeps op, socket and memory alive until completion; freeing happens at the end of a turn (io_reap).
 *  4. The receive buffer is chosen when data is there: an idle connection holds none.
 *  5. Short sends are legal. io_close completes after all other ops of that socket.
 *  6. Work per turn is bounded: completions and accepts; then timers, the ready tasks, reaps.
 *
 * One thread owns an io with everything on it; io_wake is the only call allowed from another.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/bufq.h"
#include "base/list.h"
#include "base/timer.h"

struct io;
struct io_backend;
struct io_task;
struct io_op;
struct io_pipe;
struct io_sock;

/* Called once per completion with op->result. The op may be submitted again from inside. */
typedef void (*io_done_fn)(struct io_op *op);

enum io_op_kind {
    IO_OP_NONE,
    IO_OP_ACCEPT,
    IO_OP_CONNECT,
    IO_OP_RECV,
    IO_OP_SEND,
    IO_OP_SPLICE_IN,
    IO_OP_SPLICE_OUT,
    IO_OP_ROOM,
    IO_OP_CLOSE
};

struct io_op {
    struct list link; /* the queue of completed ops */
    io_done_fn done;
    struct io_sock *sock;
    int32_t result; /* bytes, a descriptor, 0, or a negative code of err.h */
    uint8_t kind;   /* enum io_op_kind while in flight, IO_OP_NONE otherwise */
    bool completed; /* on the completed queue, done not yet called */
    bool cancelled; /* ACCEPT: its end was asked for */
    union {
        struct buf *buf;      /* RECV: where the bytes are; the owner's reference at completion with result > 0 */
        struct bufq *queue;   /* SEND: bytes to send, from the front; not consumed by io */
        struct io_pipe *pipe; /* SPLICE_x: filled or emptied; io keeps a reference until completion */
        struct sockaddr_storage *peer; /* ACCEPT: filled for each connection; CONNECT: where to */
    };
};

/* A socket on a loop: embedded in its owner (a conn, a listener). */
struct io_sock {
    struct io *io;
    int fd;                    /* -1 when not open */
    uint8_t ready;             /* backend: what is known to be possible without asking */
    uint8_t burst;             /* backend: connections accepted in this turn */
    bool peer_ended : 1;       /* the peer is known to have sent its end or a reset, read or not */
    bool more : 1;             /* the owner's: more or the end follows at once, so that the system may join them */
    bool broken : 1;           /* no byte can pass either way any more: a reset, or both ends said */
    struct io_task *on_broken; /* the owner's, or NULL: queued when broken is set, whatever is in flight */
    struct io_op *rx;          /* accept, recv in flight */
    struct io_op *tx;          /* connect, send in flight */
    struct io_op *closing;
};

enum { IO_LATE_TURNS = 8 };

/* Something to run once later in this turn (or in the next, when queued by a task that ran in this one too often). */
struct io_task {
    struct list link;
    void (*run)(struct io_task *task);
};

/* Memory to give back at the end of the turn, when no completion can still be on the stack above. */
struct io_reap {
    struct list link;
    void (*reap)(struct io_reap *reap);
};

struct io_options {
    const struct io_backend *backend;
    struct buf_pool *buffers;       /* where receives take chunks from; outlives the io */
    uint32_t pipes;                 /* io_pipe_take gives at most so many at a time; 0: none */
    uint32_t max_sockets;           /* advice for the backend's tables */
    void (*on_wake)(void *context); /* called in the turn after io_wake; calls in between are merged */
    void *context;
};

struct io_stats {
    uint64_t turns;
    uint64_t waits; /* calls that asked the kernel what is ready */
    uint64_t completions;
};

/* Makes a loop. 0, or a negative code with *ret_io untouched. */
MUST_CHECK int io_create(const struct io_options *options, struct io **ret_io);
/* No socket may be open and no op in flight; queued reaps run. Nulls. */
void io_destroy(struct io **io);

/* One turn: waits for completions (at most max_wait_ms, -1 for ever, less if a timer or a task is due), then calls
 * done for up to a bounded number, fires timers, runs tasks, runs reaps. */
void io_turn(struct io *io, int64_t max_wait_ms);
/* Steady milliseconds and nanoseconds as of this turn's start, and since then unchanged: cheap, and the same for all
 * that happens in a turn. */
int64_t io_now_ms(const struct io *io);
int64_t io_now_ns(const struct io *io);
/* Any thread, any signal handler: makes the loop turn and call on_wake. */
void io_wake(struct io *io);
const struct io_stats *io_stats(const struct io *io);
struct buf_pool *io_buffers(struct io *io);

/* Sockets. All are non-blocking and close-on-exec. */

/* A new stream socket of this family (AF_INET, AF_INET6, AF_UNIX); TCP without delay. 0, -ERR_NO_DESCRIPTORS,
 * -ERR_NO_MEMORY, -ERR_SYSTEM. */
MUST_CHECK int io_open(struct io *io, struct io_sock *sock, int family);
/* Takes over an open descriptor (accepted or listening) with the same errors; on failure fd stays the caller's. */
MUST_CHECK int io_adopt(struct io *io, struct io_sock *sock, int fd);
/* Before the first io_open or io_adopt, for owners that ask io_is_open. */
static inline void io_sock_init(struct io_sock *sock)
{
    *sock = (struct io_sock){.fd = -1};
}
static inline bool io_is_open(const struct io_sock *sock)
{
    return sock->fd >= 0;
}

/* Bytes that were sent but that the peer's system has not confirmed; 0 too where that is not known. A call into the
 * kernel: for a look now and then. */
uint32_t io_untaken(const struct io_sock *sock);

/* Where it is on this machine: the address that its peer connected to, or that it connects from. Untouched where that
 * is not known. */
void io_local(const struct io_sock *sock, struct sockaddr_storage *ret_address);

/* Closes an accepted descriptor that nobody is going to adopt. */
void io_discard(struct io *io, int fd);

/* Submits. At most one op of a direction is in flight on a socket: accept and recv share one, connect and send the
 * other. op->done is set by the caller before; every other field belongs to io and is zero before the first submit.
 * Nothing is submitted on a socket that is being closed. */

/* Completes with each accepted descriptor (result >= 0, the callee's to adopt or close), with negative codes for
 * connections that could not be had (-ERR_NO_DESCRIPTORS, ...; the accept goes on, after a pause of 10 ms where the
 * system is out of something), and at its end with -ERR_CANCELLED. op->kind is IO_OP_NONE in the last call only.
 * *peer is valid within the call only. */
void io_accept(struct io_sock *sock, struct io_op *op, struct sockaddr_storage *peer);
/* Completes with 0 or a negative code: -ERR_CONNECT_REFUSED, _UNREACHABLE, _TIMEOUT (the system's), _CANCELLED. *to is
 * kept by the caller until then. */
void io_connect(struct io_sock *sock, struct io_op *op, struct sockaddr_storage *to);
/* Receives once: into `into` behind its used bytes (it is lent until completion; the caller keeps its reference), or
 * with NULL into a chunk taken when data is there. result: bytes (> 0; op->buf holds them behind its former used, used
 * is raised; a chunk of io's comes with one reference for the owner), 0 at the peer's end, or a code: -ERR_CONN_RESET,
 * -ERR_NO_MEMORY (no chunk), -ERR_CANCELLED. */
void io_recv(struct io_sock *sock, struct io_op *op, struct buf *into);
/* Sends from the front of a queue that is not empty. result: bytes sent (at least 1; the owner consumes them), or a
 * code (-ERR_CONN_RESET, -ERR_CANCELLED). Until then bytes may be appended to the queue, none removed. */
void io_send(struct io_sock *sock, struct io_op *op, struct bufq *queue);
/* Receives once into an empty pipe (io_pipe.h), at most max > 0 bytes: they do not pass through this process. result as
 * of a receive; pipe->held is raised. */
void io_splice_in(struct io_sock *sock, struct io_op *op, struct io_pipe *pipe, uint32_t max);
/* Sends from a pipe that holds something. result as of a send; pipe->held is lowered by as much. The process ignores
 * SIGPIPE: this call cannot be told not to raise it. */
void io_splice_out(struct io_sock *sock, struct io_op *op, struct io_pipe *pipe);
/* Completes with 0 once a good part of what the system has of the socket's bytes has left, so that more can be sent (or
 * its failure be learnt); or with -ERR_CANCELLED. */
void io_await_room(struct io_sock *sock, struct io_op *op);
/* Ends the sending direction at once; no op. Nothing may be in flight there. */
void io_shutdown_send(struct io_sock *sock);
/* Cancels what is in flight (they complete first), closes, then completes with 0; fd is -1 then. `reset`: the peer
 * gets a reset instead of an orderly end. */
void io_close(struct io_sock *sock, struct io_op *op, bool reset);
/* Makes op complete soon, with -ERR_CANCELLED or with what had already happened. Harmless if it is completed. */
void io_cancel(struct io_op *op);

/* Timers of base/timer.h on this loop, in io_now_ms. */
void io_timer_set(struct io *io, struct timer *timer, int64_t due_ms);
void io_timer_fini(struct io *io, struct timer *timer);
/* How many are in the wheel, set or stopped. */
uint32_t io_timers(const struct io *io);

void io_task_init(struct io_task *task, void (*run)(struct io_task *task));
/* Queues to run in this turn; harmless if queued already. */
void io_task_queue(struct io *io, struct io_task *task);
/* Queues to run in the first turn that finds nothing new, of the next IO_LATE_TURNS at most: for what costs little more
 * when it is done for many at once. Until then no turn waits. Harmless if queued already, in either way. */
void io_task_queue_late(struct io *io, struct io_task *task);
void io_task_cancel(struct io_task *task);
/* reap->reap is set by the caller; called once at the end of this turn (or of the next, outside of a turn). */
void io_reap_queue(struct io *io, struct io_reap *reap);

#endif
