/* A worker's health: the table of the state machine, intervals and jitter. */
#include "balance/health.h"

#include "balance_helper.h"

static const struct health_rules rules = {
    .rise = 2, .fall = 3, .interval_ms = 2000, .doubt_ms = 500, .jitter_percent = 10};

/* Results in order (g good, b bad) and what each changes (. nothing, u up, d down). */
static const struct {
    const char *results, *changes;
    enum health_state end;
} lives[] = {
    {"", "", HEALTH_UNKNOWN},
    {"g", "u", HEALTH_UP},
    {"bg", ".u", HEALTH_UP},
    {"bbb", "..d", HEALTH_UNKNOWN},
    {"bbbbbbb", "..d....", HEALTH_UNKNOWN}, /* told once */
    {"bbbbg", "..d.u", HEALTH_UP},          /* the first good answer brings it in, however late */
    {"gbb", "u..", HEALTH_UP},
    {"gbbb", "u..d", HEALTH_DOWN},
    {"gbbgbbb", "u.....d", HEALTH_DOWN}, /* a good one between starts the count again */
    {"gbbbg", "u..d.", HEALTH_DOWN},
    {"gbbbgg", "u..d.u", HEALTH_UP},
    {"gbbbgbgg", "u..d...u", HEALTH_UP},
    {"gbbbggbbb", "u..d.u..d", HEALTH_DOWN},
    {"gbbbbbbb", "u..d....", HEALTH_DOWN},
};

static void health_follows_results(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
        struct health health = {0};
        for (size_t k = 0; lives[i].results[k]; k++) {
            enum health_change change = health_note(&health, &rules, lives[i].results[k] == 'g');
            if (".ud"[change] != lives[i].changes[k])
                fail_msg("%s: result %zu gives %c, not %c", lives[i].results, k, ".ud"[change], lives[i].changes[k]);
        }
        assert_int_equal(health.state, lives[i].end);
    }
}

static void health_with_one_is_immediate(void **state)
{
    struct health_rules quick = {.rise = 1, .fall = 1};
    struct health health = {0};
    assert_int_equal(health_note(&health, &quick, false), HEALTH_WENT_DOWN);
    assert_int_equal(health_note(&health, &quick, true), HEALTH_WENT_UP);
    assert_int_equal(health_note(&health, &quick, false), HEALTH_WENT_DOWN);
    assert_int_equal(health_note(&health, &quick, true), HEALTH_WENT_UP);
    assert_int_equal(health_note(&health, &quick, true), HEALTH_SAME);
}

/* Quick while in doubt: before the first result, and while results disagree with the state. */
static void health_interval_by_doubt(void **state)
{
    static const struct {
        const char *results;
        int64_t interval_ms;
    } cases[] = {
        {"", 500},   {"b", 500},    {"bb", 500},  {"bbb", 2000},  {"bbbb", 2000}, {"g", 2000},
        {"gb", 500}, {"gbg", 2000}, {"gbb", 500}, {"gbbb", 2000}, {"gbbbg", 500}, {"gbbbgg", 2000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct health health = {0};
        for (const char *result = cases[i].results; *result; result++)
            health_note(&health, &rules, *result == 'g');
        if (health_interval_ms(&health, &rules) != cases[i].interval_ms)
            fail_msg("after '%s' not %lld", cases[i].results, (long long)cases[i].interval_ms);
    }
}

static void health_jitter_stays_in_bounds(void **state)
{
    assert_int_equal(health_jitter_ms(2000, 10, 0), 1800);
    assert_int_equal(health_jitter_ms(2000, 10, UINT32_MAX), 2200);
    assert_int_equal(health_jitter_ms(2000, 10, UINT32_MAX / 2), 2000);
    assert_int_equal(health_jitter_ms(2000, 0, 12345), 2000);
    assert_int_equal(health_jitter_ms(5, 10, UINT32_MAX), 5); /* under a millisecond: none */
    assert_int_equal(health_jitter_ms(1, 100, 0), 0);
    /* Even: each tenth of the range gets its share of evenly spread numbers. */
    unsigned counts[10] = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        int64_t ms = health_jitter_ms(2000, 10, i * (UINT32_MAX / 10000));
        assert_in_range(ms, 1800, 2200);
        counts[(ms - 1800) * 10 / 401]++;
    }
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        assert_in_range(counts[i], 950, 1050);
}

static void health_spreads_over_the_interval(void **state)
{
    assert_int_equal(health_spread_ms(2000, 0), 1);
    assert_int_equal(health_spread_ms(2000, UINT32_MAX), 2000);
    assert_int_equal(health_spread_ms(2000, UINT32_MAX / 2 + 1), 1001);
    assert_int_equal(health_spread_ms(1, UINT32_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_follows_results),           cmocka_unit_test(health_with_one_is_immediate),
        cmocka_unit_test(health_interval_by_doubt),         cmocka_unit_test(health_jitter_stays_in_bounds),
        cmocka_unit_test(health_spreads_over_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
