/* A snapshot, and for each reactor what it turns to it by. Called by control/reload, once for each other configuration.
 */
#include "control/reload_ready.h"

#include <stdlib.h>

static void on_applied(void *context)
{
    struct reload *reload = context;

    atomic_fetch_add(&reload->applied, 1);
    io_wake(reload->options.io);
}

void reload_rules_released(void *context)
{
    snapshot_let_go(context); /* the control thread sweeps it up */
}

/* Doors of one reactor, sorted into those that are new, go on and are closed. */
struct sorted {
    struct reactor_door *opened, *kept;
    uint32_t *closed;
    uint32_t opened_count, kept_count, closed_count;
};

/* not per request: once a reload. */
static bool sort_doors(const struct reload *reload, uint32_t reactor, struct sorted *sorted)
{
    const struct doors *next = &reload->next_doors;

    sorted->opened = calloc(next->count, sizeof(*sorted->opened));
    sorted->kept = calloc(next->count, sizeof(*sorted->kept));
    sorted->closed = calloc(reload->doors.count, sizeof(*sorted->closed));
    if (!sorted->opened || !sorted->kept || !sorted->closed)
        return false;
    for (uint32_t i = 0; i < next->count; i++) {
        struct reactor_door door = {
            .id = next->items[i].id, .fd = -1, .transport = snapshot_transport(reload->snapshot, i)};
        if (doors_find(&reload->doors, &next->items[i].addr)) {
            sorted->kept[sorted->kept_count++] = door;
        } else {
            door.fd = door_sockets_fd(&reload->sockets, i, reactor);
            sorted->opened[sorted->opened_count++] = door;
        }
    }
    for (uint32_t i = 0; i < reload->doors.count; i++)
        if (!doors_find(next, &reload->doors.items[i].addr))
            sorted->closed[sorted->closed_count++] = reload->doors.items[i].id;
    return true;
}

/* not per request: once a reload. */
static int prepare_reactor(struct reload *reload, uint32_t index)
{
    struct sorted sorted = {.opened_count = 0};
    struct reactor_options options = snapshot_reactor_options(reload->snapshot);
    struct reactor_change_options change = {.options = &options, .on_applied = on_applied, .context = reload};
    int error = sort_doors(reload, index, &sorted) ? 0 : -ERR_NO_MEMORY;

    options.access_sink = reload->options.access_sink;
    options.on_released = reload_rules_released;
    options.rules_context = reload->snapshot;
    change.opened = sorted.opened;
    change.opened_count = sorted.opened_count;
    change.kept = sorted.kept;
    change.kept_count = sorted.kept_count;
    change.closed = sorted.closed;
    change.closed_count = sorted.closed_count;
    if (!error)
        error = reactor_prepare(reload->options.reactors[index], &change, &reload->changes[index]);
    free(sorted.opened); /* not per request: once a reload */
    free(sorted.kept);   /* not per request: once a reload */
    free(sorted.closed); /* not per request: once a reload */
    return error;
}

/* Everything that may fail. not per request: once a reload. */
int reload_make_ready(struct reload *reload)
{
    struct reload_options *options = &reload->options;
    int error = doors_list(&reload->doors, &reload->config->listeners, &reload->next_door, &reload->next_doors);

    reload->changes = calloc(options->reactor_count, sizeof(struct reactor_change *));
    if (!error && !reload->changes)
        error = -ERR_NO_MEMORY;
    if (!error)
        error = snapshot_create(reload->next.config, options->roster, *options->newest, &reload->snapshot);
    if (error)
        return error;
    options->prepare(options->context, reload->snapshot);
    error = account_grow(options->inherited, reload->snapshot->index_end);
    if (!error)
        error = prober_grow(options->prober, reload->snapshot->index_end, reload->snapshot->pool_count);
    if (!error && *options->admin)
        error = admin_grow(*options->admin, reload->snapshot->index_end);
    for (uint32_t i = 0; i < options->reactor_count && !error; i++)
        error = prepare_reactor(reload, i);
    return error;
}
