/* Pipes of the kernel through which long bodies go from one socket to another without being copied into this process.
 *
 * A pipe is filled only while it is empty: then "nothing to be had" means that the socket is empty, never that the pipe
 * is full, and what it holds is bounded by the one splice that filled it. The loop keeps a few empty ones, because
 * making one costs about as much as a small request; one that still holds bytes goes back to the system with them. One
 * thread owns a pipe with its loop.
 */
#ifndef IO_IO_PIPE_H
#define IO_IO_PIPE_H

#include <stdint.h>

#include "base/bufq.h"
#include "base/list.h"

enum { IO_PIPE_BYTES = 65536, IO_PIPES_KEPT = 64 };

struct io;

struct io_pipe {
    struct list link; /* the loop's kept ones */
    struct io *io;
    uint32_t refs; /* the owner's, and one for each op in flight */
    uint32_t held; /* bytes inside */
    union {
        int ends[2]; /* backend: to read from, to write to */
        void *state;
    };
};

/* An empty pipe with one reference, or NULL: the backend has none, too many are in use, or the system is out of
 * something. Whoever gets none copies. */
struct io_pipe *io_pipe_take(struct io *io);
struct io_pipe *io_pipe_ref(struct io_pipe *pipe);
/* Gives it back with the last reference. NULL is allowed. */
void io_pipe_unref(struct io_pipe *pipe);
/* Copies all that it holds behind the queue's bytes; no op on it is in flight. 0, or -ERR_NO_MEMORY: it holds what was
 * not copied. */
MUST_CHECK int io_pipe_drain(struct io_pipe *pipe, struct bufq *into);
/* For io.c at its end: kept ones go back to the system. */
void io_pipe_drop_kept(struct io *io);
/* How many are in use, and how many are kept beside them: for tests and for who looks after descriptors. */
uint32_t io_pipes_taken(const struct io *io);
uint32_t io_pipes_kept(const struct io *io);

#endif
