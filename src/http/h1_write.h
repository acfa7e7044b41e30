/* HTTP/1 heads: struct msg to bytes at the end of a queue. RFC 9112 sections 3 to 6. The counterpart of h1_parse.
 *
 * Pure but for the queue's memory. Fields marked dropped are left out; framing is written from what is said here.
 */
#ifndef HTTP_H1_WRITE_H
#define HTTP_H1_WRITE_H

#include "base/bufq.h"
#include "http/msg.h"

enum h1_connection { H1_CONNECTION_SILENT, H1_CONNECTION_CLOSE, H1_CONNECTION_KEEP_ALIVE };

struct h1_framing {
    bool chunked;   /* write Transfer-Encoding: chunked */
    int64_t length; /* write Content-Length when >= 0 and not chunked */
    enum h1_connection connection;
};

/* `METHOD target HTTP/1.1`, Host, the fields in order, `TE: trailers` when trailers are wanted, Upgrade when there is
 * one, framing, then Connection: framing->connection, and the names of those two. An empty authority gives an empty
 * Host. 0 or -ERR_NO_MEMORY with the queue as before. */
MUST_CHECK int h1_write_request(struct bufq *queue, const struct msg *msg, const struct h1_framing *framing);
/* `HTTP/1.1 status reason` (always 1.1: RFC 9112 section 2.3), the fields, Upgrade when there is one, framing,
 * Connection. For 1xx: no framing. */
MUST_CHECK int h1_write_answer(struct bufq *queue, const struct msg *msg, const struct h1_framing *framing);
/* The end of a chunked body: last chunk, the trailers that are not dropped, empty line. count may be 0. */
MUST_CHECK int h1_write_last_chunk(struct bufq *queue, const struct field *trailers, uint32_t count);

#endif
