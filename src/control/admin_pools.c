/* Pools and workers as JSON, and draining, disabling and weighing them. On the control thread, which alone publishes
 * schedules: an order takes effect with the next request that is picked. */
#include "control/admin_pools.h"

#include <unistd.h>

#include "balance/pick.h"
#include "base/clock.h"

static const char *const mode_words[] = {"ready", "drain", "disabled"};

const char *admin_mode_word(enum worker_mode mode)
{
    return mode_words[mode];
}

bool admin_mode_read(const char *word, enum worker_mode *ret_mode)
{
    for (unsigned i = 0; i < ARRAY_SIZE(mode_words); i++) {
        if (strcmp(mode_words[i], word) == 0) {
            *ret_mode = (enum worker_mode)i;
            return true;
        }
    }
    return false;
}

/* ---- workers ---- */

static json_t *rates_json(struct pulse_rates rates)
{
    return json_pack("{sfsfsfsf}", "requests_per_s", rates.requests, "failures_per_s", rates.failures, "p50_ms",
                     rates.p50_ms, "p99_ms", rates.p99_ms);
}

static struct str cause_of(const struct probe_result *result, char text[32])
{
    if (result->good)
        return STR("");
    if (result->error)
        return str_of(err_reason(result->error));
    memcpy(text, "status_", 7);
    return str_slice(text, 7 + str_put_u64(text + 7, result->status));
}

static json_t *probes_json(const struct probe_stats *stats)
{
    json_t *list = json_array();
    char text[32];

    for (uint64_t i = 0; i < PROBE_HISTORY && i < stats->probes; i++) {
        const struct probe_result *result = probe_result_back(stats, i);
        json_t *probe = json_object();
        admin_set(probe, "time", admin_time(result->at_ns));
        admin_set(probe, "good", json_boolean(result->good));
        admin_set_int(probe, "status", result->status);
        admin_set(probe, "took_ms", json_real((double)result->took_us / 1000));
        admin_set_str(probe, "cause", cause_of(result, text));
        (void)json_array_append_new(list, probe);
    }
    return list;
}

static json_t *detail_json(const struct worker *worker, const struct probe_stats *stats)
{
    const struct probe_result *last = probe_result_back(stats, 0);
    char text[TRANSPORT_REFUSAL_MAX];

    return admin_str(last ? probe_detail(worker, last, text) : STR_NONE);
}

static const struct admin_change *change_of(const struct admin *admin, const struct worker *worker, uint32_t back)
{
    const struct admin_worker *known = &admin->workers[worker->index];

    return &known->changes[(known->count - 1 - back) % ADMIN_CHANGES];
}

static json_t *changes_json(const struct admin *admin, const struct worker *worker)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < ADMIN_CHANGES && i < admin->workers[worker->index].count; i++) {
        const struct admin_change *change = change_of(admin, worker, i);
        json_t *json = json_pack("{ssss}", "state", change->up ? "up" : "down", "cause", change->cause);
        admin_set(json, "time", admin_time(change->at_ns));
        (void)json_array_append_new(list, json);
    }
    return list;
}

static json_t *answers_json(const struct account_worker *counts)
{
    return json_pack("{sIsIsIsI}", "2xx", (json_int_t)counts->answers[1], "3xx", (json_int_t)counts->answers[2], "4xx",
                     (json_int_t)counts->answers[3], "5xx", (json_int_t)counts->answers[4]);
}

uint64_t admin_active_at(const struct admin *admin, const struct worker *worker)
{
    const struct account_worker *counts = pulse_worker_counts(admin->pulse, worker->index);
    uint64_t ended = counts->broken;

    for (unsigned c = 0; c < ACCOUNT_CLASSES; c++)
        ended += counts->answers[c];
    return counts->dispatches > ended ? counts->dispatches - ended : 0;
}

static void put_counts(const struct admin *admin, const struct worker *worker, json_t *json)
{
    const struct account_worker *counts = pulse_worker_counts(admin->pulse, worker->index);

    admin_set_int(json, "active", admin_active_at(admin, worker));
    admin_set_int(json, "requests", counts->dispatches);
    admin_set_int(json, "broken", counts->broken);
    admin_set(json, "answers", answers_json(counts));
}

json_t *admin_worker_json(const struct admin *admin, const struct worker *worker)
{
    static const char *const states[] = {[HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"};
    json_t *json = json_object();
    bool changed = admin->workers[worker->index].count > 0;
    struct health health;
    struct probe_stats stats;

    prober_read(admin->options.prober, worker, &health, &stats);
    /* The first `fall` bad probes in a row are told as a change, though no good one ever came. */
    bool is_down = health.state == HEALTH_UNKNOWN && changed && !change_of(admin, worker, 0)->up &&
                   atomic_load(&worker->mode) != WORKER_DISABLED;
    admin_set_str(json, "pool", worker->pool_name);
    admin_set_str(json, "name", worker_name(worker));
    admin_set_str(json, "id", worker_id(worker));
    admin_set_str(json, "address", worker->address);
    admin_set(json, "state", json_string(is_down ? "down" : states[health.state]));
    admin_set(json, "since", admin_time(changed ? change_of(admin, worker, 0)->at_ns : 0));
    admin_set(json, "cause", json_string(changed ? change_of(admin, worker, 0)->cause : ""));
    admin_set(json, "detail", detail_json(worker, &stats));
    admin_set(json, "mode", json_string(admin_mode_word(atomic_load(&worker->mode))));
    admin_set(json, "taking", json_boolean(worker_takes(worker)));
    admin_set_int(json, "weight", worker_weight(worker));
    admin_set_int(json, "configured_weight", worker->weight);
    put_counts(admin, worker, json);
    admin_set(json, "rates", rates_json(pulse_worker_rates(admin->pulse, worker->index)));
    admin_set(json, "idle_close_s", json_real((double)idle_age_learned_ms(&worker->idle_age) / 1000));
    admin_set_int(json, "probes", stats.probes);
    admin_set_int(json, "probe_failures", stats.failures);
    admin_set(json, "last_probes", probes_json(&stats));
    admin_set(json, "changes", changes_json(admin, worker));
    return json;
}

/* ---- pools ---- */

enum condition { CONDITION_OK, CONDITION_DEGRADED, CONDITION_DOWN };
static const char *const condition_words[] = {"ok", "degraded", "down"};

/* Workers that an operator has taken out are no fault. */
static enum condition condition_of(const struct pool *pool, uint32_t *ret_taking)
{
    uint32_t taking = 0, missing = 0;

    for (uint32_t i = 0; i < pool->count; i++) {
        const struct worker *worker = pool->workers[i];
        taking += worker_takes(worker);
        missing += !atomic_load(&worker->alive) && atomic_load(&worker->mode) == WORKER_READY;
    }
    *ret_taking = taking;
    if (taking == 0)
        return CONDITION_DOWN;
    return missing ? CONDITION_DEGRADED : CONDITION_OK;
}

static json_t *pool_json(const struct admin *admin, const struct pool *pool)
{
    json_t *json = json_object(), *workers = json_array();
    uint32_t taking;
    enum condition condition = condition_of(pool, &taking);

    admin_set_str(json, "name", pool->name);
    admin_set(json, "balance", json_string(pool->pick->name));
    admin_set(json, "health", json_string(condition_words[condition]));
    admin_set_int(json, "up", pool_alive(pool));
    admin_set_int(json, "taking", taking);
    admin_set(json, "rates", rates_json(pulse_pool_rates(admin->pulse, pool)));
    for (uint32_t i = 0; i < pool->count; i++)
        (void)json_array_append_new(workers, admin_worker_json(admin, pool->workers[i]));
    admin_set(json, "workers", workers);
    return json;
}

static json_t *pools_json(const struct admin *admin)
{
    const struct snapshot *snapshot = admin->options.sources->snapshot;
    json_t *list = json_array();

    for (uint32_t i = 0; i < snapshot->pool_count; i++)
        (void)json_array_append_new(list, pool_json(admin, snapshot->pools[i]));
    return list;
}

/* ---- everything ---- */

static json_t *version_json(const struct admin *admin)
{
    int64_t started_s = admin->options.sources->started_s;
    json_t *json = json_pack("{sssIsIsb}", "version", BALLAST_VERSION, "pid", (json_int_t)getpid(), "threads",
                             (json_int_t)admin->options.reactor_count, "write", admin->options.config->admin.write);

    admin_set(json, "started", admin_time(started_s * 1000000000));
    admin_set(json, "uptime_s", json_integer(clock_wall_ns() / 1000000000 - started_s));
    return json;
}

json_t *admin_counts_json(const struct admin *admin)
{
    const struct account_totals *totals = pulse_totals(admin->pulse);
    json_t *json = json_object();

    admin_set_int(json, "clients", totals->clients_open);
    admin_set_int(json, "workers", totals->workers_open);
    admin_set_int(json, "workers_idle", totals->workers_idle);
    admin_set_int(json, "accepted", totals->clients_accepted);
    admin_set_int(json, "refused", totals->accepts_refused + totals->clients_turned_away);
    return json;
}

static json_t *reasons_json(const uint64_t *counts)
{
    json_t *json = json_object();

    for (int code = 1; code < ERR_COUNT; code++)
        if (counts[code])
            admin_set_int(json, err_reason(code), counts[code]);
    return json;
}

static json_t *requests_json(const struct account_totals *totals)
{
    return json_pack("{sIsIsIsIsI}", "total", (json_int_t)totals->total, "ok", (json_int_t)totals->ok, "failed",
                     (json_int_t)totals->failed, "aborted", (json_int_t)totals->aborted, "active",
                     (json_int_t)totals->active);
}

static const char *health_word(const struct admin *admin)
{
    const struct snapshot *snapshot = admin->options.sources->snapshot;
    enum condition worst = CONDITION_OK;
    uint32_t taking;

    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        enum condition condition = condition_of(snapshot->pools[i], &taking);
        worst = condition > worst ? condition : worst;
    }
    return condition_words[worst];
}

json_t *admin_status_json(struct admin *admin)
{
    json_t *json = json_object();

    pulse_read(admin->pulse);
    const struct account_totals *totals = pulse_totals(admin->pulse);
    admin_set(json, "health", json_string(health_word(admin)));
    admin_set(json, "time", admin_time(clock_wall_ns()));
    admin_set(json, "stopping", json_boolean(admin->stopping));
    admin_set(json, "version", version_json(admin));
    admin_set(json, "requests", requests_json(totals));
    admin_set(json, "rates", rates_json(pulse_rates(admin->pulse)));
    admin_set(json, "connections", admin_counts_json(admin));
    admin_set(json, "reasons", reasons_json(totals->by_reason));
    admin_set(json, "retries", reasons_json(totals->retries));
    admin_set(json, "pools", pools_json(admin));
    return json;
}

void admin_do_version(struct admin *admin, struct admin_call *call)
{
    admin_answer_json(call, version_json(admin));
}

void admin_do_status(struct admin *admin, struct admin_call *call)
{
    admin_answer_json(call, admin_status_json(admin));
}

void admin_do_pools(struct admin *admin, struct admin_call *call)
{
    pulse_read(admin->pulse);
    admin_answer_json(call, json_pack("{so}", "pools", pools_json(admin)));
}

/* ---- one of them ---- */

struct pool *admin_find_pool(struct admin *admin, struct admin_call *call)
{
    const struct snapshot *snapshot = admin->options.sources->snapshot;
    struct str name = admin_param(admin, call, "pool");

    for (uint32_t i = 0; i < snapshot->pool_count; i++)
        if (str_eq(snapshot->pools[i]->name, name))
            return snapshot->pools[i];
    admin_answer_error(call, 404, "no_such_pool", "There is no pool of that name; GET /v1/pools tells them.");
    return NULL;
}

/* As the file has it, or written in another way: 3001 is 127.0.0.1:3001. */
static struct worker *find_by_address(const struct pool *pool, struct str text)
{
    struct sock_name name;
    struct sock_addr addr;
    const char *why;

    for (uint32_t i = 0; i < pool->count; i++)
        if (str_eq(pool->workers[i]->address, text))
            return pool->workers[i];
    if (sock_name_parse(text, STR("127.0.0.1"), &name, &why) || sock_addr_numeric(&name, &addr))
        return NULL;
    for (uint32_t i = 0; i < pool->count; i++)
        if (sock_addr_equal(&pool->workers[i]->addr.storage, &addr.storage))
            return pool->workers[i];
    return NULL;
}

struct worker *admin_find_worker(struct admin *admin, struct admin_call *call)
{
    struct pool *pool = admin_find_pool(admin, call);

    if (!pool)
        return NULL;
    struct str name = admin_param(admin, call, "worker");
    for (uint32_t i = 0; i < pool->count; i++)
        if (str_eq(worker_name(pool->workers[i]), name))
            return pool->workers[i];
    struct worker *worker = find_by_address(pool, name);
    if (!worker)
        admin_answer_error(call, 404, "no_such_worker",
                           "The pool has no worker of that name or address; GET /v1/pools tells them.");
    return worker;
}

void admin_do_pool(struct admin *admin, struct admin_call *call)
{
    const struct pool *pool = admin_find_pool(admin, call);

    if (!pool)
        return;
    pulse_read(admin->pulse);
    admin_answer_json(call, pool_json(admin, pool));
}

void admin_answer_worker(struct admin *admin, struct admin_call *call, const struct worker *worker)
{
    pulse_read(admin->pulse);
    admin_answer_json(call, admin_worker_json(admin, worker));
}

void admin_do_worker(struct admin *admin, struct admin_call *call)
{
    const struct worker *worker = admin_find_worker(admin, call);

    if (worker)
        admin_answer_worker(admin, call, worker);
}
