/* Time: the system moves on, a source of ours takes its place, and stamps agree with the C library. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t clock_of_test(enum clock_kind kind)
{
    return kind == CLOCK_KIND_STEADY ? 5999999 : 42;
}

static void clock_source_is_replaceable(void **state)
{
    clock_set_source(clock_of_test);
    assert_int_equal(clock_steady_ns(), 5999999);
    assert_int_equal(clock_steady_ms(), 5);
    assert_int_equal(clock_wall_ns(), 42);
    clock_set_source(NULL);
    int64_t before = clock_steady_ns();
    assert_true(clock_steady_ns() >= before);
    int64_t wall_s = clock_wall_ns() / 1000000000;
    assert_in_range(time(NULL) - wall_s + 1, 0, 2);
}

static void assert_stamp(int64_t wall_ns, const char *wanted)
{
    char out[CLOCK_STAMP_BYTES + 1];
    out[CLOCK_STAMP_BYTES] = '#';
    clock_stamp(out, wall_ns);
    assert_int_equal(out[CLOCK_STAMP_BYTES], '#');
    out[CLOCK_STAMP_BYTES] = '\0';
    assert_string_equal(out, wanted);
}

static void clock_stamps_edges(void **state)
{
    assert_stamp(0, "1970-01-01T00:00:00.000Z");
    assert_stamp(999999, "1970-01-01T00:00:00.000Z");
    assert_stamp(-1, "1969-12-31T23:59:59.999Z");
    assert_stamp(-1000000, "1969-12-31T23:59:59.999Z");
    assert_stamp(INT64_C(951782400000000000), "2000-02-29T00:00:00.000Z");
    assert_stamp(INT64_C(1709251199999000000), "2024-02-29T23:59:59.999Z");
    assert_stamp(INT64_C(1798761599123456789), "2026-12-31T23:59:59.123Z");
    assert_stamp(INT64_C(4107542400000000000), "2100-03-01T00:00:00.000Z");
    assert_stamp(INT64_MAX, "2262-04-11T23:47:16.854Z");
    assert_stamp(INT64_MIN, "1677-09-21T00:12:43.145Z");
}

static void clock_stamps_like_gmtime(void **state)
{
    struct rand_gen gen;
    rand_seed(&gen, 1);
    for (int i = 0; i < 20000; i++) {
        int64_t wall_ms = (int64_t)(rand_u64(&gen) >> 1) / 1000000;
        time_t seconds = wall_ms / 1000;
        struct tm tm;
        char day[32];
        char wanted[64];
        gmtime_r(&seconds, &tm);
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(wanted, sizeof(wanted), "%s.%03dZ", day, (int)(wall_ms % 1000));
        assert_stamp(wall_ms * 1000000, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_source_is_replaceable),
        cmocka_unit_test(clock_stamps_edges),
        cmocka_unit_test(clock_stamps_like_gmtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
