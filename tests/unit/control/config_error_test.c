/* Errors: their form, their order, what is left out, and that nothing can break a line. */
#include "control/config_error.h"

#include <string.h>

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static void error_lines(void **state)
{
    struct config_errors errors;
    struct config_place place = {"a.yaml", 3, 7};
    struct config_place file = {"a.yaml", 0, 0};
    config_errors_init(&errors);
    config_error_add(&errors, &place, "\"%s\" is wrong", "x\ny\x1b[1m\x7f");
    config_warning_add(&errors, &file, "careful");
    assert_int_equal(errors.count, 2);
    assert_int_equal(errors.error_count, 1);
    assert_int_equal(errors.warning_count, 1);
    assert_true(str_eq(errors.items[0].text, STR("a.yaml:3:7: \"x?y?[1m?\" is wrong")));
    assert_false(errors.items[0].warning);
    assert_true(str_eq(errors.items[1].text, STR("a.yaml: warning: careful")));
    assert_true(errors.items[1].warning);
    config_errors_fini(&errors);
    assert_int_equal(errors.count, 0);
}

static void error_order(void **state)
{
    static const struct config_place places[] = {{"b", 1, 1},  {"a", 10, 1}, {"a", 9, 5}, {"a", 9, 4},
                                                 {"ab", 1, 1}, {"a", 0, 0},  {"a", 9, 5}};
    static const char *const expected[] = {"a: 5",      "a:9:4: 3",  "a:9:5: 2", "a:9:5: 6",
                                           "a:10:1: 1", "ab:1:1: 4", "b:1:1: 0"};
    struct config_errors errors;
    config_errors_init(&errors);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        config_error_add(&errors, &places[i], "%zu", i);
    config_errors_sort(&errors);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_true(str_eq(errors.items[i].text, str_of(expected[i])));
    config_errors_fini(&errors);
}

static void error_cap(void **state)
{
    struct config_errors errors;
    struct config_place place = {"f", 1, 1};
    config_errors_init(&errors);
    for (unsigned i = 0; i < CONFIG_ERRORS_MAX; i++) {
        assert_false(config_errors_full(&errors));
        config_error_add(&errors, &place, "e");
    }
    assert_true(config_errors_full(&errors));
    for (unsigned i = 0; i < CONFIG_ERRORS_MAX + 5; i++) {
        config_error_add(&errors, &place, "e");
        config_warning_add(&errors, &place, "w");
    }
    assert_int_equal(errors.count, 2 * CONFIG_ERRORS_MAX);
    assert_int_equal(errors.error_count, 2 * CONFIG_ERRORS_MAX + 5);
    assert_int_equal(errors.warning_count, CONFIG_ERRORS_MAX + 5);
    config_errors_fini(&errors);
}

static void error_is_cut(void **state)
{
    char name[2000];
    char text[2000];
    memset(name, 'n', sizeof(name) - 1);
    memset(text, 't', sizeof(text) - 1);
    name[sizeof(name) - 1] = '\0';
    text[sizeof(text) - 1] = '\0';
    struct config_errors errors;
    struct config_place place = {name, 1, 1};
    config_errors_init(&errors);
    config_error_add(&errors, &place, "%s", text);
    assert_int_equal(errors.items[0].text.n, CONFIG_LINE_MAX - 1);
    config_errors_sort(&errors);
    config_errors_fini(&errors);
}

static void error_shows_whole_characters(void **state)
{
    char text[80];
    memset(text, 'a', sizeof(text));
    assert_int_equal(config_shown(str_slice(text, 64)).n, 64);
    assert_int_equal(config_shown(str_slice(text, 65)).n, 64);
    memcpy(text + 62, "\xe2\x82\xac", 3); /* would be cut in its middle */
    assert_int_equal(config_shown(str_slice(text, 80)).n, 62);
    assert_int_equal(config_shown(STR("")).n, 0);
}

static void error_without_memory(void **state)
{
    struct config_errors errors;
    struct config_place place = {"f", 1, 1};
    config_errors_init(&errors);
    alloc_fail_at(1);
    config_error_add(&errors, &place, "e");
    assert_true(alloc_fail_stop());
    assert_int_equal(errors.error_count, 1);
    assert_true(str_eq(errors.items[0].text, STR("out of memory")));
    config_error_add(&errors, &place, "e");
    config_errors_sort(&errors);
    assert_true(str_eq(errors.items[1].text, STR("f:1:1: e")));
    config_errors_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_lines),
        cmocka_unit_test(error_order),
        cmocka_unit_test(error_cap),
        cmocka_unit_test(error_is_cut),
        cmocka_unit_test(error_shows_whole_characters),
        cmocka_unit_test(error_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
