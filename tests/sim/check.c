/* The checks on the balancer's own state, after each turn and at the end; and how a failed check is reported. What
 * clients and workers see is judged in check_wire.c. */
#include "tests/sim/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/memory.h"

/* Chunks that a connection may pin: two queues of 64 KiB and what is kept for a replay, each slice too long to be
 * joined (BUFQ_JOIN_BYTES) in a chunk of its own. */
enum { CHUNKS_PER_CONNECTION = 3 * (65536 / BUFQ_JOIN_BYTES + 2), CHUNKS_BASE = 16 };

static char *name_place;
static struct world *current;

void check_set_name_place(char *place)
{
    name_place = place;
}

void check_set_world(struct world *world)
{
    current = world;
}

_Noreturn void check_fail(const char *name, int client, int request, const char *format, ...)
{
    va_list arguments;
    memory_stop();
    if (trace_on()) {
        trace_report(client, request);
        printf("check %s failed at step %llu: ", name, current ? (unsigned long long)current->steps : 0);
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
        fflush(stdout);
    }
    if (name_place != NULL)
        snprintf(name_place, CHECK_NAME_MAX, "%s", name);
    _exit(CHECK_FAILED);
}

/* ---- from inside the balancer: the linker puts these in the place of its own ---- */

_Noreturn void __wrap_assert_fail(const char *condition, const char *file, int line, const char *function);
_Noreturn void __wrap_assert_fail(const char *condition, const char *file, int line, const char *function)
{
    check_fail("assertion", TRACE_NOBODY, TRACE_NOBODY, "%s:%d: %s: %s", file, line, function, condition);
}

void __real_account_note_dispatch(struct account *account, const struct worker *worker);
void __wrap_account_note_dispatch(struct account *account, const struct worker *worker);
void __wrap_account_note_dispatch(struct account *account, const struct worker *worker)
{
    if (!atomic_load(&worker->alive))
        check_fail("no-dead-dispatch", TRACE_NOBODY, TRACE_NOBODY,
                   "%.*s gets a request although it is known to be down", STR_ARG(worker_name(worker)));
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "a request is for %.*s", STR_ARG(worker_name(worker)));
    __real_account_note_dispatch(account, worker);
}

void __real_account_note_retry(struct account *account, const struct worker *worker, int error);
void __wrap_account_note_retry(struct account *account, const struct worker *worker, int error);
void __wrap_account_note_retry(struct account *account, const struct worker *worker, int error)
{
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "it is tried again after %.*s: %s", STR_ARG(worker_name(worker)),
               err_reason(error));
    check_tls_error(world_worker_of(current, worker), error);
    __real_account_note_retry(account, worker, error);
}

/* ---- accounted ---- */

static uint64_t dispatched(const struct account *account, uint32_t index)
{
    return ((const struct account_worker *)table_at(&account->workers, index))->dispatches;
}

static void add_up(const struct sim_server *server, struct account_totals *totals, uint64_t *dispatches)
{
    for (uint32_t r = 0; r < server->metrics.account_count; r++) {
        const struct account_totals *one = &server->accounts[r]->totals;
        if (one->total != one->ok + one->failed + one->aborted + one->active)
            check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY,
                       "reactor %u: total %llu is not ok %llu + failed %llu + aborted %llu + active %llu", r,
                       (unsigned long long)one->total, (unsigned long long)one->ok, (unsigned long long)one->failed,
                       (unsigned long long)one->aborted, (unsigned long long)one->active);
        uint64_t sum = 0;
        for (uint32_t w = 0; w < server->world->plan->workers; w++) {
            uint32_t index = server->snapshot->workers[w]->index;
            dispatches[index] += dispatched(server->accounts[r], index);
            sum += dispatched(server->accounts[r], index);
        }
        if (sum != one->dispatches)
            check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY, "reactor %u: dispatches %llu, its workers' %llu", r,
                       (unsigned long long)one->dispatches, (unsigned long long)sum);
        totals->total += one->total;
        totals->ok += one->ok;
        totals->failed += one->failed;
        totals->aborted += one->aborted;
        totals->active += one->active;
        totals->dispatches += one->dispatches;
        totals->tunnels += one->tunnels;
        totals->tunnels_open += one->tunnels_open;
        totals->tunnels_idle += one->tunnels_idle;
        totals->tunnels_drained += one->tunnels_drained;
        totals->bytes_from_clients += one->bytes_from_clients;
        totals->bytes_from_workers += one->bytes_from_workers;
    }
}

/* ---- health-by-probes ---- */

/* The rule, once more: the first good probe brings in, then so many against the state in a row turn it. */
static void enter_probe(struct sim_server *server, uint32_t index, bool good)
{
    const struct plan_health *rules = &server->world->plan->health;
    enum health_state *state = &server->seen[index].state;
    uint32_t *streak = &server->seen[index].streak;
    if (*state == HEALTH_UNKNOWN) {
        if (good)
            *state = HEALTH_UP;
        return;
    }
    bool against = good != (*state == HEALTH_UP);
    *streak = against ? *streak + 1 : 0;
    if (*streak < (good ? rules->rise : rules->fall))
        return;
    *streak = 0;
    *state = good ? HEALTH_UP : HEALTH_DOWN;
}

static bool probes_may_fail(const struct plan *plan)
{
    return plan_has(plan, FAMILY_HEALTH) || plan_has(plan, FAMILY_OUTAGE) || plan_has(plan, FAMILY_DARK) ||
           plan_has(plan, FAMILY_MEMORY);
}

static void check_health(struct sim_server *server, uint32_t index)
{
    struct world *world = server->world;
    const struct worker *real = server->snapshot->workers[index];
    struct sim_worker *worker = world_worker_of(world, real);
    struct health health;
    struct probe_stats stats;
    prober_read(server->prober, real, &health, &stats);
    uint64_t *probes = &server->seen[worker->index].probes;
    for (; *probes < stats.probes; ++*probes) {
        bool good = stats.history[*probes % PROBE_HISTORY].good;
        int error = stats.history[*probes % PROBE_HISTORY].error;
        worker->good += good;
        enter_probe(server, worker->index, good);
        check_tls_error(worker, error);
        if (!good && !probes_may_fail(world->plan) && !check_tls_excuses(worker, error))
            check_fail("health-by-probes", TRACE_NOBODY, TRACE_NOBODY, "w%u is right and was judged bad: %s",
                       worker->index, err_reason(error));
    }
    if (worker->good > worker->good_answers)
        check_fail("health-by-probes", TRACE_NOBODY, TRACE_NOBODY, "w%u: %llu good probes, %llu good answers",
                   worker->index, (unsigned long long)worker->good, (unsigned long long)worker->good_answers);
    if (atomic_load(&real->alive) != (server->seen[worker->index].state == HEALTH_UP))
        check_fail("health-by-probes", TRACE_NOBODY, TRACE_NOBODY, "w%u is %s; its probes say otherwise", worker->index,
                   atomic_load(&real->alive) ? "alive" : "not alive");
}

/* Nobody asks for one where nobody speaks HTTP/2, and nothing is then to be excused. */
static bool has_h2_tunnels(const struct plan *plan)
{
    return plan_has(plan, FAMILY_TUNNEL_H2) && (plan_has(plan, FAMILY_H2) || plan_has(plan, FAMILY_H2_WORKERS));
}

/* ---- fair ---- */

static bool turns_are_plain(const struct plan *plan)
{
    static const uint64_t disturbing = FAMILY_BIT(OUTAGE) | FAMILY_BIT(DARK) | FAMILY_BIT(MEMORY) | FAMILY_BIT(HEALTH) |
                                       FAMILY_BIT(CUT_ONCE) | FAMILY_BIT(IDLE_CLOSE) | FAMILY_BIT(KEEP_ALIVE) |
                                       FAMILY_BIT(ANSWERS) | FAMILY_BIT(DRAIN) | FAMILY_BIT(STORM) |
                                       FAMILY_BIT(UPGRADE);
    for (uint32_t i = 0; i < plan->workers; i++)
        if (plan->worker[i].leave_at > 0 || plan->worker[i].tls.garbles_per > 0 ||
            plan_pool_unsure(plan, plan->worker[i].pool) > 0)
            return false;
    bool tunnels_fail = has_h2_tunnels(plan) && !plan->calm;
    return !(plan->families & disturbing) && !tunnels_fail;
}

static uint32_t divisor_of(uint32_t a, uint32_t b)
{
    return b == 0 ? a : divisor_of(b, a % b);
}

/* A round gives each worker as many turns as its weight says. So whole rounds and a part of one, wherever they begin,
 * give it the turns of the whole ones at least, and of one round more at most. With equal weights no two differ by more
 * than 1. */
static void check_fair(struct world *world, uint32_t pool, const uint64_t *dispatches)
{
    const struct pool *real = world->server->snapshot->pools[pool];
    uint64_t served[PLAN_WORKERS], all = 0;
    uint32_t round = 0, divisor = 0;
    if (pool_alive(real) != real->count)
        return;
    for (uint32_t i = 0; i < real->count; i++) {
        uint32_t index = real->workers[i]->index;
        if (!world->baseline_known[pool])
            world->baseline[index] = dispatches[index];
        served[i] = dispatches[index] - world->baseline[index];
        all += served[i];
        round += real->workers[i]->weight;
        divisor = divisor_of(real->workers[i]->weight, divisor);
    }
    world->baseline_known[pool] = true;
    round /= divisor;
    for (uint32_t i = 0; i < real->count; i++) {
        uint64_t weight = real->workers[i]->weight / divisor;
        uint64_t low = all / round * weight, high = (all + round - 1) / round * weight;
        if (served[i] < low || served[i] > high)
            check_fail("fair", TRACE_NOBODY, TRACE_NOBODY,
                       "pool %u: a worker of weight %u got %llu of %llu requests, not %llu to %llu", pool,
                       real->workers[i]->weight, (unsigned long long)served[i], (unsigned long long)all,
                       (unsigned long long)low, (unsigned long long)high);
    }
}

/* ---- bounded ---- */

static void check_bounded(const struct sim_server *server, uint32_t index)
{
    const struct world *world = server->world;
    struct reactor_use use;
    reactor_read_use(server->reactors[index], &use);
    bool shared = plan_has(world->plan, FAMILY_H2) || plan_has(world->plan, FAMILY_H2_WORKERS);
    size_t streams = shared ? use.exchanges : 0; /* many on one connection */
    size_t most = CHUNKS_BASE + (use.clients + use.leases + streams) * CHUNKS_PER_CONNECTION;
    if (use.chunks > most)
        check_fail("bounded", TRACE_NOBODY, TRACE_NOBODY, "reactor %u: %zu chunks for %zu clients and %zu leases",
                   index, use.chunks, use.clients, use.leases);
    if (use.clients > world->plan->connections)
        check_fail("bounded", TRACE_NOBODY, TRACE_NOBODY, "reactor %u: %zu clients, %u are allowed", index, use.clients,
                   world->plan->connections);
}

/* ---- deadlines: told to stop, connections to workers end with the last client ---- */

static void check_drained(struct sim_server *server, uint32_t index)
{
    const struct world *world = server->world;
    /* Over HTTP/2 it says goodbye first, and waits for the other side's end: of one that cannot be reached, in vain. */
    bool lingers = plan_has(world->plan, FAMILY_H2_WORKERS) && plan_has(world->plan, FAMILY_DARK);
    /* And a tunnel's worker ends in its own time. */
    lingers |= plan_has(world->plan, FAMILY_TUNNEL) || has_h2_tunnels(world->plan);
    int64_t ending_ns = (20 + (lingers ? 2 * CONN_LINGER_MS : 0)) * INT64_C(1000000);
    int64_t *since = &server->before[index].alone_ns;
    struct reactor_use use;
    reactor_read_use(server->reactors[index], &use);
    if (*since != 0 && world_now_ns(world) - *since > ending_ns) /* nothing turns in between: it may be over by now */
        check_fail("deadlines", TRACE_NOBODY, TRACE_NOBODY, "reactor %u is to stop and kept connections to workers",
                   index);
    if (!server->draining || use.clients > 0 || use.leases == 0)
        *since = 0;
    else if (*since == 0)
        *since = world_now_ns(world);
}

/* ---- budget ---- */

/* A turn may end requests and begin others: more than were live before it and came in it there never were. */
static void check_budget(struct sim_server *server, uint32_t index)
{
    const struct account_totals *now = &server->accounts[index]->totals;
    struct reactor_use use;
    reactor_read_use(server->reactors[index], &use);
    uint64_t live = server->before[index].active + now->total - server->before[index].total;
    uint64_t most = live / 5 > 3 ? live / 5 : 3;
    if (use.retries > server->before[index].retries && use.retries > most)
        check_fail("budget", TRACE_NOBODY, TRACE_NOBODY, "reactor %u: %u costly retries of %llu live requests", index,
                   use.retries, (unsigned long long)live);
    if (use.retries_waiting > 0 && use.retries < 3)
        check_fail("budget", TRACE_NOBODY, TRACE_NOBODY, "reactor %u: %u retries wait, and only %u are under way",
                   index, use.retries_waiting, use.retries);
    server->before[index].total = now->total;
    server->before[index].active = now->active;
    server->before[index].retries = use.retries;
}

/* ---- deadlines: told to stop, tunnels end by themselves or are ended ---- */

static void check_tunnels_end(struct sim_server *server, uint32_t index)
{
    const struct world *world = server->world;
    const struct account_totals *now = &server->accounts[index]->totals;
    /* Told the end, both sides have as long as that to end too. */
    int64_t limit_ns = (world->plan->timeouts.tunnel_drain_ms + CONN_LINGER_MS + 5) * INT64_C(1000000);
    if (now->tunnels > server->before[index].tunnels)
        server->before[index].tunnel_ns = world_now_ns(world);
    server->before[index].tunnels = now->tunnels;
    int64_t opened_ns = server->before[index].tunnel_ns;
    int64_t since_ns = opened_ns > server->drain_ns ? opened_ns : server->drain_ns;
    if (server->draining && now->tunnels_open > 0 && world_now_ns(world) > since_ns + limit_ns)
        check_fail("deadlines", TRACE_NOBODY, TRACE_NOBODY, "reactor %u is to stop and keeps %llu tunnels after %u ms",
                   index, (unsigned long long)now->tunnels_open, world->plan->timeouts.tunnel_drain_ms);
}

static void check_server(struct sim_server *server)
{
    const struct plan *plan = server->world->plan;
    struct account_totals totals = {0};
    uint64_t dispatches[PLAN_WORKERS] = {0};
    add_up(server, &totals, dispatches);
    for (uint32_t w = 0; w < plan->workers; w++)
        check_health(server, w);
    if (turns_are_plain(plan))
        for (uint32_t p = 0; p < plan->pools; p++)
            check_fair(server->world, p, dispatches);
    for (uint32_t r = 0; r < plan->reactors; r++)
        check_bounded(server, r);
    for (uint32_t r = 0; r < plan->reactors; r++)
        check_budget(server, r);
    for (uint32_t r = 0; r < plan->reactors; r++)
        check_drained(server, r);
    for (uint32_t r = 0; r < plan->reactors; r++)
        check_tunnels_end(server, r);
}

void check_step(struct world *world)
{
    for (uint32_t w = 0; w < world->plan->workers; w++)
        worker_check(&world->workers[w]);
    check_tunnels_drain(world);
    for (uint32_t i = 0; i < WORLD_SERVERS; i++)
        if (world->servers[i].there)
            check_server(&world->servers[i]);
}

/* ---- at the end ---- */

static void check_returned(const struct sim_server *server, uint32_t index)
{
    struct reactor_use use;
    reactor_read_use(server->reactors[index], &use);
    if (use.clients + use.exchanges + use.leases + use.idle + use.chunks + use.slices + use.retries + use.pipes > 0 ||
        use.timers > 1)
        check_fail("returned", TRACE_NOBODY, TRACE_NOBODY,
                   "reactor %u still has %zu clients, %zu exchanges, %zu leases, %u idle, %zu chunks, %zu slices, %u "
                   "retries, %u pipes, %zu timers (its own one included)",
                   index, use.clients, use.exchanges, use.leases, use.idle, use.chunks, use.slices, use.retries,
                   use.pipes, use.timers);
}

struct sums {
    uint64_t asked, begun, right;
    uint64_t metrics;                    /* asked too; counted only when refused */
    uint64_t in_vain;                    /* bytes of a tunnel that there was not, which look like one request more */
    uint64_t switched, opened, silent;   /* tunnels: by a worker, to a client, with an end by silence */
    uint64_t from_clients, from_workers; /* bytes, when all is right */
};

static void sum_bytes(struct sums *sums, const struct plan_request *request, const struct request_log *log)
{
    const struct plan_answer *answer = &request->answer;
    bool bodiless = request->method == PLAN_HEAD || answer->status == 204 || answer->status == 304;
    if (log->tunnel.opened) {
        sums->from_clients += request->tunnel.up_bytes;
        sums->from_workers += request->tunnel.down_bytes;
        return;
    }
    sums->from_clients += request->body_bytes;
    sums->from_workers += bodiless ? 0 : answer->body_bytes;
}

static void sum_tunnel(struct sums *sums, const struct plan_request *request, const struct request_log *log)
{
    sums->in_vain += request->tunnel.early_bytes > 0 && !log->tunnel.opened;
    sums->switched += log->tunnel.switched;
    sums->opened += log->tunnel.opened;
    sums->silent += log->tunnel.opened && request->tunnel.end == TUNNEL_NEVER;
}

static struct sums sum_logs(const struct world *world)
{
    struct sums sums = {0};
    for (uint32_t c = 0; c < world->plan->clients; c++)
        for (uint32_t i = 0; world->plan->client[c].there && i < world->plan->client[c].count; i++) {
            const struct request_log *log = &world->logs[c][i];
            sums.begun += log->begun + log->refused;
            if (world->plan->client[c].requests[i].metrics) {
                sums.metrics += log->sent_any;
                continue;
            }
            sums.asked += log->sent_any;
            sum_tunnel(&sums, &world->plan->client[c].requests[i], log);
            sum_bytes(&sums, &world->plan->client[c].requests[i], log);
            /* A tunnel of which the client has all may have failed on the way up. */
            sums.right += log->outcome == OUTCOME_RIGHT && (!log->tunnel.opened || log->tunnel.up_whole);
        }
    return sums;
}

static void check_tunnel_sums(const struct world *world, const struct account_totals *totals, const struct sums *sums)
{
    bool calm = world->plan->calm && world->upgraded_ns == 0;
    if (totals->tunnels_open != 0 || totals->tunnels < sums->opened || totals->tunnels > sums->switched ||
        totals->tunnels_idle + totals->tunnels_drained > totals->tunnels ||
        (calm && totals->tunnels_idle != sums->silent))
        check_fail(
            "accounted", TRACE_NOBODY, TRACE_NOBODY,
            "workers gave %llu tunnels, clients got %llu, of which %llu end by silence; counted: %llu, open %llu, "
            "idle %llu, drained %llu",
            (unsigned long long)sums->switched, (unsigned long long)sums->opened, (unsigned long long)sums->silent,
            (unsigned long long)totals->tunnels, (unsigned long long)totals->tunnels_open,
            (unsigned long long)totals->tunnels_idle, (unsigned long long)totals->tunnels_drained);
    if (calm && (totals->bytes_from_clients != sums->from_clients || totals->bytes_from_workers != sums->from_workers))
        check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY,
                   "clients sent %llu bytes and workers %llu; counted: %llu and %llu",
                   (unsigned long long)sums->from_clients, (unsigned long long)sums->from_workers,
                   (unsigned long long)totals->bytes_from_clients, (unsigned long long)totals->bytes_from_workers);
}

static void check_sums(const struct world *world, const struct account_totals *totals)
{
    struct sums sums = sum_logs(world);
    if (totals->active != 0)
        check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY, "%llu requests are still active",
                   (unsigned long long)totals->active);
    if (totals->total > sums.asked + sums.metrics + sums.in_vain || sums.begun > totals->dispatches ||
        sums.right > totals->ok + totals->aborted)
        check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY,
                   "clients asked %llu and were answered %llu, workers saw %llu; counted: total %llu, ok %llu, aborted "
                   "%llu, dispatches %llu",
                   (unsigned long long)sums.asked, (unsigned long long)sums.right, (unsigned long long)sums.begun,
                   (unsigned long long)totals->total, (unsigned long long)totals->ok,
                   (unsigned long long)totals->aborted, (unsigned long long)totals->dispatches);
    if (world->plan->calm && (totals->ok != sums.asked || totals->failed + totals->aborted > 0))
        check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY,
                   "nothing failed, and of %llu requests %llu are ok, %llu failed, %llu aborted",
                   (unsigned long long)sums.asked, (unsigned long long)totals->ok, (unsigned long long)totals->failed,
                   (unsigned long long)totals->aborted);
    check_tunnel_sums(world, totals, &sums);
}

void check_stopped(struct sim_server *server)
{
    for (uint32_t r = 0; r < server->world->plan->reactors; r++)
        check_returned(server, r);
}

/* What a server has counted, with what it was told of, is what the next one goes on from. */
void check_handed_on(const struct sim_server *before, const struct sim_server *next)
{
    struct account_totals totals = {0};
    const struct account_totals *told = &next->inherited->totals;
    uint64_t dispatches[PLAN_WORKERS] = {0};
    add_up(before, &totals, dispatches);
    if (told->total != totals.total || told->ok != totals.ok || told->failed != totals.failed ||
        told->aborted != totals.aborted || told->active != 0 || told->dispatches != totals.dispatches ||
        told->tunnels != totals.tunnels || told->tunnels_idle != totals.tunnels_idle ||
        told->tunnels_drained != totals.tunnels_drained || told->tunnels_open != 0)
        check_fail("accounted", TRACE_NOBODY, TRACE_NOBODY,
                   "the server before ends with total %llu, ok %llu, dispatches %llu; the next one goes on from total "
                   "%llu, ok %llu, active %llu, dispatches %llu",
                   (unsigned long long)totals.total, (unsigned long long)totals.ok,
                   (unsigned long long)totals.dispatches, (unsigned long long)told->total, (unsigned long long)told->ok,
                   (unsigned long long)told->active, (unsigned long long)told->dispatches);
}

void check_end(struct world *world)
{
    struct account_totals totals = {0};
    uint64_t dispatches[PLAN_WORKERS] = {0};
    add_up(world->server, &totals, dispatches);
    check_sums(world, &totals);
    check_tunnels(world);
    check_stopped(world->server);
}
