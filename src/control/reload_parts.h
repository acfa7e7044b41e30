/* What the files of a reload share: reload.c has its steps, reload_ready what may fail, reload_changes what an operator
 * changes between two files. Others go by reload.h.
 */
#ifndef CONTROL_RELOAD_PARTS_H
#define CONTROL_RELOAD_PARTS_H

#include "control/doors.h"
#include "control/reload.h"
#include "control/reload_watch.h"

enum reload_step { RELOAD_IDLE, RELOAD_ASKED, RELOAD_PROVING, RELOAD_PUBLISHED };

struct reload {
    struct reload_options options;
    enum reload_step step;
    struct doors doors;
    uint32_t next_door;
    /* the one under way */
    struct reload_entry *entry; /* NULL: no reload, but a change of workers */
    enum link_purpose purpose;
    char expected[PLAN_ID_MAX];
    const struct config *config; /* the file's that it brings */
    struct carried carried;      /* what was changed before, and what becomes of it */
    struct overlay next;         /* what is made of both */
    void (*done)(void *context); /* of a change of workers */
    void *done_context;
    struct snapshot *snapshot;
    struct doors next_doors;
    struct reactor_change **changes;
    struct door_sockets sockets; /* of new listeners */
    int64_t prove_end_ms;
    _Atomic uint32_t applied; /* reactors that go by it */
    struct timer step_timer;
    struct overlay in_use;
    /* after it */
    struct changes changes_before; /* of the configuration before, for when that comes back */
    int64_t brought_ns;            /* wall clock; the one in use was */
    struct timer sweep_timer, watch_timer;
    int64_t watch_end_ms;
    struct reload_totals at_change, before; /* counted at the last change, and during the configuration before it */
    struct reload_history history;
};

/* Puts into use, by all threads in the end, what was made ready. */
void reload_bring(struct reload *reload);
/* Gives back what the one under way has brought: nothing is under way then. */
void reload_forget(struct reload *reload);

#endif
