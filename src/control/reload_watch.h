/* Whether requests fare worse since a reload: counted from the reactors' accounts, judged without them.
 */
#ifndef CONTROL_RELOAD_WATCH_H
#define CONTROL_RELOAD_WATCH_H

#include "proxy/account.h"

enum { RELOAD_WATCH_LEAST = 20 }; /* requests, before anything is concluded from them */

/* Requests that came to an end for which no client is to blame. */
struct reload_totals {
    uint64_t ended, failed;
};

/* Any thread. */
struct reload_totals reload_totals_count(const struct account *const *accounts, uint32_t count);
struct reload_totals reload_totals_since(struct reload_totals now, struct reload_totals then);
/* Is a greater share failing than is allowed, and than was before? */
bool reload_went_wrong(struct reload_totals since, struct reload_totals before, uint32_t allowed_percent);

#endif
