/* Escapes: nothing breaks out of a line, nothing is split, and every room is kept. */
#include "base/escape.h"

#include "base/assert.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct escape_case {
    const char *text;
    const char *json;
    const char *word; /* what escape_text gives */
};

static const struct escape_case cases[] = {
    {"", "", "\"\""},
    {"plain", "plain", "plain"},
    {"a=b:/c?d", "a=b:/c?d", "a=b:/c?d"},
    {"two words", "two words", "\"two words\""},
    {"say \"hi\"", "say \\\"hi\\\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "back\\\\slash", "\"back\\\\slash\""},
    {"a\nb\rc\td", "a\\nb\\rc\\td", "\"a\\nb\\rc\\td\""},
    {"\x01\x1f\x7f", "\\u0001\\u001f\\u007f", "\"\\u0001\\u001f\\u007f\""},
    {"\xc3\xa9", "\xc3\xa9", "\"\xc3\xa9\""},
    {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80", "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
    {"\xc2\x9b[2J", "\\u009b[2J", "\"\\u009b[2J\""},
    {"\xc2\xa0", "\xc2\xa0", "\"\xc2\xa0\""},
    /* Not UTF-8: a lone continuation, overlong forms, a surrogate, above U+10FFFF, cut short. */
    {"\x80", "\\ufffd", "\"\\ufffd\""},
    {"\xc0\xaf", "\\ufffd\\ufffd", "\"\\ufffd\\ufffd\""},
    {"\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"\xff"
     "a",
     "\\ufffda", "\"\\ufffda\""},
    {"a\xe2\x82", "a\\ufffd\\ufffd", "\"a\\ufffd\\ufffd\""},
    {"\xe2\x82z", "\\ufffd\\ufffdz", "\"\\ufffd\\ufffdz\""},
};

static void escape_knows_all_kinds(void **state)
{
    char out[128];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = escape_json(out, sizeof(out), str_of(cases[i].text));
        assert_int_equal(n, strlen(cases[i].json));
        assert_memory_equal(out, cases[i].json, n);
        n = escape_text(out, sizeof(out), str_of(cases[i].text));
        assert_int_equal(n, strlen(cases[i].word));
        assert_memory_equal(out, cases[i].word, n);
    }
    assert_int_equal(escape_json(out, sizeof(out), STR("a\0b")), 8);
    assert_memory_equal(out, "a\\u0000b", 8);
    assert_int_equal(escape_json(out, sizeof(out), STR_NONE), 0);
}

/* With less room the result is a beginning of the whole, ending between characters, and nothing is written behind. */
static void escape_keeps_any_room(void **state)
{
    char whole[128];
    char out[128];
    struct str text = STR("a\n\xe2\x82\xac\"\xff"
                          "b");
    static const size_t ends[] = {0, 1, 3, 6, 8, 14, 15};
    assert_int_equal(escape_json(whole, sizeof(whole), text), 15);
    for (size_t room = 0; room <= 20; room++) {
        size_t wanted = 0;
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
            wanted = ends[i] <= room ? ends[i] : wanted;
        memset(out, '#', sizeof(out));
        assert_int_equal(escape_json(out, room, text), wanted);
        assert_memory_equal(out, whole, wanted);
        assert_int_equal(out[wanted], '#');
        memset(out, '#', sizeof(out));
        size_t n = escape_text(out, room, text);
        assert_int_equal(out[n], '#');
        assert_true(n <= room);
        assert_true(room < 2 ? n == 0 : n >= 2 && out[0] == '"' && out[n - 1] == '"');
    }
    assert_int_equal(escape_text(out, 3, STR("word")), 3);
}

static void escape_lets_nothing_through(void **state)
{
    struct rand_gen gen;
    rand_seed(&gen, 3);
    for (int round = 0; round < 20000; round++) {
        char text[16];
        char out[128];
        size_t length = rand_below(&gen, sizeof(text) + 1);
        for (size_t i = 0; i < length; i++)
            text[i] = (char)rand_u64(&gen);
        size_t n = escape_json(out, rand_below(&gen, sizeof(out) + 1), str_slice(text, length));
        for (size_t i = 0; i < n; i++) {
            assert_true((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
            assert_true(out[i] != '"' || (i > 0 && out[i - 1] == '\\'));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_knows_all_kinds),
        cmocka_unit_test(escape_keeps_any_room),
        cmocka_unit_test(escape_lets_nothing_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
