/* Checks across settings: doubles, ids for metrics, routes, and what is only warned of. */
#include "control/config_check.h"

#include <stdlib.h>

#include "control_helper.h"

#define POOLS "pools: {w: {workers: [3001]}}\n"

static void check_refusals(void **state)
{
    static const struct bad_case cases[] = {
        {"listeners: [80, 0.0.0.0:80]\n" POOLS,
         "1:17: the address 0.0.0.0:80 is listened on twice; first at ballast.yaml:1:13"},
        {"pools: {w: {workers: [3001, 127.0.0.1:3001]}}\n",
         "1:29: the worker 127.0.0.1:3001 is given twice in this pool; first at ballast.yaml:1:23"},
        {"pools: {w: {workers: [{address: 3001, name: a}, {address: 3001, name: b}]}}\n",
         "1:49: the worker 3001 is given twice in this pool; first at ballast.yaml:1:23"},
        {"pools:\n  w:\n    workers:\n      - {address: 3001, name: blue-1}\n      - {address: 3002, name: blue-1}\n",
         "5:9: the worker's name \"blue-1\" is given twice; first at ballast.yaml:4:9"},
        {"pools:\n  w:\n    workers:\n      - {address: 3001, name: a-b}\n      - {address: 3002, name: a_b}\n",
         "5:9: the worker's id in metrics, \"a_b\", is that of the worker at ballast.yaml:4:9 too; give it a name"},
        {"pools:\n  w:\n    workers:\n      - {address: 3002, name: 3001}\n      - 3001\n",
         "5:9: the worker's id in metrics, \"3001\", is that of the worker at ballast.yaml:4:9 too; give it a name"},
        {"pools:\n  a: {workers: [3001]}\n  b: {workers: [3001]}\nroutes: [{path: /a/, pool: a}, {pool: b}]\n",
         "3:17: the worker's id in metrics, \"127_0_0_1_3001\", is that of the worker at ballast.yaml:2:17 too; give "
         "it a name"},
        {"routes: [{pool: wb}]\npools: {web: {workers: [3001]}}\n",
         "1:10: there is no pool \"wb\"; did you mean \"web\"?"},
        {"routes: [{pool: elephant}]\n" POOLS, "1:10: there is no pool \"elephant\""},
        {"pools: {a: {workers: [3001]}, b: {workers: [3002]}}\n", " with 2 pools, \"routes\" must say what goes where"},
        {"limits: {header_bytes: 4KiB, target_bytes: 8KiB}\n" POOLS,
         "1:1: limits: target_bytes (8192) is above header_bytes (4096), of which the target is a part"},
        {"pools: {a: {workers: [3001]}, b: {workers: [3002]}}\nroutes: [{pool: a}]\n",
         "1:31: warning: no route leads to the pool \"b\""},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void check_unreachable_routes(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool reached;
    } cases[] = {
        {"pool: w", "path: /x, pool: w", false},
        {"pool: w", "host: a.b, pool: w", false},
        {"path: /x, pool: w", "path: /x, pool: w", false},
        {"path: /x, pool: w", "path: /x/y, pool: w", false},
        {"path: /x/, pool: w", "path: /x/y, pool: w", false},
        {"path: /x, pool: w", "path: /xy, pool: w", true},
        {"path: /x/, pool: w", "path: /x, pool: w", true},
        {"path: /x, pool: w", "pool: w", true},
        {"host: a.b, pool: w", "host: A.B, pool: w", false},
        {"host: a.b, pool: w", "pool: w", true},
        {"host: '*.b', pool: w", "host: a.b, pool: w", false},
        {"host: '*.b', pool: w", "host: '*.a.b', pool: w", false},
        {"host: '*.b', pool: w", "host: b, pool: w", true},
        {"host: '*.b', pool: w", "host: ab, pool: w", true},
        {"host: '*.a.b', pool: w", "host: '*.b', pool: w", true},
        {"host: a.b, path: /x, pool: w", "host: a.b, path: /, pool: w", true},
        {"host: '*.b', path: /x, pool: w", "host: a.b, path: /y, pool: w", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "routes:\n  - {%s}\n  - {%s}\n%s", cases[i].first, cases[i].second, POOLS);
        const char *expected =
            cases[i].reached ? "" : "3:5: this route is never reached: the one at ballast.yaml:2:5 takes its requests";
        if (strcmp(helper_errors(text), expected) != 0)
            fail_msg("%s", text);
    }
}

static void check_ids(void **state)
{
    struct config *config = helper_load("pools:\n"
                                        "  a: {workers: [3001, 127.0.0.1:3002, '[::1]:3002', 'unix:/run/a.sock']}\n"
                                        "  b: {workers: [{address: 10.0.0.1:3003, name: red.1-x}, 10.0.0.2:3003]}\n"
                                        "routes: [{path: /b, pool: b}, {pool: a}]\n");
    static const char *const ids[][2] = {{"3001", "3001"},         {"127_0_0_1_3002", "127_0_0_1_3002"},
                                         {"__1_3002", "__1_3002"}, {"run_a_sock", "run_a_sock"},
                                         {"red_1_x", "red.1-x"},   {"10_0_0_2_3003", "10_0_0_2_3003"}};
    size_t at = 0;
    for (size_t p = 0; p < config->pools.count; p++) {
        for (size_t w = 0; w < config->pools.items[p].workers.count; w++, at++) {
            assert_str(config->pools.items[p].workers.items[w].id, ids[at][0]);
            assert_str(config->pools.items[p].workers.items[w].name, ids[at][1]);
        }
    }
    assert_int_equal(at, ARRAY_SIZE(ids));
    assert_int_equal(config->worker_count, 6);
    config_destroy(&config);
}

static void check_completes(void **state)
{
    struct config *config = helper_load("pools: {w: {workers: [3001], health: {interval: 100ms, timeout: 50ms}}}\n");
    assert_int_equal(config->routes.count, 1);
    assert_int_equal(config->routes.items[0].pool, 0);
    assert_int_equal(config->routes.items[0].host.n, 0);
    assert_str(config->routes.items[0].path, "/");
    assert_str(config->routes.items[0].pool_name, "w");
    assert_int_equal(config->pools.items[0].health.interval_doubt_ms, 100);
    config_destroy(&config);
}

static void check_takes_ten_thousand_workers(void **state)
{
    enum { WORKERS = 10000, ROOM = WORKERS * 32 };
    char *text = malloc(ROOM);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, ROOM, "pools: {w: {workers: [");
    for (int i = 0; i < WORKERS; i++)
        n += (size_t)snprintf(text + n, ROOM - n, "10.0.%d.%d:80,\n", i / 250, i % 250);
    (void)snprintf(text + n, ROOM - n, "]}}\n");
    struct config *config = helper_load(text);
    assert_int_equal(config->worker_count, WORKERS);
    assert_str(config->pools.items[0].workers.items[WORKERS - 1].id, "10_0_39_249_80");
    config_destroy(&config);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_refusals),
        cmocka_unit_test(check_unreachable_routes),
        cmocka_unit_test(check_ids),
        cmocka_unit_test(check_completes),
        cmocka_unit_test(check_takes_ten_thousand_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
