/* The scripts' own HTTP. Strict where a proxy's output must be exact: CR LF everywhere, one framing, no space before a
 * colon. One reader for both directions. */
#include "tests/sim/wire.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- bodies ---- */

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Bytes from..from + n of the body with this key, eight at a time. */
static void fill(char *out, uint64_t key, uint64_t from, size_t n)
{
    char word[8];
    size_t done = 0;
    while (done < n) {
        uint64_t eight = (mix(key + (from + done) / 8) & UINT64_C(0x3f3f3f3f3f3f3f3f)) + UINT64_C(0x2121212121212121);
        size_t skip = (from + done) % 8, now = 8 - skip;
        if (now > n - done)
            now = n - done;
        memcpy(word, &eight, 8);
        memcpy(out + done, word + skip, now);
        done += now;
    }
}

enum { FILL_BYTES = 1024 };

void wire_append_body(struct sim_bytes *out, uint64_t key, uint64_t from, size_t n)
{
    char piece[FILL_BYTES];
    while (n > 0) {
        size_t now = n < sizeof(piece) ? n : sizeof(piece);
        fill(piece, key, from, now);
        sim_bytes_append(out, piece, now);
        from += now;
        n -= now;
    }
}

/* Index of the first byte that is not the body's, or n. */
static size_t compare_body(const char *p, uint64_t key, uint64_t from, size_t n)
{
    char piece[FILL_BYTES];
    for (size_t at = 0; at < n;) {
        size_t now = n - at < sizeof(piece) ? n - at : sizeof(piece);
        fill(piece, key, from + at, now);
        for (size_t i = 0; memcmp(p + at, piece, now) != 0; i++)
            if (p[at + i] != piece[i])
                return at + i;
        at += now;
    }
    return n;
}

void wire_append(struct sim_bytes *out, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ASSERT(n >= 0 && (size_t)n < sizeof(text));
    sim_bytes_append(out, text, (size_t)n);
}

void wire_append_chunks(struct sim_bytes *out, uint64_t key, size_t n, const char *trailers)
{
    size_t from = 0;
    while (from < n) {
        size_t size = 1 + mix(key ^ from) % (mix(key) % 2 ? 20000 : 700);
        if (size > n - from)
            size = n - from;
        wire_append(out, "%zx%s\r\n", size, mix(key + from) % 8 == 0 ? ";a=b" : "");
        wire_append_body(out, key, from, size);
        wire_append(out, "\r\n");
        from += size;
    }
    wire_append(out, "0\r\n%s\r\n", trailers);
}

/* ---- heads ---- */

void wire_reader_start(struct wire_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
}

static void spoil(struct wire_reader *reader, const char *why)
{
    if (reader->bad == NULL)
        reader->bad = why;
    reader->state = WIRE_DONE;
}

int wire_reader_field(const struct wire_reader *reader, const char *name, struct str *ret_value)
{
    size_t name_n = strlen(name);
    int found = 0;
    const char *at = memchr(reader->head, '\n', reader->head_n);
    const char *end = reader->head + reader->head_n;
    while (at != NULL && ++at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)(line_end - at) - 1;
        if (n > name_n && at[name_n] == ':' && str_ieq(str_slice(at, name_n), str_slice(name, name_n))) {
            *ret_value = str_trim(str_slice(at + name_n + 1, n - name_n - 1));
            found++;
        }
        at = line_end;
    }
    return found;
}

static bool lines_are_clean(const struct wire_reader *reader)
{
    bool in_name = false, first_line = true;
    for (size_t i = 0; i < reader->head_n; i++) {
        unsigned char c = (unsigned char)reader->head[i];
        if (c == '\n') {
            if (i == 0 || reader->head[i - 1] != '\r' || (in_name && i + 2 < reader->head_n))
                return false;
            in_name = true;
            first_line = false;
        } else if (c == '\r' ? reader->head[i + 1] != '\n' : c < 0x20 && c != '\t') {
            return false;
        } else if (in_name && !first_line && (c == ' ' || c == '\t')) {
            return false;
        } else if (c == ':') {
            in_name = false;
        }
    }
    return true;
}

static void read_request_line(struct wire_reader *reader)
{
    struct str line = str_slice(reader->head, str_find(str_slice(reader->head, reader->head_n), '\r'));
    size_t space = str_find(line, ' ');
    if (space == line.n) {
        spoil(reader, "no target");
        return;
    }
    reader->method = str_slice(line.p, space);
    struct str rest = str_slice(line.p + space + 1, line.n - space - 1);
    space = str_find(rest, ' ');
    reader->target = str_slice(rest.p, space);
    if (rest.n != space + 9 || memcmp(rest.p + space, " HTTP/1.1", 9) != 0)
        spoil(reader, "not HTTP/1.1");
    reader->minor = 1;
}

static void read_status_line(struct wire_reader *reader)
{
    const char *p = reader->head;
    if (reader->head_n < 13 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ' || p[12] != ' ' || !isdigit(p[9]) ||
        !isdigit(p[10]) || !isdigit(p[11])) {
        spoil(reader, "no status line");
        return;
    }
    reader->minor = p[7] - '0';
    reader->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] - '0';
}

static void head_is_whole(struct wire_reader *reader, bool answer)
{
    struct str value;
    reader->length = UINT64_MAX;
    reader->state = WIRE_READY;
    if (!lines_are_clean(reader)) {
        spoil(reader, "a malformed line in the head");
        return;
    }
    if (answer)
        read_status_line(reader);
    else
        read_request_line(reader);
    int lengths = wire_reader_field(reader, "Content-Length", &value);
    if (lengths > 1 || (lengths == 1 && str_parse_u64(value, INT64_MAX, &reader->length) != 0))
        spoil(reader, "a malformed or repeated Content-Length");
    int codings = wire_reader_field(reader, "Transfer-Encoding", &value);
    if (codings > 1 || (codings == 1 && (lengths > 0 || !str_eq(value, STR("chunked")))))
        spoil(reader, "a malformed or conflicting Transfer-Encoding");
    reader->framing = codings ? WIRE_BY_CHUNKS : lengths ? WIRE_BY_LENGTH : answer ? WIRE_BY_END : WIRE_NONE;
}

static size_t feed_head(struct wire_reader *reader, struct str bytes, bool answer)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (reader->head_n == sizeof(reader->head)) {
            spoil(reader, "a head without an end");
            return i;
        }
        reader->head[reader->head_n++] = bytes.p[i];
        if (reader->head_n >= 4 && memcmp(reader->head + reader->head_n - 4, "\r\n\r\n", 4) == 0) {
            head_is_whole(reader, answer);
            return i + 1;
        }
    }
    return bytes.n;
}

void wire_reader_body(struct wire_reader *reader, bool answer, bool bodiless)
{
    if (reader->state != WIRE_READY)
        return;
    if (bodiless)
        reader->framing = WIRE_NONE;
    switch (reader->framing) {
    case WIRE_NONE: reader->state = WIRE_DONE; break;
    case WIRE_BY_LENGTH:
        reader->left = reader->length;
        reader->state = reader->left > 0 ? WIRE_FIXED : WIRE_DONE;
        break;
    case WIRE_BY_CHUNKS: reader->state = WIRE_SIZE; break;
    case WIRE_BY_END: reader->state = WIRE_OPEN; break;
    }
}

/* ---- bodies, read ---- */

static size_t feed_data(struct wire_reader *reader, struct str bytes, enum wire_state then)
{
    size_t n = reader->state == WIRE_OPEN || bytes.n < reader->left ? bytes.n : (size_t)reader->left;
    size_t right = reader->wrong ? n : compare_body(bytes.p, reader->key, reader->body_n, n);
    if (right < n) {
        reader->wrong = true;
        reader->wrong_at = reader->body_n + right;
    }
    reader->body_n += n;
    if (reader->state != WIRE_OPEN) {
        reader->left -= n;
        if (reader->left == 0)
            reader->state = then;
    }
    return n;
}

static void line_is_whole(struct wire_reader *reader)
{
    struct str line = str_slice(reader->line, reader->line_n - 2);
    reader->line_n = 0;
    if (reader->state == WIRE_CHUNK_END) {
        if (line.n > 0)
            spoil(reader, "bytes behind a chunk");
        else
            reader->state = WIRE_SIZE;
    } else if (reader->state == WIRE_SIZE) {
        struct str size = str_slice(line.p, str_find(line, ';'));
        if (str_parse_hex(size, INT32_MAX, &reader->left) != 0)
            spoil(reader, "a malformed chunk size");
        else
            reader->state = reader->left > 0 ? WIRE_CHUNK : WIRE_TRAILERS;
    } else if (line.n == 0) {
        reader->state = WIRE_DONE;
    } else if (line.n < sizeof(reader->trailers)) {
        memcpy(reader->trailers, line.p, line.n);
        reader->trailers_n = line.n;
    }
}

static size_t feed_line(struct wire_reader *reader, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (reader->line_n == sizeof(reader->line)) {
            spoil(reader, "a line without an end");
            return i;
        }
        reader->line[reader->line_n++] = bytes.p[i];
        if (bytes.p[i] != '\n')
            continue;
        if (reader->line_n < 2 || reader->line[reader->line_n - 2] != '\r')
            spoil(reader, "a bare line feed");
        else
            line_is_whole(reader);
        return i + 1;
    }
    return bytes.n;
}

size_t wire_reader_feed(struct wire_reader *reader, struct str bytes, bool answer)
{
    size_t used = 0;
    if (reader->state == WIRE_HEAD)
        return feed_head(reader, bytes, answer);
    while (used < bytes.n && reader->state != WIRE_DONE) {
        struct str rest = str_slice(bytes.p + used, bytes.n - used);
        switch (reader->state) {
        case WIRE_FIXED: used += feed_data(reader, rest, WIRE_DONE); break;
        case WIRE_CHUNK: used += feed_data(reader, rest, WIRE_CHUNK_END); break;
        case WIRE_OPEN: used += feed_data(reader, rest, WIRE_OPEN); break;
        case WIRE_SIZE:
        case WIRE_CHUNK_END:
        case WIRE_TRAILERS: used += feed_line(reader, rest); break;
        case WIRE_HEAD:
        case WIRE_READY:
        case WIRE_DONE: ASSERT(!"fed without a body");
        }
    }
    return used;
}
