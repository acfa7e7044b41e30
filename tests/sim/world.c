/* Builds the balancer and the scripts of a plan, runs them on virtual time until every client has what it came for,
 * drains, and takes everything apart. */
#include "tests/sim/world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/sim/check.h"
#include "tests/sim/memory.h"
#include "tests/sim/server.h"
#include "tests/sim/upgrade.h"

enum { LIFE_MS = 120000, DRAIN_MS = 20000, STEPS_MAX = 20000000 };

#define NS_PER_MS INT64_C(1000000)

struct request_log *world_log(struct world *world, uint32_t id)
{
    return &world->logs[(id - 1000) / 100][(id - 1000) % 100];
}

uint64_t world_request_key(const struct world *world, uint32_t id)
{
    return world->plan->seed * 1000003 + id * 2;
}

uint64_t world_answer_key(const struct world *world, uint32_t id)
{
    return world->plan->seed * 1000003 + id * 2 + UINT64_C(0x5851f42d4c957f2d);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

struct sim_worker *world_worker_of(struct world *world, const struct worker *worker)
{
    for (uint32_t i = 0; i < world->plan->workers; i++)
        if (port_of(&world->workers[i].address) == port_of(&worker->addr.storage))
            return &world->workers[i];
    check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "no script for worker %u", worker->index);
}

/* ---- what the plan does to the world ---- */

void world_drain(struct world *world)
{
    if (world->draining)
        return;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the balancer is told to stop");
    world->draining = true;
    world->drain_ns = world_now_ns(world);
    for (uint32_t i = 0; i < WORLD_SERVERS; i++)
        server_drain(&world->servers[i]);
}

static void on_reload(void *context)
{
    struct world *world = context;
    server_reload(world->server);
}

static void on_drain_time(void *context)
{
    world_drain(context);
}

static void on_memory_gone(void *context)
{
    const struct world *world = context;
    if (world->clients_done == world->clients_there)
        return; /* nobody is there any more whom memory could fail */
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "each %u. piece of memory cannot be had", world->plan->memory.every);
    memory_fail_each(world->plan->memory.every, world->plan->memory.chunks_only ? BUF_CHUNK_BYTES : 0);
}

static void on_memory_back(void *context)
{
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "memory is back");
    memory_stop();
}

static void on_wall_jump(void *context)
{
    struct world *world = context;
    int64_t now_ms = (world_now_ns(world) - world->start_ns) / NS_PER_MS;
    for (int i = 0; i < 2; i++)
        if (world->plan->wall[i].at_ms == now_ms)
            io_sim_wall_jump(world->net, world->plan->wall[i].by_ms * NS_PER_MS);
}

static void on_break(void *context)
{
    struct world *world = context;
    int64_t now_ms = (world_now_ns(world) - world->start_ns) / NS_PER_MS;
    for (int i = 0; i < PLAN_BREAKS; i++) {
        struct sim_client *client = &world->clients[world->plan->breaks[i].client];
        if (world->plan->breaks[i].at_ms != now_ms || client->peer == NULL)
            continue;
        trace_line((int)client->index, TRACE_NOBODY, "c%u's connection breaks", client->index);
        io_sim_peer_break(client->peer);
    }
}

static void schedule(struct world *world, int64_t at_ms, io_sim_timer_fn fn)
{
    if (at_ms > 0)
        io_sim_after(world->net, at_ms * NS_PER_MS, fn, world);
}

static void start_faults(struct world *world)
{
    const struct plan *plan = world->plan;
    schedule(world, plan->drain_ms, on_drain_time);
    for (int i = 0; i < PLAN_RELOADS; i++)
        schedule(world, plan->reload_ms[i], on_reload);
    schedule(world, plan->upgrade.at_ms, upgrade_begin);
    schedule(world, plan->memory.from_ms, on_memory_gone);
    schedule(world, plan->memory.to_ms, on_memory_back);
    for (int i = 0; i < 2; i++)
        schedule(world, plan->wall[i].at_ms, on_wall_jump);
    for (int i = 0; i < PLAN_BREAKS; i++)
        schedule(world, plan->breaks[i].at_ms, on_break);
}

/* ---- running ---- */

static void start_server(struct world *world)
{
    int doors[WORLD_REACTORS];
    world->server = &world->servers[0];
    server_make(world->server, world, 0, NULL);
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        world->doors[i] = doors[i] = io_sim_listen(world->net, &world->address);
    server_open(world->server, doors);
}

static void step(struct world *world)
{
    if (++world->steps > STEPS_MAX)
        check_fail("livelock", TRACE_NOBODY, TRACE_NOBODY, "the loops turn for ever");
    upgrade_step(world);
    check_step(world);
}

static bool all_answered(void *context)
{
    struct world *world = context;
    step(world);
    return world->clients_done == world->clients_there && world->tunnels_held == 0;
}

static bool all_stopped(void *context)
{
    struct world *world = context;
    step(world);
    return !upgrade_is_under_way(world) && server_has_stopped(world->server);
}

static bool prober_is_done(void *context)
{
    struct world *world = context;
    return prober_stopped(world->server->prober);
}

static void fail_waiting(const struct world *world)
{
    for (uint32_t i = 0; i < world->plan->clients; i++) {
        const struct sim_client *client = &world->clients[i];
        if (client->plan->there && !client->done)
            check_fail("hang", (int)i,
                       client->awaiting < client->plan->count ? (int)client->plan->requests[client->awaiting].id
                                                              : TRACE_NOBODY,
                       "c%u waits for ever: %u of %u requests sent, %u answered", i, client->next, client->plan->count,
                       client->awaiting);
    }
    check_fail("hang", TRACE_NOBODY, TRACE_NOBODY, "%u tunnels are held by their workers for ever",
               world->tunnels_held);
}

static void live(struct world *world)
{
    start_faults(world);
    for (uint32_t i = 0; i < world->plan->clients; i++)
        client_init(&world->clients[i], world, i);
    if (!io_sim_run(world->net, all_answered, world, LIFE_MS))
        fail_waiting(world);
    memory_stop();
    world_drain(world);
    if (!io_sim_run(world->net, all_stopped, world, DRAIN_MS))
        check_fail("hang", TRACE_NOBODY, TRACE_NOBODY, "a reactor does not stop");
    check_end(world);
    prober_stop(world->server->prober);
    if (!io_sim_run(world->net, prober_is_done, world, DRAIN_MS))
        check_fail("hang", TRACE_NOBODY, TRACE_NOBODY, "the prober does not stop");
}

static void take_apart(struct world *world)
{
    server_take_apart(world->server);
    upgrade_free(world);
    for (uint32_t i = 0; i < world->plan->clients; i++)
        client_fini(&world->clients[i]);
    for (uint32_t i = 0; i < world->plan->workers; i++)
        worker_fini(&world->workers[i]);
    if (io_sim_open_count(world->net) != 0)
        check_fail("returned", TRACE_NOBODY, TRACE_NOBODY, "%u sockets are left", io_sim_open_count(world->net));
    io_sim_net_destroy(&world->net);
}

static void fill_result(const struct world *world, struct world_result *result)
{
    *result = (struct world_result){.virtual_ms = (world_now_ns(world) - world->start_ns) / NS_PER_MS};
    for (uint32_t c = 0; c < world->plan->clients; c++)
        for (uint32_t i = 0; world->plan->client[c].there && i < world->plan->client[c].count; i++) {
            enum outcome outcome = world->logs[c][i].outcome;
            result->requests += world->logs[c][i].sent_any;
            result->right += outcome == OUTCOME_RIGHT;
            result->ours += outcome == OUTCOME_OURS;
            result->cut += outcome == OUTCOME_CUT;
        }
}

void world_run(const struct plan *plan, enum trace_mode trace, struct world_result *ret_result)
{
    sim_tls_seed(plan->seed);
    int64_t before = memory_pieces();
    struct world *world = sim_take(sizeof(*world));
    world->plan = plan;
    world->net = io_sim_net_create(plan->seed);
    world->start_ns = io_sim_now_ns(world->net);
    check_set_world(world);
    trace_start(trace, world->net);
    *io_sim_limits(world->net) = plan->net;
    world->address = io_sim_address(world->net);
    for (uint32_t i = 0; i < plan->workers; i++)
        world->workers[i].address = io_sim_address(world->net);
    for (uint32_t i = 0; i < plan->workers; i++)
        worker_init(&world->workers[i], world, i);
    start_server(world);
    live(world);
    fill_result(world, ret_result);
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "all that was sent and how it arrived: %016llx",
               (unsigned long long)io_sim_digest(world->net));
    take_apart(world);
    free(world);
    check_set_world(NULL);
    if (memory_pieces() != before)
        check_fail("returned", TRACE_NOBODY, TRACE_NOBODY, "%lld pieces of memory are left",
                   (long long)(memory_pieces() - before));
    trace_stop();
}
