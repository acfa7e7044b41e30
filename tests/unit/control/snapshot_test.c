/* From the words of a configuration to what traffic runs on. */
#include "control/snapshot.h"

#include "balance/pick.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static const char full[] =
    "listeners: [{address: 127.0.0.1:8080}]\n"
    "pools:\n"
    "  web:\n"
    "    workers: [127.0.0.1:3001, {address: 127.0.0.1:3002, name: blue, weight: 7}]\n"
    "    health: {path: /up, interval: 9s, interval_doubt: 3s, timeout: 2s, rise: 4, fall: 5, jitter: 20%,\n"
    "             expect: 200-204}\n"
    "  api:\n"
    "    workers: [127.0.0.1:3003]\n"
    "routes:\n"
    "  - {host: api.example, path: /v1/, pool: api}\n"
    "  - {pool: web}\n"
    "metrics: {path: /numbers}\n"
    "access_log: {path: off, format: json}\n"
    "limits: {header_bytes: 20KiB, headers: 77, target_bytes: 4KiB, body_bytes: 5MiB, tries: 2, idle_per_worker: 6,\n"
    "  warm_per_worker: 5}\n"
    "timeouts: {connect: 1s, request_head: 2s, request_body: 3s, response_head: 4s, response_idle: 5s,\n"
    "           client_idle: 6s, client_stall: 7s, worker_idle: 8s, half_closed: 500ms}\n"
    "forwarded: {via: false, trusted: [10.0.0.0/8, '2001:db8::/32']}\n";

static struct roster roster;

static struct snapshot *create(const char *text, struct config **ret_config)
{
    struct snapshot *snapshot = NULL;
    *ret_config = helper_load(text);
    assert_int_equal(roster_init(&roster), 0);
    assert_int_equal(snapshot_create(*ret_config, &roster, NULL, &snapshot), 0);
    return snapshot;
}

static void destroy(struct snapshot *snapshot, struct config *config)
{
    snapshot_destroy(&snapshot);
    assert_null(snapshot);
    roster_fini(&roster);
    config_destroy(&config);
}

static void snapshot_has_the_pools(void **state)
{
    struct config *config;
    struct snapshot *snapshot = create(full, &config);
    assert_int_equal(snapshot->pool_count, 2);
    assert_int_equal(snapshot->worker_count, 3);
    const struct pool *web = snapshot->pools[0], *api = snapshot->pools[1];
    assert_str(web->name, "web");
    assert_int_equal(web->count, 2);
    assert_int_equal(api->count, 1);
    assert_ptr_equal(web->pick, &pick_round_robin);
    assert_str(web->health_path, "/up");
    assert_int_equal(web->health.interval_ms, 9000);
    assert_int_equal(web->health.doubt_ms, 3000);
    assert_int_equal(web->health.timeout_ms, 2000);
    assert_int_equal(web->health.rise, 4);
    assert_int_equal(web->health.fall, 5);
    assert_int_equal(web->health.jitter_percent, 20);
    assert_int_equal(web->health.status_min, 200);
    assert_int_equal(web->health.status_max, 204);
    for (uint32_t i = 0; i < 3; i++) {
        const struct worker *worker = snapshot->workers[i];
        assert_int_equal(worker->index, i);
        assert_ptr_equal(worker, (i < 2 ? web : api)->workers[i < 2 ? i : 0]);
        assert_true(str_eq(worker->pool_name, i < 2 ? STR("web") : STR("api")));
        assert_int_equal(sock_addr_port(&worker->addr.storage), 3001 + i);
        assert_false(worker->alive); /* only probes say so */
    }
    assert_str(worker_name(snapshot->workers[1]), "blue");
    assert_int_equal(snapshot->weights[1], 7);
    assert_str(snapshot->workers[2]->address, "127.0.0.1:3003");
    assert_int_equal((uintptr_t)web->turn % 64, 0); /* alone on its cache line */
    destroy(snapshot, config);
}

static void snapshot_has_the_rules(void **state)
{
    struct config *config;
    struct snapshot *snapshot = create(full, &config);
    const struct exchange_rules *rules = &snapshot->rules;
    assert_int_equal(rules->routes.count, 2);
    assert_ptr_equal(route_find(&rules->routes, STR("api.example"), STR("/v1/x")), snapshot->pools[1]);
    assert_ptr_equal(route_find(&rules->routes, STR("api.example"), STR("/")), snapshot->pools[0]);
    assert_int_equal(rules->tries_max, 2);
    assert_int_equal(rules->connect_ms, 1000);
    assert_int_equal(rules->request_body_ms, 3000);
    assert_int_equal(rules->response_head_ms, 4000);
    assert_int_equal(rules->response_idle_ms, 5000);
    assert_int_equal(rules->client_stall_ms, 7000);
    assert_int_equal(rules->half_closed_ms, 500);
    assert_str(rules->metrics_path, "/numbers");
    assert_false(rules->rewrite.via);
    assert_true(rules->rewrite.x_forwarded && rules->rewrite.forwarded && rules->rewrite.request_id);
    assert_int_equal(rules->rewrite.trusted_count, 2);
    static const struct network ten = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10}, 104};
    static const struct network six = {{0x20, 0x01, 0x0d, 0xb8}, 32};
    assert_memory_equal(&rules->rewrite.trusted[0], &ten, sizeof(ten));
    assert_memory_equal(&rules->rewrite.trusted[1], &six, sizeof(six));
    destroy(snapshot, config);
}

static void snapshot_sets_reactors_up(void **state)
{
    struct config *config;
    struct snapshot *snapshot = create(full, &config);
    struct reactor_options options = snapshot_reactor_options(snapshot);
    assert_ptr_equal(options.rules, &snapshot->rules);
    assert_int_equal(options.client.limits.head_bytes, 20480);
    assert_int_equal(options.client.limits.fields, 77);
    assert_int_equal(options.client.limits.target_bytes, 4096);
    assert_memory_equal(&options.answer_limits, &options.client.limits, sizeof(options.answer_limits));
    assert_int_equal(options.client.body_bytes, 5 << 20);
    assert_int_equal(options.client.request_head_ms, 2000);
    assert_int_equal(options.client.client_idle_ms, 6000);
    assert_int_equal(options.worker_idle_ms, 8000);
    assert_int_equal(options.idle_per_worker, 6);
    assert_int_equal(options.warm_per_worker, 5);
    assert_int_equal(options.workers, 3);
    assert_true(options.access_format->json);
    destroy(snapshot, config);
}

static void snapshot_of_the_least(void **state)
{
    struct config *config;
    struct snapshot *snapshot = create("pools: {web: {workers: [3001]}}\nmetrics: {enabled: false}\n"
                                       "limits: {tries: 8}\n",
                                       &config);
    assert_int_equal(snapshot->rules.metrics_path.n, 0);
    assert_int_equal(snapshot->rules.tries_max, PICK_TRIED_MAX);
    assert_ptr_equal(route_find(&snapshot->rules.routes, STR(""), STR("/")), snapshot->pools[0]);
    assert_int_equal(snapshot->rules.rewrite.trusted_count, 0);
    destroy(snapshot, config);
}

static void snapshot_survives_no_memory(void **state)
{
    struct config *config = helper_load(full);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct snapshot *snapshot = NULL;
        alloc_fail_at(n);
        int error = roster_init(&roster);
        if (!error)
            error = snapshot_create(config, &roster, NULL, &snapshot);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        assert_int_equal(snapshot == NULL, failed);
        if (!failed)
            snapshot_destroy(&snapshot);
        roster_fini(&roster);
    }
    config_destroy(&config);
}

static struct snapshot *next(const char *text, struct snapshot **newest)
{
    struct config *config = helper_load(text);
    struct snapshot *snapshot;
    assert_int_equal(snapshot_create(config, &roster, NULL, &snapshot), 0);
    config_destroy(&config); /* it keeps nothing of it */
    snapshot_enter(snapshot, &roster, newest);
    return snapshot;
}

static void snapshot_workers_outlive_it(void **state)
{
    struct snapshot *newest = NULL;
    assert_int_equal(roster_init(&roster), 0);
    struct snapshot *first = next("pools: {web: {workers: [3001, 3002]}}\n", &newest);
    struct worker *kept = first->workers[0], *gone = first->workers[1];
    atomic_store(&kept->alive, true);
    pool_publish(first->pools[0]);
    struct snapshot *second = next("pools: {web: {workers: [3003, {address: 3001, weight: 2}]},\n"
                                   "        api: {workers: [{address: 3001, name: a}]}}\n"
                                   "routes: [{pool: web, path: /w}, {pool: api}]\n",
                                   &newest);
    assert_ptr_equal(newest, second);
    assert_ptr_equal(second->workers[1], kept);
    assert_ptr_not_equal(second->workers[2], kept); /* another pool's is another worker */
    assert_ptr_equal(kept->pool, second->pools[0]);
    assert_int_equal(kept->weight, 2);
    assert_true(atomic_load(&gone->removed) && !gone->pool && !atomic_load(&kept->removed));
    assert_ptr_equal(pool_at(second->pools[0], 0), kept); /* its health is not forgotten, the new one has none yet */
    assert_int_equal(pool_alive(second->pools[0]), 1);
    assert_ptr_equal(first->pools[0]->turn, second->pools[0]->turn);
    struct snapshot *third = next("pools: {web: {workers: [3002]}}\n", &newest);
    assert_ptr_equal(third->workers[0], gone);
    assert_false(atomic_load(&gone->removed));
    assert_ptr_equal(third->pools[0]->older, second->pools[0]);
    assert_true(snapshot_let_go(second));
    assert_int_equal(snapshot_sweep(&newest), 2);
    assert_ptr_equal(third->pools[0]->older, first->pools[0]); /* the one between them went */
    atomic_store(&gone->alive, true);
    pool_publish(third->pools[0]);
    assert_int_equal(pool_alive(first->pools[0]), 2); /* old exchanges see health too */
    snapshot_hold(first);
    assert_false(snapshot_let_go(first));
    assert_true(snapshot_let_go(first));
    assert_true(snapshot_let_go(third));
    assert_int_equal(snapshot_sweep(&newest), 0);
    assert_null(newest);
    roster_fini(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_has_the_pools),      cmocka_unit_test(snapshot_has_the_rules),
        cmocka_unit_test(snapshot_sets_reactors_up),   cmocka_unit_test(snapshot_of_the_least),
        cmocka_unit_test(snapshot_survives_no_memory), cmocka_unit_test(snapshot_workers_outlive_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
