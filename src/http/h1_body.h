/* HTTP/1 bodies: framing taken off what comes in and put on what goes out. RFC 9112 sections 6 and 7.
 */
#ifndef HTTP_H1_BODY_H
#define HTTP_H1_BODY_H

#include "http/h1_chunk.h"
#include "http/h1_parse.h"
#include "http/session.h"

enum h1_body_kind { H1_BODY_NONE, H1_BODY_LENGTH, H1_BODY_CHUNKED, H1_BODY_CLOSE };

struct h1_body_in {
    uint8_t kind; /* enum h1_body_kind */
    bool in_trailers;
    uint64_t left; /* LENGTH */
    struct h1_chunk chunk;
    struct h1_scan trailer_scan;
};

void h1_body_in_init(struct h1_body_in *body, const struct h1_head *head);
/* Takes what it can from `in` to stream->body, but no more once STREAM_BODY_HIGH bytes wait there, and trailers to
 * stream->trailers. 1: the body is complete; 0: more bytes or more room needed; or -ERR_REQUEST_x, -ERR_NO_MEMORY. */
MUST_CHECK int h1_body_in_take(struct h1_body_in *body, struct bufq *in, struct stream *stream,
                               const struct h1_limits *limits);

/* Bytes that are still to come and need no framing taken off: could go through a pipe. UINT64_MAX: until the end. */
uint64_t h1_body_in_plain(const struct h1_body_in *body);
/* n of them (n <= left) went through one. True: the body is complete. */
bool h1_body_in_spliced(struct h1_body_in *body, size_t n);

struct h1_body_out {
    uint8_t kind;
    uint64_t left; /* LENGTH */
};

/* Puts n bytes from the front of `from` behind `out`, framed. 0, -ERR_NO_MEMORY, -ERR_INTERNAL (too much). */
MUST_CHECK int h1_body_out_send(struct h1_body_out *body, struct bufq *out, struct bufq *from, size_t n);
/* The body needs no framing put on, so that bytes of it may leave by a pipe. */
bool h1_body_out_plain(const struct h1_body_out *body);
/* n bytes leave so. 0, -ERR_INTERNAL (too much). */
MUST_CHECK int h1_body_out_spliced(struct h1_body_out *body, size_t n);
/* Ends it. 0, -ERR_NO_MEMORY, -ERR_INTERNAL (too little). */
MUST_CHECK int h1_body_out_end(struct h1_body_out *body, struct bufq *out, const struct field *trailers,
                               uint32_t count);

/* Makes the head at the front of `in` contiguous and scans it: 1 with its length, 0 for more, or a code. */
MUST_CHECK int h1_scan_queue(struct h1_scan *scan, struct bufq *in, const struct h1_limits *limits, size_t *ret_bytes);
/* Takes fields for a scanned head from the stream's arena and keeps the bytes' chunk in stream->head_buf. NULL without
 * memory. */
struct field *h1_take_fields(struct stream *stream, struct bufq *in, uint32_t cap);

#endif
