/* Routes: which pool a request's host and path lead to. First match wins. Immutable once built; any thread.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "balance/pool.h"

/* An answer that sends the client elsewhere. */
struct route_redirect {
    uint16_t status; /* 0: none */
    uint16_t port;   /* of what is asked by https again */
    bool to_https;   /* where it was asked for, by https; a request that came so goes on to the next routes */
    struct str to;   /* else: a URL; without a path, the request's target follows it */
};

struct route {
    struct str host;   /* "api.example.com", "*.example.com" (any name below it), or empty: any. Without a port */
    struct str path;   /* prefix, or empty: any. "/v1/" is for all below it; "/v1" also for itself, not for "/v10" */
    struct pool *pool; /* NULL: it redirects */
    struct route_redirect redirect;
    bool server_timing; /* its answers have Server-Timing */
};

struct route_table {
    const struct route *routes;
    uint32_t count;
    bool by_scheme; /* some route leads to https: the request's scheme matters */
};

/* host: without port, any case. https: the client asked by it. NULL when no route matches. */
const struct route *route_match(const struct route_table *table, struct str host, struct str path, bool https);
/* Its pool, of a request that came in the clear. */
struct pool *route_find(const struct route_table *table, struct str host, struct str path);

#endif
