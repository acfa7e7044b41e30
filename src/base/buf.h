/* Reference-counted chunks of bytes, taken from a reactor's pool: what sockets receive into and queues refer to.
 *
 * Owned by one thread (the counts are plain). Bytes before `used` never change while someone holds a reference;
 * bytes behind it may be appended by one writer at a time. A receive in flight into the tail sets `lent`, and nobody
 * else appends then.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slab.h"

enum { BUF_CHUNK_BYTES = 16384 }; /* a whole chunk with its header */

struct buf_pool {
    struct slab chunks;
    struct slab nodes; /* of bufq.h */
};

struct buf {
    struct buf_pool *pool;
    uint32_t refs;
    uint32_t cap;  /* bytes of data[] */
    uint32_t used; /* bytes written so far */
    bool lent;     /* an io_recv in flight owns data[used..cap) */
    bool big;      /* from malloc, not from the pool */
    char data[];
};

enum { BUF_CHUNK_CAP = BUF_CHUNK_BYTES - sizeof(struct buf) }; /* bytes that a chunk holds */

/* max_bytes: the cap on memory in chunks. */
void buf_pool_init(struct buf_pool *pool, size_t max_bytes);
void buf_pool_fini(struct buf_pool *pool);

/* A chunk with refs 1 and used 0, or NULL (at the cap or no memory). */
struct buf *buf_take(struct buf_pool *pool);
/* The same with room for at least cap bytes, for the few heads longer than a chunk. Not counted in the cap. */
struct buf *buf_take_big(struct buf_pool *pool, size_t cap);
struct buf *buf_ref(struct buf *buf);
/* Frees with the last reference. NULL is allowed. */
void buf_unref(struct buf *buf);

static inline size_t buf_room(const struct buf *buf)
{
    return buf->lent ? 0 : buf->cap - buf->used;
}

#endif
