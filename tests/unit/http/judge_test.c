/* The rules that hold in every version; each version's own tests show that its parser asks here. */
#include "http/judge.h"

#include "base/err.h"
#include "http_cmocka.h"

static struct field field_of(const char *name, const char *value)
{
    return (struct field){.name = str_of(name), .value = str_of(value), .id = (uint8_t)field_lookup(str_of(name))};
}

static void test_length(void **state)
{
    static const struct {
        const char *first, *second;
        int error;
        int64_t length;
    } cases[] = {
        {NULL, NULL, 0, -1},
        {"0", NULL, 0, 0},
        {"12", "12", 0, 12},
        {"12, 12", NULL, 0, 12},
        {"12", "13", -ERR_REQUEST_LENGTH, 0},
        {"+1", NULL, -ERR_REQUEST_LENGTH, 0},
        {"", NULL, -ERR_REQUEST_LENGTH, 0},
        {"1,", NULL, -ERR_REQUEST_LENGTH, 0},
        {"9223372036854775808", NULL, -ERR_REQUEST_LENGTH, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field fields[2];
        uint32_t count = 0;
        int64_t length = -7;
        if (cases[i].first)
            fields[count++] = field_of("content-length", cases[i].first);
        if (cases[i].second)
            fields[count++] = field_of("Content-Length", cases[i].second);
        assert_int_equal(judge_length(fields, count, &length), cases[i].error);
        assert_int_equal(length, cases[i].error ? -7 : cases[i].length);
    }
}

static void test_host(void **state)
{
    static const struct {
        uint8_t major, minor;
        const char *authority, *host;
        bool repeated;
        int error;
        const char *is;
    } cases[] = {
        {1, 1, "", "a", false, 0, "a"},
        {1, 1, "b", "a", false, 0, "b"},
        {1, 1, "", NULL, false, -ERR_REQUEST_HOST, ""},
        {1, 0, "", NULL, false, 0, ""},
        {1, 1, "", "a", true, -ERR_REQUEST_HOST, ""},
        {1, 1, "", "a b", false, -ERR_REQUEST_HOST, ""},
        {2, 1, "a", NULL, false, 0, "a"},
        {2, 1, "", "a", false, 0, "a"},
        {2, 1, "a", "A", false, 0, "a"},
        {2, 1, "a", "b", false, -ERR_REQUEST_HOST, "a"},
        {2, 1, "", NULL, false, -ERR_REQUEST_HOST, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field fields[1];
        struct msg msg = {.major = cases[i].major,
                          .minor = cases[i].minor,
                          .authority = str_of(cases[i].authority),
                          .fields = fields};
        if (cases[i].host)
            fields[msg.count++] = field_of("host", cases[i].host);
        assert_int_equal(judge_host(&msg, cases[i].host != NULL, cases[i].repeated), cases[i].error);
        assert_str(msg.authority, str_of(cases[i].is));
        if (!cases[i].error && cases[i].host)
            assert_true(fields[0].dropped);
    }
}

static void test_expect(void **state)
{
    struct field fields[] = {field_of("expect", "100-Continue")};
    struct msg msg = {.minor = 1, .fields = fields, .count = 1};
    assert_int_equal(judge_expect(&msg), 0);
    assert_true(msg.expect_continue);
    msg.minor = 0;
    assert_int_equal(judge_expect(&msg), 0);
    assert_false(msg.expect_continue);
    fields[0].value = STR("a-miracle");
    assert_int_equal(judge_expect(&msg), -ERR_REQUEST_EXPECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_length), cmocka_unit_test(test_host),
                                       cmocka_unit_test(test_expect)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
