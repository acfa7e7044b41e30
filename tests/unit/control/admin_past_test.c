/* What one server writes of its last events and reloads another reads, behind whatever it has itself; as much as there
 * is room for, and what makes no sense is left out. */
#include "control/admin_past.h"

#include <stdlib.h>

#include "control_helper.h"

static const char events[] =
    "[{\"number\":7,\"at_ns\":1700000000000000001,\"level\":\"warn\",\"message\":\"worker is down\","
    "\"facts\":\"pool=web worker=\\\"two words\\\"\"},"
    "{\"number\":8,\"at_ns\":1700000000000000002,\"level\":\"info\",\"message\":\"worker is up\",\"facts\":\"\"}]";

static const char history_text[] =
    "[{\"number\":3,\"at_ns\":1700000000000000001,\"state\":\"applied\",\"cause\":\"api\",\"sentence\":\"none\","
    "\"plan\":{\"id\":\"1\"}},"
    "{\"number\":5,\"at_ns\":1700000000000000002,\"state\":\"refused\",\"cause\":\"signal\",\"sentence\":\"why\"}]";

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

/* The caller's reference ends. */
static void assert_json(json_t *json, const char *expected)
{
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static struct journal *journal_of(const char *text)
{
    struct journal *journal;
    json_t *list = parse(text);
    assert_int_equal(journal_create(&journal), 0);
    assert_int_equal(admin_events_read(list, journal), 0);
    json_decref(list);
    return journal;
}

static void events_there_and_back(void **state)
{
    struct journal *journal = journal_of(events);
    assert_json(admin_events_json(journal), events);
    journal_destroy(&journal);
}

static void own_events_are_behind(void **state)
{
    struct journal *journal;
    struct journal_line line;
    json_t *list = parse(events);
    assert_int_equal(journal_create(&journal), 0);
    log_configure(LOG_OFF, LOG_TEXT);
    journal_start(journal);
    log_info("one of its own");
    assert_int_equal(admin_events_read(list, journal), 0);
    json_decref(list);
    assert_int_equal(journal_newest(journal), 9);
    assert_true(journal_read(journal, 9, &line));
    assert_string_equal(line.sentence, "one of its own");
    assert_true(journal_read(journal, 7, &line));
    assert_string_equal(line.sentence, "worker is down");
    assert_false(journal_read(journal, 6, &line));
    journal_destroy(&journal);
    log_configure(LOG_INFO, LOG_TEXT);
}

static void events_have_their_room(void **state)
{
    struct journal *journal;
    struct journal_line line;
    json_t *list = json_array();
    for (int i = 1; i <= JOURNAL_LINES + 10; i++)
        json_array_append_new(list, json_pack("{si ss ss}", "number", i, "level", "info", "message", "line"));
    assert_int_equal(journal_create(&journal), 0);
    assert_int_equal(admin_events_read(list, journal), 0);
    json_decref(list);
    assert_int_equal(journal_newest(journal), JOURNAL_LINES + 10);
    assert_true(journal_read(journal, 11, &line));
    assert_false(journal_read(journal, 10, &line));
    journal_destroy(&journal);
}

static void events_without_sense(void **state)
{
    static const char *const lists[] = {
        "7",
        "[]",
        "[1,{}]",
        "[{\"number\":1,\"level\":\"debug\",\"message\":\"x\"}]",
        "[{\"number\":1,\"level\":\"off\",\"message\":\"x\"}]",
        "[{\"number\":-1,\"level\":\"info\",\"message\":\"x\"}]",
        "[{\"number\":99999999999,\"level\":\"info\",\"message\":\"x\"}]",
        "[{\"number\":1,\"level\":\"info\",\"message\":\"\"}]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        json_t *list = json_loads(lists[i], JSON_DECODE_ANY, NULL);
        struct journal *journal;
        assert_int_equal(journal_create(&journal), 0);
        assert_int_equal(admin_events_read(list, journal), 0);
        assert_int_equal(journal_newest(journal), 0);
        journal_destroy(&journal);
        json_decref(list);
    }
}

static void history_of(const char *text, struct reload_history *history)
{
    json_t *list = parse(text);
    *history = (struct reload_history){.numbers = 0};
    admin_history_read(list, history);
    json_decref(list);
}

static void reloads_there_and_back(void **state)
{
    static struct reload_history history;
    history_of(history_text, &history);
    assert_json(admin_history_json(&history), history_text);
    assert_int_equal(reload_history_add(&history, "api")->number, 6);
    reload_history_fini(&history);
}

static void reloads_under_way_have_failed(void **state)
{
    static struct reload_history history;
    history_of("[{\"number\":1,\"state\":\"waiting\"},{\"number\":2,\"state\":\"a word of another version\"},"
               "{\"number\":2,\"state\":\"applied\"},{\"number\":0},3]",
               &history);
    assert_int_equal(history.numbers, 2);
    for (uint32_t n = 1; n <= 2; n++)
        assert_string_equal(reload_history_find(&history, n)->state, "failed");
    assert_string_equal(reload_history_find(&history, 1)->sentence, "An upgrade came before it was over.");
    reload_history_fini(&history);
}

static void a_plan_that_is_too_long_stays(void **state)
{
    static struct reload_history history;
    json_t *long_plan = json_object();
    char *text = calloc(1, ADMIN_PAST_PLAN_BYTES + 1);
    memset(text, 'a', ADMIN_PAST_PLAN_BYTES);
    json_object_set_new(long_plan, "id", json_string(text));
    history = (struct reload_history){.numbers = 0};
    reload_history_add(&history, "api")->plan = plan_from_json(long_plan);
    json_t *told = admin_history_json(&history);
    assert_null(json_object_get(json_array_get(told, 0), "plan"));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(told, 0), "number")), 1);
    json_decref(told);
    json_decref(long_plan);
    free(text);
    reload_history_fini(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_there_and_back),         cmocka_unit_test(own_events_are_behind),
        cmocka_unit_test(events_have_their_room),        cmocka_unit_test(events_without_sense),
        cmocka_unit_test(reloads_there_and_back),        cmocka_unit_test(reloads_under_way_have_failed),
        cmocka_unit_test(a_plan_that_is_too_long_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
