/* A timer wheel in milliseconds with embedded nodes: set, move and stop cost a few instructions.
 *
 * Moving a deadline later, which is what traffic does all day, only stores it: the node stays in its slot and is put
 * back when the old time comes. A timer fires once, never early, at the first timer_wheel_run whose `now` is at or
 * past its time.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdint.h>

#include "base/list.h"

enum { TIMER_LEVELS = 5, TIMER_SLOTS = 64 }; /* 1 ms, 64 ms, 4 s, 4 min, 4.6 h; later times wait in the last level */

#define TIMER_NEVER INT64_MAX

struct timer;
typedef void (*timer_fn)(struct timer *timer);

struct timer {
    struct list link;
    timer_fn fire;
    int64_t due_ms;  /* when it is wanted; TIMER_NEVER: not set */
    int64_t slot_ms; /* the first time its slot stands for: when the wheel looks at it again */
};

struct timer_wheel {
    int64_t now_ms;
    uint64_t busy[TIMER_LEVELS]; /* a bit for each slot with timers */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
    uint32_t linked;
};

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms);
/* Fires all timers due at or before now_ms, in order of time (ties in no promised order). A fire function may set,
 * move and stop any timer, its own too; one that it sets for now or earlier fires in the next run. now_ms never goes
 * back. */
void timer_wheel_run(struct timer_wheel *wheel, int64_t now_ms);
/* When timer_wheel_run should next be called: at or before the first due time (slots of upper levels give an earlier
 * time, at which nothing may fire); TIMER_NEVER if no timer is linked. */
int64_t timer_wheel_next(const struct timer_wheel *wheel);

void timer_init(struct timer *timer, timer_fn fire);
/* Sets or moves. A time in the past counts as now, and fires in the next run. TIMER_NEVER stops. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t due_ms);
/* The timer will not fire, but its node may stay linked: cheap, for a timer that is soon set again. */
void timer_stop(struct timer *timer);
/* Stops and unlinks: needed before the timer's memory goes. */
void timer_fini(struct timer_wheel *wheel, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->due_ms != TIMER_NEVER;
}

#endif
