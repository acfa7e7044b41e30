/* Route matching: a linear walk in the order of the configuration, so that what is read there is what happens. */
#include "proxy/route.h"

static bool host_matches(struct str pattern, struct str host)
{
    if (pattern.n == 0)
        return true;
    if (pattern.p[0] != '*')
        return str_ieq(pattern, host);
    struct str suffix = str_slice(pattern.p + 1, pattern.n - 1);
    return host.n > suffix.n && str_ieq(suffix, str_slice(host.p + host.n - suffix.n, suffix.n));
}

static bool path_matches(struct str prefix, struct str path)
{
    if (str_eq(path, STR("*")))
        return prefix.n <= 1; /* OPTIONS for the whole server: only routes for all of it */
    if (!str_starts(path, prefix))
        return false;
    return prefix.n == 0 || prefix.p[prefix.n - 1] == '/' || path.n == prefix.n || path.p[prefix.n] == '/';
}

const struct route *route_match(const struct route_table *table, struct str host, struct str path, bool https)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];
        if (https && route->redirect.to_https)
            continue;
        if (host_matches(route->host, host) && path_matches(route->path, path))
            return route;
    }
    return NULL;
}

struct pool *route_find(const struct route_table *table, struct str host, struct str path)
{
    const struct route *route = route_match(table, host, path, false);

    return route ? route->pool : NULL;
}
