/* Beside the file in use there is a list; another list is put into use as another file is. Called by the administration
 * API, by control/upgrade, and by control/reload itself. */
#include "control/reload_changes.h"

#include "base/clock.h"
#include "control/reload_ready.h"

/* ---- over another file ---- */

int reload_list_changes(const struct reload *reload, bool back, struct changes *ret_changes)
{
    const struct changes *now = &reload->in_use.changes;
    int error = changes_copy(back ? &reload->changes_before : now, ret_changes);

    for (size_t i = 0; back && i < now->count && !error; i++)
        if (now->items[i].at_ns > reload->brought_ns)
            error = changes_put(ret_changes, &now->items[i]);
    return error;
}

void reload_remember_changes(struct reload *reload)
{
    carried_log(&reload->carried);
    changes_fini(&reload->changes_before);
    reload->changes_before = reload->in_use.changes;
    reload->in_use.changes = (struct changes){.items = NULL};
    reload->brought_ns = clock_wall_ns();
}

/* ---- over the same one ---- */

struct changes *reload_changes(struct reload *reload)
{
    return &reload->in_use.changes;
}

void reload_note_changes(struct reload *reload)
{
    const struct changes *changes = &reload->in_use.changes;

    atomic_store_explicit(&reload->options.sources->run_time_changes, changes->count, memory_order_relaxed);
    if (reload->options.memory && changes_memory_write(reload->options.memory, changes))
        log_warn("changes of run time are too many to outlive this server", LOG_N("changes", (int64_t)changes->count),
                 LOG_N("most", CHANGES_MEMORY_MAX));
}

bool reload_is_idle(const struct reload *reload)
{
    return reload->step == RELOAD_IDLE && !reload->sockets.fds; /* the keeper's next word is of a configuration */
}

bool reload_listens(const struct reload *reload)
{
    return reload->step == RELOAD_IDLE || reload->entry;
}

int reload_change(struct reload *reload, struct changes *changes, void (*done)(void *context), void *context,
                  char why[OVERLAY_WHY_MAX])
{
    ASSERT(reload_is_idle(reload));
    reload->entry = NULL;
    reload->done = done;
    reload->done_context = context;
    reload->config = reload->options.config;
    int error = overlay_make(reload->config, changes, &reload->next, why);
    if (!error)
        error = reload_make_ready(reload);
    if (error)
        reload_forget(reload);
    else
        reload_bring(reload);
    return error;
}

int reload_adopt(struct reload *reload, struct changes *changes, bool all)
{
    struct carried carried = {.changes = *changes};
    struct overlay next;
    char why[OVERLAY_WHY_MAX];
    int error = overlay_carry(reload->options.config, &carried, all, &next);

    if (!error && all)
        carried_log(&carried); /* else it was said of those that the first snapshot was made of */
    carried_fini(&carried);
    if (error)
        return error;
    bool known = changes_equal(&next.changes, &reload->in_use.changes);
    struct changes taken = next.changes;
    next.changes = (struct changes){.items = NULL};
    overlay_fini(&next);
    if (!known)
        return reload_change(reload, &taken, NULL, NULL, why);
    changes_fini(&taken);
    return 0;
}
