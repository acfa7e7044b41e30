/* Memory of exchanges: the limit, what is kept warm, and the date that they share. */
#include "proxy/exchange_home.h"

#include "base/clock.h"
#include "proxy/exchange_parts.h"
#include "tests/unit/balance/balance_helper.h"

enum { MOST = 3 };

static const struct exchange_rules rules;
static struct exchange_epoch epoch = {.rules = &rules};
static int64_t wall_ns;

static int64_t fixed_clock(enum clock_kind kind)
{
    return wall_ns;
}

static void exchange_home_keeps_to_its_limit(void **state)
{
    struct exchange_home home;
    struct exchange *taken[MOST];
    exchange_home_init(&home, MOST);
    exchange_home_turn(&home, &epoch);
    for (int i = 0; i < MOST; i++) {
        taken[i] = exchange_home_take(&home);
        assert_non_null(taken[i]);
    }
    assert_null(exchange_home_take(&home));
    exchange_home_give(&home, taken[0]);
    taken[0] = exchange_home_take(&home);
    assert_non_null(taken[0]);
    for (int i = 0; i < MOST; i++)
        exchange_home_give(&home, taken[i]);
    exchange_home_fini(&home); /* asserts that all came back */
}

/* One that was used comes again as if it were new. */
static void exchange_home_gives_them_out_clean(void **state)
{
    static const struct exchange blank;
    struct exchange_home home;
    exchange_home_init(&home, MOST);
    exchange_home_turn(&home, &epoch);
    for (int i = 0; i < 2 * MOST; i++) {
        struct exchange *x = exchange_home_take(&home);
        assert_memory_equal(&x->client, &blank.client, sizeof(blank.client));
        assert_int_equal(x->tries, 0);
        assert_int_equal(x->arena.max_bytes, EXCHANGE_ARENA_BYTES);
        assert_non_null(arena_take(&x->arena, 100));
        x->tries = 7;
        x->arena.max_bytes += 5;
        memset(&x->client, 1, sizeof(x->client));
        exchange_home_give(&home, x);
    }
    exchange_home_fini(&home);
}

static struct exchange_epoch *idle;

static void on_idle(struct exchange_epoch *gone)
{
    assert_null(idle);
    idle = gone;
}

/* Rules are held until the last exchange that began under them has ended, and no longer. */
static void exchange_home_turns_to_other_rules(void **state)
{
    struct exchange_rules other = {.tries_max = 2};
    struct exchange_epoch first = {.rules = &rules, .on_idle = on_idle}, second = {.rules = &other, .on_idle = on_idle};
    struct exchange_home home;
    exchange_home_init(&home, MOST);
    exchange_home_turn(&home, &first);
    struct exchange *a = exchange_home_take(&home), *b = exchange_home_take(&home);
    exchange_home_give(&home, b);
    exchange_home_turn(&home, &second);
    struct exchange *c = exchange_home_take(&home);
    assert_ptr_equal(a->rules, &rules);
    assert_ptr_equal(c->rules, &other);
    assert_null(idle);
    exchange_home_give(&home, a);
    assert_ptr_equal(idle, &first);
    idle = NULL;
    exchange_home_give(&home, c);
    assert_null(idle); /* the present ones stay */
    exchange_home_turn(&home, NULL);
    assert_ptr_equal(idle, &second);
    exchange_home_fini(&home);
}

static void exchange_home_has_the_date(void **state)
{
    struct exchange_home home;
    clock_set_source(fixed_clock);
    exchange_home_init(&home, MOST);
    wall_ns = INT64_C(784111777) * 1000000000;
    assert_true(str_eq(exchange_home_date(&home), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
    wall_ns += 999999999;
    assert_true(str_eq(exchange_home_date(&home), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
    wall_ns += 1;
    assert_true(str_eq(exchange_home_date(&home), STR("Sun, 06 Nov 1994 08:49:38 GMT")));
    wall_ns -= 1000000000; /* the clock was set back */
    assert_true(str_eq(exchange_home_date(&home), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
    exchange_home_fini(&home);
    clock_set_source(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange_home_keeps_to_its_limit),
        cmocka_unit_test(exchange_home_gives_them_out_clean),
        cmocka_unit_test(exchange_home_turns_to_other_rules),
        cmocka_unit_test(exchange_home_has_the_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
