/* Notices a reactor that is stuck: a turn of its loop that never ends.
 *
 * The control thread looks at each reactor's count of turns, some times in every limit, and wakes those whose count
 * stands still, so that an idle one turns. Looks are counted, not time: a whole process that was stopped, or a machine
 * that slept, costs one look and not the reactors' heads. One thread uses it.
 */
#ifndef CONTROL_WATCHDOG_H
#define CONTROL_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct watchdog_options {
    uint32_t limit_ms; /* at least 1000 */
    uint32_t count;    /* of reactors */
    /* Turns so far; WATCHDOG_ENDED: there will be none any more. */
    uint64_t (*turns)(void *context, uint32_t index);
    void (*wake)(void *context, uint32_t index);
    void *context;
};

#define WATCHDOG_ENDED UINT64_MAX

struct watchdog_seen {
    uint64_t turns;
    uint32_t idle_looks; /* since turns changed */
};

struct watchdog {
    struct watchdog_options options;
    struct watchdog_seen *seen;
};

MUST_CHECK int watchdog_init(struct watchdog *watchdog, const struct watchdog_options *options);
void watchdog_fini(struct watchdog *watchdog);
/* Milliseconds from one look to the next. */
uint32_t watchdog_interval_ms(const struct watchdog *watchdog);
/* One look. True with *ret_index when a reactor is stuck. */
bool watchdog_look(struct watchdog *watchdog, uint32_t *ret_index);

#endif
