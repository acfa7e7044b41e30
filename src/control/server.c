/* The control thread's work. It starts the reactors, probes the workers, and answers signals; when told to stop it
 * drains everything in order: listeners and idle connections first, exchanges as they end, probes last. */
#include "control/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "balance/probe.h"
#include "base/clock.h"
#include "control/admin.h"
#include "control/admin_handover.h"
#include "control/logs.h"
#include "control/notify.h"
#include "control/reload.h"
#include "control/signal.h"
#include "control/snapshot.h"
#include "control/span_export.h"
#include "control/upgrade.h"
#include "control/watchdog.h"
#include "io/io_epoll.h"

enum {
    CONTROL_BUFFER_BYTES = 256 << 20,
    REOPEN_LOOK_MS = 50,    /* until the log is open again, or is known not to be */
    FIRST_PROBES_MS = 1000, /* so long clients wait at the start for somebody who is alive */
    RETIRE_LOOK_MS = 200,   /* whether the last client is served; reactors have noted how many there are by then */
};

struct server {
    struct server_options options;
    struct roster roster;
    struct overlay overlay;  /* of the first snapshot, until the reload has it */
    struct snapshot *newest; /* the one in use; those before it behind it */
    struct io *io;
    struct buf_pool buffers;
    struct prober *prober;
    struct journal *journal; /* NULL, as the next: no administration API */
    struct admin *admin;
    struct logs logs;
    struct reload *reload;
    struct upgrade *upgrade;
    struct reactor **reactors;
    const struct account **accounts; /* of reactors, then what servers before have counted */
    struct account inherited;
    uint32_t created, started; /* reactors */
    struct metric_sources metrics;
    struct timer drain_timer;
    struct timer retire_timer; /* another server has taken over */
    int64_t retire_end_ms;
    struct timer reopen_timer;
    struct span_queue *spans; /* NULL, as the next: none are exported */
    struct span_export *export;
    struct gate *gate; /* NULL: clients are not counted */
    struct team *team; /* NULL: one reactor is none */
    struct watchdog watchdog;
    struct timer watchdog_timer;
    int notify; /* the service manager that wants to know; -1: none */
    struct timer notify_timer;
    _Atomic uint32_t stopped; /* reactors that have */
    bool retiring;
    bool draining;
    bool prober_stopping;
    bool forced;
};

/* ---- events ---- */

static void on_health_change(void *context, struct worker *worker, enum health_change change,
                             const struct probe_result *result)
{
    char cause[32], detail[TRANSPORT_REFUSAL_MAX];
    struct str text = result->error ? str_of(err_reason(result->error)) : STR_NONE;
    struct str more = probe_detail(worker, result, detail);

    if (!text.p) {
        memcpy(cause, "status_", 7);
        text = str_slice(cause, 7 + str_put_u64(cause + 7, result->status));
    }
    struct server *server = context;
    if (server->admin)
        admin_note_health(server->admin, worker, change == HEALTH_WENT_UP, text);
    if (change == HEALTH_WENT_UP)
        log_info("worker is up", LOG_S("pool", worker->pool->name), LOG_S("worker", worker_name(worker)),
                 LOG_S("address", worker->address), LOG_S("cause", text), LOG_N("alive", pool_alive(worker->pool)));
    else
        log_warn("worker is down", LOG_S("pool", worker->pool->name), LOG_S("worker", worker_name(worker)),
                 LOG_S("address", worker->address), LOG_S("cause", text), LOG_N("alive", pool_alive(worker->pool)),
                 more.n > 0 ? LOG_S("detail", more) : LOG_END);
}

static uint64_t active_exchanges(const struct server *server)
{
    uint64_t active = 0;

    for (uint32_t i = 0; i < server->created; i++)
        active += __atomic_load_n(&server->accounts[i]->totals.active, __ATOMIC_RELAXED);
    return active;
}

static void on_drain_timeout(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, drain_timer);

    log_warn("drain time is over: what is left is cut", LOG_N("active", (int64_t)active_exchanges(server)));
    server->forced = true;
}

static void start_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    if (!server->retiring)
        notify_say(server->notify, "STOPPING=1\nSTATUS=Finishing what is under way");
    log_info("stopping", LOG_N("active", (int64_t)active_exchanges(server)),
             LOG_N("drain_ms", server->options.config->timeouts.drain_ms));
    if (server->admin)
        admin_note_stopping(server->admin);
    for (uint32_t i = 0; i < server->created; i++)
        reactor_drain(server->reactors[i]);
    io_timer_set(server->io, &server->drain_timer, io_now_ms(server->io) + server->options.config->timeouts.drain_ms);
}

static uint64_t open_clients(const struct server *server)
{
    uint64_t open = 0;

    for (uint32_t i = 0; i < server->created; i++)
        open += __atomic_load_n(&server->accounts[i]->totals.clients_open, __ATOMIC_RELAXED);
    return open;
}

static void on_retire_look(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, retire_timer);
    int64_t now_ms = io_now_ms(server->io);

    if (now_ms >= server->retire_end_ms || open_clients(server) == 0)
        start_drain(server);
    else
        io_timer_set(server->io, timer, now_ms + RETIRE_LOOK_MS);
}

static void retire(void *context)
{
    struct server *server = context;

    if (server->draining || server->retiring)
        return;
    server->retiring = true;
    server->retire_end_ms = io_now_ms(server->io) + server->options.config->timeouts.retire_ms;
    log_info("another server takes over", LOG_N("clients", (int64_t)open_clients(server)),
             LOG_N("retire_ms", server->options.config->timeouts.retire_ms));
    for (uint32_t i = 0; i < server->created; i++)
        reactor_retire(server->reactors[i]);
    if (server->admin)
        admin_retire(server->admin);
    io_timer_set(server->io, &server->retire_timer, io_now_ms(server->io) + RETIRE_LOOK_MS);
}

/* The logs' writers open them; nothing waits for that, but it is said how it went. */
static void on_reopen_look(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, reopen_timer);

    if (!logs_look(&server->logs, server->options.config))
        io_timer_set(server->io, timer, io_now_ms(server->io) + REOPEN_LOOK_MS);
}

/* With abort, so that the keeper sees a death and starts the next server at once. */
_Noreturn static void end_stuck(struct server *server, uint32_t index)
{
    const struct account_totals *totals = &server->accounts[index]->totals;

    log_error("a thread is stuck: the server ends itself", LOG_N("thread", index),
              LOG_N("active", (int64_t)__atomic_load_n(&totals->active, __ATOMIC_RELAXED)),
              LOG_N("clients", (int64_t)__atomic_load_n(&totals->clients_open, __ATOMIC_RELAXED)),
              LOG_N("turns", (int64_t)reactor_turns(server->reactors[index])),
              LOG_N("watchdog_ms", server->options.config->watchdog_ms));
    logs_finish(&server->logs);
    abort();
}

static void on_watchdog_look(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, watchdog_timer);
    uint32_t index;

    if (watchdog_look(&server->watchdog, &index))
        end_stuck(server, index);
    io_timer_set(server->io, timer, io_now_ms(server->io) + watchdog_interval_ms(&server->watchdog));
}

/* That this thread turns is what the manager's watchdog asks; that reactors do is ours to see. */
static void on_notify(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, notify_timer);

    notify_say(server->notify, "WATCHDOG=1");
    io_timer_set(server->io, timer, io_now_ms(server->io) + notify_watchdog_ms());
}

static void hear(struct server *server)
{
    static struct link_message message; /* large; one control thread */

    while (server->options.link >= 0 && reload_listens(server->reload) &&
           link_receive(server->options.link, &message) > 0)
        if (!reload_hear(server->reload, &message))
            upgrade_hear(server->upgrade, &message);
}

static void on_wake(void *context)
{
    struct server *server = context;
    unsigned signals = signal_take();

    if (server->admin)
        admin_on_wake(server->admin);
    if (signals & SIGNAL_STOP)
        start_drain(server);
    if (signals & SIGNAL_STOP_AGAIN) {
        log_warn("told to stop again: what is left is cut", LOG_N("active", (int64_t)active_exchanges(server)));
        server->forced = true;
    }
    if (signals & SIGNAL_REOPEN_LOGS) {
        logs_reopen(&server->logs);
        io_timer_set(server->io, &server->reopen_timer, io_now_ms(server->io));
    }
    if (server->reload)
        reload_look(server->reload);
    if (server->upgrade)
        hear(server); /* the keeper's signals say that there is a message */
    if ((signals & (SIGNAL_RELOAD | SIGNAL_UPGRADE)) && server->options.link < 0)
        log_warn("without its keeper (--no-keeper) the server cannot reload or upgrade: stop it and start it again");
}

static void on_reactor_stopped(void *context)
{
    struct server *server = context;

    atomic_fetch_add(&server->stopped, 1);
    io_wake(server->io);
}

static int write_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    const struct snapshot *snapshot = context;
    const struct server *server = snapshot->owner;

    return metric_page_write(upgrade_sources(server->upgrade), snapshot, page, out);
}

/* ---- starting ---- */

static int start_control(struct server *server)
{
    struct io_options io = {
        .backend = &io_epoll_backend,
        .buffers = &server->buffers,
        .max_sockets = server->newest->worker_count + ADMIN_CLIENTS_MAX + 16,
        .on_wake = on_wake,
        .context = server,
    };
    struct prober_options prober = {
        .pools = server->newest->pools,
        .pool_count = server->newest->pool_count,
        .worker_count = server->newest->index_end,
        .on_change = on_health_change,
        .context = server,
    };

    buf_pool_init(&server->buffers, CONTROL_BUFFER_BYTES);
    int error = io_create(&io, &server->io);
    if (error)
        return error;
    prober.io = server->io;
    return prober_create(&prober, &server->prober);
}

static int create_gate(struct server *server)
{
    uint32_t limit = server->options.config->limits.connections_per_client;
    uint32_t clients = server->options.connections + server->options.reactors; /* each reactor's share is rounded up */

    return limit ? gate_create(limit, clients, &server->gate) : 0;
}

static uint32_t list_doors(const struct server *server, uint32_t reactor, struct reactor_door *doors)
{
    uint32_t width = server->options.listen_width, count = 0;

    for (uint32_t i = 0; i < server->options.listeners; i++)
        for (uint32_t k = reactor; k < width; k += server->options.reactors) {
            int fd = server->options.listen_fds[(size_t)i * width + k];
            if (fd >= 0)
                doors[count++] =
                    (struct reactor_door){.id = i, .fd = fd, .transport = snapshot_transport(server->newest, i)};
        }
    return count;
}

/* start-up only: the sockets of one reactor with their settings. */
static int create_reactor(struct server *server, struct reactor_options *options, uint32_t index)
{
    struct reactor_door *doors =
        calloc((size_t)server->options.listeners * server->options.listen_width, sizeof(*doors));

    if (!doors)
        return -ERR_NO_MEMORY;
    uint32_t count = list_doors(server, index, doors);
    options->index = index;
    options->doors = doors;
    options->door_count = count;
    int error = reactor_create(options, &server->reactors[index]);
    free(doors);
    if (error)
        return error;
    server->accounts[index] = reactor_account(server->reactors[index]);
    server->created++;
    return 0;
}

/* start-up only: two short tables. */
static int create_reactors(struct server *server)
{
    uint32_t count = server->options.reactors;
    struct reactor_options options = snapshot_reactor_options(server->newest);

    server->reactors = calloc(count, sizeof(struct reactor *));
    server->accounts = calloc(count + 1, sizeof(const struct account *));
    if (!server->reactors || !server->accounts)
        return -ERR_NO_MEMORY;
    int error = account_init(&server->inherited, server->newest->index_end);
    options.connections = (server->options.connections + count - 1) / count;
    options.pipes = options.connections / REACTOR_CONNECTIONS_PER_PIPE;
    options.handshakes = (server->options.config->limits.tls_handshakes + count - 1) / count;
    uint32_t streams = server->options.config->http2.total_streams;
    options.streams = streams ? (streams + count - 1) / count : 2 * options.connections;
    options.access_sink = server->logs.access;
    options.gate = server->gate;
    options.spans = server->spans;
    options.team = server->team;
    options.on_stopped = on_reactor_stopped;
    options.context = server;
    options.on_released = reload_rules_released;
    options.rules_context = server->newest;
    for (uint32_t i = 0; i < count && !error; i++) {
        snapshot_hold(server->newest);
        error = create_reactor(server, &options, i);
    }
    server->accounts[count] = &server->inherited;
    return error;
}

/* Before the reactors, whose spans it is for. */
static int start_export(struct server *server)
{
    const struct config_tracing *tracing = &server->options.config->tracing;

    if (!config_has_tracing(server->options.config) || tracing->collector.addr.len == 0)
        return 0;
    int error = span_queue_create(&server->spans);
    if (error)
        return error;
    struct span_export_options options = {.io = server->io, .queue = server->spans, .tracing = tracing};
    return span_export_create(&options, &server->export);
}

static void list_sources(struct server *server)
{
    server->metrics = (struct metric_sources){
        .journal = server->journal,
        .roster = &server->roster,
        .snapshot = server->newest,
        .accounts = server->accounts,
        .account_count = server->created + 1,
        .threads = server->created,
        .prober = server->prober,
        .logs = &server->logs,
        .spans = server->spans,
        .export = server->export,
        .started_s = clock_wall_ns() / 1000000000,
    };
}

static bool was_asked(const struct server *server, const struct worker *worker)
{
    struct health health;
    struct probe_stats stats;

    prober_read(server->prober, worker, &health, &stats);
    return stats.probes > 0 || atomic_load(&worker->mode) == WORKER_DISABLED;
}

/* Somebody is alive, or all have been asked: of those, so many are known to have been. */
static bool has_settled(const struct server *server, const struct pool *pool, uint32_t *asked)
{
    if (pool_alive(pool) > 0)
        return true;
    while (*asked < pool->count && was_asked(server, pool->workers[*asked]))
        ++*asked;
    return *asked == pool->count;
}

/* Clients that come meanwhile wait in the system's queue, instead of being told that nobody is alive. What the server
 * before has told is known already. */
static void await_first_probes(struct server *server)
{
    const struct snapshot *first = server->newest;
    int64_t left_ms = server->options.before ? 0 : FIRST_PROBES_MS, end_ms = clock_steady_ms() + left_ms;
    uint32_t settled = 0, asked = 0;

    prober_start(server->prober);
    while (settled < first->pool_count && left_ms > 0 && !server->draining) {
        if (has_settled(server, first->pools[settled], &asked)) {
            settled++;
            asked = 0;
        } else {
            io_turn(server->io, left_ms);
            left_ms = end_ms - clock_steady_ms();
        }
    }
}

static int start_reactors(struct server *server)
{
    for (uint32_t i = 0; i < server->created; i++) {
        int error = reactor_start(server->reactors[i]);
        if (error)
            return error;
        server->started++;
    }
    return 0;
}

_Static_assert(REACTOR_ENDED == WATCHDOG_ENDED, "a reactor's last count of turns");

static uint64_t turns_of(void *context, uint32_t index)
{
    return reactor_turns(((struct server *)context)->reactors[index]);
}

static void wake_reactor(void *context, uint32_t index)
{
    reactor_wake(((struct server *)context)->reactors[index]);
}

static int start_watchdog(struct server *server)
{
    struct watchdog_options options = {
        .limit_ms = server->options.config->watchdog_ms,
        .count = server->created,
        .turns = turns_of,
        .wake = wake_reactor,
        .context = server,
    };

    if (options.limit_ms == 0)
        return 0;
    int error = watchdog_init(&server->watchdog, &options);
    if (!error)
        io_timer_set(server->io, &server->watchdog_timer,
                     io_now_ms(server->io) + watchdog_interval_ms(&server->watchdog));
    return error;
}

static void prepare_rules(void *context, struct snapshot *snapshot)
{
    snapshot->owner = context;
    snapshot->rules.metrics = write_metrics;
    snapshot->rules.metrics_drop = metric_page_drop;
    snapshot->rules.metrics_context = snapshot;
}

static void on_reloaded(void *context, const struct config *config)
{
    struct server *server = context;

    server->options.config = config;
    log_configure(config->log.level, config->log.format);
    if (server->admin)
        admin_set_config(server->admin, config);
}

static int start_reload(struct server *server)
{
    struct reload_options options = {
        .io = server->io,
        .link = server->options.link,
        .slots = server->options.slots,
        .config = server->options.config,
        .overlay = &server->overlay,
        .memory = server->options.memory,
        .roster = &server->roster,
        .newest = &server->newest,
        .prober = server->prober,
        .reactors = server->reactors,
        .reactor_count = server->created,
        .accounts = server->accounts,
        .inherited = &server->inherited,
        .sources = &server->metrics,
        .access_sink = server->logs.access,
        .admin = &server->admin,
        .prepare = prepare_rules,
        .applied = on_reloaded,
        .context = server,
    };

    return reload_create(&options, &server->reload);
}

static int start_upgrade(struct server *server)
{
    struct upgrade_options options = {
        .io = server->io,
        .link = server->options.link,
        .sources = &server->metrics,
        .roster = &server->roster,
        .prober = server->prober,
        .reload = server->reload,
        .inherited = &server->inherited,
        .number = server->options.upgrade,
        .before = server->options.before,
        .retire = retire,
        .context = server,
    };

    return upgrade_create(&options, &server->upgrade);
}

/* Where a server died nobody has asked for the file as it is: all of its changes go on. */
static void remember(struct server *server)
{
    const struct changes_memory *memory = server->options.memory;
    uint32_t count = memory ? changes_memory_count(memory) : 0;
    struct changes changes;

    if (count == 0)
        return;
    if (server->options.forgets) {
        log_error("changes of run time are dropped: servers that began with them died", LOG_N("changes", count));
        return;
    }
    int error = changes_memory_read(memory, &changes);
    if (!error)
        error = reload_adopt(server->reload, &changes, true);
    if (error)
        log_error("changes of run time are dropped", LOG_Z("reason", err_reason(error)), LOG_N("changes", count));
    else
        log_info("changes of run time go on: the server before died", LOG_N("changes", count));
}

/* All that may fail has been done. */
static int take_over(struct server *server)
{
    int error = server->options.before ? upgrade_take_over(server->upgrade, server->options.told) : 0;

    if (!server->options.before)
        remember(server);
    reload_note_changes(server->reload);
    if (!error && server->admin)
        admin_note_handover(server->admin);
    return error;
}

/* The workers that the server before knew keep their places, and what was to be kept of its changes goes on. */
static int enter_known(struct server *server)
{
    struct handover *handover = server->options.told >= 0 ? handover_read(server->options.told) : NULL;
    struct carried carried = {.ends = NULL};
    int error = handover ? handover_enter(handover, &server->roster) : 0;

    if (!error && handover)
        error = handover_changes(handover, &carried.changes);
    if (!error)
        error = overlay_carry(server->options.config, &carried, false, &server->overlay);
    if (!error)
        carried_log(&carried);
    carried_fini(&carried);
    handover_free(&handover);
    return error;
}

static int start_admin(struct server *server)
{
    struct admin_options options = {
        .io = server->io,
        .fd = server->options.admin_fd,
        .config = server->options.config,
        .sources = &server->metrics,
        .reactors = server->reactors,
        .reactor_count = server->created,
        .prober = server->prober,
        .journal = server->journal,
        .reload = server->reload,
        .upgrade = server->upgrade,
    };

    return server->options.admin_fd < 0 ? 0 : admin_create(&options, &server->admin);
}

/* Before the first line that it shall keep. */
static int start_journal(struct server *server)
{
    int error = server->options.admin_fd < 0 ? 0 : journal_create(&server->journal);

    if (!error && server->journal)
        journal_start(server->journal);
    return error;
}

/* Nothing of traffic runs yet. */
static int make(struct server *server)
{
    struct snapshot *first;
    int error = start_journal(server);

    if (!error)
        error = roster_init(&server->roster);
    if (!error)
        error = enter_known(server);
    if (!error)
        error = snapshot_create(server->overlay.config, &server->roster, NULL, &first);
    if (!error) {
        prepare_rules(server, first);
        snapshot_enter(first, &server->roster, &server->newest);
        error = start_control(server);
    }
    if (!error) {
        signal_install(server->io, server->options.role);
        server->notify = notify_open();
        error = logs_open(&server->logs, server->options.config);
    }
    if (!error && server->options.confine)
        error = server->options.confine(server->options.confine_context);
    if (!error)
        error = create_gate(server);
    if (!error && server->options.reactors > 1)
        error = team_create(server->options.reactors, TEAM_SLACK, &server->team);
    if (!error)
        error = start_export(server);
    if (!error)
        error = create_reactors(server);
    return error;
}

static int start(struct server *server)
{
    int error = make(server);

    if (!error) {
        list_sources(server);
        error = start_reload(server);
        if (!error) {
            server->metrics.changes = reload_changes(server->reload);
            server->metrics.history = reload_past(server->reload);
        }
    }
    if (!error)
        error = start_upgrade(server);
    if (!error)
        error = start_admin(server);
    if (!error)
        error = take_over(server);
    if (!error) {
        await_first_probes(server);
        error = start_reactors(server);
    }
    if (!error)
        error = start_watchdog(server);
    if (error)
        log_error("the server cannot start", LOG_Z("reason", err_reason(error)), LOG_Z("because", err_sentence(error)));
    return error;
}

/* ---- running and stopping ---- */

static void say_ready(struct server *server)
{
    const struct config *config = server->options.config;

    for (size_t i = 0; i < config->listeners.count; i++)
        log_info("listening", LOG_S("address", config->listeners.items[i].address.text));
    if (server->admin)
        log_info("administration API is there", LOG_S("address", config->admin.address.text),
                 LOG_Z("access", config->admin.write ? "write" : "read"));
    log_info("ready", LOG_N("threads", server->options.reactors), LOG_N("pools", server->newest->pool_count),
             LOG_N("workers", server->newest->worker_count), LOG_Z("version", BALLAST_VERSION));
    notify_say(server->notify, "READY=1\nSTATUS=Serving");
    if (server->notify >= 0 && notify_watchdog_ms() > 0)
        on_notify(&server->notify_timer);
}

static bool finished(struct server *server)
{
    if (server->forced)
        return true;
    if (!server->draining || atomic_load(&server->stopped) < server->created)
        return false;
    if (!server->prober_stopping) {
        server->prober_stopping = true;
        prober_stop(server->prober);
        if (server->export)
            span_export_stop(server->export);
        if (server->admin)
            admin_stop(server->admin);
    }
    return prober_stopped(server->prober) && (!server->export || span_export_stopped(server->export)) &&
           (!server->admin || admin_stopped(server->admin));
}

/* start-up only: the other end of start. */
static void clean_up(struct server *server)
{
    for (uint32_t i = 0; i < server->started; i++)
        reactor_join(server->reactors[i]);
    for (uint32_t i = 0; i < server->created; i++)
        reactor_destroy(&server->reactors[i]);
    if (server->admin)
        admin_destroy(&server->admin);
    gate_destroy(&server->gate);
    if (server->export)
        span_export_destroy(&server->export);
    if (server->spans)
        span_queue_destroy(&server->spans);
    team_destroy(&server->team);
    reload_destroy(&server->reload);
    upgrade_destroy(&server->upgrade);
    account_fini(&server->inherited);
    free(server->reactors);
    free(server->accounts);
    prober_destroy(&server->prober);
    watchdog_fini(&server->watchdog);
    io_timer_fini(server->io, &server->watchdog_timer);
    io_timer_fini(server->io, &server->reopen_timer);
    io_timer_fini(server->io, &server->notify_timer);
    io_timer_fini(server->io, &server->drain_timer);
    io_timer_fini(server->io, &server->retire_timer);
    signal_install(NULL, server->options.role);
    io_destroy(&server->io);
    buf_pool_fini(&server->buffers);
    if (server->notify >= 0)
        close(server->notify);
    snapshot_let_go(server->newest);
    snapshot_sweep(&server->newest);
    ASSERT(!server->newest);
    roster_fini(&server->roster);
    if (server->journal)
        journal_destroy(&server->journal);
}

enum server_exit server_run(const struct server_options *options)
{
    static struct server server; /* on lines of its own, which a stack does not promise */

    server = (struct server){.options = *options, .notify = -1};
    timer_init(&server.drain_timer, on_drain_timeout);
    timer_init(&server.retire_timer, on_retire_look);
    timer_init(&server.reopen_timer, on_reopen_look);
    timer_init(&server.watchdog_timer, on_watchdog_look);
    timer_init(&server.notify_timer, on_notify);
    if (start(&server)) {
        logs_finish(&server.logs);
        return SERVER_EXIT_NOT_STARTED; /* the process ends here: the system takes back what was made */
    }
    if (!server.draining)
        say_ready(&server);
    atomic_store(options->ready, true);
    while (!finished(&server))
        io_turn(server.io, -1);
    upgrade_finish(server.upgrade);
    if (server.forced) {
        logs_finish(&server.logs); /* reactors still run: only what they handed over is written */
        return SERVER_EXIT_FORCED;
    }
    clean_up(&server);
    log_info("stopped");
    logs_close(&server.logs);
    return SERVER_EXIT_STOPPED;
}
