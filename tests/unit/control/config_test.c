/* Whole loads: the built-in layout, flags over files, variables, JSON, and every allocation failing once. */
#include "control/config.h"

#include <stdlib.h>

#include "base/err.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static struct config *load_flags(const char *text, const struct config_flags *flags)
{
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    int result = text != NULL ? config_load_text("f", str_of(text), flags, &errors, &config)
                              : config_load(NULL, flags, &errors, &config);
    if (result != 0)
        fail_msg("%s", errors.count > 0 ? errors.items[0].text.p : "no error");
    config_errors_fini(&errors);
    return config;
}

static void check_errors(const char *text, const struct config_flags *flags, const char *const *lines, size_t count)
{
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    int result = text != NULL ? config_load_text("f", str_of(text), flags, &errors, &config)
                              : config_load(NULL, flags, &errors, &config);
    assert_int_equal(result, -ERR_CONFIG);
    assert_null(config);
    assert_int_equal(errors.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(str_eq(errors.items[i].text, str_of(lines[i])));
    config_errors_fini(&errors);
}

static void config_built_in(void **state)
{
    struct config_flags flags = {0};
    struct config *config = load_flags(NULL, &flags);
    assert_int_equal(config->listeners.count, 1);
    assert_str(config->listeners.items[0].address.text, "0.0.0.0:80");
    assert_int_equal(config->pools.count, 1);
    assert_str(config->pools.items[0].name, "default");
    assert_int_equal(config->worker_count, 3);
    static const char *const ids[] = {"3001", "3002", "3003"};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_str(config->pools.items[0].workers.items[i].id, ids[i]);
        assert_str(config->pools.items[0].workers.items[i].name, ids[i]);
        assert_str(config->pools.items[0].workers.items[i].address.host, "127.0.0.1");
    }
    assert_int_equal(config->routes.count, 1);
    assert_str(config->access_log.path, "off");
    config_destroy(&config);
    config_destroy(&config); /* a second time does nothing */
}

static void config_flags_go_first(void **state)
{
    static const char *const listen[] = {"8080", "unix:/run/x.sock"};
    static const char *const worker[] = {"4001", "http://10.0.0.1:4002"};
    struct config_flags flags = {.listen = listen,
                                 .listen_count = 2,
                                 .worker = worker,
                                 .worker_count = 2,
                                 .threads = "2",
                                 .access_log = "-",
                                 .log_level = "warn"};
    /* NULL: without a file; the others say something different. */
    static const char *const texts[] = {NULL, "", "listeners: [80, 81]\nthreads: 9\naccess_log: off\nlog: debug\n",
                                        "access_log: {path: /a, format: text}\nlog: {level: info}\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config *config = load_flags(texts[i], &flags);
        assert_int_equal(config->listeners.count, 2);
        assert_str(config->listeners.items[0].address.text, "8080");
        assert_str(config->listeners.items[0].address.host, "0.0.0.0");
        assert_str(config->listeners.items[1].address.path, "/run/x.sock");
        assert_int_equal(config->worker_count, 2);
        assert_str(config->pools.items[0].name, "default");
        assert_str(config->pools.items[0].workers.items[1].id, "4002");
        assert_int_equal(config->threads, 2);
        assert_str(config->access_log.path, "-");
        assert_int_equal(config->log.level, LOG_WARN);
        config_destroy(&config);
    }
}

static void config_flags_keep_the_rest(void **state)
{
    struct config_flags flags = {.access_log = "/b", .log_level = "off"};
    struct config *config = load_flags("pools: {w: {workers: [3009]}}\naccess_log: {path: /a, format: json}\n"
                                       "log: {level: debug, format: json}\nlisteners: [81]\nthreads: 3\n",
                                       &flags);
    assert_str(config->access_log.path, "/b");
    assert_true(str_eq(config->access_log.format, STR("json")));
    assert_int_equal(config->log.level, LOG_OFF);
    assert_int_equal(config->log.format, LOG_JSON);
    assert_str(config->listeners.items[0].address.text, "81");
    assert_int_equal(config->threads, 3);
    assert_str(config->pools.items[0].workers.items[0].id, "3009");
    config_destroy(&config);
}

static void config_flags_are_judged(void **state)
{
    static const char *const bad[] = {"x"};
    static const char *const twice[] = {"3001", "127.0.0.1:3001"};
    const struct config_flags all = {.listen = bad,
                                     .listen_count = 1,
                                     .worker = bad,
                                     .worker_count = 1,
                                     .threads = "0",
                                     .access_log = "",
                                     .log_level = "wran"};
    static const char *const all_lines[] = {
        "--access-log: the value is missing; expected a file, -, syslog, journal or off",
        "--listen: \"x\" is no address: the port is missing; write host:port",
        "--log-level: \"wran\" is not known here; expected debug, info, warn, error or off; did you mean \"warn\"?",
        "--threads: \"0\" is out of range; expected auto or a whole number from 1 to 256",
        "--worker: \"x\" is no address: the port is missing; write host:port",
    };
    check_errors(NULL, &all, all_lines, ARRAY_SIZE(all_lines));

    const struct config_flags workers = {.worker = twice, .worker_count = 2};
    static const char *const twice_lines[] = {
        "--worker: the worker 127.0.0.1:3001 is given twice in this pool; first at --worker"};
    check_errors(NULL, &workers, twice_lines, 1);
    static const char *const both_lines[] = {
        "--worker: workers are given here and as pools at f:1:1; take one of them away"};
    check_errors("pools: {w: {workers: [1]}}\n", &workers, both_lines, 1);
    const struct config_flags none = {0};
    static const char *const none_lines[] = {"f: \"pools\" is missing"};
    check_errors("threads: 2\n", &none, none_lines, 1);
}

static void config_json_and_variables(void **state)
{
    struct config_flags flags = {0};
    assert_int_equal(setenv("BALLAST_TEST_PORT", "4007", 1), 0);
    struct config *config =
        load_flags("{\"pools\": {\"w\": {\"workers\": [\"127.0.0.1:${BALLAST_TEST_PORT}\",\n"
                   "  {\"address\": \"127.0.0.1:${BALLAST_TEST_UNSET:-4008}\", \"weight\": 2}]}},\n"
                   " \"metrics\": {\"enabled\": false}, \"access_log\": {\"path\": \"/a$${b}\"}, \"threads\": 2}\n",
                   &flags);
    assert_str(config->pools.items[0].workers.items[0].id, "4007");
    assert_str(config->pools.items[0].workers.items[1].id, "4008");
    assert_int_equal(config->pools.items[0].workers.items[1].weight, 2);
    assert_false(config->metrics.enabled);
    assert_str(config->access_log.path, "/a${b}");
    assert_int_equal(config->threads, 2);
    config_destroy(&config);
    assert_int_equal(unsetenv("BALLAST_TEST_PORT"), 0);
}

/* Each allocation fails once: nothing is left behind, and no half configuration comes out. */
static void no_memory(const char *text, int expected)
{
    static const char *const listen[] = {"8080"};
    struct config_flags flags = {
        .listen = listen, .listen_count = 1, .threads = "2", .access_log = "-", .log_level = "warn", .sealed = true};
    for (unsigned n = 1;; n++) {
        struct config_errors errors;
        struct config *config = NULL;
        config_errors_init(&errors);
        alloc_fail_at(n);
        int result = config_load_text("f", str_of(text), &flags, &errors, &config);
        bool failed = alloc_fail_stop();
        assert_true((result == 0) == (config != NULL));
        config_destroy(&config);
        config_errors_fini(&errors);
        if (!failed) {
            assert_int_equal(result, expected);
            assert_true(n > 2);
            break;
        }
        /* Losing only an error's text leaves the result as it is. */
        assert_true(result == -ERR_NO_MEMORY || (expected != 0 && result == expected));
    }
}

static void config_survives_no_memory(void **state)
{
    no_memory("pools:\n  a: {workers: [3001, {address: 3002, name: x}], health: {path: /x}}\n"
              "  b: {workers: ['unix:/run/s', 10.0.0.1:3002]}\n"
              "routes: [{host: A.b, path: /x, pool: a}, {pool: b}]\n"
              "forwarded: {trusted: [10.0.0.0/8]}\nlog: {format: json}\n",
              0);
    no_memory("pools: {a: {workers: [3001]}}\n", 0);
    no_memory("pools: {a: {workers: [3001, 3001, x], wrong: 1}, a: 1}\nthreads: ${X}\nlimits: [1]\n", -ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_built_in),
        cmocka_unit_test(config_flags_go_first),
        cmocka_unit_test(config_flags_keep_the_rest),
        cmocka_unit_test(config_flags_are_judged),
        cmocka_unit_test(config_json_and_variables),
        cmocka_unit_test(config_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
