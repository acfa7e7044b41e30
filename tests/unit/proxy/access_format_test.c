/* Templates of access lines: what they are taken apart into, and what is said of those that are wrong. */
#include "proxy/access_format.h"

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

static struct arena arena;

static int make(struct str text, struct access_format *format, struct access_format_error *error)
{
    arena_reset(&arena);
    return access_format_init(format, text, &arena, error);
}

static int begin(void **state)
{
    arena_init(&arena, 1 << 20);
    return 0;
}

static int end(void **state)
{
    arena_fini(&arena);
    return 0;
}

static void access_format_is_taken_apart(void **state)
{
    struct access_format format;
    struct access_format_error error;

    assert_int_equal(make(STR("{{{time} \"{method}\" x{status}}}"), &format, &error), 0);
    assert_int_equal(format.count, 4);
    static const struct {
        const char *before;
        enum access_field field;
        bool quoted;
        uint16_t after;
    } wanted[] = {
        {"{", ACCESS_FIELD_TIME, false, 2 + 2 + 3 + 20 + 1},
        {" \"", ACCESS_FIELD_METHOD, true, 3 + 20 + 1},
        {"\" x", ACCESS_FIELD_STATUS, false, 1},
        {"}", ACCESS_FIELDS, false, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const struct access_piece *piece = &format.pieces[i];
        assert_true(str_eq(piece->before, str_of(wanted[i].before)));
        assert_int_equal(piece->field, wanted[i].field);
        assert_int_equal(piece->quoted, wanted[i].quoted);
        assert_int_equal(piece->after, wanted[i].after);
    }
    assert_true(access_format_has(&format, ACCESS_FIELD_METHOD));
    assert_false(access_format_has(&format, ACCESS_FIELD_USER_AGENT));
    assert_false(format.json);
}

/* All but what only templates write; JSON's texts between quotes. */
static void access_format_knows_text_and_json(void **state)
{
    for (int json = 0; json <= 1; json++) {
        struct access_format format;
        struct access_format_error error;
        assert_int_equal(make(json ? STR("json") : STR("text"), &format, &error), 0);
        assert_int_equal(format.json, json);
        for (int field = 0; field < ACCESS_FIELDS; field++)
            assert_int_equal(access_format_has(&format, (enum access_field)field),
                             access_field_kind((enum access_field)field) != ACCESS_TAKEN);
        for (uint32_t i = 0; i < format.count; i++) {
            const struct access_piece *piece = &format.pieces[i];
            if (piece->field < ACCESS_FIELDS)
                assert_int_equal(piece->quoted, json && access_field_kind(piece->field) != ACCESS_NUMBER);
        }
    }
}

static void access_format_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        size_t at;
        const char *why;
    } cases[] = {
        {"{time} {stauts}", 8, "there is no field \"stauts\"; did you mean \"status\"?"},
        {"{time} {xyzzyx}", 8, "there is no field \"xyzzyx\""},
        {"{}", 1, "there is no field \"\""},
        {"{time} {status", 7, "this brace is never closed; write {{ for a brace"},
        {"{time} }", 7, "this brace closes nothing; write }} for a brace"},
        {"\"{time}\" \"{method}", 9, "this quote is never closed"},
        {"{time}\n{status}", 6, "a control character cannot stand in a line"},
        {"", 0, "it is neither \"text\" nor \"json\", nor a template with fields such as {time}"},
        {"jsno", 0, "it is neither \"text\" nor \"json\", nor a template with fields such as {time}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct access_format format;
        struct access_format_error error;
        assert_int_equal(make(str_of(cases[i].text), &format, &error), -ERR_CONFIG);
        assert_string_equal(error.why, cases[i].why);
        assert_int_equal(error.at, cases[i].at);
    }
}

/* So many fields that their least would not fit; a text that is too long; and the longest that is not. */
static void access_format_is_bounded(void **state)
{
    static char text[ACCESS_FORMAT_MAX + 1];
    struct access_format format;
    struct access_format_error error;

    size_t n = 0;
    for (; n + 6 <= ACCESS_FORMAT_MAX; n += 6)
        memcpy(text + n, "{time}", 6);
    assert_int_equal(make(str_slice(text, n), &format, &error), -ERR_CONFIG);
    assert_string_equal(error.why, "it makes lines that are too long");
    assert_int_equal(make(str_slice(text, 6 * (size_t)(ACCESS_FIXED_MAX / 24)), &format, &error), 0);
    memset(text + 6, 'x', sizeof(text) - 6);
    assert_int_equal(make(str_slice(text, sizeof(text)), &format, &error), -ERR_CONFIG);
    assert_string_equal(error.why, "it is longer than 2048 bytes");
    assert_int_equal(make(str_slice(text, ACCESS_FORMAT_MAX), &format, &error), 0);
}

static void access_format_survives_no_memory(void **state)
{
    struct access_format format;
    struct access_format_error error;

    arena_fini(&arena);
    alloc_fail_at(1);
    assert_int_equal(make(STR("json"), &format, &error), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
}

static void access_format_names_its_fields(void **state)
{
    assert_string_equal(access_field_name(ACCESS_FIELD_FIRST_BYTE), "first_byte_us");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_format_is_taken_apart),     cmocka_unit_test(access_format_knows_text_and_json),
        cmocka_unit_test(access_format_says_what_is_wrong), cmocka_unit_test(access_format_is_bounded),
        cmocka_unit_test(access_format_survives_no_memory), cmocka_unit_test(access_format_names_its_fields),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
