/* Connections to workers that are there before a request needs them (limits.warm_per_worker, ADR 0022).
 *
 * A reactor looks now and then whether each worker that takes requests has so many idle ones, and connects where it has
 * not: after a start, when a worker is back, when idle ones have grown too old. Few at once and never again at once
 * after a failure, so that it is no burst for anybody. On the reactor's thread.
 */
#ifndef PROXY_WARM_H
#define PROXY_WARM_H

#include "balance/lease.h"
#include "proxy/route.h"

enum {
    WARM_AT_ONCE = 16,     /* connecting, over all workers */
    WARM_LOOKED_AT = 1024, /* workers, in one look */
    WARM_PAUSE_MS = 1000,  /* after a failure */
    WARM_CONNECT_MS = 2000,
};

struct warm;

struct warm_place {
    struct warm *warm;
    struct lease_wait wait; /* none: free */
    const struct worker *worker;
    int64_t began_ms;
};

struct warm {
    struct lease_book *book;
    int64_t paused_until_ms;
    uint32_t route, worker; /* where the next look begins */
    struct warm_place places[WARM_AT_ONCE];
};

void warm_init(struct warm *warm, struct lease_book *book);
/* Connects where fewer than `each` idle or are on their way. */
void warm_look(struct warm *warm, const struct route_table *routes, uint32_t each);
/* None for a while: there is not enough of something. */
void warm_pause(struct warm *warm);
/* Those on their way are given up. */
void warm_stop(struct warm *warm);

#endif
