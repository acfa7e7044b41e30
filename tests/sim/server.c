/* The balancer of a scenario: what src/control/server.c makes with threads and signals, made here over the simulated
 * net, and its reloads. A scenario has one, or, when it is upgraded, two for a while (upgrade.c). */
#include "tests/sim/server.h"

#include <arpa/inet.h>
#include <time.h>

#include "base/lines.h"
#include "control/config_tls.h"
#include "tests/sim/check.h"
#include "tests/sim/plan_text.h"

enum { CONTROL_BUFFER_BYTES = 4 << 20 };

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static void must(int error, const char *what)
{
    if (error != 0)
        check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "%s: %s", what, err_reason(error));
}

/* ---- building ---- */

static int write_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    const struct snapshot *snapshot = context;
    const struct sim_server *server = snapshot->owner;
    return metric_page_write(&server->metrics, snapshot, page, out);
}

static void prepare_rules(struct sim_server *server, struct snapshot *snapshot)
{
    snapshot->rules.metrics = write_metrics;
    snapshot->rules.metrics_drop = metric_page_drop;
    snapshot->rules.metrics_context = snapshot;
    snapshot->owner = server;
}

static void load(struct sim_server *server, const struct handover *before)
{
    const struct world *world = server->world;
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
    int error = config_load_text("simulation", str_of(text), &flags, &errors, &server->config);
    if (error == 0) /* sealed, it has looked at no file */
        error = config_tls_load(server->config, &errors, time(NULL));
    if (error != 0 || errors.error_count > 0)
        check_fail("world", TRACE_NOBODY, TRACE_NOBODY, "the configuration does not load: %.*s",
                   STR_ARG(errors.items[0].text));
    config_errors_fini(&errors);
    must(roster_init(&server->roster), "roster");
    if (before)
        must(handover_enter(before, &server->roster), "roster of the server before");
    must(snapshot_create(server->config, &server->roster, NULL, &first), "snapshot");
    prepare_rules(server, first);
    snapshot_enter(first, &server->roster, &server->snapshot);
}

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "the balancer holds %.*s for %s", STR_ARG(worker_name(worker)),
               change == HEALTH_WENT_UP ? "up" : "down");
}

static void make_control(struct sim_server *server)
{
    struct io_options io = {.backend = &io_sim_backend, .buffers = &server->buffers, .max_sockets = 64};
    struct prober_options prober = {
        .pools = server->snapshot->pools,
        .pool_count = server->snapshot->pool_count,
        .worker_count = server->snapshot->index_end,
        .seed = server->world->plan->seed + 1 + server->index,
        .on_change = on_change,
        .context = server,
    };
    buf_pool_init(&server->buffers, CONTROL_BUFFER_BYTES);
    must(io_create(&io, &server->control), "control");
    prober.io = server->control;
    must(prober_create(&prober, &server->prober), "prober");
}

void server_make(struct sim_server *server, struct world *world, uint32_t index, const struct handover *before)
{
    server->world = world;
    server->index = index;
    load(server, before);
    make_control(server);
    server->inherited = lines_take(1, sizeof(*server->inherited));
    must(account_init(server->inherited, server->snapshot->index_end), "account");
    server->accounts[world->plan->reactors] = server->inherited;
    server->metrics = (struct metric_sources){
        .roster = &server->roster,
        .snapshot = server->snapshot,
        .accounts = server->accounts,
        .account_count = world->plan->reactors + 1,
        .threads = world->plan->reactors,
        .prober = server->prober,
    };
}

static void on_stopped(void *context)
{
}

static void on_rules_released(void *context)
{
    snapshot_let_go(context);
}

void server_open(struct sim_server *server, const int *doors)
{
    struct reactor_options options = snapshot_reactor_options(server->snapshot);
    const struct plan *plan = server->world->plan;
    uint32_t count = plan->reactors;
    options.backend = &io_sim_backend;
    options.connections = (plan->connections + count - 1) / count;
    options.streams = PLAN_REQUESTS * options.connections;
    options.pipes = (uint32_t)(plan->seed % 4); /* none, and too few, must be as good */
    options.door_count = 1;
    options.handshakes = options.connections;
    options.on_stopped = on_stopped;
    options.on_released = on_rules_released;
    options.rules_context = server->snapshot;
    if (count > 1) /* clients are few here */
        must(team_create(count, 1 + (uint32_t)(plan->seed % 2), &server->team), "team");
    options.team = server->team;
    for (uint32_t i = 0; i < count; i++) {
        struct reactor_door door = {.fd = doors[i], .transport = snapshot_transport(server->snapshot, 0)};
        options.index = i;
        options.seed = plan->seed * 8 + server->index * 4 + i + 1;
        options.doors = &door;
        snapshot_hold(server->snapshot);
        must(reactor_create(&options, &server->reactors[i]), "reactor");
        server->accounts[i] = reactor_account(server->reactors[i]);
    }
    server->applied = count;
    server->there = true;
    prober_start(server->prober);
}

/* ---- another configuration ---- */

static void on_applied(void *context)
{
    struct sim_server *server = context;
    server->applied++;
}

/* Those that one was made for: all, or none with what it was. */
static int prepare_all(struct sim_server *server, struct snapshot *next, struct reactor_change **changes)
{
    struct reactor_options options = snapshot_reactor_options(next);
    struct reactor_door door = {.fd = -1, .transport = snapshot_transport(next, 0)}; /* the only one goes on */
    struct reactor_change_options change = {
        .options = &options, .kept = &door, .kept_count = 1, .on_applied = on_applied, .context = server};
    uint32_t count = server->world->plan->reactors;
    int error = prober_grow(server->prober, next->index_end, next->pool_count);
    options.on_released = on_rules_released;
    options.rules_context = next;
    for (uint32_t i = 0; i < count && !error; i++)
        error = reactor_prepare(server->reactors[i], &change, &changes[i]);
    for (uint32_t i = 0; i < count && error; i++)
        if (changes[i])
            reactor_change_destroy(&changes[i]);
    return error;
}

static void publish_all(struct sim_server *server, struct snapshot *next, struct reactor_change **changes)
{
    struct snapshot *before = server->snapshot;
    snapshot_enter(next, &server->roster, &server->snapshot);
    server->metrics.snapshot = next;
    prober_adopt(server->prober, next->pools, next->pool_count, next->index_end);
    server->applied = 0;
    for (uint32_t i = 0; i < server->world->plan->reactors; i++) {
        snapshot_hold(next);
        reactor_publish(server->reactors[i], changes[i]);
    }
    snapshot_let_go(before);
    snapshot_sweep(&server->snapshot);
}

void server_reload(struct sim_server *server)
{
    struct reactor_change *changes[WORLD_REACTORS] = {NULL};
    struct snapshot *next = NULL;
    if (!server->there || server->draining || server->applied < server->world->plan->reactors)
        return;
    int error = snapshot_create(server->config, &server->roster, server->snapshot, &next);
    if (!error) {
        prepare_rules(server, next);
        error = prepare_all(server, next, changes);
    }
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "another configuration: %s", error ? err_reason(error) : "published");
    if (!error)
        publish_all(server, next, changes);
    else if (next)
        snapshot_destroy(&next);
}

/* ---- the end ---- */

void server_drain(struct sim_server *server)
{
    if (server->draining || !server->there)
        return;
    server->draining = true;
    server->drain_ns = world_now_ns(server->world);
    for (uint32_t i = 0; i < server->world->plan->reactors; i++)
        reactor_drain(server->reactors[i]);
}

bool server_has_stopped(const struct sim_server *server)
{
    for (uint32_t i = 0; i < server->world->plan->reactors; i++)
        if (!reactor_has_stopped(server->reactors[i]))
            return false;
    return true;
}

void server_take_apart(struct sim_server *server)
{
    for (uint32_t i = 0; server->there && i < server->world->plan->reactors; i++)
        reactor_destroy(&server->reactors[i]);
    if (server->team)
        team_destroy(&server->team);
    prober_destroy(&server->prober);
    io_destroy(&server->control);
    buf_pool_fini(&server->buffers);
    snapshot_let_go(server->snapshot);
    if (snapshot_sweep(&server->snapshot) > 0)
        check_fail("returned", TRACE_NOBODY, TRACE_NOBODY, "configurations are still held");
    account_fini(server->inherited);
    lines_give(server->inherited);
    roster_fini(&server->roster);
    config_destroy(&server->config);
    server->there = false;
}
