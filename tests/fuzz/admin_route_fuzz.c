/* Targets of the administration API: a path, and a query behind the first `?`. Whatever they are, at most one route is
 * found, its parameters lie in the path, and what is decoded is no longer than what it was made of, without a NUL, and
 * the same when nothing in it needed decoding. Values of a query lie in it behind their name.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "control/admin_route.h"

static bool lies_in(struct str part, struct str whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_decode(struct str text, bool query)
{
    char *out = malloc(text.n + 1);
    size_t n = 0;
    ASSERT(out);
    if (admin_decode(text, query, out, &n)) {
        ASSERT(n <= text.n);
        ASSERT(memchr(text.p, 0, text.n) || !memchr(out, 0, n));
        bool plain = str_find(text, '%') == text.n && (!query || str_find(text, '+') == text.n);
        ASSERT(!plain || str_eq(str_slice(out, n), text));
    } else {
        ASSERT(str_find(text, '%') < text.n);
    }
    free(out);
}

static void check_path(struct str path)
{
    static const enum msg_method methods[] = {METHOD_GET, METHOD_HEAD, METHOD_PATCH, METHOD_POST};
    for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
        bool known = false;
        const struct admin_route *route = admin_route_find(methods[m], path, &known);
        ASSERT(!route || known);
        if (!route)
            continue;
        struct str pool = admin_route_param(route, path, STR("pool"));
        struct str worker = admin_route_param(route, path, STR("worker"));
        ASSERT(lies_in(pool, path) && lies_in(worker, path));
        ASSERT((pool.n > 0) == (strstr(route->path, "{pool}") != NULL));
        ASSERT(str_find(pool, '/') == pool.n && str_find(worker, '/') == worker.n);
        check_decode(pool, false);
        check_decode(worker, false);
    }
}

static void check_query(struct str query)
{
    static const char *const names[] = {"limit", "host", "path", ""};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct str value;
        if (!admin_query_find(query, str_of(names[i]), &value))
            continue;
        ASSERT(lies_in(value, query) && str_find(value, '&') == value.n);
        check_decode(value, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_slice((const char *)data, size);
    size_t end = str_find(all, '?');
    check_path(str_slice(all.p, end));
    if (end < all.n)
        check_query(str_slice(all.p + end + 1, all.n - end - 1));
    ASSERT(admin_secret_equal(all, all));
    return 0;
}
