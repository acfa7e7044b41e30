/* The body of a request on its way in: counted and dropped, or passed on to be echoed.
 */
#ifndef WORKER_INTAKE_H
#define WORKER_INTAKE_H

#include "base/bufq.h"
#include "http/h1_chunk.h"
#include "http/h1_parse.h"

enum intake_state { INTAKE_LENGTH, INTAKE_CHUNKS, INTAKE_TRAILERS, INTAKE_DONE };

struct intake {
    enum intake_state state;
    uint64_t left;  /* INTAKE_LENGTH: bytes still to come */
    uint64_t bytes; /* of body seen so far */
    struct h1_chunk chunk;
    struct h1_scan scan; /* of the trailers */
};

void intake_init(struct intake *intake, const struct h1_head *request);
/* Takes from the front of `in` what there is of the body. With `echo` it is appended there in the framing in which
 * it came, its trailers too, until echo holds echo_max bytes. 1: the body is complete; 0: more bytes (or more room
 * in echo) needed; or a negative code. */
MUST_CHECK int intake_step(struct intake *intake, struct bufq *in, struct bufq *echo, size_t echo_max,
                           const struct h1_limits *limits);
/* The first bytes of a queue as one slice for a scan: all of them, or as many as a scan may ever need. An empty slice
 * with p NULL: out of memory. The queue is not empty. */
struct str intake_front(struct bufq *in, const struct h1_limits *limits);

#endif
