/* What a backend gives to io.c: how operations are carried out. Included by io.c and the backends only.
 */
#ifndef IO_IO_BACKEND_H
#define IO_IO_BACKEND_H

#include "io/io.h"
#include "io/io_pipe.h"

struct io {
    const struct io_backend *backend;
    struct io_options options;
    struct io_stats stats;
    struct timer_wheel wheel;
    struct list completed; /* io_op.link */
    struct list tasks;
    struct list late; /* tasks that wait for more to do */
    struct list reaps;
    struct list pipes; /* io_pipe.link: empty ones, kept */
    uint32_t pipes_kept;
    uint32_t pipes_taken;
    int64_t now_ns;
    uint32_t open_socks;
    uint32_t ops_in_flight;
    uint32_t late_turns; /* so many turns have they waited */
    bool in_turn;
    bool skipped_wait; /* the turn before did not look for new events */
    _Atomic bool woken;
    void *state; /* the backend's own */
};

struct io_backend {
    const char *name;
    /* 0 or a negative code; sets io->state. */
    int (*init)(struct io *io);
    void (*fini)(struct io *io);
    int (*open)(struct io *io, struct io_sock *sock, int family);
    int (*adopt)(struct io *io, struct io_sock *sock, int fd);
    void (*discard)(struct io *io, int fd);
    /* Makes a pipe of IO_PIPE_BYTES, or gives it back to the system with what it holds. NULL: the backend has none. */
    int (*pipe_open)(struct io_pipe *pipe);
    void (*pipe_close)(struct io_pipe *pipe);
    /* Takes out exactly n bytes, of those that it holds. */
    void (*pipe_read)(struct io_pipe *pipe, char *into, size_t n);
    /* Starts an op that io.c has filled in and entered in its sock; may complete it at once by io_complete. An accept
     * is submitted again after each connection or failure that it reported: one report at a time is on its way. While
     * an op is not completed its link is the backend's. */
    void (*submit)(struct io *io, struct io_op *op);
    /* Makes the op complete by io_complete, now or later. */
    void (*cancel)(struct io *io, struct io_op *op);
    void (*shutdown_send)(struct io *io, struct io_sock *sock);
    /* Closes the descriptor; nothing is in flight. Calls io_complete for the close op now or later. */
    void (*close)(struct io *io, struct io_sock *sock, bool reset);
    /* Waits up to timeout_ns (0: only looks, -1: for ever) and completes what can be. */
    void (*wait)(struct io *io, int64_t timeout_ns);
    void (*wake)(struct io *io);
    int64_t (*now_ns)(struct io *io);
    /* For io_untaken; NULL where it is not known. */
    uint32_t (*untaken)(const struct io_sock *sock);
    /* For io_local; NULL the same. */
    void (*local)(const struct io_sock *sock, struct sockaddr_storage *ret_address);
};

/* A backend's report that a socket is broken. */
void io_note_broken(struct io_sock *sock);
/* The most bytes that a SPLICE_IN in flight may move. */
static inline size_t io_splice_max(const struct io_op *op)
{
    return (size_t)op->result;
}
/* A backend's report that an op has ended (or, for an accept with more to come, that a connection is there). A receive
 * that got bytes has its chunk in op->buf; its `used` is raised by io.c, as a pipe's `held` is. op->link is on no list
 * when it is called. */
void io_complete(struct io_op *op, int32_t result);

#endif
