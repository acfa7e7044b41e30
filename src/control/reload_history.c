/* A ring; entries own their plans. Used by control/reload alone. */
#include "control/reload_history.h"

#include <stdio.h>

#include "base/clock.h"

struct reload_entry *reload_history_add(struct reload_history *history, const char *cause)
{
    uint32_t number = ++history->numbers;
    struct reload_entry *entry = &history->entries[number % RELOAD_HISTORY];

    plan_destroy(&entry->plan);
    *entry = (struct reload_entry){.number = number, .at_ns = clock_wall_ns(), .state = "waiting"};
    (void)snprintf(entry->cause, sizeof(entry->cause), "%s", cause);
    return entry;
}

const struct reload_entry *reload_history_find(const struct reload_history *history, uint32_t number)
{
    const struct reload_entry *entry = &history->entries[number % RELOAD_HISTORY];

    return number > 0 && entry->number == number ? entry : NULL;
}

void reload_history_fini(struct reload_history *history)
{
    for (size_t i = 0; i < RELOAD_HISTORY; i++)
        plan_destroy(&history->entries[i].plan);
}
