/* The count of looks and nothing else: the timer that looks and what follows are the server's. */
#include "control/watchdog.h"

#include <stdlib.h>

#include "base/err.h"

enum { LOOKS = 5 }; /* in every limit: it is noticed at most a fifth late */

int watchdog_init(struct watchdog *watchdog, const struct watchdog_options *options)
{
    ASSERT(options->limit_ms >= 1000);
    watchdog->options = *options;
    watchdog->seen = calloc(options->count, sizeof(*watchdog->seen)); /* start-up only: one for each thread */
    return watchdog->seen ? 0 : -ERR_NO_MEMORY;
}

void watchdog_fini(struct watchdog *watchdog)
{
    free(watchdog->seen); /* start-up only: see watchdog_init */
    watchdog->seen = NULL;
}

uint32_t watchdog_interval_ms(const struct watchdog *watchdog)
{
    return watchdog->options.limit_ms / LOOKS;
}

bool watchdog_look(struct watchdog *watchdog, uint32_t *ret_index)
{
    const struct watchdog_options *options = &watchdog->options;

    for (uint32_t i = 0; i < options->count; i++) {
        struct watchdog_seen *seen = &watchdog->seen[i];
        uint64_t turns = options->turns(options->context, i);
        bool idle = turns == seen->turns && turns != WATCHDOG_ENDED;
        seen->turns = turns;
        seen->idle_looks = idle ? seen->idle_looks + 1 : 0;
        if (seen->idle_looks >= LOOKS) {
            *ret_index = i;
            return true;
        }
        if (idle)
            options->wake(options->context, i);
    }
    return false;
}
