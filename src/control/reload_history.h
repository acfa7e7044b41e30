/* What became of the last reloads. Control thread only; owned by control/reload.
 */
#ifndef CONTROL_RELOAD_HISTORY_H
#define CONTROL_RELOAD_HISTORY_H

#include "control/admin_plan.h"
#include "control/link.h"

enum { RELOAD_HISTORY = 32 };

/* What became of one. */
struct reload_entry {
    uint32_t number;   /* 0: none */
    int64_t at_ns;     /* wall clock */
    const char *state; /* as in admin_object.def */
    char cause[32];
    char sentence[LINK_TEXT_MAX];
    struct plan *plan; /* NULL: it did not come so far */
};

struct reload_history {
    struct reload_entry entries[RELOAD_HISTORY]; /* ring, by number */
    uint32_t numbers;                            /* the newest; 0: none yet */
};

/* A new entry, which waits, in place of the oldest. */
struct reload_entry *reload_history_add(struct reload_history *history, const char *cause);
/* NULL: it is not there any more, or never was. */
const struct reload_entry *reload_history_find(const struct reload_history *history, uint32_t number);
void reload_history_fini(struct reload_history *history);

#endif
