/* Frames for tests of HTTP/2. Knows nothing of a test library: the fuzzer uses it too. */
#include "tests/unit/http/h2_wire.h"

#include <string.h>

#include "http/h2_session.h"

enum { HEAD_BYTES = 9 };

void h2_wire_put(struct h2_wire *wire, const void *bytes, size_t n)
{
    ASSERT(n <= sizeof(wire->bytes) - wire->n);
    if (n > 0)
        memcpy(wire->bytes + wire->n, bytes, n);
    wire->n += n;
}

void h2_wire_frame(struct h2_wire *wire, enum h2_wire_type type, unsigned flags, uint32_t stream, const void *payload,
                   size_t n)
{
    unsigned char head[HEAD_BYTES] = {
        (unsigned char)(n >> 16),      (unsigned char)(n >> 8),      (unsigned char)n,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};
    h2_wire_put(wire, head, sizeof(head));
    h2_wire_put(wire, payload, n);
}

void h2_wire_hello(struct h2_wire *wire)
{
    h2_wire_put(wire, H2_PREFACE, H2_PREFACE_BYTES);
    h2_wire_frame(wire, H2_SETTINGS, 0, 0, NULL, 0);
}

static size_t put_text(char *out, struct str text)
{
    size_t n = 0;
    if (text.n < 127) {
        out[n++] = (char)text.n;
    } else {
        size_t left = text.n - 127;
        for (out[n++] = 127; left >= 128; left /= 128)
            out[n++] = (char)(128 + left % 128);
        out[n++] = (char)left;
    }
    str_put(out + n, text);
    return n + text.n;
}

size_t h2_wire_block(const char *lines, char *out, size_t room)
{
    struct str rest = str_of(lines);
    size_t n = 0;
    while (rest.n > 0) {
        size_t end = str_find(rest, '\n'), colon = 1;
        while (colon < end && memcmp(rest.p + colon, ": ", 2) != 0)
            colon++;
        ASSERT(n + end + 16 < room);
        out[n++] = 0;
        n += put_text(out + n, str_slice(rest.p, colon));
        n += put_text(out + n, str_slice(rest.p + colon + 2, end - colon - 2));
        rest = str_slice(rest.p + end + 1, rest.n - end - 1);
    }
    return n;
}

void h2_wire_headers(struct h2_wire *wire, unsigned flags, uint32_t stream, const char *lines)
{
    char block[16000];
    h2_wire_frame(wire, H2_HEADERS, flags, stream, block, h2_wire_block(lines, block, sizeof(block)));
}

void h2_wire_number(struct h2_wire *wire, enum h2_wire_type type, uint32_t stream, uint32_t number)
{
    unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                              (unsigned char)(number >> 8), (unsigned char)number};
    h2_wire_frame(wire, type, 0, stream, bytes, sizeof(bytes));
}

uint32_t h2_wire_at(struct str payload, size_t offset)
{
    uint32_t number = 0;
    for (size_t i = 0; i < 4 && offset + i < payload.n; i++)
        number = number << 8 | (unsigned char)payload.p[offset + i];
    return number;
}

bool h2_wire_next(struct str *rest, struct h2_wire_frame *ret_frame)
{
    if (rest->n < HEAD_BYTES)
        return false;
    size_t n = h2_wire_at(*rest, 0) >> 8;
    if (rest->n < HEAD_BYTES + n)
        return false;
    *ret_frame = (struct h2_wire_frame){.type = (enum h2_wire_type)(unsigned char)rest->p[3],
                                        .flags = (unsigned char)rest->p[4],
                                        .stream = h2_wire_at(*rest, 5),
                                        .payload = str_slice(rest->p + HEAD_BYTES, n)};
    *rest = str_slice(rest->p + HEAD_BYTES + n, rest->n - HEAD_BYTES - n);
    return true;
}
