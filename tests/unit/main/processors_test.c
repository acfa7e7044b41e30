/* How many processors there are to use: quotas as cgroups write them, and the affinity mask. */
#include "main/processors.h"

#include <sched.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"

static void processors_read_quotas(void **state)
{
    static const struct {
        const char *text;
        uint32_t whole;
    } quotas[] = {
        {"max 100000\n", 0},
        {"max", 0},
        {"", 0},
        {"\n", 0},
        {"200000 100000\n", 2},
        {"200000 100000", 2},
        {"200001 100000\n", 3}, /* rounded up */
        {"50000 100000\n", 1},
        {"1 100000\n", 1},
        {"0 100000\n", 1},
        {"100000 0\n", 0},
        {"100000\n", 0},
        {"-1 100000\n", 0},
        {"x y\n", 0},
        {"100000 x\n", 0},
        {" 300000  100000 \n", 0}, /* not as the kernel writes it */
        {"99999999999 100\n", 256},
        {"9223372036854775807 1\n", 256},
        {"9223372036854775807 2147483647\n", 256},
        {"99999999999999999999 100000\n", 0},
        {"400000 100000\n100000 100000\n", 4},
    };
    for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
        uint32_t whole = processors_of_quota(quotas[i].text);
        if (whole != quotas[i].whole)
            fail_msg("'%s' gives %u, not %u", quotas[i].text, whole, quotas[i].whole);
    }
}

static void processors_respect_the_mask(void **state)
{
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    uint32_t all = processors_usable();
    assert_in_range(all, 1, CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(processors_usable(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(processors_usable(), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_read_quotas),
        cmocka_unit_test(processors_respect_the_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
