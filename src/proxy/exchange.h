/* An exchange: one request, the worker's stream that answers it, and what connects them, from head to account.
 *
 * Steps stand in exchange.def. Owned by a reactor, on its thread, from its slab; the reactor hears of it only by the
 * counters.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/exchange_home.h"
#include "proxy/rewrite.h"
#include "proxy/route.h"
#include "proxy/trace.h"

enum exchange_step {
#define STEP(name, function, next, what) EXCHANGE_##name,
#include "proxy/exchange.def"
#undef STEP
    EXCHANGE_STEPS
};

struct metric_page; /* of whoever writes the metrics */

/* What every exchange of a configuration goes by; immutable. */
struct exchange_rules {
    struct route_table routes;
    struct rewrite_options rewrite;
    uint32_t tries_max; /* workers asked for one request, at most PICK_TRIED_MAX */
    int64_t connect_ms;
    int64_t request_body_ms;  /* silence of a client inside its body */
    int64_t response_head_ms; /* from the request's end to the answer's head */
    int64_t response_idle_ms; /* silence of a worker: reading the request, or inside its answer */
    int64_t client_stall_ms;  /* silence of a client that reads its answer */
    int64_t tunnel_idle_ms;   /* silence of both sides of a tunnel */
    int64_t tunnel_drain_ms;  /* how long a tunnel may still stand when the balancer is to stop */
    int64_t tunnel_leave_ms;  /* and when its worker was removed */
    int64_t half_closed_ms;   /* a client that has ended its sending is still answered if the answer begins by then */
    uint64_t min_rate;        /* bytes a second of a client that is waited for; 0: any */
    struct str metrics_path;  /* empty: none */
    struct trace_options trace;
    /* Writes a piece of the metrics, so much as a turn bears; any reactor's thread. *page is its own, NULL at first and
     * at the end. 1: there is more; 0 or a code. */
    int (*metrics)(void *context, struct metric_page **page, struct bufq *out);
    void (*metrics_drop)(struct metric_page **page); /* the rest is not wanted */
    void *metrics_context;
};

/* A request begins on this session: the client's stream for it, or NULL at the limit. The exchange runs by itself from
 * here. */
struct stream *exchange_open(struct exchange_home *home, struct session *session);

/* For tests and documentation. */
const char *exchange_step_name(enum exchange_step step);
const char *exchange_step_what(enum exchange_step step);
unsigned exchange_step_next(enum exchange_step step); /* bits 1 << step */

#endif
