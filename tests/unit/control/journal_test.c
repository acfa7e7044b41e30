/* The last lines of the log: which are kept, with what, and for how long. */
#include "control/journal.h"

#include "base/clock.h"
#include "control_helper.h"

static int64_t now_s;

static int64_t test_clock(enum clock_kind kind)
{
    return now_s * INT64_C(1000000000);
}

static int up(void **state)
{
    clock_set_source(test_clock);
    log_configure(LOG_OFF, LOG_TEXT);
    struct journal *journal;
    if (journal_create(&journal))
        return -1;
    journal_start(journal);
    *state = journal;
    return 0;
}

static int down(void **state)
{
    struct journal *journal = *state;
    journal_destroy(&journal);
    log_configure(LOG_INFO, LOG_TEXT);
    clock_set_source(NULL);
    return 0;
}

static void journal_keeps_lines(void **state)
{
    struct journal *journal = *state;
    struct journal_line line;
    now_s += 10;
    assert_int_equal(journal_newest(journal), 0);
    assert_false(journal_read(journal, 0, &line));
    log_warn("worker is down", LOG_Z("pool", "web"), LOG_N("alive", -2), LOG_Z("text", "two words"));
    log_debug("too fine");
    assert_int_equal(journal_newest(journal), 1);
    assert_true(journal_read(journal, 1, &line));
    assert_string_equal(line.sentence, "worker is down");
    assert_int_equal(line.level, LOG_WARN);
    assert_int_equal(line.at_ns, now_s * 1000000000);
    assert_true(str_eq(str_slice(line.facts, line.facts_n), STR("pool=web alive=-2 text=\"two words\"")));
    assert_false(journal_read(journal, 2, &line));
}

static void journal_forgets_old_lines(void **state)
{
    struct journal *journal = *state;
    struct journal_line line;
    for (int64_t i = 0; i < JOURNAL_LINES + 5; i++) {
        now_s += 10; /* each call site is limited */
        log_info("line", LOG_N("n", i));
    }
    assert_int_equal(journal_newest(journal), JOURNAL_LINES + 5);
    assert_false(journal_read(journal, 5, &line));
    assert_true(journal_read(journal, 6, &line));
    assert_true(str_eq(str_slice(line.facts, line.facts_n), STR("n=5")));
}

/* Facts that do not fit are left out whole. */
static void journal_cuts_between_facts(void **state)
{
    static char text[2000];
    struct journal *journal = *state;
    struct journal_line line;
    memset(text, 'x', sizeof(text) - 1);
    now_s += 10;
    log_info("long", LOG_N("first", 1), LOG_Z("text", text), LOG_N("last", 1));
    assert_true(journal_read(journal, 1, &line));
    assert_true(line.facts_n <= JOURNAL_FACTS_BYTES);
    assert_true(str_starts(str_slice(line.facts, line.facts_n), STR("first=1 text=xxx")));
    assert_true(line.facts[line.facts_n - 1] == 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(journal_keeps_lines, up, down),
        cmocka_unit_test_setup_teardown(journal_forgets_old_lines, up, down),
        cmocka_unit_test_setup_teardown(journal_cuts_between_facts, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
