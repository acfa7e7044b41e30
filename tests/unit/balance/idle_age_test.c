/* What closings teach about a worker: agreement, restarts, a change of its mind, and the margin. */
#include "balance/idle_age.h"

#include <pthread.h>

#include "balance_helper.h"

enum { LATER = 1000 };

static void idle_age_believes_two_that_agree(void **state)
{
    struct idle_age age = {0};
    assert_int_equal(idle_age_learned_ms(&age), 0);
    assert_true(idle_age_retire_ms(&age) == INT64_MAX);
    idle_age_note_closed(&age, 5010, 10000);
    assert_int_equal(idle_age_learned_ms(&age), 0);
    idle_age_note_closed(&age, 5003, 10000 + LATER);
    assert_int_equal(idle_age_learned_ms(&age), 5003);
    assert_int_equal(idle_age_retire_ms(&age), 5003 - 500);
}

/* All connections end at once, whatever their age: that says nothing of how long they would have been kept. */
static void idle_age_does_not_believe_a_restart(void **state)
{
    struct idle_age age = {0};
    for (int i = 0; i < 10; i++)
        idle_age_note_closed(&age, 1000 + i, 10000 + i);
    assert_int_equal(idle_age_learned_ms(&age), 0);
    idle_age_note_closed(&age, 3000, 20000);
    assert_int_equal(idle_age_learned_ms(&age), 0);
    idle_age_note_closed(&age, 700, 30000);
    assert_int_equal(idle_age_learned_ms(&age), 0);
    for (int i = 0; i < 10; i++)
        idle_age_note_closed(&age, IDLE_AGE_LEAST_MS - 1, 40000 + i * LATER);
    assert_int_equal(idle_age_learned_ms(&age), 0);
}

static void idle_age_follows_the_worker(void **state)
{
    struct idle_age age = {0};
    idle_age_note_closed(&age, 5000, 10000);
    idle_age_note_closed(&age, 5000, 20000);
    idle_age_note_closed(&age, 1000, 30000); /* maybe by chance */
    assert_int_equal(idle_age_learned_ms(&age), 5000);
    idle_age_note_closed(&age, 1001, 40000); /* no: it was set lower */
    assert_int_equal(idle_age_learned_ms(&age), 1000);
    assert_int_equal(idle_age_retire_ms(&age), 900);
    idle_age_note_closed(&age, 9000, 50000);
    idle_age_note_closed(&age, 9050, 60000); /* and higher again: a scout saw it */
    assert_int_equal(idle_age_learned_ms(&age), 9000);
    idle_age_note_kept(&age);
    assert_int_equal(idle_age_learned_ms(&age), 0);
    idle_age_note_closed(&age, 9000, 70000);
    assert_int_equal(idle_age_learned_ms(&age), 0); /* it begins anew */
}

static void idle_age_keeps_its_margin(void **state)
{
    static const int64_t ages[][2] = {{200, 100}, {1000, 900}, {1500, 1350}, {5000, 4500}, {3600000, 3240000}};
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        struct idle_age age = {0};
        idle_age_note_closed(&age, ages[i][0], 1000);
        idle_age_note_closed(&age, ages[i][0], 2000);
        assert_int_equal(idle_age_retire_ms(&age), ages[i][1]);
    }
}

static struct idle_age shared;

static void *note_many(void *context)
{
    for (int64_t now = 0; now < 20000 * 200; now += 200)
        idle_age_note_closed(&shared, *(const int64_t *)context, now);
    return NULL;
}

/* Whoever wins, what is believed was seen. */
static void idle_age_is_shared(void **state)
{
    static const int64_t ms[2] = {5000, 5040};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, (void *)(uintptr_t)&ms[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(idle_age_learned_ms(&shared) == 5000 || idle_age_learned_ms(&shared) == 5040);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_age_believes_two_that_agree),
        cmocka_unit_test(idle_age_does_not_believe_a_restart),
        cmocka_unit_test(idle_age_follows_the_worker),
        cmocka_unit_test(idle_age_keeps_its_margin),
        cmocka_unit_test(idle_age_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
