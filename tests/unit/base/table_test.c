/* The growing table: elements keep their place and content, and what cannot grow stays as it was. */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"

static void table_elements_stay_where_they_are(void **state)
{
    struct table table;
    uint64_t *first, *last;
    table_init(&table, sizeof(uint64_t));
    assert_int_equal(table_grow(&table, 1), 0);
    first = table_at(&table, 0);
    *first = 7;
    assert_int_equal(table_grow(&table, 5000), 0);
    assert_ptr_equal(table_at(&table, 0), first);
    assert_int_equal(*first, 7);
    for (uint32_t i = 1; i < 5000; i++) {
        uint64_t *element = table_at(&table, i);
        assert_int_equal(*element, 0);
        *element = i;
    }
    for (uint32_t i = 1; i < 5000; i++)
        assert_int_equal(*(uint64_t *)table_at(&table, i), i); /* no two share a place */
    last = table_at(&table, 4999);
    assert_int_equal(table_grow(&table, 10), 0); /* never smaller */
    assert_int_equal(*last, 4999);
    table_fini(&table);
}

static void table_has_a_bound(void **state)
{
    struct table table;
    table_init(&table, 8);
    assert_int_equal(table_grow(&table, TABLE_MAX + 1), -ERR_FULL);
    assert_int_equal(table.room, 0);
    table_fini(&table);
}

static void table_survives_no_memory(void **state)
{
    struct table table;
    table_init(&table, 8);
    assert_int_equal(table_grow(&table, TABLE_FIRST), 0);
    alloc_fail_at(1);
    assert_int_equal(table_grow(&table, TABLE_FIRST + 1), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(table.room, TABLE_FIRST);
    assert_int_equal(table_grow(&table, TABLE_FIRST + 1), 0);
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_elements_stay_where_they_are),
        cmocka_unit_test(table_has_a_bound),
        cmocka_unit_test(table_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
