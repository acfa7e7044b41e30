/* Chunks for bytes on their way. A pool belongs to a reactor; sessions, flows and io take from it, on its thread.
 *
 * Chunks have one size, so that the cap on them is the cap on memory; the few long heads get a big one from malloc,
 * bounded by the limits on heads instead.
 */
#include "base/buf.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/bufq.h"

enum { BUF_KEEP_CHUNKS = 128, BUF_KEEP_NODES = 512 };

void buf_pool_init(struct buf_pool *pool, size_t max_bytes)
{
    slab_init(&pool->chunks, BUF_CHUNK_BYTES, max_bytes / BUF_CHUNK_BYTES, BUF_KEEP_CHUNKS);
    slab_init(&pool->nodes, sizeof(struct bufq_node), SIZE_MAX, BUF_KEEP_NODES);
}

void buf_pool_fini(struct buf_pool *pool)
{
    slab_fini(&pool->chunks);
    slab_fini(&pool->nodes);
}

static struct buf *buf_setup(struct buf *buf, struct buf_pool *pool, size_t cap, bool big)
{
    if (!buf)
        return NULL;
    buf->pool = pool;
    buf->refs = 1;
    buf->cap = (uint32_t)cap;
    buf->used = 0;
    buf->lent = false;
    buf->big = big;
    return buf;
}

struct buf *buf_take(struct buf_pool *pool)
{
    return buf_setup(slab_take(&pool->chunks), pool, BUF_CHUNK_CAP, false);
}

struct buf *buf_take_big(struct buf_pool *pool, size_t cap)
{
    ASSERT(cap <= UINT32_MAX);
    /* Memory from malloc although it is taken for a request: only a head longer than a chunk comes here. */
    return buf_setup(malloc(sizeof(struct buf) + cap), pool, cap, true);
}

struct buf *buf_ref(struct buf *buf)
{
    ASSERT(buf->refs > 0 && buf->refs < UINT32_MAX);
    buf->refs++;
    return buf;
}

void buf_unref(struct buf *buf)
{
    if (!buf)
        return;
    ASSERT(buf->refs > 0);
    if (--buf->refs > 0)
        return;
    ASSERT(!buf->lent);
    if (buf->big)
        free(buf);
    else
        slab_give(&buf->pool->chunks, buf);
}
