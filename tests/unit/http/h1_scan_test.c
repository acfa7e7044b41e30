/* Where a head ends, however its bytes are cut. */
#include "http/h1_parse.h"

#include <stdlib.h>

#include "base/err.h"
#include "http_cmocka.h"

static const struct h1_limits limits = {.head_bytes = 100, .fields = 3, .target_bytes = 8};

struct scan_case {
    const char *bytes;
    int result;
    size_t head; /* with result 1 */
    uint32_t lines;
    bool trailers;
};

#define TEN "0123456789"

static const struct scan_case cases[] = {
    {"GET / HTTP/1.1\r\n\r\n", 1, 18, 1},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\nmore", 1, 24, 2},
    {"GET / HTTP/1.1\r\nA: b\r\nB: c\r\nC: d\r\n\r\n", 1, 36, 4},
    {"\r\nGET", 1, 2, 0},
    {"", 0, 0, 0},
    {"GET / HTTP/1.1", 0, 0, 0},
    {"GET / HTTP/1.1\r", 0, 0, 0},
    {"GET / HTTP/1.1\r\n", 0, 0, 1},
    {"GET / HTTP/1.1\r\nA: b\r\n\r", 0, 0, 2},
    /* RFC 9112 section 2.2: a lone LF may be taken for a line's end; here it never is. */
    {"\n", -ERR_REQUEST_BARE_LF, 0, 0},
    {"GET / HTTP/1.1\n", -ERR_REQUEST_BARE_LF, 0, 0},
    {"GET / HTTP/1.1\r\nA: b\n", -ERR_REQUEST_BARE_LF, 0, 0},
    {"GET / HTTP/1.1\r\n\n", -ERR_REQUEST_BARE_LF, 0, 0},
    {"GET / HTTP/1.1\r\nA: b\r\n\n", -ERR_REQUEST_BARE_LF, 0, 0},
    {"GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", -ERR_REQUEST_BARE_LF, 0, 0},
    /* One field too many is refused at the end of its line. */
    {"GET / HTTP/1.1\r\nA: b\r\nB: c\r\nC: d\r\nD", 0, 0, 4},
    {"GET / HTTP/1.1\r\nA: b\r\nB: c\r\nC: d\r\nD: e\r\n", -ERR_REQUEST_FIELD_COUNT, 0, 0},
    /* The first line has target_bytes + 64 = 72. */
    {TEN TEN TEN TEN TEN TEN TEN "\r\n\r\n", 1, 74, 1},
    {TEN TEN TEN TEN TEN TEN TEN "1", 0, 0, 0},
    {TEN TEN TEN TEN TEN TEN TEN "12", -ERR_REQUEST_TARGET_SIZE, 0, 0},
    {TEN TEN TEN TEN TEN TEN TEN "1\r\n\r\n", -ERR_REQUEST_TARGET_SIZE, 0, 0},
    /* The whole has 100. */
    {"x\r\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN "123\r\n\r\n", 1, 100, 2},
    {"x\r\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234\r\n\r\n", -ERR_REQUEST_HEAD_SIZE, 0, 0},
    {"x\r\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456", 0, 0, 1},
    {"x\r\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234567", -ERR_REQUEST_HEAD_SIZE, 0, 0},
    {"x\r\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234567\n", -ERR_REQUEST_HEAD_SIZE, 0, 0},
    /* Trailer sections: no first line. */
    {"\r\nGET", 1, 2, 0, true},
    {"A: b\r\n\r\nGET", 1, 8, 1, true},
    {"A: b\r\nB: c\r\nC: d\r\n\r\n", 1, 20, 3, true},
    {"A: b\r\nB: c\r\nC: d\r\nD: e\r\n", -ERR_REQUEST_FIELD_COUNT, 0, 0, true},
    {"A: b\r\n\n", -ERR_REQUEST_BARE_LF, 0, 0, true},
    {TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "\r\n\r\n", -ERR_REQUEST_HEAD_SIZE, 0, 0, true},
    {TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456\r\n\r\n", 1, 100, 1, true},
};

static void check(const struct scan_case *c, const struct h1_scan *scan, int result, size_t head)
{
    if (result != c->result)
        fail_msg("%s: %d", c->bytes, result);
    if (result >= 0)
        assert_int_equal(scan->lines, c->lines);
    if (result == 1)
        assert_int_equal(head, c->head);
}

/* A copy that is exactly as long as it is said to be. */
static int scan_copy(struct h1_scan *scan, const char *bytes, size_t n, size_t *ret_head)
{
    char *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy + 1, bytes, n);
    int result = h1_scan(scan, copy + 1, n, &limits, ret_head);
    free(copy);
    return result;
}

static void whole(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h1_scan scan = {.trailers = cases[i].trailers};
        size_t head = 0;
        int result = scan_copy(&scan, cases[i].bytes, strlen(cases[i].bytes), &head);
        check(&cases[i], &scan, result, head);
    }
}

static void byte_by_byte(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h1_scan scan = {.trailers = cases[i].trailers};
        size_t head = 0;
        int result = 0;
        for (size_t n = 0; n <= strlen(cases[i].bytes) && result == 0; n++)
            result = scan_copy(&scan, cases[i].bytes, n, &head);
        check(&cases[i], &scan, result, head);
    }
}

static void cut_in_two_everywhere(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t cut = 0; cut <= strlen(cases[i].bytes); cut++) {
            struct h1_scan scan = {.trailers = cases[i].trailers};
            size_t head = 0;
            int result = scan_copy(&scan, cases[i].bytes, cut, &head);
            if (result == 0)
                result = scan_copy(&scan, cases[i].bytes, strlen(cases[i].bytes), &head);
            check(&cases[i], &scan, result, head);
        }
    }
}

static void a_target_limit_above_the_heads_is_no_limit(void **state)
{
    static const struct h1_limits wide = {.head_bytes = 20, .fields = UINT32_MAX, .target_bytes = UINT32_MAX};
    struct h1_scan scan = {0};
    size_t head = 0;
    assert_int_equal(h1_scan(&scan, TEN TEN, 20, &wide, &head), -ERR_REQUEST_HEAD_SIZE);
    scan = (struct h1_scan){0};
    assert_int_equal(h1_scan(&scan, "a\r\nb\r\nc\r\n\r\n", 11, &wide, &head), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(cut_in_two_everywhere),
        cmocka_unit_test(a_target_limit_above_the_heads_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
