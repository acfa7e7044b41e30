/* The configuration as JSON: each type of setting as it would be written, and no secret. */
#include "control/admin_config.h"

#include <stdlib.h>

#include "control_helper.h"

static const char text[] = "listeners: [127.0.0.1:8080]\n"
                           "pools:\n"
                           "  web: {workers: [127.0.0.1:3001, {address: 127.0.0.1:3002, name: blue, weight: 7}],\n"
                           "        health: {interval: 9s, expect: 200-204, jitter: 20%}}\n"
                           "admin: {address: 127.0.0.1:9901, token: do-not-show-this-one, write: true}\n"
                           "limits: {header_bytes: 20KiB}\n"
                           "forwarded: {via: false, trusted: [10.0.0.0/8, '2001:db8::/32']}\n";

static json_t *at(json_t *json, const char *path)
{
    char key[32];
    for (size_t n; *path; path += n + (path[n] == '.')) {
        n = strcspn(path, ".");
        (void)snprintf(key, sizeof(key), "%.*s", (int)n, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)(key[0] - '0')) : json_object_get(json, key);
    }
    return json;
}

static void config_is_shown(void **state)
{
    struct config *config = helper_load(text);
    json_t *json = admin_config_json(config);
    assert_string_equal(json_string_value(at(json, "listeners.0.address")), "127.0.0.1:8080");
    assert_string_equal(json_string_value(at(json, "pools.web.workers.1.name")), "blue");
    assert_int_equal(json_integer_value(at(json, "pools.web.workers.1.weight")), 7);
    assert_string_equal(json_string_value(at(json, "pools.web.balance")), "round-robin");
    assert_string_equal(json_string_value(at(json, "pools.web.health.interval")), "9000ms");
    assert_string_equal(json_string_value(at(json, "pools.web.health.expect")), "200-204");
    assert_string_equal(json_string_value(at(json, "pools.web.health.jitter")), "20%");
    assert_int_equal(json_integer_value(at(json, "limits.header_bytes")), 20480);
    assert_string_equal(json_string_value(at(json, "limits.body_bytes")), "unlimited");
    assert_string_equal(json_string_value(at(json, "threads")), "auto");
    assert_true(json_is_false(at(json, "forwarded.via")));
    assert_string_equal(json_string_value(at(json, "forwarded.trusted.0")), "10.0.0.0/8");
    assert_string_equal(json_string_value(at(json, "forwarded.trusted.1")), "2001:db8::/32");
    assert_string_equal(json_string_value(at(json, "admin.token")), "(hidden)");
    char *all = json_dumps(json, JSON_COMPACT);
    assert_null(strstr(all, "do-not-show"));
    free(all);
    json_decref(json);
    config_destroy(&config);
}

static void config_wrong_admin(void **state)
{
    static const struct bad_case cases[] = {
        {"pools: {web: {workers: [1]}}\nadmin: 9901\n",
         "2:1: admin: anybody who reaches 9901 could ask; set a token, or listen on a Unix socket"},
        {"pools: {web: {workers: [1]}}\nlisteners: [127.0.0.1:99]\nadmin: {address: 99, token: 0123456789abcdef}\n",
         "3:1: admin: clients are served at 99"},
        {"pools: {web: {workers: [1]}}\nadmin: {token: short-one}\n",
         "2:16: admin.token: the secret is not of 16 to 256 visible characters; it has 9 characters"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
    struct config *config = helper_load("pools: {web: {workers: [1]}}\nadmin: {}\n");
    assert_true(config_has_admin(config));
    assert_str(config->admin.address.text, "unix:/run/ballast/admin.sock");
    assert_false(config->admin.write);
    config_destroy(&config);
    config = helper_load("pools: {web: {workers: [1]}}\n");
    assert_false(config_has_admin(config));
    config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_is_shown),
        cmocka_unit_test(config_wrong_admin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
