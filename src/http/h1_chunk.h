/* Chunked transfer coding, strictly. RFC 9112 section 7.1. Pure: bytes in, events out, a few words of state.
 */
#ifndef HTTP_H1_CHUNK_H
#define HTTP_H1_CHUNK_H

#include "base/str.h"

enum h1_chunk_event {
    H1_CHUNK_MORE, /* all bytes used, more needed */
    H1_CHUNK_DATA, /* *ret_data is body */
    H1_CHUNK_LAST  /* the last chunk's line was used: the trailer section begins behind it */
};

struct h1_chunk {
    uint64_t left; /* of the current chunk's data, or its size as read so far */
    uint32_t line_bytes;
    uint8_t state;
};

enum { H1_CHUNK_LINE_MAX = 256 }; /* size and extensions of one chunk; extensions are read over and dropped */

void h1_chunk_init(struct h1_chunk *chunk);
/* Takes bytes from the front of `bytes` up to one event; *ret_used says how many (DATA: with the data). An event, or
 * -ERR_REQUEST_CHUNK: no digit, more than 15 digits, white space before the size, bare LF or CR, control bytes, a line
 * too long, data not followed by CR LF. */
MUST_CHECK int h1_chunk_step(struct h1_chunk *chunk, struct str bytes, size_t *ret_used, struct str *ret_data);

enum { H1_CHUNK_HEAD_BYTES = 18 };
/* The line in front of a chunk of n > 0 bytes into out; returns its length. After the data comes CR LF. */
size_t h1_chunk_head(char out[H1_CHUNK_HEAD_BYTES], uint64_t n);

#endif
