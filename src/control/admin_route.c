/* The table of routes and how a request finds its own. Called by control/admin. */
#include "control/admin_route.h"

#include <stdio.h>

#include "base/str.h"

const struct admin_route admin_routes[] = {
#define ADMIN_ROUTE(method, path, access, function, answer, summary) \
    {METHOD_##method, #method, path, ADMIN_##access, admin_do_##function, answer, summary},
#include "control/admin.def"
#undef ADMIN_ROUTE
};
const size_t admin_route_count = ARRAY_SIZE(admin_routes);

/* The next segment of a path that begins with /; false at its end, or when it does not. */
static bool next_segment(struct str *path, struct str *ret_segment)
{
    if (path->n == 0 || path->p[0] != '/')
        return false;
    size_t end = 1 + str_find(str_slice(path->p + 1, path->n - 1), '/');
    *ret_segment = str_slice(path->p + 1, end - 1);
    *path = str_slice(path->p + end, path->n - end);
    return true;
}

static bool is_param(struct str segment)
{
    return segment.n > 2 && segment.p[0] == '{';
}

static bool path_matches(struct str pattern, struct str path)
{
    struct str wanted, found;

    while (next_segment(&pattern, &wanted)) {
        if (!next_segment(&path, &found))
            return false;
        if (is_param(wanted) ? found.n == 0 : !str_eq(wanted, found))
            return false;
    }
    return path.n == 0;
}

const struct admin_route *admin_route_find(enum msg_method method, struct str path, bool *ret_path_known)
{
    if (method == METHOD_HEAD)
        method = METHOD_GET;
    *ret_path_known = false;
    for (size_t i = 0; i < admin_route_count; i++) {
        if (!path_matches(str_of(admin_routes[i].path), path))
            continue;
        *ret_path_known = true;
        if (admin_routes[i].method == method)
            return &admin_routes[i];
    }
    return NULL;
}

void admin_route_methods(struct str path, char out[ADMIN_METHODS_MAX])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct admin_route *route = &admin_routes[i];
        if (path_matches(str_of(route->path), path))
            n += (size_t)snprintf(out + n, ADMIN_METHODS_MAX - n, "%s%s%s", n > 0 ? ", " : "", route->method_text,
                                  route->method == METHOD_GET ? ", HEAD" : "");
        ASSERT(n < ADMIN_METHODS_MAX);
    }
}

struct str admin_route_param(const struct admin_route *route, struct str path, struct str name)
{
    struct str pattern = str_of(route->path), wanted, found;

    while (next_segment(&pattern, &wanted) && next_segment(&path, &found))
        if (is_param(wanted) && str_eq(str_slice(wanted.p + 1, wanted.n - 2), name))
            return found;
    return STR("");
}

bool admin_query_find(struct str query, struct str name, struct str *ret_value)
{
    struct str pair;

    while (str_cut(&query, '&', &pair)) {
        size_t equals = str_find(pair, '=');
        if (!str_eq(str_slice(pair.p, equals), name))
            continue;
        *ret_value = equals < pair.n ? str_slice(pair.p + equals + 1, pair.n - equals - 1) : STR("");
        return true;
    }
    return false;
}

bool admin_decode(struct str text, bool query, char *out, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        uint64_t byte = (unsigned char)text.p[i];
        if (byte == '%') {
            if (text.n - i < 3 || str_parse_hex(str_slice(text.p + i + 1, 2), 255, &byte) || byte == 0)
                return false;
            i += 2;
        } else if (query && byte == '+') {
            byte = ' ';
        }
        out[n++] = (char)byte;
    }
    *ret_n = n;
    return true;
}

bool admin_secret_equal(struct str a, struct str b)
{
    unsigned different = a.n != b.n;

    for (size_t i = 0; i < a.n; i++)
        different |= (unsigned char)a.p[i] ^ (unsigned char)(b.n ? b.p[i % b.n] : 0);
    return different == 0;
}
