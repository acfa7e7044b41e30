/* Builds the balancer and the scripts of a plan, runs them on virtual time until every client has what it came for,
 * drains, and takes everything apart. It does what src/control/server.c does with threads and signals. */
#include "tests/sim/world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/sim/check.h"
#include "tests/sim/memory.h"
#include "tests/sim/plan_text.h"

enum { CONTROL_BUFFER_BYTES = 4 << 20, LIFE_MS = 120000, DRAIN_MS = 20000, STEPS_MAX = 20000000 };

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

/* ---- building ---- */

static void must(int error, const char *what)
{
    if (error != 0)
        check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "%s: %s", what, err_reason(error));
}

static int write_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    const struct snapshot *snapshot = context;
    const struct world *world = snapshot->owner;
    return metric_page_write(&world->metrics, snapshot, page, out);
}

static void prepare_rules(struct world *world, struct snapshot *snapshot)
{
    snapshot->rules.metrics = write_metrics;
    snapshot->rules.metrics_drop = metric_page_drop;
    snapshot->rules.metrics_context = snapshot;
    snapshot->owner = world;
}

static void load(struct world *world)
{
    char text[4096];
    uint16_t ports[1 + PLAN_WORKERS];
    struct config_flags flags = {.sealed = true};
    struct config_errors errors;
    struct snapshot *first;
    ports[0] = port_of(&world->address);
    for (uint32_t i = 0; i < world->plan->workers; i++)
        ports[1 + i] = port_of(&world->workers[i].address);
    plan_yaml(world->plan, ports, text, sizeof(text));
    config_errors_init(&errors);
    int error = config_load_text("simulation", str_of(text), &flags, &errors, &world->config);
    if (error != 0)
        check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "the configuration does not load: %.*s",
                   STR_ARG(errors.items[0].text));
    config_errors_fini(&errors);
    must(roster_init(&world->roster), "roster");
    must(snapshot_create(world->config, &world->roster, NULL, &first), "snapshot");
    prepare_rules(world, first);
    snapshot_enter(first, &world->roster, &world->snapshot);
}

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the balancer holds %.*s for %s", STR_ARG(worker_name(worker)),
               change == HEALTH_WENT_UP ? "up" : "down");
}

static void start_control(struct world *world)
{
    struct io_options io = {.backend = &io_sim_backend, .buffers = &world->buffers, .max_sockets = 64};
    struct prober_options prober = {
        .pools = world->snapshot->pools,
        .pool_count = world->snapshot->pool_count,
        .worker_count = world->snapshot->index_end,
        .seed = world->plan->seed + 1,
        .on_change = on_change,
        .context = world,
    };
    buf_pool_init(&world->buffers, CONTROL_BUFFER_BYTES);
    must(io_create(&io, &world->control), "control");
    prober.io = world->control;
    must(prober_create(&prober, &world->prober), "prober");
}

static void on_stopped(void *context)
{
}

static void on_rules_released(void *context)
{
    snapshot_let_go(context);
}

static void start_reactors(struct world *world)
{
    struct reactor_options options = snapshot_reactor_options(world->snapshot);
    uint32_t count = world->plan->reactors;
    options.backend = &io_sim_backend;
    options.connections = (world->plan->connections + count - 1) / count;
    options.streams = PLAN_REQUESTS * options.connections;
    options.pipes = (uint32_t)(world->plan->seed % 4); /* none, and too few, must be as good */
    options.door_count = 1;
    options.on_stopped = on_stopped;
    options.on_released = on_rules_released;
    options.rules_context = world->snapshot;
    if (count > 1)
        must(team_create(count, 1 + (uint32_t)(world->plan->seed % 2), &world->team),
             "team"); /* clients are few here */
    options.team = world->team;
    for (uint32_t i = 0; i < count; i++) {
        struct reactor_door door = {.fd = io_sim_listen(world->net, &world->address)};
        options.index = i;
        options.seed = world->plan->seed * 8 + i + 1;
        options.doors = &door;
        snapshot_hold(world->snapshot);
        must(reactor_create(&options, &world->reactors[i]), "reactor");
        world->accounts[i] = reactor_account(world->reactors[i]);
    }
    world->metrics = (struct metric_sources){
        .roster = &world->roster,
        .snapshot = world->snapshot,
        .accounts = world->accounts,
        .account_count = count,
        .prober = world->prober,
    };
    world->applied = count;
}

/* ---- another configuration ---- */

static void on_applied(void *context)
{
    struct world *world = context;
    world->applied++;
}

/* Those that one was made for: all, or none with what it was. */
static int prepare_all(struct world *world, struct snapshot *next, struct reactor_change **changes)
{
    struct reactor_options options = snapshot_reactor_options(next);
    struct reactor_door door = {.fd = -1}; /* the only one goes on */
    struct reactor_change_options change = {
        .options = &options, .kept = &door, .kept_count = 1, .on_applied = on_applied, .context = world};
    uint32_t count = world->plan->reactors;
    int error = prober_grow(world->prober, next->index_end, next->pool_count);
    options.on_released = on_rules_released;
    options.rules_context = next;
    for (uint32_t i = 0; i < count && !error; i++)
        error = reactor_prepare(world->reactors[i], &change, &changes[i]);
    for (uint32_t i = 0; i < count && error; i++)
        if (changes[i])
            reactor_change_destroy(&changes[i]);
    return error;
}

static void publish_all(struct world *world, struct snapshot *next, struct reactor_change **changes)
{
    struct snapshot *before = world->snapshot;
    snapshot_enter(next, &world->roster, &world->snapshot);
    world->metrics.snapshot = next;
    prober_adopt(world->prober, next->pools, next->pool_count, next->index_end);
    world->applied = 0;
    for (uint32_t i = 0; i < world->plan->reactors; i++) {
        snapshot_hold(next);
        reactor_publish(world->reactors[i], changes[i]);
    }
    snapshot_let_go(before);
    snapshot_sweep(&world->snapshot);
}

/* The same in words, another in memory: what each exchange goes by, and what is known of workers, must be seen to last.
 * As in the server, one at a time. */
static void on_reload(void *context)
{
    struct world *world = context;
    struct reactor_change *changes[WORLD_REACTORS] = {NULL};
    struct snapshot *next = NULL;
    if (world->draining || world->applied < world->plan->reactors)
        return;
    int error = snapshot_create(world->config, &world->roster, world->snapshot, &next);
    if (!error) {
        prepare_rules(world, next);
        error = prepare_all(world, next, changes);
    }
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "another configuration: %s", error ? err_reason(error) : "published");
    if (!error)
        publish_all(world, next, changes);
    else if (next)
        snapshot_destroy(&next);
}

/* ---- what the plan does to the world ---- */

void world_drain(struct world *world)
{
    if (world->draining)
        return;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the balancer is told to stop");
    world->draining = true;
    world->drain_ns = world_now_ns(world);
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        reactor_drain(world->reactors[i]);
}

static void on_drain_time(void *context)
{
    world_drain(context);
}

static void on_memory_gone(void *context)
{
    const struct world *world = context;
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
    schedule(world, plan->memory.from_ms, on_memory_gone);
    schedule(world, plan->memory.to_ms, on_memory_back);
    for (int i = 0; i < 2; i++)
        schedule(world, plan->wall[i].at_ms, on_wall_jump);
    for (int i = 0; i < PLAN_BREAKS; i++)
        schedule(world, plan->breaks[i].at_ms, on_break);
}

/* ---- running ---- */

static void step(struct world *world)
{
    if (++world->steps > STEPS_MAX)
        check_fail("livelock", TRACE_NOBODY, TRACE_NOBODY, "the loops turn for ever");
    check_step(world);
}

static bool all_answered(void *context)
{
    struct world *world = context;
    step(world);
    return world->clients_done == world->clients_there;
}

static bool all_stopped(void *context)
{
    struct world *world = context;
    step(world);
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        if (!reactor_has_stopped(world->reactors[i]))
            return false;
    return true;
}

static bool prober_is_done(void *context)
{
    struct world *world = context;
    return prober_stopped(world->prober);
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
    check_fail("hang", TRACE_NOBODY, TRACE_NOBODY, "clients wait for ever");
}

static void live(struct world *world)
{
    prober_start(world->prober);
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
    prober_stop(world->prober);
    if (!io_sim_run(world->net, prober_is_done, world, DRAIN_MS))
        check_fail("hang", TRACE_NOBODY, TRACE_NOBODY, "the prober does not stop");
}

static void take_apart(struct world *world)
{
    for (uint32_t i = 0; i < world->plan->reactors; i++)
        reactor_destroy(&world->reactors[i]);
    if (world->team)
        team_destroy(&world->team);
    prober_destroy(&world->prober);
    io_destroy(&world->control);
    buf_pool_fini(&world->buffers);
    snapshot_let_go(world->snapshot);
    if (snapshot_sweep(&world->snapshot) > 0)
        check_fail("returned", TRACE_NOBODY, TRACE_NOBODY, "configurations are still held");
    roster_fini(&world->roster);
    config_destroy(&world->config);
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
    load(world);
    start_control(world);
    start_reactors(world);
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
