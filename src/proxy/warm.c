/* A walk over the workers of all routes, a piece a look. What is under way is counted by looking at the few places: a
 * worker that several routes lead to is met several times, and has enough by then. */
#include "proxy/warm.h"

void warm_init(struct warm *warm, struct lease_book *book)
{
    *warm = (struct warm){.book = book};
    for (uint32_t i = 0; i < WARM_AT_ONCE; i++)
        warm->places[i].warm = warm;
}

static struct warm_place *free_place(struct warm *warm)
{
    for (uint32_t i = 0; i < WARM_AT_ONCE; i++)
        if (!warm->places[i].wait.lease)
            return &warm->places[i];
    return NULL;
}

static uint32_t on_their_way(const struct warm *warm, const struct worker *worker)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WARM_AT_ONCE; i++)
        count += warm->places[i].wait.lease && warm->places[i].worker == worker;
    return count;
}

static int64_t now_ms(const struct warm *warm)
{
    return io_now_ms(warm->book->options.io);
}

void warm_pause(struct warm *warm)
{
    warm->paused_until_ms = now_ms(warm) + WARM_PAUSE_MS;
}

static void give_up(struct warm_place *place)
{
    if (place->wait.lease)
        lease_cancel(&place->wait);
}

static void give_up_late_ones(struct warm *warm)
{
    for (uint32_t i = 0; i < WARM_AT_ONCE; i++) {
        struct warm_place *place = &warm->places[i];
        if (!place->wait.lease || now_ms(warm) - place->began_ms < WARM_CONNECT_MS)
            continue;
        give_up(place);
        warm_pause(warm);
    }
}

static void on_ready(void *context, struct session *session, int error)
{
    struct warm_place *place = context;
    struct warm *warm = place->warm;

    if (error)
        warm_pause(warm);
    else
        lease_keep(warm->book, session);
}

/* What tells the worker of one client cannot be there before the client is. */
static bool wants_some(const struct worker *worker)
{
    const struct transport *transport = worker_transport(worker)->transport;

    return worker_takes(worker) && !(transport && transport->personal);
}

/* False: no more can be started now. */
static bool fill(struct warm *warm, struct worker *worker, uint32_t each)
{
    uint32_t spare = lease_spare(warm->book, worker);

    if (spare >= each)
        return true;
    for (uint32_t there = spare + on_their_way(warm, worker); there < each; there++) {
        struct warm_place *place = free_place(warm);
        if (!place || warm->book->idle >= warm->book->options.idle_total)
            return false;
        place->worker = worker;
        place->began_ms = now_ms(warm);
        if (lease_connect(warm->book, worker, NULL, on_ready, place, &place->wait)) {
            warm_pause(warm);
            return false;
        }
    }
    return true;
}

/* The worker where the walk stands; NULL at its end, from where it begins anew. The table may have become another. */
static struct worker *here(struct warm *warm, const struct route_table *routes)
{
    for (; warm->route < routes->count; warm->route++, warm->worker = 0) {
        const struct pool *pool = routes->routes[warm->route].pool;
        if (pool && warm->worker < pool->count)
            return pool->workers[warm->worker];
    }
    warm->route = warm->worker = 0;
    return NULL;
}

void warm_look(struct warm *warm, const struct route_table *routes, uint32_t each)
{
    give_up_late_ones(warm);
    if (each == 0 || warm->book->draining || now_ms(warm) < warm->paused_until_ms)
        return;
    if (each > warm->book->options.idle_max)
        each = warm->book->options.idle_max;
    for (uint32_t looked = 0; looked < WARM_LOOKED_AT; looked++) {
        struct worker *worker = here(warm, routes);
        if (!worker || (wants_some(worker) && !fill(warm, worker, each)))
            return;
        warm->worker++;
    }
}

void warm_stop(struct warm *warm)
{
    for (uint32_t i = 0; i < WARM_AT_ONCE; i++)
        give_up(&warm->places[i]);
}
