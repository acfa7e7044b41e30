/* Which route a request means, what stands in its path and query, and secrets. */
#include "control/admin_route.h"

#include "control_helper.h"

static void route_is_found(void **state)
{
    static const struct {
        enum msg_method method;
        const char *path, *route; /* route NULL: none */
        bool known;
    } cases[] = {
        {METHOD_GET, "/", "/", true},
        {METHOD_GET, "/v1/status", "/v1/status", true},
        {METHOD_HEAD, "/v1/status", "/v1/status", true},
        {METHOD_POST, "/v1/status", NULL, true},
        {METHOD_GET, "/v1/status/", NULL, false},
        {METHOD_GET, "/v1", NULL, false},
        {METHOD_GET, "/v1/pools", "/v1/pools", true},
        {METHOD_GET, "/v1/pools/web", "/v1/pools/{pool}", true},
        {METHOD_GET, "/v1/pools/", NULL, false},
        {METHOD_PATCH, "/v1/pools/web/workers/3001", "/v1/pools/{pool}/workers/{worker}", true},
        {METHOD_GET, "/v1/pools/web/workers/3001/more", NULL, false},
        {METHOD_GET, "//", NULL, false},
        {METHOD_OPTIONS, "*", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool known;
        const struct admin_route *route = admin_route_find(cases[i].method, str_of(cases[i].path), &known);
        assert_int_equal(known, cases[i].known);
        assert_int_equal(route != NULL, cases[i].route != NULL);
        if (route)
            assert_string_equal(route->path, cases[i].route);
    }
}

static void path_has_methods(void **state)
{
    static const char *const cases[][2] = {{"/v1/status", "GET, HEAD"},
                                           {"/v1/pools/a/workers/b", "GET, HEAD, PATCH, DELETE"},
                                           {"/v1/pools/a/workers", "POST"},
                                           {"/v2", ""}};
    char methods[ADMIN_METHODS_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        admin_route_methods(str_of(cases[i][0]), methods);
        assert_string_equal(methods, cases[i][1]);
    }
}

static void route_has_params(void **state)
{
    bool known;
    struct str path = STR("/v1/pools/web/workers/a%20b");
    const struct admin_route *route = admin_route_find(METHOD_GET, path, &known);
    assert_non_null(route);
    assert_true(str_eq(admin_route_param(route, path, STR("pool")), STR("web")));
    assert_true(str_eq(admin_route_param(route, path, STR("worker")), STR("a%20b")));
    assert_int_equal(admin_route_param(route, path, STR("pools")).n, 0);
}

static void query_is_searched(void **state)
{
    struct str query = STR("a=1&b&c=x%3D=y&a=2"), value;
    assert_true(admin_query_find(query, STR("a"), &value));
    assert_true(str_eq(value, STR("1")));
    assert_true(admin_query_find(query, STR("b"), &value));
    assert_int_equal(value.n, 0);
    assert_true(admin_query_find(query, STR("c"), &value));
    assert_true(str_eq(value, STR("x%3D=y")));
    assert_false(admin_query_find(query, STR("d"), &value));
    assert_false(admin_query_find(STR(""), STR("a"), &value));
}

static void escapes_are_decoded(void **state)
{
    static const struct {
        const char *text, *decoded; /* NULL: malformed */
        bool query;
    } cases[] = {
        {"", "", false},      {"plain", "plain", false}, {"a%2Fb%2f", "a/b/", false}, {"a+b", "a+b", false},
        {"a+b", "a b", true}, {"%", NULL, false},        {"%4", NULL, false},         {"%4g", NULL, false},
        {"%00", NULL, false}, {"%%41", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[16];
        size_t n = 0;
        bool good = admin_decode(str_of(cases[i].text), cases[i].query, out, &n);
        assert_int_equal(good, cases[i].decoded != NULL);
        if (good)
            assert_true(str_eq(str_slice(out, n), str_of(cases[i].decoded)));
    }
}

static void secrets_are_compared(void **state)
{
    assert_true(admin_secret_equal(STR("0123456789abcdef"), STR("0123456789abcdef")));
    assert_false(admin_secret_equal(STR("0123456789abcdef"), STR("0123456789abcdeF")));
    assert_false(admin_secret_equal(STR("0123456789abcdef"), STR("0123456789abcde")));
    assert_false(admin_secret_equal(STR("0123456789abcdef0123456789abcdef"), STR("0123456789abcdef")));
    assert_false(admin_secret_equal(STR(""), STR("0123456789abcdef")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_is_found),      cmocka_unit_test(path_has_methods),
        cmocka_unit_test(route_has_params),    cmocka_unit_test(query_is_searched),
        cmocka_unit_test(escapes_are_decoded), cmocka_unit_test(secrets_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
