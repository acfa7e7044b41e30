/* The timer wheel: against a plain table in random operations, with everything done from inside fire functions. */
#include "base/timer.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TIMERS = 200 };

struct entry {
    struct timer timer;
    int64_t due_ms; /* what the model says; TIMER_NEVER: not set */
    bool expected;  /* must fire in this run */
    unsigned fired;
};

static struct {
    struct timer_wheel wheel;
    struct entry entries[TIMERS];
    struct rand_gen gen;
    int64_t last_ms;  /* due time of what fired last in this run */
    int64_t floor_ms; /* times before it count as it: when the last run was */
    int64_t horizon_ms;
} test;

static void entry_set(struct entry *entry, int64_t due_ms)
{
    entry->due_ms = due_ms;
    entry->expected = false; /* set in a run: not before the next */
    timer_set(&test.wheel, &entry->timer, due_ms);
    assert_true(timer_is_set(&entry->timer));
}

static void entry_random_step(struct entry *entry)
{
    int64_t scale = INT64_C(1) << rand_below(&test.gen, 41);
    int64_t ahead = (int64_t)rand_below(&test.gen, (uint64_t)(scale < test.horizon_ms ? scale : test.horizon_ms));
    switch (rand_below(&test.gen, 10)) {
    case 0:
    case 1:
        timer_stop(&entry->timer);
        entry->due_ms = TIMER_NEVER;
        entry->expected = false;
        break;
    case 2:
        timer_fini(&test.wheel, &entry->timer);
        entry->due_ms = TIMER_NEVER;
        entry->expected = false;
        assert_false(list_linked(&entry->timer.link));
        break;
    case 3: entry_set(entry, test.wheel.now_ms - (ahead < test.wheel.now_ms ? ahead : 0)); break;
    case 4: entry_set(entry, test.wheel.now_ms); break;
    default: entry_set(entry, test.wheel.now_ms + ahead); break;
    }
}

static struct entry *random_entry(void)
{
    return &test.entries[rand_below(&test.gen, TIMERS)];
}

static void entry_fire(struct timer *timer)
{
    struct entry *entry = CONTAINER_OF(timer, struct entry, timer);
    int64_t due_ms = entry->due_ms > test.floor_ms ? entry->due_ms : test.floor_ms;
    assert_true(entry->expected);
    assert_false(timer_is_set(timer));
    assert_true(due_ms <= test.wheel.now_ms);
    assert_true(due_ms >= test.last_ms);
    test.last_ms = due_ms;
    entry->due_ms = TIMER_NEVER;
    entry->expected = false;
    entry->fired++;
    if (rand_below(&test.gen, 3) == 0)
        entry_random_step(entry);
    if (rand_below(&test.gen, 3) == 0)
        entry_random_step(random_entry());
}

static int64_t first_due(void)
{
    int64_t first = TIMER_NEVER;
    for (int i = 0; i < TIMERS; i++)
        first = test.entries[i].due_ms < first ? test.entries[i].due_ms : first;
    return first;
}

static void test_run(int64_t now_ms)
{
    for (int i = 0; i < TIMERS; i++)
        test.entries[i].expected = test.entries[i].due_ms <= now_ms;
    test.last_ms = INT64_MIN;
    test.floor_ms = test.wheel.now_ms;
    timer_wheel_run(&test.wheel, now_ms);
    assert_int_equal(test.wheel.now_ms, now_ms);
    for (int i = 0; i < TIMERS; i++)
        assert_false(test.entries[i].expected);
}

static void test_check_next(void)
{
    int64_t first = first_due();
    int64_t next = timer_wheel_next(&test.wheel);
    assert_true(next >= test.wheel.now_ms);
    assert_true(first <= test.wheel.now_ms ? next == test.wheel.now_ms : next <= first);
    assert_true((next == TIMER_NEVER) == (test.wheel.linked == 0));
}

static void test_begin(uint64_t seed, int64_t now_ms, int64_t horizon_ms)
{
    rand_seed(&test.gen, seed);
    test.horizon_ms = horizon_ms;
    timer_wheel_init(&test.wheel, now_ms);
    for (int i = 0; i < TIMERS; i++) {
        test.entries[i] = (struct entry){.due_ms = TIMER_NEVER};
        timer_init(&test.entries[i].timer, entry_fire);
    }
}

static void test_random(uint64_t seed, int64_t now_ms, int64_t horizon_ms)
{
    test_begin(seed, now_ms, horizon_ms);
    for (int step = 0; step < 100000; step++) {
        if (rand_below(&test.gen, 8) != 0) {
            entry_random_step(random_entry());
            continue;
        }
        int64_t scale = INT64_C(1) << rand_below(&test.gen, 41);
        int64_t ahead = (int64_t)rand_below(&test.gen, (uint64_t)(scale < horizon_ms ? scale : horizon_ms));
        int64_t next = timer_wheel_next(&test.wheel);
        bool to_next = rand_below(&test.gen, 2) == 0 && next != TIMER_NEVER;
        test_run(to_next ? next : test.wheel.now_ms + ahead);
        test_check_next();
    }
    for (int i = 0; i < TIMERS; i++)
        timer_fini(&test.wheel, &test.entries[i].timer);
    assert_int_equal(test.wheel.linked, 0);
    assert_int_equal(timer_wheel_next(&test.wheel), TIMER_NEVER);
}

static void timer_behaves_like_a_table(void **state)
{
    test_random(1, 0, 100);
    test_random(2, 12345, 10000);
    test_random(3, INT64_C(1) << 40, INT64_C(3600000));
    test_random(4, (INT64_C(1) << 30) - 3, INT64_C(40) * 86400000); /* beyond the last level */
    test_random(5, INT64_C(1) << 60, INT64_C(1) << 40);
}

static unsigned fired;

static void count_fire(struct timer *timer)
{
    fired++;
}

/* Each distance is exact at every offset of the wheel: not a millisecond early, none late. */
static void timer_is_exact(void **state)
{
    static const int64_t distances[] = {0,    1,    62,   63,     64,     65,      127,     4031,    4032,
                                        4095, 4096, 4097, 262143, 262144, 1 << 24, 1 << 30, 3 << 29, INT64_C(1) << 36};
    struct timer_wheel wheel;
    struct timer timer;
    timer_init(&timer, count_fire);
    for (int64_t start = 0; start < 130; start++) {
        for (size_t i = 0; i < ARRAY_SIZE(distances); i++) {
            int64_t due_ms = start + distances[i];
            fired = 0;
            timer_wheel_init(&wheel, start);
            timer_set(&wheel, &timer, due_ms);
            if (due_ms > start)
                timer_wheel_run(&wheel, due_ms - 1);
            assert_int_equal(fired, 0);
            timer_wheel_run(&wheel, due_ms);
            assert_int_equal(fired, 1);
            assert_int_equal(wheel.linked, 0);
        }
    }
}

/* A deadline that moves later on each event, as traffic does, stays in its slot. */
static void timer_moves_later_for_free(void **state)
{
    struct timer_wheel wheel;
    struct timer timer;
    timer_wheel_init(&wheel, 1000);
    timer_init(&timer, count_fire);
    fired = 0;
    timer_set(&wheel, &timer, 1500);
    const struct list *place = timer.link.next;
    for (int64_t i = 0; i < 1000; i++)
        timer_set(&wheel, &timer, 1500 + i);
    assert_ptr_equal(timer.link.next, place);
    timer_wheel_run(&wheel, 2498);
    assert_int_equal(fired, 0);
    timer_wheel_run(&wheel, 2499);
    assert_int_equal(fired, 1);
    /* Stopped and set again: nothing unlinked in between. */
    timer_set(&wheel, &timer, 3000);
    timer_stop(&timer);
    assert_false(timer_is_set(&timer));
    assert_true(list_linked(&timer.link));
    timer_set(&wheel, &timer, 3500);
    timer_wheel_run(&wheel, 3499);
    assert_int_equal(fired, 1);
    timer_wheel_run(&wheel, 3500);
    assert_int_equal(fired, 2);
    timer_set(&wheel, &timer, 4000);
    timer_set(&wheel, &timer, TIMER_NEVER);
    assert_false(timer_is_set(&timer));
    timer_wheel_run(&wheel, 5000);
    assert_int_equal(fired, 2);
    assert_int_equal(wheel.linked, 0);
}

static struct timer_wheel chain_wheel;

static void chain_fire(struct timer *timer)
{
    fired++;
    timer_set(&chain_wheel, timer, chain_wheel.now_ms - 5);
}

/* A timer that sets itself for the past fires once a run: it cannot hold the loop. */
static void timer_set_for_now_waits_for_the_next_run(void **state)
{
    struct timer timer;
    fired = 0;
    timer_wheel_init(&chain_wheel, 100);
    timer_init(&timer, chain_fire);
    timer_set(&chain_wheel, &timer, 100);
    assert_int_equal(timer_wheel_next(&chain_wheel), 100);
    for (unsigned i = 1; i <= 3; i++) {
        timer_wheel_run(&chain_wheel, 1000);
        assert_int_equal(fired, i);
        assert_int_equal(timer_wheel_next(&chain_wheel), 1000);
    }
    timer_fini(&chain_wheel, &timer);
    timer_fini(&chain_wheel, &timer);
    timer_wheel_run(&chain_wheel, 2000);
    assert_int_equal(fired, 3);
}

/* A month in one step with timers on the way and behind it. */
static void timer_jumps_far(void **state)
{
    enum { MONTH_MS = INT32_MAX };
    struct timer_wheel wheel;
    struct timer timers[100];
    timer_wheel_init(&wheel, 7);
    fired = 0;
    for (int64_t i = 0; i < 100; i++) {
        timer_init(&timers[i], count_fire);
        timer_set(&wheel, &timers[i], 7 + i * (MONTH_MS / 50));
    }
    timer_wheel_run(&wheel, 7 + (int64_t)MONTH_MS);
    assert_int_equal(fired, 51);
    timer_wheel_run(&wheel, 7 + INT64_C(400) * MONTH_MS);
    assert_int_equal(fired, 100);
    timer_wheel_run(&wheel, INT64_MAX / 2 - 1);
    assert_int_equal(timer_wheel_next(&wheel), TIMER_NEVER);
    timer_set(&wheel, &timers[0], INT64_MAX - 1);
    assert_true(timer_wheel_next(&wheel) > wheel.now_ms);
    timer_fini(&wheel, &timers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_behaves_like_a_table),
        cmocka_unit_test(timer_is_exact),
        cmocka_unit_test(timer_moves_later_for_free),
        cmocka_unit_test(timer_set_for_now_waits_for_the_next_run),
        cmocka_unit_test(timer_jumps_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
