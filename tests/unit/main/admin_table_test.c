/* How a worker of the administration API is put into columns. */
#include "main/admin_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"

static void admin_table_cuts_the_middle_of_a_name(void **state)
{
    static const struct {
        const char *name;
        size_t width;
        const char *cut;
    } names[] = {
        {"", 3, ""},
        {"abc", 3, "abc"},
        {"abcd", 3, "a~d"},
        {"payments-eu-central-blue", 24, "payments-eu-central-blue"},
        {"payments-eu-central-blue", 14, "paymen~al-blue"},
        {"payments-eu-central-green", 14, "paymen~l-green"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char out[32];
        admin_name_cut(names[i].name, names[i].width, out);
        assert_string_equal(out, names[i].cut);
    }
}

static const struct admin_column *column_of(const char *title)
{
    for (size_t c = 0; c < ADMIN_COLUMNS; c++)
        if (strcmp(admin_columns[c].title, title) == 0)
            return &admin_columns[c];
    fail();
    return NULL;
}

static void admin_table_shows_no_time_without_answers(void **state)
{
    static const struct {
        double rate, p99_ms;
        const char *rate_text, *p99_text;
    } cases[] = {{12.34, 5.06, "12.3", "5.1"}, {0, 5.06, "0.0", "5.1"}, {0, 0, "0.0", "-"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[ADMIN_CELL_MAX];
        json_t *worker =
            json_pack("{s{sfsf}si}", "rates", "requests_per_s", cases[i].rate, "p99_ms", cases[i].p99_ms, "weight", 7);
        admin_column_text(column_of("RATE/S"), worker, out);
        assert_string_equal(out, cases[i].rate_text);
        admin_column_text(column_of("P99 MS"), worker, out);
        assert_string_equal(out, cases[i].p99_text);
        admin_column_text(column_of("WEIGHT"), worker, out);
        assert_string_equal(out, "7");
        json_decref(worker);
    }
}

static void admin_table_reads_what_is_not_there_as_nothing(void **state)
{
    json_t *json = json_pack("{sisss[ii]}", "number", 3, "text", "word", "differences", 1, 2);

    (void)state;
    assert_string_equal(admin_text(json, "text"), "word");
    assert_string_equal(admin_text(json, "number"), "");
    assert_string_equal(admin_text(NULL, "text"), "");
    assert_int_equal(admin_number(json, "number"), 3);
    assert_int_equal(admin_number(json, "text"), 0);
    assert_int_equal(admin_differences(json), 2);
    assert_int_equal(admin_differences(NULL), 0);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admin_table_cuts_the_middle_of_a_name),
        cmocka_unit_test(admin_table_shows_no_time_without_answers),
        cmocka_unit_test(admin_table_reads_what_is_not_there_as_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
