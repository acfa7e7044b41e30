/* Entries: written, taken apart again, and what is no entry. */
#include "base/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WALL_S = 1767225600 };
#define STAMP "2026-01-01T00:00:00.000Z"

static size_t write_one(char *out, size_t room)
{
    size_t n = entry_begin(out, room, ENTRY_WARNING, WALL_S * INT64_C(1000000000));
    n = entry_put_fact(out, n, room - 1, STR("pool"), STR("web"));
    n = entry_put_fact(out, n, room - 1, STR("cause"), STR("a=b\n\x1f\x1e\"]\\ "));
    n = entry_put_fact(out, n, room - 1, STR("none"), STR(""));
    return entry_end_facts(out, n, room);
}

static void entry_comes_back(void **state)
{
    char line[512];
    struct entry entry;
    size_t n = write_one(line, sizeof(line));

    memcpy(line + n, "the text", 8);
    assert_int_equal(entry_read(str_slice(line, n + 8), &entry), 0);
    assert_int_equal(entry.severity, ENTRY_WARNING);
    assert_true(str_eq(entry.stamp, STR(STAMP)));
    assert_true(str_eq(entry.text, STR("the text")));
    assert_int_equal(entry.fact_count, 3);
    assert_true(str_eq(entry.facts[0].name, STR("pool")));
    assert_true(str_eq(entry.facts[0].value, STR("web")));
    assert_true(str_eq(entry.facts[1].name, STR("cause")));
    assert_true(str_eq(entry.facts[1].value, STR("a=b\\n\\u001f\\u001e\\\"]\\\\")));
    assert_int_equal(entry.facts[2].value.n, 0);
}

static void entry_may_have_nothing(void **state)
{
    char line[64];
    struct entry entry;
    size_t n = entry_begin(line, sizeof(line), ENTRY_DEBUG, 0);

    n = entry_end_facts(line, n, sizeof(line));
    assert_true(n <= ENTRY_FRAME_BYTES);
    assert_int_equal(entry_read(str_slice(line, n), &entry), 0);
    assert_int_equal(entry.fact_count, 0);
    assert_int_equal(entry.text.n, 0);
}

/* Whatever the room, what is there is whole but for the last value. */
static void entry_fits(void **state)
{
    static char whole[512], line[512];
    struct entry entry;
    size_t most = write_one(whole, sizeof(whole));

    for (size_t room = ENTRY_FRAME_BYTES; room <= most; room++) {
        memset(line, '!', sizeof(line));
        size_t n = write_one(line, room);
        assert_true(n <= room);
        assert_int_equal(line[room], '!');
        assert_int_equal(entry_read(str_slice(line, n), &entry), 0);
    }
}

static void entry_has_few_facts(void **state)
{
    char line[1024];
    struct entry entry;
    size_t n = entry_begin(line, sizeof(line), ENTRY_INFO, 0);

    for (int i = 0; i < ENTRY_FACTS_MAX + 4; i++)
        n = entry_put_fact(line, n, sizeof(line) - 1, STR("n"), STR("v"));
    n = entry_put_fact(line, n, sizeof(line) - 1, STR("a_name_that_is_longer_than_31_bytes"), STR("v"));
    n = entry_end_facts(line, n, sizeof(line));
    assert_int_equal(entry_read(str_slice(line, n), &entry), 0);
    assert_int_equal(entry.fact_count, ENTRY_FACTS_MAX);
}

static void entry_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "6",
        "6" STAMP,
        "a line",
        "8" STAMP "\x1e",
        "6short\x1e",
        "6" STAMP "x\x1e",
        "6" STAMP "\x1fno value\x1e",
        "6" STAMP "\x1f=v\x1e",
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct entry entry;
        assert_int_not_equal(entry_read(str_of(cases[i]), &entry), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_comes_back),    cmocka_unit_test(entry_may_have_nothing), cmocka_unit_test(entry_fits),
        cmocka_unit_test(entry_has_few_facts), cmocka_unit_test(entry_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
