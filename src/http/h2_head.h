/* Heads of HTTP/2: a header block to struct msg, judged as a head of HTTP/1 is. RFC 9113 section 8.
 *
 * Framing, the syntax of names and values, and which pseudo-header fields there must be are the library's to refuse,
 * before a block comes here. Pure but for the stream's arena.
 */
#ifndef HTTP_H2_HEAD_H
#define HTTP_H2_HEAD_H

#include "http/h2_block.h"
#include "http/session.h"

/* ended: the block ended the message, nothing follows. 0 with stream->head; -ERR_REQUEST_x with only the method there,
 * if it was; -ERR_NO_MEMORY. */
MUST_CHECK int h2_head_request(struct stream *stream, struct h2_block *block, const struct h1_limits *limits,
                               bool ended);
/* The head of an answer, interim ones too, to a request by this method; its fields live as long as the stream. 0,
 * -ERR_ANSWER_x, -ERR_NO_MEMORY. */
MUST_CHECK int h2_head_answer(struct stream *stream, struct h2_block *block, enum msg_method asked, bool ended,
                              struct msg *ret_msg);
/* Trailers of a message: 0 with stream->trailers, -ERR_REQUEST_TRAILER, -ERR_NO_MEMORY. */
MUST_CHECK int h2_head_trailers(struct stream *stream, struct h2_block *block);

#endif
