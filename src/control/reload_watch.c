/* Pure but for the count. Used by control/reload, a few times a second after a reload. */
#include "control/reload_watch.h"

struct reload_totals reload_totals_count(const struct account *const *accounts, uint32_t count)
{
    struct reload_totals totals = {0, 0};

    for (uint32_t i = 0; i < count; i++) {
        const struct account_totals *from = &accounts[i]->totals;
        totals.ended += __atomic_load_n(&from->ok, __ATOMIC_RELAXED);
        for (int code = 0; code < ERR_COUNT; code++) {
            if (err_fault(code) == ERR_FAULT_WORKER || err_fault(code) == ERR_FAULT_SELF)
                totals.failed += __atomic_load_n(&from->by_reason[code], __ATOMIC_RELAXED);
        }
    }
    totals.ended += totals.failed;
    return totals;
}

struct reload_totals reload_totals_since(struct reload_totals now, struct reload_totals then)
{
    return (struct reload_totals){now.ended - then.ended, now.failed - then.failed};
}

bool reload_went_wrong(struct reload_totals since, struct reload_totals before, uint32_t allowed_percent)
{
    return since.ended >= RELOAD_WATCH_LEAST && since.failed * 100 > since.ended * allowed_percent &&
           since.failed * (before.ended + 1) > before.failed * since.ended;
}
