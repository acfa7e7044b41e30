/* The timer wheel. One for each loop, on its thread.
 *
 * A slot of level l stands for 64^l ms; its number is the time divided by that, modulo 64. A timer waits in the lowest
 * level that reaches its time within 63 slots, so no slot holds two rounds at once, and moves down as its slot comes.
 * The wheel steps from busy slot to busy slot (a bit for each), never from millisecond to millisecond: a long sleep
 * costs what it fires. A heap would cost a logarithm for each of the many deadlines that only move.
 */
#include "base/timer.h"

enum { TIMER_BITS = 6, TIMER_MASK = TIMER_SLOTS - 1 };

/* Takes from the wheel while runs fire: any later timer_set must put it anew. */
#define TIMER_SLOT_NONE INT64_MAX

static int timer_shift(int level)
{
    return TIMER_BITS * level;
}

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms)
{
    ASSERT(now_ms >= 0);
    wheel->now_ms = now_ms;
    wheel->linked = 0;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        wheel->busy[level] = 0;
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* The time at which the next busy slot of a level begins; TIMER_NEVER if it has none. */
static int64_t timer_level_next(const struct timer_wheel *wheel, int level)
{
    uint64_t busy = wheel->busy[level];
    int64_t current = wheel->now_ms >> timer_shift(level);
    unsigned index = (unsigned)current & TIMER_MASK;
    if (busy == 0)
        return TIMER_NEVER;
    uint64_t from_current = index == 0 ? busy : busy >> index | busy << (TIMER_SLOTS - index);
    return (current + __builtin_ctzll(from_current)) << timer_shift(level);
}

int64_t timer_wheel_next(const struct timer_wheel *wheel)
{
    int64_t next = TIMER_NEVER;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        int64_t level_next = timer_level_next(wheel, level);
        if (level_next < next)
            next = level_next;
    }
    return next;
}

/* Puts an unlinked timer into the slot for its due time. */
static void timer_place(struct timer_wheel *wheel, struct timer *timer)
{
    int64_t time = timer->due_ms > wheel->now_ms ? timer->due_ms : wheel->now_ms;
    int level = 0;
    while (level < TIMER_LEVELS - 1 &&
           (time >> timer_shift(level)) - (wheel->now_ms >> timer_shift(level)) >= TIMER_SLOTS)
        level++;
    int64_t current = wheel->now_ms >> timer_shift(level);
    int64_t slot = time >> timer_shift(level);
    if (slot - current >= TIMER_SLOTS)
        slot = current + TIMER_SLOTS - 1; /* too far even for the last level: looked at again from there */
    timer->slot_ms = slot << timer_shift(level);
    wheel->busy[level] |= UINT64_C(1) << (slot & TIMER_MASK);
    list_append(&wheel->slots[level][slot & TIMER_MASK], &timer->link);
    wheel->linked++;
}

static void timer_unlink(struct timer_wheel *wheel, struct timer *timer)
{
    struct list *neighbour = timer->link.next;
    bool alone = neighbour == timer->link.prev;
    list_remove(&timer->link);
    wheel->linked--;
    if (!alone || timer->slot_ms == TIMER_SLOT_NONE)
        return;
    /* The only neighbour of a node that was alone is its slot's head. */
    size_t index = (size_t)(neighbour - &wheel->slots[0][0]);
    ASSERT(index < TIMER_LEVELS * TIMER_SLOTS);
    wheel->busy[index / TIMER_SLOTS] &= ~(UINT64_C(1) << (index & TIMER_MASK));
}

/* Empties the slot that has come: its timers are expired, put lower, or forgotten if stopped. */
static void timer_open_slot(struct timer_wheel *wheel, int level, struct list *expired)
{
    unsigned index = (unsigned)(wheel->now_ms >> timer_shift(level)) & TIMER_MASK;
    struct list *slot = &wheel->slots[level][index];
    struct list *node;
    wheel->busy[level] &= ~(UINT64_C(1) << index);
    while ((node = list_pop(slot))) {
        struct timer *timer = CONTAINER_OF(node, struct timer, link);
        wheel->linked--;
        if (timer->due_ms == TIMER_NEVER)
            continue;
        if (timer->due_ms > wheel->now_ms) {
            timer_place(wheel, timer);
            continue;
        }
        timer->slot_ms = TIMER_SLOT_NONE;
        list_append(expired, node);
        wheel->linked++;
    }
}

/* Moves what is due up to now_ms to `expired`, in order of time, and the wheel's time to now_ms. */
static void timer_expire(struct timer_wheel *wheel, int64_t now_ms, struct list *expired)
{
    for (;;) {
        int64_t next = timer_wheel_next(wheel);
        if (next > now_ms)
            break;
        wheel->now_ms = next;
        for (int level = TIMER_LEVELS - 1; level >= 0; level--)
            timer_open_slot(wheel, level, expired);
    }
    wheel->now_ms = now_ms;
}

void timer_wheel_run(struct timer_wheel *wheel, int64_t now_ms)
{
    ASSERT(now_ms >= wheel->now_ms && now_ms < TIMER_NEVER / 2);
    struct list expired;
    struct list *node;
    list_init(&expired);
    timer_expire(wheel, now_ms, &expired);
    /* Fire functions see only a wheel at now_ms, and may take any timer off this list. */
    while ((node = list_pop(&expired))) {
        struct timer *timer = CONTAINER_OF(node, struct timer, link);
        wheel->linked--;
        if (timer->due_ms == TIMER_NEVER)
            continue;
        timer->due_ms = TIMER_NEVER;
        timer->fire(timer);
    }
}

void timer_init(struct timer *timer, timer_fn fire)
{
    list_init(&timer->link);
    timer->fire = fire;
    timer->due_ms = TIMER_NEVER;
    timer->slot_ms = TIMER_SLOT_NONE;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, int64_t due_ms)
{
    bool linked = list_linked(&timer->link);
    timer->due_ms = due_ms;
    /* Nothing to place, or its slot comes early enough to place it then. */
    if (due_ms == TIMER_NEVER || (linked && due_ms >= timer->slot_ms))
        return;
    if (linked)
        timer_unlink(wheel, timer);
    timer_place(wheel, timer);
}

void timer_stop(struct timer *timer)
{
    timer->due_ms = TIMER_NEVER;
}

void timer_fini(struct timer_wheel *wheel, struct timer *timer)
{
    timer->due_ms = TIMER_NEVER;
    if (list_linked(&timer->link))
        timer_unlink(wheel, timer);
}
