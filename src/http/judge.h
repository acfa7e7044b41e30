/* Rules of a head that hold in every version of HTTP. The parsers of each version find the fields and ask here.
 */
#ifndef HTTP_JUDGE_H
#define HTTP_JUDGE_H

#include "http/msg.h"

/* What Content-Length says, in however many lines: decimal digits only; the same number again is the same number,
 * anything else is an error (RFC 9110 section 8.6). -1 when there is none. 0 or -ERR_REQUEST_LENGTH. */
MUST_CHECK int judge_length(const struct field *fields, uint32_t count, int64_t *ret_length);
/* Host: one, valid; none only from HTTP/1.0 or beside an authority that stands elsewhere (RFC 9112 section 3.2,
 * RFC 9113 section 8.3.1). The host of an absolute form or of :authority wins; the field is dropped. 0 or
 * -ERR_REQUEST_HOST. */
MUST_CHECK int judge_host(struct msg *msg, bool has_host, bool repeated);
/* Expect: 100-continue and nothing else (RFC 9110 section 10.1.1); an HTTP/1.0 client cannot wait for 100. 0 or
 * -ERR_REQUEST_EXPECT. */
MUST_CHECK int judge_expect(struct msg *msg);
/* What the parsers that both sides share say of a request, said of an answer; other codes stay. */
int judge_answer_error(int error);

#endif
