/* Random numbers: repeatable from a seed, even, and different without one. */
#include "base/rand.h"

#include <string.h>

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The generator has published results for this state: the first ten numbers of xoshiro256++ from 1, 2, 3, 4. */
static void rand_follows_the_algorithm(void **state)
{
    static const uint64_t wanted[] = {
        UINT64_C(41943041),
        UINT64_C(58720359),
        UINT64_C(3588806011781223),
        UINT64_C(3591011842654386),
        UINT64_C(9228616714210784205),
    };
    struct rand_gen gen = {{1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        assert_int_equal(rand_u64(&gen), wanted[i]);
}

static void rand_repeats_a_seed(void **state)
{
    struct rand_gen a;
    struct rand_gen b;
    rand_seed(&a, 0);
    rand_seed(&b, 0);
    assert_int_not_equal(a.state[0] | a.state[1] | a.state[2] | a.state[3], 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rand_u64(&a), rand_u64(&b));
    rand_seed(&b, 1);
    assert_int_not_equal(rand_u64(&a), rand_u64(&b));
}

static void rand_differs_unseeded(void **state)
{
    struct rand_gen a;
    struct rand_gen b;
    rand_init(&a);
    rand_init(&b);
    assert_memory_not_equal(&a, &b, sizeof(a));
}

static void rand_below_is_even(void **state)
{
    struct rand_gen gen;
    unsigned counts[7] = {0};
    rand_seed(&gen, 99);
    for (int i = 0; i < 70000; i++)
        counts[rand_below(&gen, 7)]++;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        assert_in_range(counts[i], 9600, 10400); /* over four standard deviations */
    assert_int_equal(rand_below(&gen, 1), 0);
    /* Without drawing again, the lower half of this range would come up twice as often. */
    uint64_t three_quarters = UINT64_C(3) << 62;
    unsigned low = 0;
    for (int i = 0; i < 30000; i++)
        low += rand_below(&gen, three_quarters) < three_quarters / 3;
    assert_in_range(low, 9600, 10400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rand_follows_the_algorithm),
        cmocka_unit_test(rand_repeats_a_seed),
        cmocka_unit_test(rand_differs_unseeded),
        cmocka_unit_test(rand_below_is_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
