/* Whole lines: aligned, zeroed, apart from their neighbours. */
#include "base/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alloc_fail.h"

static void lines_are_whole_and_zero(void **state)
{
    enum { BLOCKS = 64 };
    static const size_t sizes[] = {1, 16, 63, 64, 65, 168, 5000, 200000};
    char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = sizes[i % 8];
        blocks[i] = lines_take(1, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % LINE_BYTES, 0);
        /* To the end of the last line it is ours. */
        size_t whole = (size + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
        for (size_t k = 0; k < whole; k++)
            assert_int_equal(blocks[i][k], 0);
        memset(blocks[i], 0x5a, whole);
    }
    for (int i = 0; i < BLOCKS; i++)
        lines_give(blocks[i]);
    lines_give(NULL);
}

static void lines_refuse_too_much(void **state)
{
    assert_null(lines_take(SIZE_MAX / 2, 3));
    assert_null(lines_take(2, SIZE_MAX / 2));
    alloc_fail_at(1);
    assert_null(lines_take(4, 100));
    assert_true(alloc_fail_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_whole_and_zero),
        cmocka_unit_test(lines_refuse_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
