/* A least rate: windows of waiting, a grace of one window, and pauses that are nobody's fault. */
#include "proxy/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { READS = 1, SENDS = 2, RATE = 1000, LEAST = RATE * PACE_WINDOW_MS / 1000 };

static void pace_gives_a_grace_of_one_window(void **state)
{
    struct pace pace = {0};
    assert_true(pace_wait(&pace, READS, 100) == PACE_WINDOW_MS);
    assert_false(pace_is_due(&pace, 100 + PACE_WINDOW_MS - 1));
    assert_true(pace_is_due(&pace, 100 + PACE_WINDOW_MS));
    assert_false(pace_is_slow(&pace, 0, RATE, 100 + PACE_WINDOW_MS));
    assert_true(pace_wait(&pace, READS, 100 + PACE_WINDOW_MS) == PACE_WINDOW_MS);
    assert_true(pace_is_slow(&pace, 0, RATE, 100 + 2 * PACE_WINDOW_MS));
}

static void pace_judges_each_window_by_itself(void **state)
{
    static const struct {
        uint64_t moved;
        bool slow;
    } windows[] = {{LEAST, false}, {LEAST - 1, true}, {10 * LEAST, false}, {0, true}, {LEAST + 1, false}};
    struct pace pace = {0};
    int64_t now_ms = 0;
    uint64_t bytes = 123456;
    (void)pace_wait(&pace, SENDS, now_ms);
    assert_false(pace_is_slow(&pace, bytes, RATE, now_ms += PACE_WINDOW_MS));
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        bytes += windows[i].moved;
        assert_int_equal(pace_is_slow(&pace, bytes, RATE, now_ms += PACE_WINDOW_MS), windows[i].slow);
    }
}

/* A late look: the least grows with the time. */
static void pace_counts_the_whole_time(void **state)
{
    struct pace pace = {0};
    (void)pace_wait(&pace, READS, 0);
    assert_false(pace_is_slow(&pace, 0, RATE, PACE_WINDOW_MS));
    assert_true(pace_is_slow(&pace, 2 * LEAST - 1, RATE, 3 * PACE_WINDOW_MS));
    assert_false(pace_is_slow(&pace, 4 * LEAST - 1, RATE, 5 * PACE_WINDOW_MS));
}

static void pace_stops_while_a_worker_is_waited_for(void **state)
{
    struct pace pace = {0};
    (void)pace_wait(&pace, READS, 0);
    assert_false(pace_is_slow(&pace, 0, RATE, PACE_WINDOW_MS));
    assert_true(pace_wait(&pace, 0, PACE_WINDOW_MS + 2000) == INT64_MAX);
    assert_false(pace_is_due(&pace, 1000000));
    assert_true(pace_wait(&pace, READS, 1000000) == PACE_WINDOW_MS - 2000);
    assert_false(pace_is_due(&pace, 1000000 + PACE_WINDOW_MS - 2001));
    assert_true(pace_is_due(&pace, 1000000 + PACE_WINDOW_MS - 2000));
    /* What moved in the pause counts. */
    assert_false(pace_is_slow(&pace, LEAST, RATE, 1000000 + PACE_WINDOW_MS - 2000));
}

/* From sending to reading the count is another one: it has its own grace. */
static void pace_begins_anew_in_the_other_way(void **state)
{
    struct pace pace = {0};
    (void)pace_wait(&pace, SENDS, 0);
    assert_false(pace_is_slow(&pace, 1000000, RATE, PACE_WINDOW_MS));
    assert_true(pace_wait(&pace, READS, PACE_WINDOW_MS + 4000) == 1000);
    assert_false(pace_is_slow(&pace, 0, RATE, PACE_WINDOW_MS + 5000));
    assert_true(pace_is_slow(&pace, LEAST - 1, RATE, PACE_WINDOW_MS + 10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pace_gives_a_grace_of_one_window),  cmocka_unit_test(pace_judges_each_window_by_itself),
        cmocka_unit_test(pace_counts_the_whole_time),        cmocka_unit_test(pace_stops_while_a_worker_is_waited_for),
        cmocka_unit_test(pace_begins_anew_in_the_other_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
