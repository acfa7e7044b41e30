/* What becomes of one request: the answer's status, body, framing and oddities, decided from its head alone.
 *
 * Pure. A plan holds no slices of the request: its head is gone from the queue when the plan is carried out.
 */
#ifndef WORKER_PLAN_H
#define WORKER_PLAN_H

#include "http/h1_parse.h"
#include "worker/settings.h"

enum plan_body {
    PLAN_WHO,     /* who answered what */
    PLAN_HEALTH,  /* ok or not ok */
    PLAN_HEAD,    /* the request's head as received */
    PLAN_ECHO,    /* the request's body */
    PLAN_PATTERN, /* pattern_bytes of a repeating pattern */
    PLAN_ERROR,   /* a sentence that says what is wrong with the request */
    PLAN_SILENCE  /* no answer at all */
};

struct plan {
    enum plan_body body;
    int status;
    int64_t delay_ms;
    int64_t pattern_bytes;
    int64_t stop_after;  /* die after so many bytes of body; -1: never */
    int64_t bytes_per_s; /* 0: as fast as they go */
    bool stop_by_reset;
    bool chunked;
    bool trailers;
    bool until_close; /* the body ends with the connection */
    bool shop;        /* many fields in the head */
    bool bodyless;    /* HEAD, 204, 304: the head is all */
    bool early;       /* answer before the request's body is read */
    bool http10;
    bool close; /* the connection ends after this answer */
};

/* answers: how many this connection has had before. health_status: what /health says at present. */
void plan_make(const struct settings *settings, const struct h1_head *request, int64_t answers, int health_status,
               struct plan *ret_plan);
/* The answer to a request that cannot be parsed, or whose body is malformed: code is what the parser said. */
void plan_make_error(int code, struct plan *ret_plan);

#endif
