/* What may be seen of exchanges in flight, for whoever operates them.
 */
#ifndef PROXY_EXCHANGE_VIEW_H
#define PROXY_EXCHANGE_VIEW_H

#include "proxy/exchange.h"

/* An exchange at this moment. */
struct exchange_view {
    struct str id, client, method, host, target; /* may be empty */
    const struct pool *pool;                     /* NULL before ROUTE */
    const struct worker *worker;                 /* NULL without one */
    enum exchange_step step;
    uint32_t tries;
    int status; /* of the answer that has begun, 0 without */
    uint64_t bytes_in, bytes_out;
    int64_t age_us;
};

/* Reactor's thread: tells of each exchange that has begun, oldest first. What it points to is valid within the call. */
void exchange_view_each(const struct exchange_home *home, void (*tell)(void *context, const struct exchange_view *view),
                        void *context);

#endif
