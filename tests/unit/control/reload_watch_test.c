/* What is concluded from requests that failed since a reload. */
#include "control/reload_watch.h"

#include "control_helper.h"

static bool wrong(uint64_t ended, uint64_t failed, uint64_t ended_before, uint64_t failed_before)
{
    return reload_went_wrong((struct reload_totals){ended, failed}, (struct reload_totals){ended_before, failed_before},
                             5);
}

static void test_judgement(void **state)
{
    assert_false(wrong(19, 19, 100, 0)); /* too few to say */
    assert_true(wrong(20, 2, 100, 0));
    assert_false(wrong(20, 1, 100, 0));    /* as many as are allowed */
    assert_false(wrong(100, 50, 100, 60)); /* it was no better before */
    assert_true(wrong(100, 50, 100, 10));
    assert_true(wrong(20, 20, 0, 0));
}

static void test_count(void **state)
{
    static struct account accounts[2];
    const struct account *list[] = {&accounts[0], &accounts[1]};
    accounts[0].totals = (struct account_totals){.ok = 7, .by_reason = {[ERR_CONNECT_REFUSED] = 2}};
    accounts[1].totals = (struct account_totals){.ok = 1, .by_reason = {[ERR_REQUEST_BODY_TIMEOUT] = 5}};
    struct reload_totals now = reload_totals_count(list, 2);
    assert_int_equal(now.failed, 2);
    assert_int_equal(now.ended, 10); /* who leaves is no failure of the configuration */
    struct reload_totals since = reload_totals_since(now, (struct reload_totals){4, 2});
    assert_true(since.ended == 6 && since.failed == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_judgement), cmocka_unit_test(test_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
