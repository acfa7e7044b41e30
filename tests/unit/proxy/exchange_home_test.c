/* Memory of exchanges: the limit, what is kept warm, and the date that they share. */
#include "proxy/exchange_home.h"

#include "base/clock.h"
#include "proxy/exchange_parts.h"
#include "tests/unit/balance/balance_helper.h"

enum { MOST = 3 };

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
        cmocka_unit_test(exchange_home_has_the_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
