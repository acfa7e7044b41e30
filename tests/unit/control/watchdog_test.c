/* The watchdog's patience, in looks. */
#include "control/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"

enum { COUNT = 3 };

struct reactors {
    uint64_t turns[COUNT];
    int wakes[COUNT];
    bool idle[COUNT]; /* turns only when woken */
};

static uint64_t turns(void *context, uint32_t index)
{
    return ((struct reactors *)context)->turns[index];
}

static void wake(void *context, uint32_t index)
{
    struct reactors *reactors = context;
    reactors->wakes[index]++;
    if (reactors->idle[index])
        reactors->turns[index]++;
}

static struct watchdog_options options_of(struct reactors *reactors)
{
    return (struct watchdog_options){
        .limit_ms = 5000, .count = COUNT, .turns = turns, .wake = wake, .context = reactors};
}

static void watchdog_notices_one_that_stands_still(void **state)
{
    struct reactors reactors = {.turns = {1, 1, 1}};
    struct watchdog_options options = options_of(&reactors);
    struct watchdog watchdog;
    uint32_t index = 99;
    int looks = 0;
    assert_int_equal(watchdog_init(&watchdog, &options), 0);
    assert_int_equal(watchdog_interval_ms(&watchdog), 1000);
    while (!watchdog_look(&watchdog, &index)) {
        assert_int_equal(index, 99);
        reactors.turns[0] += 1000;
        reactors.turns[2]++;
        assert_in_range(++looks, 1, 20);
    }
    assert_int_equal(index, 1);
    assert_int_equal(looks, 5); /* the first only learns the count: five intervals are the limit */
    assert_int_equal(reactors.wakes[0], 0);
    assert_int_equal(reactors.wakes[1], 4);
    watchdog_fini(&watchdog);
}

static void watchdog_leaves_the_living_alone(void **state)
{
    struct reactors reactors = {.idle = {true}, .turns = {0, 0, WATCHDOG_ENDED}};
    struct watchdog_options options = options_of(&reactors);
    struct watchdog watchdog;
    uint32_t index;
    assert_int_equal(watchdog_init(&watchdog, &options), 0);
    for (int i = 0; i < 100; i++) {
        assert_false(watchdog_look(&watchdog, &index));
        if (i % 4 == 0)
            reactors.turns[1]++; /* slow, but it turns */
    }
    assert_int_equal(reactors.wakes[2], 0);
    watchdog_fini(&watchdog);
}

static void watchdog_looks_five_times_a_limit(void **state)
{
    static const struct {
        uint32_t limit_ms, interval_ms;
    } cases[] = {{1000, 200}, {5000, 1000}, {3600000, 720000}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct watchdog watchdog = {.options = {.limit_ms = cases[i].limit_ms}};
        assert_int_equal(watchdog_interval_ms(&watchdog), cases[i].interval_ms);
    }
}

static void watchdog_needs_memory(void **state)
{
    struct reactors reactors;
    struct watchdog_options options = options_of(&reactors);
    struct watchdog watchdog;
    alloc_fail_at(1);
    int error = watchdog_init(&watchdog, &options);
    assert_true(alloc_fail_stop());
    assert_int_equal(error, -ERR_NO_MEMORY);
    watchdog_fini(&watchdog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watchdog_notices_one_that_stands_still),
        cmocka_unit_test(watchdog_leaves_the_living_alone),
        cmocka_unit_test(watchdog_looks_five_times_a_limit),
        cmocka_unit_test(watchdog_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
