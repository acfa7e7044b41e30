/* How a reactor turns to another configuration: made ready by the control thread, which may run out of memory, and
 * applied between two turns of traffic, which may not.
 */
#include "proxy/reactor_change.h"

#include <stdlib.h>

#include "proxy/reactor_doors.h"
#include "proxy/tunnel.h"

/* The rules of one configuration, for as long as exchanges here go by them. */
struct epoch {
    struct exchange_epoch exchanges; /* first */
    void (*on_released)(void *context);
    void *context;
};

struct reactor_change {
    struct reactor_options options;
    struct exchange_epoch *epoch;
    struct list doors; /* to open; their sockets are in fds */
    int *fds;
    uint32_t *closed;
    uint32_t closed_count;
    struct reactor_door *kept;
    uint32_t kept_count;
    void (*on_applied)(void *context);
    void *context;
};

static void on_epoch_idle(struct exchange_epoch *exchanges)
{
    struct epoch *epoch = CONTAINER_OF(exchanges, struct epoch, exchanges);

    if (epoch->on_released)
        epoch->on_released(epoch->context);
    free(epoch); /* not per request: see reactor_epoch_make */
}

struct exchange_epoch *reactor_epoch_make(const struct reactor_options *options)
{
    struct epoch *epoch = malloc(sizeof(*epoch)); /* not per request: once a configuration */

    if (!epoch)
        return NULL;
    *epoch = (struct epoch){
        {.rules = options->rules, .on_idle = on_epoch_idle}, options->on_released, options->rules_context};
    return &epoch->exchanges;
}

void reactor_change_destroy(struct reactor_change **destroyed)
{
    struct reactor_change *change = *destroyed;

    *destroyed = NULL;
    LIST_FOREACH_SAFE (link, &change->doors)
        free(CONTAINER_OF(link, struct door, link)); /* not per request: see reactor_door_make */
    free(change->epoch);                             /* not per request: as the whole change */
    free(change->fds);                               /* not per request: as the whole change */
    free(change->closed);                            /* not per request: as the whole change */
    free(change->kept);                              /* not per request: as the whole change */
    free(change);                                    /* not per request: as the whole change */
}

/* not per request: once a configuration. */
static int fill_change(struct reactor_change *change, const struct reactor_change_options *options)
{
    change->epoch = reactor_epoch_make(options->options);
    change->fds = calloc(options->opened_count + 1, sizeof(*change->fds));
    change->closed = calloc(options->closed_count + 1, sizeof(*change->closed));
    change->kept = calloc(options->kept_count + 1, sizeof(*change->kept));
    if (!change->epoch || !change->fds || !change->closed || !change->kept)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < options->opened_count; i++) {
        struct door *door = reactor_door_make(&options->opened[i]);
        if (!door)
            return -ERR_NO_MEMORY;
        list_append(&change->doors, &door->link);
        change->fds[i] = options->opened[i].fd;
    }
    for (uint32_t i = 0; i < options->closed_count; i++)
        change->closed[change->closed_count++] = options->closed[i];
    for (uint32_t i = 0; i < options->kept_count; i++)
        change->kept[change->kept_count++] = options->kept[i];
    return 0;
}

int reactor_prepare(struct reactor *reactor, const struct reactor_change_options *options,
                    struct reactor_change **ret_change)
{
    struct reactor_change *change = calloc(1, sizeof(*change)); /* not per request: once a configuration */

    if (!change)
        return -ERR_NO_MEMORY;
    list_init(&change->doors);
    change->options = *options->options;
    change->on_applied = options->on_applied;
    change->context = options->context;
    int error = fill_change(change, options);
    if (!error)
        error = lease_book_grow(&reactor->leases, options->options->workers);
    if (!error)
        error = account_grow(&reactor->account, options->options->workers);
    if (error)
        reactor_change_destroy(&change);
    else
        *ret_change = change;
    return error;
}

void reactor_publish(struct reactor *reactor, struct reactor_change *change)
{
    int error = mailbox_post(&reactor->mail, (struct mail){.kind = MAIL_CHANGE, .subject = change});

    ASSERT(!error); /* one change at a time: there is room */
    io_wake(reactor->io);
}

/* Pointers and numbers only: traffic waits for it. What is open reads its limits and patience from reactor->options. */
void reactor_change_apply(struct reactor *reactor, struct reactor_change *change)
{
    struct reactor_options *options = &reactor->options;
    const struct reactor_options *from = &change->options;

    options->rules = from->rules;
    options->client = from->client;
    options->client_h2 = from->client_h2;
    options->answer_limits = from->answer_limits;
    options->worker_h2 = from->worker_h2;
    options->worker_idle_ms = from->worker_idle_ms;
    options->idle_per_worker = from->idle_per_worker;
    options->warm_per_worker = from->warm_per_worker;
    options->workers = from->workers;
    struct lease_options leases = reactor_lease_options(reactor);
    lease_book_adopt(&reactor->leases, &leases);
    options->access_sample = from->access_sample;
    access_log_turn(&reactor->log, from->access_sink, from->access_format, from->access_sample);
    for (uint32_t i = 0; i < change->closed_count; i++)
        reactor_door_close(reactor, change->closed[i]);
    for (uint32_t i = 0; i < change->kept_count; i++)
        reactor_door_change(reactor, &change->kept[i]);
    reactor_doors_open(reactor, &change->doors, change->fds);
    exchange_home_turn(&reactor->home, change->epoch);
    change->epoch = NULL;
    tunnel_follow_workers(&reactor->home);
    reactor_doors_accept(reactor);
    change->on_applied(change->context);
    reactor_change_destroy(&change);
}

void reactor_change_drop(struct reactor_change *change)
{
    on_epoch_idle(change->epoch);
    change->epoch = NULL;
    reactor_change_destroy(&change);
}
