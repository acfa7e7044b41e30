/* Slices: comparing, cutting, and the numbers that are refused. */
#include "base/str.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_str(struct str got, const char *wanted)
{
    assert_int_equal(got.n, strlen(wanted));
    assert_memory_equal(got.p ? got.p : "", wanted, got.n);
}

static void str_compares(void **state)
{
    assert_true(str_eq(STR(""), STR_NONE));
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_false(str_eq(STR("ab"), STR("aB")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_ieq(STR("Content-LENGTH"), STR("content-length")));
    assert_false(str_ieq(STR("a"), STR("ab")));
    /* Only letters have cases: '@' and '`', '[' and '{' differ in the same bit. */
    assert_false(str_ieq(STR("@["), STR("`{")));
    assert_true(str_ieq(STR_NONE, STR("")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_false(str_starts(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("")));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_false(str_ends(STR("abc"), STR("ab")));
    assert_true(str_ends(STR_NONE, STR_NONE));
}

static void str_trims_and_finds(void **state)
{
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na\r")), "\na\r");
    assert_str(str_trim(STR_NONE), "");
    assert_int_equal(str_find(STR("a,b,c"), ','), 1);
    assert_int_equal(str_hash(1, STR_NONE), str_hash(1, STR("")));
    assert_int_not_equal(str_hash(str_hash(1, STR("ab")), STR("c")), str_hash(str_hash(1, STR("a")), STR("bc")));
    assert_int_equal(str_find(STR("abc"), ','), 3);
    assert_int_equal(str_find(STR_NONE, ','), 0);
}

static void str_cuts(void **state)
{
    static const struct {
        const char *text;
        const char *pieces[4];
    } cases[] = {
        {"a, b ,c", {"a", "b", "c", NULL}},
        {"a,,b", {"a", "", "b", NULL}},
        {"a,", {"a", "", NULL}},
        {",", {"", "", NULL}},
        {"", {"", NULL}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct str rest = str_of(cases[i].text);
        struct str piece;
        for (const char *const *wanted = cases[i].pieces; *wanted; wanted++) {
            assert_true(str_cut(&rest, ',', &piece));
            assert_str(piece, *wanted);
        }
        assert_false(str_cut(&rest, ',', &piece));
        assert_null(rest.p);
    }
}

struct number_case {
    const char *text;
    uint64_t max;
    int code;
    uint64_t value;
};

static void str_check_numbers(int (*parse)(struct str, uint64_t, uint64_t *), const struct number_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 77;
        assert_int_equal(parse(str_of(cases[i].text), cases[i].max, &value), cases[i].code);
        assert_int_equal(value, cases[i].code == 0 ? cases[i].value : 77);
    }
}

static void str_parses_decimals(void **state)
{
    static const struct number_case cases[] = {
        {"0", UINT64_MAX, 0, 0},
        {"42", 100, 0, 42},
        {"007", 7, 0, 7},
        {"00000000000000000000000000000001", 9, 0, 1},
        {"100", 100, 0, 100},
        {"101", 100, -ERR_CONFIG, 0},
        {"9", 5, -ERR_CONFIG, 0},
        {"0", 0, 0, 0},
        {"1", 0, -ERR_CONFIG, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERR_CONFIG, 0},
        {"184467440737095516150", UINT64_MAX, -ERR_CONFIG, 0},
        {"", 9, -ERR_CONFIG, 0},
        {"+1", 9, -ERR_CONFIG, 0},
        {"-1", 9, -ERR_CONFIG, 0},
        {" 1", 9, -ERR_CONFIG, 0},
        {"1 ", 9, -ERR_CONFIG, 0},
        {"0x1", 9, -ERR_CONFIG, 0},
        {"1a", 99, -ERR_CONFIG, 0},
        {"1,2", 99, -ERR_CONFIG, 0},
        {"\xb2", 99, -ERR_CONFIG, 0},
    };
    str_check_numbers(str_parse_u64, cases, ARRAY_SIZE(cases));
}

static void str_parses_hex(void **state)
{
    static const struct number_case cases[] = {
        {"0", UINT64_MAX, 0, 0},       {"fF", 255, 0, 255},
        {"100", 255, -ERR_CONFIG, 0},  {"ffffffffffffffff", UINT64_MAX, 0, UINT64_MAX},
        {"0000000000000001", 1, 0, 1}, {"00000000000000001", 1, -ERR_CONFIG, 0},
        {"", 1, -ERR_CONFIG, 0},       {"g", 99, -ERR_CONFIG, 0},
        {"0x1", 99, -ERR_CONFIG, 0},   {"-1", 99, -ERR_CONFIG, 0},
        {"1 ", 99, -ERR_CONFIG, 0},    {"@", 99, -ERR_CONFIG, 0},
        {"`", 99, -ERR_CONFIG, 0},
    };
    str_check_numbers(str_parse_hex, cases, ARRAY_SIZE(cases));
}

static void str_puts_what_it_parses(void **state)
{
    char out[20];
    uint64_t value;
    static const uint64_t edges[] = {0, 9, 10, 99, 100, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
        size_t n = str_put_u64(out, edges[i]);
        assert_true(n == 1 || out[0] != '0');
        assert_int_equal(str_parse_u64(str_slice(out, n), UINT64_MAX, &value), 0);
        assert_int_equal(value, edges[i]);
    }
    assert_int_equal(str_put_u64(out, UINT64_MAX), 20);
}

static void str_puts_hexadecimal_ids(void **state)
{
    char out[STR_HEX64_BYTES];
    str_put_hex64(out, UINT64_C(0xfedcba9876543210));
    assert_memory_equal(out, "0123456789abcdef", sizeof(out));
    for (int shift = 0; shift < 64; shift++) {
        uint64_t bits = UINT64_C(0x9e3779b97f4a7c15) >> shift;
        str_put_hex64(out, bits);
        for (size_t i = 0; i < sizeof(out); i++)
            assert_int_equal(out[i], "0123456789abcdef"[bits >> 4 * i & 15]);
    }
}

static void str_measures_distance(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        unsigned limit;
        unsigned distance;
    } cases[] = {
        {"", "", 3, 0},
        {"", "abc", 3, 3},
        {"abc", "", 2, 3},
        {"workers", "workers", 3, 0},
        {"worker", "workers", 3, 1},
        {"wokrers", "workers", 3, 1},
        {"listener", "listeners", 0, 1},
        {"kitten", "sitting", 5, 3},
        {"kitten", "sitting", 2, 3},
        {"balance", "timeouts", 3, 4},
        {"abcdef", "badcfe", 3, 3},
        {"abcdef", "badcfe", 2, 3},
        {"ab", "ba", 1, 1},
        {"Ab", "ab", 1, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct str a = str_of(cases[i].a);
        struct str b = str_of(cases[i].b);
        assert_int_equal(str_distance(a, b, cases[i].limit), cases[i].distance);
        assert_int_equal(str_distance(b, a, cases[i].limit), cases[i].distance);
    }
    char longest[65];
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(str_distance(str_slice(longest, 64), str_slice(longest, 64), 2), 0);
    assert_int_equal(str_distance(str_slice(longest, 65), str_slice(longest, 65), 2), 3);
}

/* Stopping early must not change an answer: with any limit it is the smaller of the distance and limit + 1. */
static void str_distance_limits_agree(void **state)
{
    struct rand_gen gen;
    rand_seed(&gen, 7);
    for (int round = 0; round < 3000; round++) {
        char a[8];
        char b[8];
        size_t n = rand_below(&gen, 9);
        size_t m = rand_below(&gen, 9);
        for (size_t i = 0; i < 8; i++) {
            a[i] = (char)('a' + rand_below(&gen, 3));
            b[i] = (char)('a' + rand_below(&gen, 3));
        }
        unsigned whole = str_distance(str_slice(a, n), str_slice(b, m), 100);
        for (unsigned limit = 0; limit < 9; limit++) {
            unsigned wanted = whole < limit + 1 ? whole : limit + 1;
            assert_int_equal(str_distance(str_slice(a, n), str_slice(b, m), limit), wanted);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_compares),
        cmocka_unit_test(str_trims_and_finds),
        cmocka_unit_test(str_cuts),
        cmocka_unit_test(str_parses_decimals),
        cmocka_unit_test(str_parses_hex),
        cmocka_unit_test(str_puts_what_it_parses),
        cmocka_unit_test(str_puts_hexadecimal_ids),
        cmocka_unit_test(str_measures_distance),
        cmocka_unit_test(str_distance_limits_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
