/* The last reloads are known by their numbers, and older ones are not. */
#include "control/reload_history.h"

#include <string.h>

#include "control_helper.h"

static void test_the_last_ones(void **state)
{
    static struct reload_history history;
    assert_null(reload_history_find(&history, 0));
    assert_null(reload_history_find(&history, 1));
    for (uint32_t number = 1; number <= RELOAD_HISTORY + 1; number++) {
        struct reload_entry *entry = reload_history_add(&history, "a cause that is longer than there is room for it");
        assert_int_equal(entry->number, number);
        assert_string_equal(entry->state, "waiting");
        assert_int_equal(strlen(entry->cause), sizeof(entry->cause) - 1);
    }
    assert_int_equal(history.numbers, RELOAD_HISTORY + 1);
    assert_null(reload_history_find(&history, 1));
    assert_int_equal(reload_history_find(&history, 2)->number, 2);
    assert_null(reload_history_find(&history, RELOAD_HISTORY + 2));
    reload_history_fini(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_last_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
