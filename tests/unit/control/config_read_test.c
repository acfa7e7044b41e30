/* From tree to settings: structure errors with their places, short forms, defaults, and a file with everything set. */
#include "control/config_read.h"

#include "control/directive.h"
#include "control_helper.h"

#define POOLS "pools: {w: {workers: [3001]}}\n"

static void read_tells_where_and_what(void **state)
{
    static const struct bad_case cases[] = {
        {"pools: {w: {}}\n", "1:9: pools.w: \"workers\" is missing"},
        {"pools: {w: {workers: []}}\n", "1:13: pools.w.workers: there must be at least one"},
        {"pools:\n  w:\n    workers:\n", "3:5: pools.w.workers: there must be at least one"},
        {"pools: {}\n", "1:1: pools: there must be at least one"},
        {"pools: [a]\n", "1:8: pools: expected a mapping of names, found a list"},
        {"pools: {w: {workers: x}}\n", "1:22: pools.w.workers: expected a list, found a text"},
        {"pools: {w: {workers: {a: b}}}\n", "1:22: pools.w.workers: expected a list, found a mapping"},
        {"pools: {w: x}\n", "1:12: pools.w: expected a mapping, found a text"},
        {"pools: {w: {workers: [[3001]]}}\n",
         "1:23: pools.w.workers[0]: expected a mapping or the address, found a list"},
        {"pools:\n  w:\n    workers:\n      -\n", "4:8: pools.w.workers[0]: \"address\" is missing"},
        {"pools: {w: {workers: [{name: x}]}}\n", "1:23: pools.w.workers[0]: \"address\" is missing"},
        {"pools: {\"a b\": {workers: [3001]}}\n",
         "1:9: pools: \"a b\" is no name; expected 1 to 64 letters, digits, _, . or -"},
        {"poolz: {}\n", "1:1: unknown key \"poolz\"; did you mean \"pools\"?"},
        {"pools: {web: {wokers: [3001]}}\n", "1:15: unknown key \"wokers\" in pools.web; did you mean \"workers\"?"},
        {"banana: 1\n" POOLS, "1:1: unknown key \"banana\""},
        {"pools: {w: {workers: [3001], health: {intervall: 2s}}}\n",
         "1:39: unknown key \"intervall\" in pools.w.health; did you mean \"interval\"?"},
        {"pools: {w: {workers: [3001, {adress: 3002}]}}\n",
         "1:30: unknown key \"adress\" in pools.w.workers[1]; did you mean \"address\"?"},
        {"metrics: {include: x}\n" POOLS, "1:11: unknown key \"include\" in metrics"},
        {"threads: {a: b}\n" POOLS, "1:10: threads: expected auto or a whole number from 1 to 256, found a mapping"},
        {"timeouts: {connect: [1s]}\n" POOLS,
         "1:21: timeouts.connect: expected a duration from 1ms to 10m, found a list"},
        {"limits: 5\n" POOLS, "1:9: limits: expected a mapping, found a text"},
        {"access_log: [a]\n" POOLS, "1:13: access_log: expected a mapping or the path, found a list"},
        {"forwarded: {trusted: 10.0.0.0/8}\n" POOLS,
         "1:22: forwarded.trusted: expected a list of networks such as 10.0.0.0/8, found a text"},
        {"forwarded: {trusted: [{a: b}]}\n" POOLS, "1:23: forwarded.trusted: expected a network such as 10.0.0.0/8"},
        {"listeners: []\n" POOLS, "1:1: listeners: there must be at least one"},
        {"routes: [{path: /}]\n" POOLS, "1:10: routes[0]: \"pool\" is missing, or \"redirect\""},
        {"threads: 0\nlimits:\n  header_bytes: 1\n  headerz: 1\ntimeouts: {drain: x}\n" POOLS,
         "1:10: threads: \"0\" is out of range; expected auto or a whole number from 1 to 256\n"
         "3:17: limits.header_bytes: \"1\" is out of range; expected a size from 1KiB to 1MiB\n"
         "4:3: unknown key \"headerz\" in limits; did you mean \"headers\"?\n"
         "5:19: timeouts.drain: \"x\" is no duration; expected a duration from 0ms to 24h"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void check_default_limits(const struct config *config)
{
    assert_int_equal(config->limits.header_bytes, 32768);
    assert_int_equal(config->limits.headers, 100);
    assert_int_equal(config->limits.target_bytes, 8192);
    assert_int_equal(config->limits.body_bytes, 0);
    assert_int_equal(config->limits.connections, 0);
    assert_int_equal(config->limits.tries, 3);
    assert_int_equal(config->limits.idle_per_worker, 64);
    assert_int_equal(config->limits.warm_per_worker, 0);
    assert_int_equal(config->timeouts.connect_ms, 2000);
    assert_int_equal(config->timeouts.request_head_ms, 10000);
    assert_int_equal(config->timeouts.request_body_ms, 30000);
    assert_int_equal(config->timeouts.response_head_ms, 30000);
    assert_int_equal(config->timeouts.response_idle_ms, 30000);
    assert_int_equal(config->timeouts.client_idle_ms, 60000);
    assert_int_equal(config->timeouts.client_stall_ms, 60000);
    assert_int_equal(config->timeouts.worker_idle_ms, 4000);
    assert_int_equal(config->timeouts.drain_ms, 30000);
    assert_int_equal(config->timeouts.half_closed_ms, 1000);
}

static void check_default_health(const struct config_health *health)
{
    assert_str(health->path, "/health");
    assert_int_equal(health->interval_ms, 2000);
    assert_int_equal(health->interval_doubt_ms, 500);
    assert_int_equal(health->timeout_ms, 1000);
    assert_int_equal(health->rise, 2);
    assert_int_equal(health->fall, 3);
    assert_int_equal(health->jitter_percent, 10);
    assert_int_equal(health->expect.min, 200);
    assert_int_equal(health->expect.max, 299);
}

static void read_fills_in_defaults(void **state)
{
    /* Blocks that are there but empty change nothing. */
    static const char *const texts[] = {
        POOLS,
        "pools: {w: {workers: [{address: 3001}], health: }}\nroutes:\nmetrics:\naccess_log:\nlog:\nlimits:\n"
        "timeouts: {}\n"
        "forwarded: {trusted: }\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config *config = helper_load(texts[i]);
        assert_int_equal(config->listeners.count, 1);
        assert_str(config->listeners.items[0].address.text, "0.0.0.0:80");
        assert_int_equal(config->pools.count, 1);
        assert_str(config->pools.items[0].name, "w");
        assert_int_equal(config->pools.items[0].balance, CONFIG_BALANCE_ROUND_ROBIN);
        assert_int_equal(config->pools.items[0].workers.count, 1);
        assert_int_equal(config->pools.items[0].workers.items[0].weight, 1);
        check_default_health(&config->pools.items[0].health);
        assert_int_equal(config->routes.count, 1);
        assert_true(config->metrics.enabled);
        assert_str(config->metrics.path, "/metrics");
        assert_str(config->access_log.path, "off");
        assert_true(str_eq(config->access_log.format, STR("text")));
        assert_int_equal(config->log.level, LOG_INFO);
        assert_int_equal(config->log.format, LOG_TEXT);
        check_default_limits(config);
        assert_true(config->forwarded.via && config->forwarded.x_forwarded);
        assert_true(config->forwarded.forwarded && config->forwarded.request_id);
        assert_int_equal(config->forwarded.trusted.count, 0);
        assert_int_equal(config->threads, 0);
        config_destroy(&config);
        assert_null(config);
    }
}

static const char full_text[] =
    "listeners:\n"
    "  - address: 127.0.0.1:8080\n"
    "  - unix:/run/b.sock\n"
    "pools:\n"
    "  web:\n"
    "    balance: round-robin\n"
    "    workers:\n"
    "      - 127.0.0.1:3001\n"
    "      - { address: 127.0.0.1:3002, name: blue, weight: 2 }\n"
    "    health: { path: /up, interval: 1s, interval_doubt: 100ms, timeout: 900ms, rise: 1, fall: 5, jitter: 0%,\n"
    "              expect: 204 }\n"
    "  api.v1: { workers: ['[::1]:4001'] }\n"
    "routes:\n"
    "  - { host: API.example.com, path: /v1/, pool: api.v1 }\n"
    "  - { pool: web }\n"
    "metrics: { path: /numbers, enabled: false }\n"
    "access_log: { path: /tmp/a.log, format: json }\n"
    "log: { level: debug, format: json }\n"
    "limits: { header_bytes: 64KiB, headers: 50, target_bytes: 4096, body_bytes: 1GiB, connections: 77, tries: 1,\n"
    "          idle_per_worker: 0 }\n"
    "timeouts: { connect: 1ms, request_head: 2ms, request_body: 3ms, response_head: 4ms, response_idle: 5ms,\n"
    "            client_idle: 6ms, client_stall: 7ms, worker_idle: 8ms, drain: 9ms, half_closed: 10ms }\n"
    "forwarded: { via: false, x_forwarded: false, forwarded: false, request_id: false,\n"
    "             trusted: [10.0.0.0/8, 'fd00::/8'] }\n"
    "threads: 4\n";

static void check_full_pools(const struct config *config)
{
    const struct config_pool *web = &config->pools.items[0];
    assert_int_equal(config->pools.count, 2);
    assert_str(web->name, "web");
    assert_int_equal(web->place.line, 5);
    assert_int_equal(web->workers.count, 2);
    assert_str(web->workers.items[0].address.text, "127.0.0.1:3001");
    assert_int_equal(web->workers.items[0].weight, 1);
    assert_int_equal(web->workers.items[0].place.line, 8);
    assert_str(web->workers.items[1].name, "blue");
    assert_int_equal(web->workers.items[1].weight, 2);
    assert_str(web->health.path, "/up");
    assert_int_equal(web->health.interval_ms, 1000);
    assert_int_equal(web->health.interval_doubt_ms, 100);
    assert_int_equal(web->health.timeout_ms, 900);
    assert_int_equal(web->health.rise, 1);
    assert_int_equal(web->health.fall, 5);
    assert_int_equal(web->health.jitter_percent, 0);
    assert_int_equal(web->health.expect.min, 204);
    assert_int_equal(web->health.expect.max, 204);
    assert_str(config->pools.items[1].name, "api.v1");
    check_default_health(&config->pools.items[1].health);
    assert_int_equal(config->worker_count, 3);
    assert_int_equal(config->routes.count, 2);
    assert_str(config->routes.items[0].host, "api.example.com");
    assert_str(config->routes.items[0].path, "/v1/");
    assert_int_equal(config->routes.items[0].pool, 1);
    assert_int_equal(config->routes.items[1].host.n, 0);
    assert_str(config->routes.items[1].path, "/");
    assert_int_equal(config->routes.items[1].pool, 0);
}

static void read_sets_everything(void **state)
{
    struct config *config = helper_load(full_text);
    check_full_pools(config);
    assert_int_equal(config->listeners.count, 2);
    assert_int_equal(config->listeners.items[0].place.line, 2);
    assert_string_equal(config->listeners.items[0].place.file, "ballast.yaml");
    assert_str(config->listeners.items[1].address.path, "/run/b.sock");
    assert_false(config->metrics.enabled);
    assert_str(config->metrics.path, "/numbers");
    assert_str(config->access_log.path, "/tmp/a.log");
    assert_true(str_eq(config->access_log.format, STR("json")));
    assert_int_equal(config->log.level, LOG_DEBUG);
    assert_int_equal(config->log.format, LOG_JSON);
    assert_int_equal(config->limits.header_bytes, 65536);
    assert_int_equal(config->limits.headers, 50);
    assert_int_equal(config->limits.target_bytes, 4096);
    assert_int_equal(config->limits.body_bytes, 1 << 30);
    assert_int_equal(config->limits.connections, 77);
    assert_int_equal(config->limits.tries, 1);
    assert_int_equal(config->limits.idle_per_worker, 0);
    const struct config_timeouts *timeouts = &config->timeouts;
    const uint32_t ms[] = {timeouts->connect_ms,       timeouts->request_head_ms,  timeouts->request_body_ms,
                           timeouts->response_head_ms, timeouts->response_idle_ms, timeouts->client_idle_ms,
                           timeouts->client_stall_ms,  timeouts->worker_idle_ms,   timeouts->drain_ms,
                           timeouts->half_closed_ms};
    for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
        assert_int_equal(ms[i], i + 1);
    const struct config_forwarded *forwarded = &config->forwarded;
    assert_false(forwarded->via || forwarded->x_forwarded || forwarded->forwarded || forwarded->request_id);
    assert_int_equal(forwarded->trusted.count, 2);
    assert_int_equal(forwarded->trusted.items[0].bits, 8);
    assert_true(forwarded->trusted.items[1].v6);
    assert_int_equal(config->threads, 4);
    config_destroy(&config);
}

static void read_takes_short_forms(void **state)
{
    struct config *config = helper_load("listeners: [8080, '[::]:8080']\naccess_log: '-'\nlog: warn\n" POOLS);
    assert_int_equal(config->listeners.count, 2);
    assert_str(config->listeners.items[0].address.host, "0.0.0.0");
    assert_str(config->listeners.items[1].address.host, "::");
    assert_str(config->access_log.path, "-");
    assert_int_equal(config->log.level, LOG_WARN);
    config_destroy(&config);
}

static void read_stops_at_twenty_errors(void **state)
{
    char text[1024] = "";
    for (int i = 0; i < 25; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "unknown_%d: 1\n", i);
    struct config_flags flags = {.sealed = true};
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    assert_true(config_load_text("f", str_of(text), &flags, &errors, &config) < 0);
    assert_int_equal(errors.count, CONFIG_ERRORS_MAX);
    assert_int_equal(errors.error_count, 25);
    config_errors_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_tells_where_and_what),   cmocka_unit_test(read_fills_in_defaults),
        cmocka_unit_test(read_sets_everything),        cmocka_unit_test(read_takes_short_forms),
        cmocka_unit_test(read_stops_at_twenty_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
