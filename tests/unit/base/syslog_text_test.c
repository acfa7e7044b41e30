/* Messages to the byte, and cut to any length. */
#include "base/syslog_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct syslog_text_head head = {
    .facility = 16, .host = "lb1", .app = "ballast", .kind = "access", .process = 42, .enterprise = 32473};

static struct entry usual(void)
{
    return (struct entry){
        .severity = ENTRY_WARNING,
        .stamp = STR("2026-01-01T00:00:00.123Z"),
        .facts = {{STR("reason"), STR("ok")}, {STR("host"), STR("[::1]\\\"\\\\")}},
        .fact_count = 2,
        .text = STR("GET / 200"),
    };
}

static void check(const struct syslog_text_head *of, const struct entry *entry, const char *wanted)
{
    char out[SYSLOG_TEXT_MIN];
    size_t n = syslog_text(out, sizeof(out), of, entry);

    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(out, wanted, n);
}

static void syslog_text_is_rfc_5424(void **state)
{
    struct entry entry = usual();
    struct syslog_text_head plain = head;

    check(&head, &entry,
          "<132>1 2026-01-01T00:00:00.123Z lb1 ballast 42 access [ballast@32473 reason=\"ok\" "
          "host=\"[::1\\]\\\"\\\\\"] GET / 200");
    plain.enterprise = 0;
    check(&plain, &entry, "<132>1 2026-01-01T00:00:00.123Z lb1 ballast 42 access - GET / 200");
    entry.fact_count = 0;
    entry.text = STR("");
    check(&head, &entry, "<132>1 2026-01-01T00:00:00.123Z lb1 ballast 42 access - ");
}

static void syslog_text_is_cut(void **state)
{
    static char text[5000], out[SYSLOG_TEXT_MIN + 1];
    struct entry entry = usual();

    memset(text, 'x', sizeof(text));
    entry.text = str_slice(text, sizeof(text));
    out[SYSLOG_TEXT_MIN] = '!';
    assert_int_equal(syslog_text(out, SYSLOG_TEXT_MIN, &head, &entry), SYSLOG_TEXT_MIN);
    assert_int_equal(out[SYSLOG_TEXT_MIN], '!');
    /* A value that does not fit is not there; what follows it is. */
    entry.facts[0].value = str_slice(text, 600);
    size_t n = syslog_text(out, SYSLOG_TEXT_MIN, &head, &entry);
    assert_non_null(memmem(out, n, "[ballast@32473 host=", 20));
    assert_int_equal(n, SYSLOG_TEXT_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syslog_text_is_rfc_5424),
        cmocka_unit_test(syslog_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
