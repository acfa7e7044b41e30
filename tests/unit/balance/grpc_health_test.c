/* Two messages of gRPC's health protocol, byte by byte. */
#include "balance/grpc_health.h"

#include "balance_helper.h"

static void assert_asks(const char *service, struct str wanted)
{
    char out[GRPC_HEALTH_ASK_MAX];
    size_t n = grpc_health_ask(out, str_of(service));
    assert_int_equal(n, wanted.n);
    assert_memory_equal(out, wanted.p, n);
}

static void grpc_health_asks(void **state)
{
    char longest[GRPC_HEALTH_SERVICE_MAX + 1] = "", out[GRPC_HEALTH_ASK_MAX];
    assert_asks("", STR("\0\0\0\0\0"));
    assert_asks("abc", STR("\0\0\0\0\5\x0a\3abc"));
    memset(longest, 's', GRPC_HEALTH_SERVICE_MAX);
    assert_int_equal(grpc_health_ask(out, str_of(longest)), GRPC_HEALTH_SERVICE_MAX + 7);
}

static void grpc_health_reads(void **state)
{
    static const struct {
        struct str body;
        bool serves;
    } rows[] = {
        {{"\0\0\0\0\2\x08\1", 7}, true},
        {{"\0\0\0\0\2\x08\2", 7}, false},         /* NOT_SERVING */
        {{"\0\0\0\0\0", 5}, false},               /* UNKNOWN, which is left out */
        {{"\0\0\0\0\4\x08\2\x08\1", 9}, true},    /* the last one counts */
        {{"\0\0\0\0\3\x08\x81\0", 8}, true},      /* a long way to write 1 */
        {{"\0\0\0\0\6\x12\2zz\x08\1", 11}, true}, /* fields that a later version may add */
        {{"\0\0\0\0\x0b\x19zzzzzzzz\x08\1", 16}, true},
        {{"\0\0\0\0\7\x1dzzzz\x08\1", 12}, true},
        {{"\0\0\0\0\4\x20\5\x08\1", 9}, true},
        {{"\0\0\0\0\2\x12\5", 7}, false}, /* longer than there is */
        {{"\0\0\0\0\3\x1dzz", 8}, false},
        {{"\0\0\0\0\1\x0b", 6}, false}, /* no such type */
        {{"\0\0\0\0\1\x08", 6}, false},
        {{"\0\0\0\0\2\x08\x81", 7}, false},
        {{"\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 17}, false},
        {{"\1\0\0\0\2\x08\1", 7}, false}, /* compressed, which was not asked for */
        {{"\0\0\0\1\2\x08\1", 7}, false},
        {{"\0\0\0\0\3\x08\1", 7}, false},
        {{"\0\0\0\0\1\x08\1", 7}, false},
        {{"\0\0\0\0", 4}, false},
        {{"", 0}, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(grpc_health_serves(rows[i].body), rows[i].serves);
}

static void grpc_health_status(void **state)
{
    struct field fields[] = {{.name = STR("x"), .value = STR("0")}, {.name = STR("Grpc-Status"), .value = STR("0")}};
    assert_true(grpc_health_is_ok(fields, 2));
    assert_false(grpc_health_is_ok(fields, 1));
    assert_false(grpc_health_is_ok(NULL, 0));
    fields[1].value = STR("5");
    assert_false(grpc_health_is_ok(fields, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpc_health_asks),
        cmocka_unit_test(grpc_health_reads),
        cmocka_unit_test(grpc_health_status),
    };
    return cmocka_run_group_tests_name("grpc_health", tests, NULL, NULL);
}
