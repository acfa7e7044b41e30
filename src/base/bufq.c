/* Queues of slices: a short list of nodes, each with a few slices. A queue belongs to one session or flow, on its
 * reactor's thread.
 *
 * Nodes come from the pool's slab and go back as they empty. A ring that grows would hold its largest size for every
 * idle connection.
 */
#include "base/bufq.h"

#include "base/err.h"

void bufq_init(struct bufq *queue, struct buf_pool *pool)
{
    *queue = (struct bufq){.pool = pool};
}

static void bufq_drop_tail_slice(struct bufq *queue)
{
    struct bufq_node *tail = queue->tail;
    buf_unref(tail->slices[--tail->end].buf);
    if (tail->end > tail->first)
        return;
    struct bufq_node **link = &queue->head;
    queue->tail = NULL;
    while (*link != tail) {
        queue->tail = *link;
        link = &queue->tail->next;
    }
    *link = NULL;
    slab_give(&queue->pool->nodes, tail);
}

void bufq_clear(struct bufq *queue)
{
    bufq_consume(queue, queue->bytes);
    if (queue->head)
        bufq_drop_tail_slice(queue); /* reserved and never committed */
    ASSERT(!queue->head);
}

static struct bufq_slice *bufq_tail_slice(const struct bufq *queue)
{
    return queue->tail ? &queue->tail->slices[queue->tail->end - 1] : NULL;
}

/* May bytes be written directly behind this slice? How many. */
static size_t bufq_slice_room(const struct bufq_slice *slice)
{
    if (!slice || !slice->buf || slice->p + slice->n != slice->buf->data + slice->buf->used)
        return 0;
    return buf_room(slice->buf);
}

static struct bufq_node *bufq_node_take(struct bufq *queue)
{
    struct bufq_node *node = slab_take(&queue->pool->nodes);
    if (!node)
        return NULL;
    node->next = NULL;
    node->first = 0;
    node->end = 0;
    return node;
}

static void bufq_spare_give(struct bufq *queue, struct bufq_node *spare)
{
    while (spare) {
        struct bufq_node *next = spare->next;
        slab_give(&queue->pool->nodes, spare);
        spare = next;
    }
}

/* Takes the nodes that `slices` more slices need at most: what is done with them then cannot fail. */
static int bufq_spare_take(struct bufq *queue, size_t slices, struct bufq_node **ret_spare)
{
    struct bufq_node *spare = NULL;
    for (size_t room = queue->tail ? BUFQ_NODE_SLICES - queue->tail->end : 0; room < slices; room += BUFQ_NODE_SLICES) {
        struct bufq_node *node = bufq_node_take(queue);
        if (!node) {
            bufq_spare_give(queue, spare);
            return -ERR_NO_MEMORY;
        }
        node->next = spare;
        spare = node;
    }
    *ret_spare = spare;
    return 0;
}

static void bufq_link_node(struct bufq *queue, struct bufq_node *node)
{
    if (queue->tail)
        queue->tail->next = node;
    else
        queue->head = node;
    queue->tail = node;
}

/* Does the slice continue the queue's last one? Then that one grows over it. */
static bool bufq_merge(struct bufq *queue, struct bufq_slice slice)
{
    struct bufq_slice *tail = bufq_tail_slice(queue);
    if (!tail || !slice.buf || tail->buf != slice.buf || tail->p + tail->n != slice.p)
        return false;
    tail->n += slice.n;
    queue->bytes += slice.n;
    return true;
}

/* Puts a slice that continues nothing, and takes a reference. */
static void bufq_put(struct bufq *queue, struct bufq_slice slice, struct bufq_node **spare)
{
    if (!queue->tail || queue->tail->end == BUFQ_NODE_SLICES) {
        struct bufq_node *node = *spare;
        *spare = node->next;
        node->next = NULL;
        bufq_link_node(queue, node);
    }
    if (slice.buf)
        buf_ref(slice.buf);
    queue->tail->slices[queue->tail->end++] = slice;
    queue->bytes += slice.n;
}

/* A small slice behind others gets a fresh chunk, which further small ones join: many of them, each from a chunk of its
 * own, must not pin all those. Without a chunk for it, the slice keeps its own. */
static void bufq_put_small(struct bufq *queue, struct bufq_slice slice, struct bufq_node **spare)
{
    struct buf *fresh = queue->bytes > 0 && slice.buf ? buf_take(queue->pool) : NULL;
    if (!fresh) {
        bufq_put(queue, slice, spare);
        return;
    }
    memcpy(fresh->data, slice.p, slice.n);
    fresh->used = (uint32_t)slice.n;
    bufq_put(queue, (struct bufq_slice){fresh, fresh->data, slice.n}, spare);
    buf_unref(fresh);
}

static int bufq_push_slice(struct bufq *queue, struct bufq_slice slice)
{
    struct bufq_node *spare = NULL;
    if (slice.n == 0 || bufq_merge(queue, slice))
        return 0;
    int code = bufq_spare_take(queue, 1, &spare);
    if (code == 0)
        bufq_put(queue, slice, &spare);
    return code;
}

int bufq_push(struct bufq *queue, struct buf *buf, size_t offset, size_t n)
{
    ASSERT(offset <= buf->used && n <= buf->used - offset);
    return bufq_push_slice(queue, (struct bufq_slice){buf, buf->data + offset, n});
}

int bufq_push_static(struct bufq *queue, struct str text)
{
    return bufq_push_slice(queue, (struct bufq_slice){NULL, text.p, text.n});
}

/* Copies behind the tail, where bufq_slice_room has said that there is room. */
static void bufq_join(struct bufq *queue, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    struct bufq_slice *tail = bufq_tail_slice(queue);
    memcpy(tail->buf->data + tail->buf->used, bytes, n);
    tail->buf->used += (uint32_t)n;
    tail->n += n;
    queue->bytes += n;
}

static int bufq_append_chunks(struct bufq *queue, const char *bytes, size_t n)
{
    while (n > 0) {
        struct buf *buf = buf_take(queue->pool);
        if (!buf)
            return -ERR_NO_MEMORY;
        size_t part = n < buf->cap ? n : buf->cap;
        memcpy(buf->data, bytes, part);
        buf->used = (uint32_t)part;
        int code = bufq_push(queue, buf, 0, part);
        buf_unref(buf);
        if (code != 0)
            return code;
        bytes += part;
        n -= part;
    }
    return 0;
}

/* Moves all of src behind dst, node by node: cannot fail. */
static void bufq_splice(struct bufq *dst, struct bufq *src)
{
    struct bufq_node *node = src->head;
    if (!node)
        return;
    uint32_t count = node->end - node->first;
    if (dst->tail && node == src->tail && count <= BUFQ_NODE_SLICES - dst->tail->end) {
        memcpy(&dst->tail->slices[dst->tail->end], &node->slices[node->first], count * sizeof(node->slices[0]));
        dst->tail->end += count;
        slab_give(&dst->pool->nodes, node);
    } else {
        bufq_link_node(dst, node);
        dst->tail = src->tail;
    }
    dst->bytes += src->bytes;
    bufq_init(src, src->pool);
}

int bufq_append(struct bufq *queue, const void *bytes, size_t n)
{
    size_t room = bufq_slice_room(bufq_tail_slice(queue));
    size_t joined = n < room ? n : room;
    struct bufq extra;
    bufq_init(&extra, queue->pool);
    int code = bufq_append_chunks(&extra, (const char *)bytes + joined, n - joined);
    if (code != 0) {
        bufq_clear(&extra);
        return code;
    }
    bufq_join(queue, bytes, joined);
    bufq_splice(queue, &extra);
    return 0;
}

/* How many slices the first n bytes touch. */
static size_t bufq_count_slices(const struct bufq *queue, size_t n)
{
    size_t count = 0;
    for (const struct bufq_node *node = queue->head; node && n > 0; node = node->next) {
        for (uint32_t i = node->first; i < node->end && n > 0; i++) {
            n -= n < node->slices[i].n ? n : node->slices[i].n;
            count++;
        }
    }
    return count;
}

/* Puts a slice of another queue behind this one's end, in the way that pins least. */
static void bufq_place(struct bufq *queue, struct bufq_slice slice, struct bufq_node **spare)
{
    if (bufq_merge(queue, slice))
        return;
    if (slice.n > BUFQ_JOIN_BYTES)
        bufq_put(queue, slice, spare);
    else if (slice.n <= bufq_slice_room(bufq_tail_slice(queue)))
        bufq_join(queue, slice.p, slice.n);
    else
        bufq_put_small(queue, slice, spare);
}

int bufq_move(struct bufq *dst, struct bufq *src, size_t n)
{
    ASSERT(dst != src && dst->pool == src->pool && n <= src->bytes);
    struct bufq_node *spare = NULL;
    if (!dst->head && n == src->bytes) {
        bufq_splice(dst, src);
        return 0;
    }
    int code = bufq_spare_take(dst, bufq_count_slices(src, n), &spare);
    if (code != 0)
        return code;
    while (n > 0) {
        struct bufq_slice part = src->head->slices[src->head->first];
        part.n = n < part.n ? n : part.n;
        bufq_place(dst, part, &spare);
        bufq_consume(src, part.n);
        n -= part.n;
    }
    bufq_spare_give(dst, spare);
    return 0;
}

int bufq_share(struct bufq *dst, const struct bufq *src)
{
    ASSERT(dst != src && dst->pool == src->pool);
    struct bufq_node *spare = NULL;
    int code = bufq_spare_take(dst, bufq_count_slices(src, src->bytes), &spare);
    if (code != 0)
        return code;
    for (const struct bufq_node *node = src->head; node; node = node->next) {
        for (uint32_t i = node->first; i < node->end; i++)
            bufq_place(dst, node->slices[i], &spare);
    }
    bufq_spare_give(dst, spare);
    return 0;
}

char *bufq_reserve(struct bufq *queue, size_t n)
{
    ASSERT(n <= BUF_CHUNK_BYTES / 2);
    struct bufq_node *spare = NULL;
    struct bufq_slice *tail = bufq_tail_slice(queue);
    size_t room = bufq_slice_room(tail);
    if (room > 0 && room >= n)
        return tail->buf->data + tail->buf->used;
    struct buf *buf = buf_take(queue->pool);
    if (!buf)
        return NULL;
    /* An empty slice holds the place until bufq_commit. */
    bool placed = bufq_spare_take(queue, 1, &spare) == 0;
    if (placed)
        bufq_put(queue, (struct bufq_slice){buf, buf->data, 0}, &spare);
    buf_unref(buf);
    return placed ? buf->data : NULL;
}

void bufq_commit(struct bufq *queue, size_t n)
{
    struct bufq_slice *tail = bufq_tail_slice(queue);
    ASSERT(tail && n <= bufq_slice_room(tail));
    tail->buf->used += (uint32_t)n;
    tail->n += n;
    queue->bytes += n;
    if (tail->n == 0)
        bufq_drop_tail_slice(queue);
}

struct str bufq_front(const struct bufq *queue)
{
    if (!queue->head)
        return STR_NONE;
    const struct bufq_slice *slice = &queue->head->slices[queue->head->first];
    return str_slice(slice->p, slice->n);
}

static void bufq_copy_out(const struct bufq *queue, char *out, size_t n)
{
    for (const struct bufq_node *node = queue->head; n > 0; node = node->next) {
        for (uint32_t i = node->first; i < node->end && n > 0; i++) {
            size_t part = n < node->slices[i].n ? n : node->slices[i].n;
            memcpy(out, node->slices[i].p, part);
            out += part;
            n -= part;
        }
    }
}

/* Puts a slice before all others; the spare node is used or given back. */
static void bufq_prepend(struct bufq *queue, struct bufq_slice slice, struct bufq_node *spare)
{
    if (queue->head && queue->head->first > 0) {
        queue->head->slices[--queue->head->first] = slice;
        bufq_spare_give(queue, spare);
    } else {
        spare->slices[spare->end++] = slice;
        spare->next = queue->head;
        queue->head = spare;
        if (!queue->tail)
            queue->tail = spare;
    }
    queue->bytes += slice.n;
}

int bufq_gather(struct bufq *queue, size_t n, size_t cap)
{
    ASSERT(n <= queue->bytes && n <= cap);
    if (bufq_front(queue).n >= n)
        return 0;
    struct buf *buf = cap <= BUF_CHUNK_CAP ? buf_take(queue->pool) : buf_take_big(queue->pool, cap);
    struct bufq_node *spare = buf ? bufq_node_take(queue) : NULL;
    if (!spare) {
        buf_unref(buf);
        return -ERR_NO_MEMORY;
    }
    bufq_copy_out(queue, buf->data, n);
    buf->used = (uint32_t)n;
    bufq_consume(queue, n);
    bufq_prepend(queue, (struct bufq_slice){buf, buf->data, n}, spare);
    return 0;
}

struct buf *bufq_front_buf(const struct bufq *queue)
{
    return queue->head ? queue->head->slices[queue->head->first].buf : NULL;
}

struct buf *bufq_tail_buf(const struct bufq *queue)
{
    const struct bufq_slice *tail = bufq_tail_slice(queue);
    return bufq_slice_room(tail) > 0 ? tail->buf : NULL;
}

void bufq_consume(struct bufq *queue, size_t n)
{
    ASSERT(n <= queue->bytes);
    queue->bytes -= n;
    while (n > 0) {
        struct bufq_node *node = queue->head;
        struct bufq_slice *slice = &node->slices[node->first];
        if (n < slice->n) {
            slice->p += n;
            slice->n -= n;
            return;
        }
        n -= slice->n;
        buf_unref(slice->buf);
        if (++node->first < node->end)
            continue;
        queue->head = node->next;
        if (!queue->head)
            queue->tail = NULL;
        slab_give(&queue->pool->nodes, node);
    }
}

int bufq_iov(const struct bufq *queue, struct iovec *iov, int count, size_t max_bytes)
{
    int filled = 0;
    for (const struct bufq_node *node = queue->head; node; node = node->next) {
        for (uint32_t i = node->first; i < node->end; i++) {
            if (filled == count || max_bytes == 0)
                return filled;
            const struct bufq_slice *slice = &node->slices[i];
            size_t part = slice->n < max_bytes ? slice->n : max_bytes;
            /* iovec has no const: sends only read. */
            iov[filled++] = (struct iovec){(void *)(uintptr_t)slice->p, part};
            max_bytes -= part;
        }
    }
    return filled;
}
