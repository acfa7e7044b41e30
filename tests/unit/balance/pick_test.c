/* The list of policies, and the memory of who was tried. */
#include "balance/pick.h"

#include "balance_helper.h"

static void pick_finds_policies_by_name(void **state)
{
    assert_ptr_equal(pick_find(STR("round-robin")), &pick_round_robin);
    assert_null(pick_find(STR("round")));
    assert_null(pick_find(STR("round-robin2")));
    assert_null(pick_find(STR("")));
}

static void pick_remembers_tried(void **state)
{
    struct worker workers[PICK_TRIED_MAX + 1] = {0};
    struct pick_tried tried = {0};
    assert_false(pick_was_tried(&tried, &workers[0]));
    for (uint32_t i = 0; i < PICK_TRIED_MAX; i++) {
        tried.workers[tried.count++] = &workers[i];
        for (uint32_t k = 0; k <= PICK_TRIED_MAX; k++)
            assert_int_equal(pick_was_tried(&tried, &workers[k]), k <= i);
    }
}

static void pick_forgets_one(void **state)
{
    struct worker workers[3] = {0};
    struct pick_tried tried = {3, {&workers[0], &workers[1], &workers[2]}};

    pick_forget(&tried, &workers[0]);
    assert_int_equal(tried.count, 2);
    assert_false(pick_was_tried(&tried, &workers[0]));
    assert_true(pick_was_tried(&tried, &workers[1]) && pick_was_tried(&tried, &workers[2]));
    pick_forget(&tried, &workers[0]); /* not there: nothing happens */
    assert_int_equal(tried.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pick_finds_policies_by_name),
        cmocka_unit_test(pick_remembers_tried),
        cmocka_unit_test(pick_forgets_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
