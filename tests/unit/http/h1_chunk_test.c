/* The chunked coding: what is refused, and the same result however the bytes are cut. */
#include "http/h1_chunk.h"

#include <stdlib.h>

#include "base/err.h"
#include "http_cmocka.h"

struct chunk_case {
    const char *bytes;
    int code;         /* 0: more bytes needed, 1: the last chunk was met, or an error */
    const char *data; /* without errors: all of it; with: what came before */
    size_t used;      /* with code 1 */
};

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50
#define BAD  -ERR_REQUEST_CHUNK

static const struct chunk_case cases[] = {
    {"0\r\n\r\n", 1, "", 3},
    {"000\r\nA: b\r\n\r\n", 1, "", 5},
    {"5\r\nhello\r\n0\r\n\r\n", 1, "hello", 13},
    {"1\r\na\r\n2\r\nbc\r\n00000000000000A\r\n0123456789\r\n0\r\n", 1, "abc0123456789", 45},
    {"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n", 1, "\r\n\r\n\r\n\r\n\r\n", 18},
    {"1F\r\n"
     "0123456789012345678901234567890\r\n0\r\n",
     1, "0123456789012345678901234567890", 40},
    /* RFC 9112 section 7.1.1: extensions are read over */
    {"3;a\r\nabc\r\n0;b=c;d=\"e;f\"\r\n", 1, "abc", 25},
    {"3 ;a\r\nabc\r\n0\t \t; b = c\r\n", 1, "abc", 24},
    {"1;\xff\t\r\na\r\n0;\r\n", 1, "a", 13},
    {"1;" X250 "xxxx\r\na\r\n0\r\n", 1, "a", 264},
    {"1;" X250 "xxxxx\r\n", BAD, ""},
    {"0;" X250 "xxxxx", BAD, ""},
    /* unfinished */
    {"", 0, ""},
    {"5", 0, ""},
    {"5\r", 0, ""},
    {"5\r\nhel", 0, "hel"},
    {"5\r\nhello", 0, "hello"},
    {"5\r\nhello\r", 0, "hello"},
    {"5\r\nhello\r\n", 0, "hello"},
    {"fffffffffffffff\r\nab", 0, "ab"},
    /* section 7.1: a size is hexadecimal digits */
    {"\r\n", BAD, ""},
    {"\n", BAD, ""},
    {";a\r\n", BAD, ""},
    {" 5\r\n", BAD, ""},
    {"\t5\r\n", BAD, ""},
    {"+5\r\n", BAD, ""},
    {"-5\r\n", BAD, ""},
    {"0x5\r\n", BAD, ""},
    {"5g\r\n", BAD, ""},
    {"g\r\n", BAD, ""},
    {"5,\r\n", BAD, ""},
    {"5.0\r\n", BAD, ""},
    {"1000000000000000", BAD, ""}, /* 16 digits */
    {"0000000000000005", BAD, ""},
    /* white space behind the size belongs to an extension */
    {"5 \r\n", BAD, ""},
    {"5 5\r\n", BAD, ""},
    {"5\t\r\n", BAD, ""},
    {"5 a\r\n", BAD, ""},
    /* section 2.2: lines end in CR LF */
    {"5\n", BAD, ""},
    {"5\rh", BAD, ""},
    {"5\r\r\n", BAD, ""},
    {"5;a\n", BAD, ""},
    {"5;a\rb\r\n", BAD, ""},
    {"5;a\x01\r\n", BAD, ""},
    {"5;a\x7f\r\n", BAD, ""},
    {"0\n", BAD, ""},
    {"0\r0", BAD, ""},
    /* data is followed by CR LF */
    {"5\r\nhello0\r\n", BAD, "hello"},
    {"5\r\nhello\n", BAD, "hello"},
    {"5\r\nhello\r0", BAD, "hello"},
    {"5\r\nhello\r\r\n", BAD, "hello"},
    {"5\r\nhello\r\n\r\n", BAD, "hello"},
    {"5\r\nhello!\r\n", BAD, "hello"},
};

struct result {
    int code;
    size_t used;
    char data[512];
    size_t n;
};

/* Reads a piece that is exactly as long as it is said to be; false at the end. */
static bool feed(struct h1_chunk *chunk, const char *bytes, size_t n, struct result *result)
{
    char *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy + 1, bytes, n);
    struct str rest = str_slice(copy + 1, n);
    int event;
    do {
        size_t used = 0;
        struct str data = STR_NONE;
        event = h1_chunk_step(chunk, rest, &used, &data);
        if (event == H1_CHUNK_DATA) {
            assert_true(data.n > 0);
            assert_ptr_equal(data.p + data.n, rest.p + used);
            memcpy(result->data + result->n, data.p, data.n);
            result->n += data.n;
        }
        if (event == H1_CHUNK_MORE)
            assert_int_equal(used, rest.n);
        if (event >= 0) {
            result->used += used;
            rest = str_slice(rest.p + used, rest.n - used);
        }
    } while (event == H1_CHUNK_DATA);
    free(copy);
    result->code = event == H1_CHUNK_LAST ? 1 : event == H1_CHUNK_MORE ? 0 : event;
    return result->code == 0;
}

static void check(const struct chunk_case *c, const struct result *result)
{
    if (result->code != c->code)
        fail_msg("%s: %d, not %d", c->bytes, result->code, c->code);
    assert_str(str_slice(result->data, result->n), str_of(c->data));
    if (c->code == 1)
        assert_int_equal(result->used, c->used);
}

static void whole(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct h1_chunk chunk;
        struct result result = {0};
        h1_chunk_init(&chunk);
        feed(&chunk, cases[i].bytes, strlen(cases[i].bytes), &result);
        check(&cases[i], &result);
    }
}

static void in_pieces_of_each_size(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = strlen(cases[i].bytes);
        for (size_t piece = 1; piece <= n; piece++) {
            struct h1_chunk chunk;
            struct result result = {0};
            h1_chunk_init(&chunk);
            for (size_t at = 0; at < n; at += piece) {
                if (!feed(&chunk, cases[i].bytes + at, piece < n - at ? piece : n - at, &result))
                    break;
            }
            check(&cases[i], &result);
        }
    }
}

static void cut_in_two_everywhere(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = strlen(cases[i].bytes);
        for (size_t cut = 0; cut <= n; cut++) {
            struct h1_chunk chunk;
            struct result result = {0};
            h1_chunk_init(&chunk);
            if (feed(&chunk, cases[i].bytes, cut, &result))
                feed(&chunk, cases[i].bytes + cut, n - cut, &result);
            check(&cases[i], &result);
        }
    }
}

static void heads_are_read_back(void **state)
{
    static const struct {
        uint64_t n;
        const char *head;
    } heads[] = {
        {1, "1\r\n"},
        {15, "f\r\n"},
        {16, "10\r\n"},
        {255, "ff\r\n"},
        {65536, "10000\r\n"},
        {0xabcdef, "abcdef\r\n"},
        {UINT64_C(0x123456789abcdef), "123456789abcdef\r\n"},
        {UINT64_MAX, "ffffffffffffffff\r\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        char out[H1_CHUNK_HEAD_BYTES];
        size_t n = h1_chunk_head(out, heads[i].n);
        assert_str(str_slice(out, n), str_of(heads[i].head));
        if (heads[i].n == UINT64_MAX)
            continue;
        struct h1_chunk chunk;
        size_t used;
        struct str data;
        h1_chunk_init(&chunk);
        assert_int_equal(h1_chunk_step(&chunk, str_slice(out, n), &used, &data), H1_CHUNK_MORE);
        assert_int_equal(chunk.left, heads[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(in_pieces_of_each_size),
        cmocka_unit_test(cut_in_two_everywhere),
        cmocka_unit_test(heads_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
