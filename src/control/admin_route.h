/* Which route of admin.def a request means. Pure; any thread.
 */
#ifndef CONTROL_ADMIN_ROUTE_H
#define CONTROL_ADMIN_ROUTE_H

#include "http/msg.h"

enum admin_access { ADMIN_OPEN, ADMIN_READ, ADMIN_WRITE };

struct admin;
struct admin_call;

/* Each answers its call, at once or later. */
#define ADMIN_ROUTE(method, path, access, function, answer, summary) \
    void admin_do_##function(struct admin *admin, struct admin_call *call);
#include "control/admin.def"
#undef ADMIN_ROUTE

struct admin_route {
    enum msg_method method;
    const char *method_text, *path;
    enum admin_access access;
    void (*run)(struct admin *admin, struct admin_call *call);
    const char *answer, *summary;
};

/* All of them, in the table's order. */
extern const struct admin_route admin_routes[];
extern const size_t admin_route_count;

/* The route, or NULL: *ret_path_known then says whether another method would have one. HEAD is GET. */
const struct admin_route *admin_route_find(enum msg_method method, struct str path, bool *ret_path_known);
enum { ADMIN_METHODS_MAX = 64 };
/* The methods that a path has, as Allow tells them (RFC 9110 section 10.2.1), with a NUL. */
void admin_route_methods(struct str path, char out[ADMIN_METHODS_MAX]);
/* What stands in `path` where the route has {name}, undecoded; empty when it has none. */
struct str admin_route_param(const struct admin_route *route, struct str path, struct str name);
/* The value of `name` in a query, undecoded; false when it is not there. */
bool admin_query_find(struct str query, struct str name, struct str *ret_value);
/* Percent-decoding (RFC 3986 section 2.1), in a query also + for a space; out has room for text.n. False when
 * malformed, or when a NUL would come of it. */
bool admin_decode(struct str text, bool query, char *out, size_t *ret_n);
/* Equal, in a time that does not depend on where they differ. */
bool admin_secret_equal(struct str a, struct str b);

#endif
