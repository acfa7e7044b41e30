/* The gRPC health checking protocol: what a probe asks, and what an answer says (grpc.health.v1).
 *
 * Two small messages, written and read by hand. Pure.
 */
#ifndef BALANCE_GRPC_HEALTH_H
#define BALANCE_GRPC_HEALTH_H

#include <stdbool.h>

#include "http/msg.h"

enum { GRPC_HEALTH_SERVICE_MAX = 64, GRPC_HEALTH_ASK_MAX = GRPC_HEALTH_SERVICE_MAX + 8, GRPC_HEALTH_ANSWER_MAX = 64 };
#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

/* The request's body: the frame of one HealthCheckRequest. service: at most GRPC_HEALTH_SERVICE_MAX bytes; empty: the
 * worker as a whole. Returns its length. */
size_t grpc_health_ask(char out[GRPC_HEALTH_ASK_MAX], struct str service);
/* The answer's body, whole, is the frame of one HealthCheckResponse that says SERVING. */
bool grpc_health_serves(struct str body);
/* The fields (trailers, or a head without a body) say that the call went well. */
bool grpc_health_is_ok(const struct field *fields, uint32_t count);

#endif
