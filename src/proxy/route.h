/* Routes: which pool a request's host and path lead to. First match wins. Immutable once built; any thread.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "balance/pool.h"

struct route {
    struct str host; /* "api.example.com", "*.example.com" (any name below it), or empty: any. Without a port */
    struct str path; /* prefix, or empty: any. "/v1/" is for all below it; "/v1" also for itself, not for "/v10" */
    struct pool *pool;
    bool server_timing; /* its answers have Server-Timing */
};

struct route_table {
    const struct route *routes;
    uint32_t count;
};

/* host: without port, any case. NULL when no route matches. */
const struct route *route_match(const struct route_table *table, struct str host, struct str path);
/* Its pool. */
struct pool *route_find(const struct route_table *table, struct str host, struct str path);

#endif
