/* When a request may be sent again, what that costs whom, and who waits for it. */
#include "balance/retry.h"

#include "base/err.h"
#include "tests/unit/balance/balance_helper.h"

enum { YES = true, NO = false };

static const struct {
    const char *what;
    struct retry_facts facts;
    enum retry_verdict verdict;
    enum retry_refusal why;
} cases[] = {
    /* repeatable, replayable, sent, reused, age, tries of how many */
    {"a fresh connection ends", {-ERR_CONN_RESET, YES, YES, YES, NO, 5, 1, 3}, RETRY_COSTLY, 0},
    {"an idle one ends as the request comes", {-ERR_CONN_RESET, YES, YES, YES, YES, 5, 1, 3}, RETRY_CHEAP, 0},
    {"an idle one that had taken it", {-ERR_CONN_RESET, YES, YES, YES, YES, RETRY_STALE_MS, 1, 3}, RETRY_COSTLY, 0},
    {"just before that", {-ERR_CONN_CLOSED, YES, YES, YES, YES, RETRY_STALE_MS - 1, 1, 3}, RETRY_CHEAP, 0},
    {"nothing had left", {-ERR_CONN_RESET, YES, YES, NO, NO, 5, 1, 3}, RETRY_CHEAP, 0},
    {"a POST", {-ERR_CONN_RESET, NO, YES, YES, NO, 5, 1, 3}, RETRY_REFUSED, RETRY_METHOD},
    {"a POST on an idle one", {-ERR_CONN_CLOSED, NO, YES, YES, YES, 0, 1, 3}, RETRY_REFUSED, RETRY_METHOD},
    {"a POST of which nothing had left", {-ERR_CONN_CLOSED, NO, YES, NO, YES, 0, 1, 3}, RETRY_CHEAP, 0},
    {"a long body", {-ERR_CONN_RESET, YES, NO, YES, NO, 5, 1, 3}, RETRY_REFUSED, RETRY_BODY},
    {"refused, a POST", {-ERR_CONNECT_REFUSED, NO, YES, NO, NO, 0, 1, 3}, RETRY_CHEAP, 0},
    {"not connected in time", {-ERR_CONNECT_TIMEOUT, YES, YES, NO, NO, 2000, 1, 3}, RETRY_CHEAP, 0},
    {"the last try", {-ERR_CONN_RESET, YES, YES, YES, NO, 5, 3, 3}, RETRY_REFUSED, RETRY_TRIES},
    {"the last try, refused", {-ERR_CONNECT_REFUSED, YES, YES, NO, NO, 0, 3, 3}, RETRY_REFUSED, RETRY_TRIES},
    {"a malformed answer", {-ERR_ANSWER_MALFORMED, YES, YES, YES, NO, 5, 1, 3}, RETRY_REFUSED, RETRY_ERROR},
    {"a silent worker", {-ERR_ANSWER_TIMEOUT, YES, YES, YES, NO, 3000, 1, 3}, RETRY_REFUSED, RETRY_ERROR},
};

static void retry_judges(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum retry_refusal why = 0;
        enum retry_verdict verdict = retry_judge(&cases[i].facts, &why);
        if (verdict != cases[i].verdict || why != cases[i].why)
            fail_msg("%s: verdict %d, why %s", cases[i].what, (int)verdict, retry_refusal_word(why));
    }
}

static void retry_budget_is_a_share(void **state)
{
    static const struct {
        uint64_t live;
        uint32_t limit;
    } shares[] = {{0, 3}, {1, 3}, {15, 3}, {19, 3}, {20, 4}, {64, 12}, {1000, 200}};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        assert_int_equal(retry_budget_limit(shares[i].live), shares[i].limit);
}

static struct retry_place *granted[16];
static uint32_t granted_count;

static void on_granted(struct retry_place *place)
{
    granted[granted_count++] = place;
}

static void retry_budget_keeps_the_line(void **state)
{
    struct retry_budget budget;
    struct retry_place places[8] = {0};
    granted_count = 0;
    retry_budget_init(&budget, on_granted);
    for (int i = 0; i < 8; i++)
        assert_int_equal(retry_budget_ask(&budget, &places[i], 8), i < RETRY_LEAST);
    assert_int_equal(budget.running, 3);
    assert_int_equal(budget.waiting, 5);
    assert_true(retry_budget_ask(&budget, &places[0], 8)); /* once held it is for all further tries */
    assert_int_equal(budget.running, 3);
    retry_budget_leave(&budget, &places[4], 8); /* the second in line has given up */
    retry_budget_leave(&budget, &places[1], 8);
    assert_int_equal(granted_count, 1);
    assert_ptr_equal(granted[0], &places[3]);
    assert_true(places[3].held && !places[3].waiting);
    retry_budget_leave(&budget, &places[1], 8); /* harmless */
    assert_int_equal(budget.running, 3);
    retry_budget_leave(&budget, &places[0], 25); /* more are live by now: more may go */
    assert_int_equal(granted_count, 4);
    assert_ptr_equal(granted[1], &places[5]);
    assert_ptr_equal(granted[3], &places[7]);
    assert_int_equal(budget.running, 5);
    for (int i = 0; i < 8; i++)
        retry_budget_leave(&budget, &places[i], 0);
    assert_int_equal(budget.running, 0);
    assert_int_equal(budget.waiting, 0);
}

/* Whoever comes while others wait stands behind them, though there would be room. */
static void retry_budget_lets_nobody_pass(void **state)
{
    struct retry_budget budget;
    struct retry_place places[6] = {0};
    granted_count = 0;
    retry_budget_init(&budget, on_granted);
    for (int i = 0; i < 4; i++)
        (void)retry_budget_ask(&budget, &places[i], 4);
    assert_false(retry_budget_ask(&budget, &places[4], 100));
    retry_budget_leave(&budget, &places[0], 4);
    assert_int_equal(granted_count, 1);
    assert_ptr_equal(granted[0], &places[3]);
    for (int i = 0; i < 5; i++)
        retry_budget_leave(&budget, &places[i], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_judges),
        cmocka_unit_test(retry_budget_is_a_share),
        cmocka_unit_test(retry_budget_keeps_the_line),
        cmocka_unit_test(retry_budget_lets_nobody_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
