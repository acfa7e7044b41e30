/* The chunked coding's framing lines, one byte at a time; the data between them in whole slices.
 *
 * Called by sessions for each piece of a body that arrives, on their reactor. A framing line is a handful of bytes for
 * kilobytes of data, so its reader is the plainest state machine that gives the same result however the bytes are cut.
 */
#include "http/h1_chunk.h"

#include "base/err.h"
#include "http/bytes.h"

enum state {
    STATE_FIRST_DIGIT,
    STATE_DIGITS,
    STATE_BLANKS,    /* behind the size: only an extension may follow (RFC 9112 section 7.1.1) */
    STATE_EXTENSION, /* up to its CR */
    STATE_LINE_FEED,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_LAST
};

enum { DIGITS_MAX = 15 }; /* so that a size always fits, with sums of it, in 64 bits */

void h1_chunk_init(struct h1_chunk *chunk)
{
    *chunk = (struct h1_chunk){.state = STATE_FIRST_DIGIT};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = str_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static int take_digit(struct h1_chunk *chunk, int digit)
{
    if (chunk->line_bytes > DIGITS_MAX)
        return -ERR_REQUEST_CHUNK;
    chunk->left = chunk->left * 16 + (uint64_t)digit;
    chunk->state = STATE_DIGITS;
    return 0;
}

static int end_size(struct h1_chunk *chunk, char c)
{
    bool blank = c == ' ' || c == '\t';
    if (c == '\r' && chunk->state == STATE_DIGITS)
        chunk->state = STATE_LINE_FEED;
    else if (c == ';')
        chunk->state = STATE_EXTENSION;
    else if (blank)
        chunk->state = STATE_BLANKS;
    else
        return -ERR_REQUEST_CHUNK;
    return 0;
}

/* One byte of the line with the size. */
static int take_line_byte(struct h1_chunk *chunk, char c)
{
    if (chunk->state == STATE_LINE_FEED) {
        chunk->state = chunk->left > 0 ? STATE_DATA : STATE_LAST;
        return c == '\n' ? 0 : -ERR_REQUEST_CHUNK;
    }
    if (c != '\r' && ++chunk->line_bytes > H1_CHUNK_LINE_MAX)
        return -ERR_REQUEST_CHUNK;
    if (chunk->state == STATE_EXTENSION) {
        if (c == '\r')
            chunk->state = STATE_LINE_FEED;
        return c == '\r' || bytes_is_value(c) ? 0 : -ERR_REQUEST_CHUNK;
    }
    int digit = hex_value(c);
    if (digit >= 0 && chunk->state != STATE_BLANKS)
        return take_digit(chunk, digit);
    return chunk->state == STATE_FIRST_DIGIT ? -ERR_REQUEST_CHUNK : end_size(chunk, c);
}

/* One byte that is not data. */
static int take_byte(struct h1_chunk *chunk, char c)
{
    switch (chunk->state) {
    case STATE_DATA_CR: chunk->state = STATE_DATA_LF; return c == '\r' ? 0 : -ERR_REQUEST_CHUNK;
    case STATE_DATA_LF: h1_chunk_init(chunk); return c == '\n' ? 0 : -ERR_REQUEST_CHUNK;
    default: return take_line_byte(chunk, c);
    }
}

static struct str take_data(struct h1_chunk *chunk, struct str bytes)
{
    size_t n = bytes.n < chunk->left ? bytes.n : (size_t)chunk->left;
    chunk->left -= n;
    if (chunk->left == 0)
        chunk->state = STATE_DATA_CR;
    return str_slice(bytes.p, n);
}

int h1_chunk_step(struct h1_chunk *chunk, struct str bytes, size_t *ret_used, struct str *ret_data)
{
    ASSERT(chunk->state < STATE_LAST);
    size_t i = 0;
    while (i < bytes.n) {
        if (chunk->state == STATE_DATA) {
            *ret_data = take_data(chunk, str_slice(bytes.p + i, bytes.n - i));
            *ret_used = i + ret_data->n;
            return H1_CHUNK_DATA;
        }
        int err = take_byte(chunk, bytes.p[i++]);
        if (err)
            return err;
        if (chunk->state == STATE_LAST) {
            *ret_used = i;
            return H1_CHUNK_LAST;
        }
    }
    *ret_used = i;
    return H1_CHUNK_MORE;
}

size_t h1_chunk_head(char out[H1_CHUNK_HEAD_BYTES], uint64_t n)
{
    ASSERT(n > 0);
    unsigned digits = (unsigned)(63 - __builtin_clzll(n)) / 4 + 1;
    for (unsigned i = digits; i > 0; i--, n >>= 4)
        out[i - 1] = "0123456789abcdef"[n & 15];
    memcpy(out + digits, "\r\n", 2);
    return digits + 2;
}
