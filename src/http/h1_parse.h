/* HTTP/1 heads: bytes to struct msg, strictly. RFC 9112, RFC 9110 section 5.
 *
 * Pure: no I/O, no allocation, no state but what the caller hands in. Two passes: h1_scan finds where the head ends,
 * goes on where it stopped when more bytes come, and refuses bare line feeds and oversize as soon as they are seen; the
 * parse then runs once over a whole head. A CR that no LF follows is refused by the parse, which meets it anyway.
 */
#ifndef HTTP_H1_PARSE_H
#define HTTP_H1_PARSE_H

#include "http/msg.h"

struct h1_limits {
    uint32_t head_bytes; /* of a whole head, or of a whole trailer section */
    uint32_t fields;     /* lines after the first */
    uint32_t target_bytes;
};

/* Where a scan stands; all zero to start. */
struct h1_scan {
    uint32_t at;    /* bytes looked at */
    uint32_t lines; /* lines ended by CR LF, the empty one not counted */
    uint32_t line_start;
    bool trailers; /* scan a trailer section: no first line, ends with the first empty line */
};

/* Looks at bytes[0..n), which begin where the head begins and are the same as last time as far as scan->at. *ret_bytes:
 * length of the head with its empty line. 1: found; 0: more bytes needed; or -ERR_REQUEST_BARE_LF (no CR before it),
 * -ERR_REQUEST_HEAD_SIZE, -ERR_REQUEST_FIELD_COUNT, -ERR_REQUEST_TARGET_SIZE (the first line alone is longer than
 * target_bytes + 64). How the bytes are cut into calls changes nothing. An empty first line ends a head of 2 bytes with
 * lines 0: whoever tolerates empty lines before a request (RFC 9112 section 2.2) drops it and scans anew; the parses
 * refuse it. Callers on the worker side turn any error into an ANSWER_ one. */
MUST_CHECK int h1_scan(struct h1_scan *scan, const char *bytes, size_t n, const struct h1_limits *limits,
                       size_t *ret_bytes);

struct h1_head {
    struct msg msg;
    bool chunked;    /* the body is in chunked coding */
    bool keep_alive; /* by version and Connection, the sender will go on after this message (RFC 9112 section 9.3);
                        false too when the body ends with the connection */
};

/* Parses one whole head as found by h1_scan. fields[0..cap): where msg.fields will stand; cap at least the scan's lines
 * - 1 (more is room for additions). 0, or -ERR_REQUEST_x with *ret_head untouched. Checked here: request line, method,
 * target, version, field syntax, Host (exactly one in 1.1, at most one in 1.0, valid; absolute form wins over it),
 * Content-Length (identical repeats are one; RFC 9110 section 8.6), Transfer-Encoding (RFC 9112 section 6.1), both
 * together, Expect (anything but 100-continue: -ERR_REQUEST_EXPECT), CONNECT
 * (-ERR_REQUEST_CONNECT). A request without framing has MSG_BODY_NONE. */
MUST_CHECK int h1_parse_request(struct str head, const struct h1_limits *limits, struct field *fields, uint32_t cap,
                                struct h1_head *ret_head);

/* What an answer's framing depends on. */
struct h1_asked {
    enum msg_method method;
};

/* The same for an answer; -ERR_ANSWER_MALFORMED, -ERR_ANSWER_FRAMING (Content-Length conflicts, both framings, either
 * in a 1xx or 204 is ignored unless malformed), -ERR_ANSWER_CODING. status 100 to 599 (600 to 999 are malformed). A
 * body of open end that is not chunked ends with the connection. 1xx heads are parsed like any other, with
 * MSG_BODY_NONE. */
MUST_CHECK int h1_parse_answer(struct str head, struct h1_asked asked, const struct h1_limits *limits,
                               struct field *fields, uint32_t cap, struct h1_head *ret_head);

/* A trailer section as found by a scan with trailers set: fields[0..*ret_count), forbidden ones marked dropped.
 * 0 or -ERR_REQUEST_TRAILER. */
MUST_CHECK int h1_parse_trailers(struct str section, struct field *fields, uint32_t cap, uint32_t *ret_count);

/* Index of the first byte that may not stand in a field value (control bytes but tab; bytes from 0x80 on may), or n.
 * The parser uses the fastest this processor has; the scalar one stands beside it for tests. */
size_t h1_value_end(const char *bytes, size_t n);
size_t h1_value_end_scalar(const char *bytes, size_t n);

#endif
