/* Which pool a host and a path lead to: first match wins. */
#include "proxy/route.h"

#include "tests/unit/balance/balance_helper.h"

static struct pool pools[8];

static const struct route routes[] = {
    {{"api.example.com", 15}, {"/v1/", 4}, &pools[0]},
    {{"api.example.com", 15}, {"/v2", 3}, &pools[1]},
    {{"*.example.com", 13}, {"/", 1}, &pools[2]},
    {{"", 0}, {"/only", 5}, &pools[3]},
    {{"[::1]", 5}, {"", 0}, &pools[4]},
    {{"last.example", 12}, {"", 0}, &pools[5]},
};
static const struct route_table table = {routes, ARRAY_SIZE(routes)};

static const struct {
    const char *host, *path;
    int pool; /* -1: none */
} cases[] = {
    {"api.example.com", "/v1/", 0},
    {"API.Example.COM", "/v1/a", 0},
    {"api.example.com", "/v1", 2}, /* "/v1/" is for what lies below it */
    {"api.example.com", "/V1/", 2},
    {"api.example.com", "/v2", 1},
    {"api.example.com", "/v2/x", 1},
    {"api.example.com", "/v20", 2},
    {"www.example.com", "/v1/", 2},
    {"a.b.example.com", "/", 2},
    {"example.com", "/", -1}, /* not below itself */
    {".example.com", "/", -1},
    {"wwwexample.com", "/", -1},
    {"example.com.evil", "/", -1},
    {"other", "/only", 3},
    {"other", "/only/this", 3},
    {"other", "/onlythis", -1},
    {"other", "/", -1},
    {"", "/only", 3},
    {"[::1]", "/any", 4},
    {"last.example", "/any", 5},
    {"last.example", "*", 5}, /* OPTIONS for the whole server */
    {"www.example.com", "*", 2},
    {"other", "*", -1},
};

static void route_first_match_wins(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct pool *pool = route_find(&table, str_of(cases[i].host), str_of(cases[i].path));
        if (pool != (cases[i].pool < 0 ? NULL : &pools[cases[i].pool]))
            fail_msg("%s %s leads to %td", cases[i].host, cases[i].path, pool ? pool - pools : -1);
    }
}

static void route_without_routes_finds_none(void **state)
{
    struct route_table none = {0};
    assert_null(route_find(&none, STR("a"), STR("/")));
}

static void route_to_all(void **state)
{
    struct route all = {.pool = &pools[7]};
    struct route_table one = {&all, 1};
    assert_ptr_equal(route_find(&one, STR(""), STR("/")), &pools[7]);
    assert_ptr_equal(route_find(&one, STR("a"), STR("*")), &pools[7]);
}

/* A route to https is for those who did not come by it. */
static void route_by_scheme(void **state)
{
    struct route both[] = {{.redirect = {.status = 308, .to_https = true}}, {.pool = &pools[7]}};
    struct route_table by_scheme = {both, 2, true};
    assert_ptr_equal(route_match(&by_scheme, STR("a"), STR("/"), false), &both[0]);
    assert_ptr_equal(route_match(&by_scheme, STR("a"), STR("/"), true), &both[1]);
    both[0].redirect.to_https = false; /* to a URL: for all */
    assert_ptr_equal(route_match(&by_scheme, STR("a"), STR("/"), true), &both[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_first_match_wins),
        cmocka_unit_test(route_without_routes_finds_none),
        cmocka_unit_test(route_to_all),
        cmocka_unit_test(route_by_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
