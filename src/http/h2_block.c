/* The fields of a header block between HPACK and struct msg. Owned by a session, on its thread. They lie in one chunk
 * of the reactor's pool (a big one for the few long heads), so that a peer that begins a head and never ends it holds a
 * chunk and no more. */
#include "http/h2_block.h"

#include "base/err.h"

enum {
    BLOCK_PSEUDO_FIELDS = 5, /* of a request, :protocol too */
    BLOCK_AROUND = 4         /* what a line of HTTP/1 has beside name and value */
};

struct lengths {
    uint32_t name, value;
};

static size_t most_bytes(const struct h1_limits *limits)
{
    return limits->head_bytes + (size_t)(limits->fields + BLOCK_PSEUDO_FIELDS) * sizeof(struct lengths);
}

/* The same fields in a chunk with room for all that the limits allow. */
static int move_to_big(struct h2_block *block, struct buf_pool *pool, const struct h1_limits *limits)
{
    struct buf *big = buf_take_big(pool, most_bytes(limits));

    if (!big)
        return -ERR_NO_MEMORY;
    memcpy(big->data, block->buf->data, block->buf->used);
    big->used = block->buf->used;
    buf_unref(block->buf);
    block->buf = big;
    return 0;
}

static int make_room(struct h2_block *block, struct buf_pool *pool, const struct h1_limits *limits, size_t n)
{
    if (!block->buf)
        block->buf = buf_take(pool);
    if (!block->buf)
        return -ERR_NO_MEMORY;
    return buf_room(block->buf) >= n ? 0 : move_to_big(block, pool, limits);
}

static int judge_size(struct h2_block *block, const struct h1_limits *limits, size_t n)
{
    if (n + BLOCK_AROUND > limits->head_bytes - block->bytes)
        return -ERR_REQUEST_HEAD_SIZE;
    if (block->count >= limits->fields + BLOCK_PSEUDO_FIELDS)
        return -ERR_REQUEST_FIELD_COUNT;
    block->bytes += (uint32_t)n + BLOCK_AROUND;
    return 0;
}

void h2_block_add(struct h2_block *block, struct buf_pool *pool, const struct h1_limits *limits, struct str name,
                  struct str value)
{
    struct lengths lengths = {(uint32_t)name.n, (uint32_t)value.n};
    size_t n = sizeof(lengths) + name.n + value.n;

    block->seen += name.n + value.n;
    if (block->error)
        return;
    block->error = judge_size(block, limits, name.n + value.n);
    if (!block->error)
        block->error = make_room(block, pool, limits, n);
    if (block->error)
        return;
    char *at = block->buf->data + block->buf->used;
    memcpy(at, &lengths, sizeof(lengths));
    str_put(str_put(at + sizeof(lengths), name), value);
    block->buf->used += (uint32_t)n;
    block->count++;
}

bool h2_block_is_flood(const struct h2_block *block, const struct h1_limits *limits)
{
    return block->seen > (uint64_t)limits->head_bytes + H2_BLOCK_BEYOND;
}

struct str h2_block_text(const struct h2_block *block)
{
    return block->buf ? str_slice(block->buf->data, block->buf->used) : STR("");
}

bool h2_block_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    struct lengths lengths;

    if (rest->n == 0)
        return false;
    memcpy(&lengths, rest->p, sizeof(lengths));
    size_t n = sizeof(lengths) + lengths.name + lengths.value;
    ASSERT(n <= rest->n);
    *ret_name = str_slice(rest->p + sizeof(lengths), lengths.name);
    *ret_value = str_slice(ret_name->p + lengths.name, lengths.value);
    *rest = str_slice(rest->p + n, rest->n - n);
    return true;
}

void h2_block_end(struct h2_block *block)
{
    buf_unref(block->buf);
    *block = (struct h2_block){0};
}
