/* HTTP/2 frames by hand: what a peer in a test sends, and what it got. No library, so that a peer may break any rule.
 */
#ifndef UNIT_HTTP_H2_WIRE_H
#define UNIT_HTTP_H2_WIRE_H

#include "base/str.h"

enum h2_wire_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST,
    H2_SETTINGS,
    H2_PUSH,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW,
    H2_MORE
};
enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_WIRE_MAX = 200000 };

struct h2_wire {
    size_t n;
    char bytes[H2_WIRE_MAX];
};

void h2_wire_put(struct h2_wire *wire, const void *bytes, size_t n);
void h2_wire_frame(struct h2_wire *wire, enum h2_wire_type type, unsigned flags, uint32_t stream, const void *payload,
                   size_t n);
/* Preface and empty SETTINGS. */
void h2_wire_hello(struct h2_wire *wire);
/* A header block as literals without Huffman and without indexing, from "name: value\n" lines. Returns its length. */
size_t h2_wire_block(const char *lines, char *out, size_t room);
/* HEADERS with that block. */
void h2_wire_headers(struct h2_wire *wire, unsigned flags, uint32_t stream, const char *lines);
void h2_wire_number(struct h2_wire *wire, enum h2_wire_type type, uint32_t stream, uint32_t number);

struct h2_wire_frame {
    enum h2_wire_type type;
    unsigned flags;
    uint32_t stream;
    struct str payload;
};
/* Cuts the next whole frame off; false when there is none. */
bool h2_wire_next(struct str *rest, struct h2_wire_frame *ret_frame);
/* The big-endian number at the payload's offset. */
uint32_t h2_wire_at(struct str payload, size_t offset);

#endif
