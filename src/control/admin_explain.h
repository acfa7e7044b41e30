/* Which route, pool and worker a request would get now, and why each other worker would not.
 */
#ifndef CONTROL_ADMIN_EXPLAIN_H
#define CONTROL_ADMIN_EXPLAIN_H

#include "control/admin.h"

struct explain_request {
    struct str method, scheme, host, path, client;
};

/* The Explanation object, found by the code that routes and picks, without taking anybody's turn; the caller's
 * reference, NULL without memory. */
json_t *admin_explain_json(struct admin *admin, const struct explain_request *request);

#endif
