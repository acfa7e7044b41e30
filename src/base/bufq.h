/* A queue of slices over chunks: how bytes wait and move without being copied.
 *
 * An empty queue holds no memory, so that an idle connection costs none. Small slices are joined into the tail's
 * chunk when it has room, or else into a fresh one: a peer that sends byte by byte does not pin a chunk for each.
 */
#ifndef BASE_BUFQ_H
#define BASE_BUFQ_H

#include <sys/uio.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    BUFQ_JOIN_BYTES = BUF_CHUNK_BYTES / 2
}; /* slices up to this are copied behind the tail: chunks in a queue are half full */

/* For bufq.c alone; here because the pool makes the nodes. */
struct bufq_slice {
    struct buf *buf; /* NULL: static memory */
    const char *p;
    size_t n;
};

enum { BUFQ_NODE_SLICES = 6 };

/* slices[first..end) are in use: at least one. */
struct bufq_node {
    struct bufq_node *next;
    uint32_t first;
    uint32_t end;
    struct bufq_slice slices[BUFQ_NODE_SLICES];
};

struct bufq {
    struct bufq_node *head;
    struct bufq_node *tail;
    struct buf_pool *pool;
    size_t bytes;
};

void bufq_init(struct bufq *queue, struct buf_pool *pool);
/* Drops everything; the queue is then empty and usable. */
void bufq_clear(struct bufq *queue);

static inline size_t bufq_bytes(const struct bufq *queue)
{
    return queue->bytes;
}

/* Each of these returns 0 or -ERR_NO_MEMORY, and changes nothing on failure. */

/* Appends buf->data[offset .. offset + n), taking a reference of its own. Slices that touch are merged. */
MUST_CHECK int bufq_push(struct bufq *queue, struct buf *buf, size_t offset, size_t n);
/* Appends a slice of memory that outlives the queue (constants); nothing is copied. */
MUST_CHECK int bufq_push_static(struct bufq *queue, struct str text);
/* Appends a copy. */
MUST_CHECK int bufq_append(struct bufq *queue, const void *bytes, size_t n);
/* Moves the first n bytes (n <= src->bytes) of src behind dst, joining small slices; same pool. */
MUST_CHECK int bufq_move(struct bufq *dst, struct bufq *src, size_t n);
/* Appends references to all of src behind dst; src keeps its own. */
MUST_CHECK int bufq_share(struct bufq *dst, const struct bufq *src);

/* Room for n contiguous bytes (n at most BUF_CHUNK_BYTES / 2) to be written behind the end, then committed:
 * formatting a head into place. NULL when out of memory. Nothing else may touch the queue in between. */
char *bufq_reserve(struct bufq *queue, size_t n);
void bufq_commit(struct bufq *queue, size_t n);

/* The first contiguous slice; empty when the queue is. */
struct str bufq_front(const struct bufq *queue);
/* Makes the first n bytes (n <= bytes) one contiguous slice, copying into a big chunk of `cap` bytes (>= n) if they
 * are not; further bytes may then be received behind them. */
MUST_CHECK int bufq_gather(struct bufq *queue, size_t n, size_t cap);
/* The chunk of the first slice (borrowed; NULL when empty or static), for whoever keeps slices of it. */
struct buf *bufq_front_buf(const struct bufq *queue);
/* The chunk into which bytes may be received directly behind the queue's end (its room > 0), or NULL. Borrowed. */
struct buf *bufq_tail_buf(const struct bufq *queue);
/* Drops the first n bytes (n <= bytes). */
void bufq_consume(struct bufq *queue, size_t n);
/* Fills up to `count` iovecs from the front, at most max_bytes in all; returns how many were filled. */
int bufq_iov(const struct bufq *queue, struct iovec *iov, int count, size_t max_bytes);

#endif
