/* Answers that Ballast makes itself: what happened, in one sentence, with the reason's name and the request's id.
 */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "base/arena.h"
#include "http/msg.h"
#include "proxy/route.h"

struct reply {
    struct msg head;
    struct str body;
};

/* For an error of err.h: Proxy-Status (RFC 9209), X-Request-ID, Date, Retry-After when retry_after_s > 0; the body as
 * HTML, JSON or text by the request's Accept. accept: its value, or empty. All in the arena. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int reply_error(struct reply *ret_reply, int error, struct str id, struct str date, struct str accept,
                           int64_t retry_after_s, struct arena *arena);
/* Where a redirect of this request leads. {NULL, 0} without memory. */
struct str reply_location(const struct route_redirect *redirect, const struct msg *request, struct arena *arena);
/* 301, 302, 307 or 308 to there. */
MUST_CHECK int reply_redirect(struct reply *ret_reply, int status, struct str location, struct str id, struct str date,
                              struct arena *arena);
/* A plain 200 with this body. */
MUST_CHECK int reply_text(struct reply *ret_reply, struct str body, struct str content_type, struct str date,
                          struct arena *arena);
/* The answer to TRACE with Max-Forwards: 0 (RFC 9110 section 9.3.8): the request as received, without fields that may
 * hold secrets. */
MUST_CHECK int reply_trace(struct reply *ret_reply, const struct msg *request, struct str date, struct arena *arena);

#endif
