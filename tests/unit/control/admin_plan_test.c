/* What is said to change is what differs, and nothing else. */
#include "control/admin_plan.h"

#include <string.h>

#include "control/directive.h"
#include "control_helper.h"

static struct roster roster;
static const struct carried none;
static const struct plan_world world = {&roster, NULL, 0};

static struct plan *plan_of(struct config *from, struct config *to)
{
    struct plan *plan = NULL;
    assert_int_equal(plan_create(from, to, &none, &world, &plan), 0);
    return plan;
}

static void expect(const char *from_text, const char *to_text, const char *list, const char *shown)
{
    struct config *from = helper_load(from_text), *to = helper_load(to_text);
    struct plan *plan = plan_of(from, to);
    json_t *json = plan_json(plan);
    char *text = json_dumps(json_object_get(json, list), JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, shown);
    free(text);
    json_decref(json);
    plan_destroy(&plan);
    config_destroy(&from);
    config_destroy(&to);
}

static const char base[] = "pools: {web: {workers: [3001, 3002]}}";

static void test_nothing(void **state)
{
    struct config *from = helper_load(base), *to = helper_load(base);
    struct plan *plan = plan_of(from, to);
    char text[PLAN_TEXT_MAX];
    plan_text(plan, text);
    assert_string_equal(text, "nothing is different");
    plan_destroy(&plan);
    plan_destroy(&plan);
    config_destroy(&from);
    config_destroy(&to);
}

static void test_workers(void **state)
{
    static const char other[] = "pools: {web: {workers: [3001, {address: 3002, weight: 3}, 3003]}}";
    expect(base, other, "workers_added", "[{\"pool\":\"web\",\"worker\":\"3003\",\"address\":\"3003\"}]");
    expect(other, base, "workers_removed", "[{\"pool\":\"web\",\"worker\":\"3003\",\"address\":\"3003\"}]");
    expect(base, other, "workers_kept", "2");
    expect(base, other, "settings",
           "[{\"name\":\"pools.web.workers[3002].weight\",\"from\":\"1\",\"to\":\"3\",\"start\":false}]");
    expect(base, "pools: {api: {workers: [3001]}}", "workers_kept", "0");
}

static void test_differences(void **state)
{
    struct change change = {.kind = CHANGE_ADDED, .pool = "web", .address = "3009"};
    struct change_end end = {.fate = CHANGE_DROPPED, .why = "a reason"};
    struct carried carried = {.changes = {.items = &change, .count = 1}, .ends = &end};
    struct config *file = helper_load(base);
    struct plan *plan = NULL;
    assert_int_equal(plan_create(file, file, &carried, &world, &plan), 0);
    json_t *json = plan_json(plan);
    char *text = json_dumps(json_object_get(json, "differences"), JSON_COMPACT);
    assert_string_equal(text, "[{\"pool\":\"web\",\"address\":\"3009\",\"what\":\"added\",\"fate\":\"dropped\","
                              "\"why\":\"a reason\"}]");
    free(text);
    json_decref(json);
    plan_destroy(&plan);
    config_destroy(&file);
}

static void test_listeners(void **state)
{
    static const char one[] = "{listeners: [\"127.0.0.1:81\"], pools: {web: {workers: [3001]}}}";
    static const char two[] = "{listeners: [\"127.0.0.1:81\", \"127.0.0.1:82\"], pools: {web: {workers: [3001]}}}";
    expect(one, two, "listeners_opened", "[{\"address\":\"127.0.0.1:82\"}]");
    expect(two, one, "listeners_closed", "[{\"address\":\"127.0.0.1:82\"}]");
    expect(one, two, "settings", "[]");
}

static void test_settings(void **state)
{
    static const char other[] = "{threads: 7, timeouts: {connect: 7s}, pools: {web: {workers: [3001, 3002]}}}";
    expect(base, other, "settings",
           "[{\"name\":\"timeouts.connect\",\"from\":\"2000ms\",\"to\":\"7000ms\",\"start\":false},"
           "{\"name\":\"threads\",\"from\":\"auto\",\"to\":\"7\",\"start\":true}]");
}

static void test_ids(void **state)
{
    struct config *one = helper_load(base), *same = helper_load(base);
    struct config *other = helper_load("pools: {web: {workers: [3001, 3003]}}");
    char first[PLAN_ID_MAX], second[PLAN_ID_MAX];
    plan_id(one, other, first);
    plan_id(same, other, second);
    assert_string_equal(first, second);
    plan_id(other, one, second);
    assert_string_not_equal(first, second);
    plan_id(one, same, second);
    assert_string_not_equal(first, second);
    config_destroy(&one);
    config_destroy(&same);
    config_destroy(&other);
}

/* Each setting that is said to need a start is one. */
static void test_needs_start(void **state)
{
    static const char *const names[] = {"threads",
                                        "limits.connections",
                                        "limits.connections_per_client",
                                        "limits.tls_handshakes",
                                        "http2.total_streams",
                                        "access_log.path",
                                        "user",
                                        "group",
                                        "sandbox",
                                        "watchdog",
                                        "admin.address"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct str rest = str_of(names[i]), name;
        enum directive_block block = DIRECTIVE_BLOCK_ROOT;
        const struct directive *directive = NULL;
        assert_true(plan_needs_start(names[i]));
        while (str_cut(&rest, '.', &name)) {
            directive = directive_find(block, name);
            assert_non_null(directive);
            if (directive->type == DIRECTIVE_BLOCK)
                block = directive_child(directive);
        }
        assert_non_null(directive);
    }
    assert_false(plan_needs_start("timeouts.connect"));
    assert_false(plan_needs_start("threads.x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),     cmocka_unit_test(test_workers),  cmocka_unit_test(test_differences),
        cmocka_unit_test(test_listeners),   cmocka_unit_test(test_settings), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_needs_start),
    };
    return cmocka_run_group_tests_name("admin_plan", tests, NULL, NULL);
}
