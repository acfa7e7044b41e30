/* What gRPC says in HTTP, as far as a balancer has to know it: which requests are calls, their deadline, and how a
 * failure of ours is told (gRPC over HTTP/2; RFC 9110 section 6.5 for what its trailers are).
 *
 * Pure but for the arena.
 */
#ifndef PROXY_GRPC_H
#define PROXY_GRPC_H

#include "proxy/reply.h"

/* A client that watches its deadline ends the call itself, and knows best why: it gets this long to do so. */
enum { GRPC_GRACE_MS = 250 };

enum grpc_status {
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14
};

/* POST, with TE: trailers and a Content-Type of application/grpc or one of its kinds. */
bool grpc_is_call(const struct msg *request);
/* What grpc-timeout grants, rounded up to whole milliseconds; -1: no such field, or a malformed one. */
int64_t grpc_timeout_ms(const struct msg *request);
/* The status of a call that ends in an error of err.h. */
enum grpc_status grpc_status_of(int error);
/* A call's answer for an error: 200 without a body, the status and the sentence in its head ("trailers-only"). All in
 * the arena. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int grpc_reply(struct reply *ret_reply, int error, struct str id, struct str date, struct arena *arena);

#endif
