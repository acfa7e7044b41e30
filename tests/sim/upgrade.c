/* What the keeper and control/upgrade do between two processes, made here between two servers on one net: the listening
 * sockets are handed on with who waits at them, what is known and counted goes through the real hand-over, in a file of
 * memory, the server before retires, and drains when its clients have gone or their time is over. */
#include "tests/sim/upgrade.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/sim/check.h"
#include "tests/sim/server.h"

enum { LOOK_MS = 50, RETIRE_MS = 3000 };

#define NS_PER_MS INT64_C(1000000)

struct sim_upgrade {
    struct sim_server *before, *next; /* before: NULL until the next one takes over, and when it has ended */
    int told;                         /* the file of memory */
    int doors[WORLD_REACTORS];
    int64_t retire_end_ns;
    bool prober_stops;
    bool over;
};

static void after_ms(struct world *world, int64_t ms, io_sim_timer_fn fn)
{
    io_sim_after(world->net, ms * NS_PER_MS, fn, world);
}

/* What the server before knows now, by way of the file. */
static struct handover *ask(const struct sim_upgrade *upgrade, const struct sim_server *server)
{
    int error = handover_write(upgrade->told, &server->metrics);
    struct handover *handover = error ? NULL : handover_read(upgrade->told);
    if (handover == NULL)
        check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "nothing is handed over");
    return handover;
}

static void count(struct sim_upgrade *upgrade, bool ended)
{
    struct handover *handover = ask(upgrade, upgrade->before);
    handover_count(handover, &upgrade->next->roster, upgrade->next->inherited, ended);
    handover_free(&handover);
}

static void end(struct sim_upgrade *upgrade)
{
    close(upgrade->told);
    upgrade->over = true;
}

/* ---- the server before ---- */

static bool has_clients(const struct world *world, const struct sim_server *server)
{
    struct reactor_use use;
    for (uint32_t i = 0; i < world->plan->reactors; i++) {
        reactor_read_use(server->reactors[i], &use);
        if (use.clients > 0)
            return true;
    }
    return false;
}

static void on_look(void *context)
{
    struct world *world = context;
    struct sim_upgrade *upgrade = world->upgrade;
    if (upgrade->before == NULL || upgrade->before->draining)
        return;
    count(upgrade, false);
    if (world_now_ns(world) < upgrade->retire_end_ns && has_clients(world, upgrade->before)) {
        after_ms(world, LOOK_MS, on_look);
        return;
    }
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the server before drains");
    server_drain(upgrade->before);
}

static void retire(struct world *world)
{
    struct sim_upgrade *upgrade = world->upgrade;
    upgrade->before = world->server;
    upgrade->retire_end_ns = world_now_ns(world) + RETIRE_MS * NS_PER_MS;
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        reactor_retire(upgrade->before->reactors[i]);
    for (uint32_t i = 0; i < world->plan->workers; i++)
        world->workers[i].idle_untold = !worker_closings_are_seen(&world->workers[i]);
    after_ms(world, LOOK_MS, on_look);
}

void upgrade_step(struct world *world)
{
    struct sim_upgrade *upgrade = world->upgrade;
    if (upgrade == NULL || upgrade->before == NULL || !upgrade->before->draining ||
        !server_has_stopped(upgrade->before))
        return;
    if (!upgrade->prober_stops)
        prober_stop(upgrade->before->prober);
    upgrade->prober_stops = true;
    if (!prober_stopped(upgrade->before->prober))
        return;
    check_stopped(upgrade->before);
    count(upgrade, true);
    check_handed_on(upgrade->before, upgrade->next);
    server_take_apart(upgrade->before);
    upgrade->before = NULL;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the server before has ended");
    if (upgrade->next->there)
        end(upgrade);
}

/* ---- the next one ---- */

static void on_open(void *context)
{
    struct world *world = context;
    struct sim_upgrade *upgrade = world->upgrade;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the next server accepts");
    server_open(upgrade->next, upgrade->doors);
    if (world->draining)
        server_drain(upgrade->next);
    if (upgrade->before == NULL)
        end(upgrade);
}

static void give_up(struct world *world)
{
    struct sim_upgrade *upgrade = world->upgrade;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the next server does not come up, this one goes on");
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        io_sim_unlisten(world->net, upgrade->doors[i]);
    server_take_apart(upgrade->next);
    end(upgrade);
}

static void on_ready(void *context)
{
    struct world *world = context;
    struct sim_upgrade *upgrade = world->upgrade;
    struct sim_server *next = upgrade->next;
    if (world->plan->upgrade.fails || world->draining) {
        give_up(world);
        return;
    }
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the next server takes over");
    retire(world);
    struct handover *handover = ask(upgrade, upgrade->before);
    handover_restore(handover, &next->roster, next->snapshot, next->prober);
    handover_count(handover, &next->roster, next->inherited, false);
    handover_free(&handover);
    memcpy(next->seen, upgrade->before->seen, sizeof(next->seen));
    world->server = next;
    world->upgraded_ns = world_now_ns(world);
    after_ms(world, world->plan->upgrade.open_ms, on_open);
}

void upgrade_begin(void *context)
{
    struct world *world = context;
    if (world->draining)
        return;
    struct sim_upgrade *upgrade = sim_take(sizeof(*upgrade));
    world->upgrade = upgrade;
    upgrade->next = &world->servers[1];
    json_set_alloc_funcs(malloc, free); /* counted, as what it gives away is */
    upgrade->told = memfd_create("told", MFD_CLOEXEC);
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the next server is made");
    struct handover *handover = ask(upgrade, world->server);
    server_make(upgrade->next, world, 1, handover);
    handover_free(&handover);
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        upgrade->doors[i] = io_sim_listen_again(world->net, world->doors[i]);
    after_ms(world, world->plan->upgrade.ready_ms, on_ready);
}

bool upgrade_is_under_way(const struct world *world)
{
    return world->upgrade != NULL && !world->upgrade->over;
}

void upgrade_free(struct world *world)
{
    free(world->upgrade);
    world->upgrade = NULL;
}
