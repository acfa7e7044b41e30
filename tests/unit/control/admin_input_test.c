/* What a call may say: each row of the table is sound, and values are judged by it. */
#include "control/admin_input.h"

#include "control/directive.h"
#include "control_helper.h"

static const struct admin_route *route_of(enum msg_method method, const char *path)
{
    bool known;
    const struct admin_route *route = admin_route_find(method, str_of(path), &known);
    assert_non_null(route);
    return route;
}

static void each_row_is_of_a_route(void **state)
{
    for (size_t i = 0; i < admin_input_count; i++) {
        const struct admin_input *input = &admin_inputs[i];
        size_t routes = 0;
        for (size_t r = 0; r < admin_route_count; r++)
            if (admin_routes[r].run == input->run) {
                routes++;
                assert_ptr_equal(admin_input_find(&admin_routes[r], input->place != ADMIN_QUERY, str_of(input->name)),
                                 input);
                assert_true(input->place == ADMIN_QUERY || admin_routes[r].access == ADMIN_WRITE);
            }
        assert_int_equal(routes, 1);
        if (input->otherwise[0])
            assert_true(admin_input_allows(input, str_of(input->otherwise)));
    }
}

/* What is asked of a worker that is added is what a file may say of one. */
static void a_worker_has_all_of_its_settings(void **state)
{
    const struct admin_route *add = route_of(METHOD_POST, "/v1/pools/web/workers");
    size_t settings, inputs = 0;
    const struct directive *list = directive_list(DIRECTIVE_BLOCK_WORKER, &settings);
    for (size_t i = 0; i < settings; i++)
        assert_non_null(admin_input_find(add, true, str_of(list[i].name)));
    for (size_t i = 0; i < admin_input_count; i++)
        inputs += admin_inputs[i].run == add->run;
    assert_int_equal(inputs, settings + 1); /* keep */
}

static void values_of_a_query(void **state)
{
    static const struct {
        const char *path, *name, *value;
        bool allowed;
        const char *sentence;
    } cases[] = {
        {"/v1/connections", "limit", "1", true, "`limit` is a whole number from 1 on."},
        {"/v1/connections", "limit", "4000000000", true, NULL},
        {"/v1/connections", "limit", "0", false, NULL},
        {"/v1/connections", "limit", "-1", false, NULL},
        {"/v1/connections", "limit", "", false, NULL},
        {"/v1/explain", "scheme", "https", true, "`scheme` is http or https."},
        {"/v1/explain", "scheme", "ftp", false, NULL},
        {"/v1/explain", "scheme", "http|https", false, NULL},
        {"/v1/explain", "host", "", true, "`host` is a text."},
    };
    char sentence[ADMIN_SENTENCE_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct admin_route *route = route_of(METHOD_GET, cases[i].path);
        const struct admin_input *input = admin_input_find(route, false, str_of(cases[i].name));
        assert_non_null(input);
        assert_int_equal(admin_input_allows(input, str_of(cases[i].value)), cases[i].allowed);
        admin_input_say(input, sentence);
        if (cases[i].sentence)
            assert_string_equal(sentence, cases[i].sentence);
    }
    assert_null(admin_input_find(route_of(METHOD_GET, "/v1/connections"), true, STR("limit")));
    assert_null(admin_input_find(route_of(METHOD_GET, "/v1/version"), false, STR("limit")));
}

static void bodies(void **state)
{
    static const struct {
        enum msg_method method;
        const char *path, *body, *sentence; /* NULL: nothing is wrong */
    } cases[] = {
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"mode\": \"drain\", \"weight\": 256, \"keep\": false}", NULL},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{}", NULL},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"mode\": \"gone\"}", "`mode` is ready, drain or disabled."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"mode\": 1}", "`mode` is ready, drain or disabled."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"weight\": 0}", "`weight` is a whole number from 1 to 256."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"weight\": -1}", "`weight` is a whole number from 1 to 256."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"weight\": 257}", "`weight` is a whole number from 1 to 256."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"weight\": 2.0}", "`weight` is a whole number from 1 to 256."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"keep\": \"true\"}", "`keep` is true or false."},
        {METHOD_PATCH, "/v1/pools/web/workers/a", "{\"colour\": 1}",
         "The body may hold `mode`, `weight`, `keep`, and nothing else."},
        {METHOD_PATCH, "/v1/log", "{}", "`level` is debug, info, warn, error or off."},
        {METHOD_PATCH, "/v1/log", "{\"level\": \"in\\u0000fo\"}", "`level` is debug, info, warn, error or off."},
        {METHOD_POST, "/v1/reload", "{\"apply\": 1}", "`apply` is a text."},
    };
    char sentence[ADMIN_SENTENCE_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *body = json_loads(cases[i].body, JSON_ALLOW_NUL, NULL);
        assert_non_null(body);
        bool wrong = admin_input_judge(route_of(cases[i].method, cases[i].path), body, sentence);
        assert_int_equal(wrong, cases[i].sentence != NULL);
        if (wrong)
            assert_string_equal(sentence, cases[i].sentence);
        json_decref(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_of_a_route),
        cmocka_unit_test(a_worker_has_all_of_its_settings),
        cmocka_unit_test(values_of_a_query),
        cmocka_unit_test(bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
