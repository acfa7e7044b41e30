/* Datagrams to the byte, and cut to any length. */
#include "base/journal_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct entry usual(void)
{
    return (struct entry){
        .severity = ENTRY_WARNING,
        .stamp = STR("2026-01-01T00:00:00.123Z"),
        .facts = {{STR("reason"), STR("connect_refused")}, {STR("request_id"), STR("a=b")}},
        .fact_count = 2,
        .text = STR("worker is down"),
    };
}

static void journal_text_is_fields(void **state)
{
    char out[JOURNAL_TEXT_MIN];
    struct entry entry = usual();
    static const char wanted[] = "PRIORITY=4\nSYSLOG_IDENTIFIER=ballast\nBALLAST_KIND=event\n"
                                 "BALLAST_REASON=connect_refused\nBALLAST_REQUEST_ID=a=b\nMESSAGE=worker is down\n";

    size_t n = journal_text(out, sizeof(out), "ballast", "event", &entry);
    assert_int_equal(n, sizeof(wanted) - 1);
    assert_memory_equal(out, wanted, n);
}

static void journal_text_is_cut(void **state)
{
    static char text[5000], out[JOURNAL_TEXT_MIN + 1];
    struct entry entry = usual();

    memset(text, 'x', sizeof(text));
    out[JOURNAL_TEXT_MIN] = '!';
    entry.text = str_slice(text, sizeof(text));
    assert_int_equal(journal_text(out, JOURNAL_TEXT_MIN, "ballast", "event", &entry), JOURNAL_TEXT_MIN);
    assert_int_equal(out[JOURNAL_TEXT_MIN - 1], '\n');
    assert_int_equal(out[JOURNAL_TEXT_MIN], '!');
    entry.facts[0].value = str_slice(text, 1000);
    size_t n = journal_text(out, JOURNAL_TEXT_MIN, "ballast", "event", &entry);
    assert_null(memmem(out, n, "BALLAST_REASON", 14));
    assert_non_null(memmem(out, n, "\nBALLAST_REQUEST_ID=a=b\nMESSAGE=xxx", 35));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_text_is_fields),
        cmocka_unit_test(journal_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
