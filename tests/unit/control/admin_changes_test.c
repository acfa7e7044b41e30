/* What one server writes of its changes another reads, and what makes no sense is left out. */
#include "control/admin_changes.h"

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static const char shown[] =
    "[{\"what\":\"added\",\"pool\":\"web\",\"address\":\"http://127.0.0.1:3001\",\"socket\":\"127.0.0.1:3001\","
    "\"given\":\"blue\",\"mode\":\"drain\",\"weight\":7,\"keep\":true,\"at_ns\":1700000000000000001,\"by\":\"POST x\"},"
    "{\"what\":\"removed\",\"pool\":\"web\",\"address\":\"unix:/run/x\",\"socket\":\"unix:/run/x\",\"given\":\"\","
    "\"mode\":\"ready\",\"weight\":0,\"keep\":false,\"at_ns\":0,\"by\":\"\"}]";

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void test_there_and_back(void **state)
{
    struct changes changes;
    json_t *list = parse(shown);
    assert_int_equal(admin_changes_read(list, &changes), 0);
    assert_int_equal(changes.count, 2);
    assert_true(changes.items[0].kind == CHANGE_ADDED && changes.items[0].mode == WORKER_DRAIN);
    assert_int_equal(sock_addr_port(&changes.items[0].addr.storage), 3001);
    json_t *again = admin_changes_json(&changes);
    char *text = json_dumps(again, JSON_COMPACT);
    assert_string_equal(text, shown);
    free(text);
    json_decref(again);
    json_decref(list);
    changes_fini(&changes);
}

static void test_no_sense(void **state)
{
    static const char *const lists[] = {
        "[1]",
        "[{}]",
        "[{\"what\":\"moved\",\"pool\":\"web\",\"address\":\"3001\",\"socket\":\"127.0.0.1:1\",\"mode\":\"ready\"}]",
        "[{\"what\":\"added\",\"pool\":\"web\",\"address\":\"3001\",\"socket\":\"127.0.0.1:1\",\"mode\":\"ready\"}]",
        "[{\"what\":\"removed\",\"pool\":\"\",\"address\":\"3001\",\"socket\":\"127.0.0.1:1\",\"mode\":\"ready\"}]",
        "[{\"what\":\"removed\",\"pool\":\"web\",\"address\":\"3001\",\"socket\":\"a.name:1\",\"mode\":\"ready\"}]",
        "[{\"what\":\"removed\",\"pool\":\"web\",\"address\":\"3001\",\"socket\":\"127.0.0.1:1\",\"mode\":\"gone\"}]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct changes changes;
        json_t *list = parse(lists[i]);
        assert_int_equal(admin_changes_read(list, &changes), 0);
        assert_int_equal(changes.count, 0);
        json_decref(list);
    }
}

static void test_no_memory(void **state)
{
    struct changes changes;
    json_t *list = parse(shown);
    alloc_fail_at(1);
    assert_int_equal(admin_changes_read(list, &changes), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_no_sense),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
