/* Making answer bodies in constant memory: 5 GiB are five billion bytes of references to the same 64 KiB.
 *
 * Called by client.c when the socket has room.
 */
#include "worker/body.h"

#include "http/h1_chunk.h"

enum { PATTERN_LINE = 64, PATTERN_BYTES = 65536 + PATTERN_LINE };

static char pattern[PATTERN_BYTES];

void body_make_pattern(void)
{
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        size_t column = i % PATTERN_LINE;
        pattern[i] = column == PATTERN_LINE - 1 ? '\n' : (char)('0' + column);
    }
}

void body_init(struct body *body, struct buf_pool *pool)
{
    *body = (struct body){.left = 0};
    bufq_init(&body->text, pool);
}

void body_clear(struct body *body)
{
    bufq_clear(&body->text);
    body->left = 0;
    body->given = 0;
    body->chunked = false;
}

static int give_pattern(struct bufq *out, int64_t offset, int64_t n)
{
    while (n > 0) {
        size_t start = (size_t)(offset % PATTERN_LINE);
        int64_t piece = n < 65536 ? n : 65536;
        int result = bufq_push_static(out, str_slice(pattern + start, (size_t)piece));
        if (result < 0)
            return result;
        offset += piece;
        n -= piece;
    }
    return 0;
}

int body_give(struct body *body, struct bufq *out, int64_t max)
{
    int64_t text_bytes = (int64_t)bufq_bytes(&body->text);
    int64_t limit = text_bytes > 0 ? text_bytes : body->left;
    int64_t n = body->left;
    char line[H1_CHUNK_HEAD_BYTES];
    if (n > max)
        n = max;
    if (n > limit)
        n = limit;
    if (n == 0)
        return 0;
    int result = body->chunked ? bufq_append(out, line, h1_chunk_head(line, (uint64_t)n)) : 0;
    if (result == 0)
        result = text_bytes > 0 ? bufq_move(out, &body->text, (size_t)n) : give_pattern(out, body->given, n);
    if (result == 0 && body->chunked)
        result = bufq_push_static(out, STR("\r\n"));
    body->left -= n;
    body->given += n;
    return result;
}
