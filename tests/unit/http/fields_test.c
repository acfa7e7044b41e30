/* Known names, tokens, lists, and which fields travel. */
#include "http/fields.h"

#include "http_cmocka.h"

static const char *const all_names[] = {
#define FIELD(id, name, flags) name,
#include "http/fields.def"
#undef FIELD
};

static void every_known_name_is_found_in_any_case(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_names); i++) {
        struct str name = str_of(all_names[i]);
        char upper[64], lower[64];
        for (size_t k = 0; k < name.n; k++) {
            lower[k] = str_lower(name.p[k]);
            upper[k] = lower[k] >= 'a' && lower[k] <= 'z' ? (char)(lower[k] - 0x20) : lower[k];
        }
        assert_int_equal(field_lookup(name), i + 1);
        assert_int_equal(field_lookup(str_slice(lower, name.n)), i + 1);
        assert_int_equal(field_lookup(str_slice(upper, name.n)), i + 1);
        assert_str(field_name((enum field_id)(i + 1)), name);
        assert_str(field_lower_name((enum field_id)(i + 1)), str_slice(lower, name.n));
    }
}

/* Any one byte changed to anything but the letter's other case is another field. */
static void near_misses_are_not_found(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_names); i++) {
        struct str name = str_of(all_names[i]);
        for (size_t at = 0; at < name.n; at++) {
            for (int b = 0; b < 256; b++) {
                char other[64];
                memcpy(other, name.p, name.n);
                other[at] = (char)b;
                bool same = str_lower((char)b) == str_lower(name.p[at]);
                assert_int_equal(field_lookup(str_slice(other, name.n)) == i + 1, same);
            }
        }
        assert_int_equal(field_lookup(str_slice(name.p, name.n - 1)), FIELD_OTHER);
    }
    assert_int_equal(field_lookup(STR_NONE), FIELD_OTHER);
    assert_int_equal(field_lookup(STR("X")), FIELD_OTHER);
    assert_int_equal(field_lookup(STR("Content-Type")), FIELD_OTHER);
    assert_int_equal(field_lookup(STR("Content-Lengths")), FIELD_OTHER);
}

static void token_bytes(void **state)
{
    /* RFC 9110 section 5.6.2 */
    static const char tchars[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (int b = 0; b < 256; b++) {
        bool legal = b != 0 && strchr(tchars, b) != NULL;
        char text[20] = "aaaaaaaaaaaaaaaaaaa";
        text[0] = (char)b;
        assert_int_equal(field_is_token(str_slice(text, 1)), legal);
        assert_int_equal(field_is_token(str_slice(text, 20 - 1)), legal);
        text[0] = 'a';
        text[17] = (char)b;
        assert_int_equal(field_token_run(text, 19), legal ? 19 : 17);
    }
    assert_false(field_is_token(STR("")));
}

static void lists(void **state)
{
    static const struct {
        const char *value;
        const char *token;
        bool has;
    } cases[] = {
        {"close", "close", true},
        {"Close", "close", true},
        {"keep-alive, close", "close", true},
        {"keep-alive ,\t close ", "close", true},
        {",,close,,", "close", true}, /* RFC 9110 section 5.6.1.2: empty elements are ignored */
        {"closed", "close", false},
        {"not close", "close", false},
        {"", "close", false},
        {",", "close", false},
        {"trailers;q=1", "trailers", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(field_list_has(str_of(cases[i].value), str_of(cases[i].token)), cases[i].has);
}

static struct field make(const char *name, const char *value)
{
    return (struct field){.name = str_of(name), .value = str_of(value), .id = (uint8_t)field_lookup(str_of(name))};
}

struct travel {
    const char *name;
    const char *value;
    bool dropped;
};

static void check_travel(const struct travel *rows, uint32_t count, void (*rule)(struct field *, uint32_t))
{
    struct field fields[20];
    for (uint32_t i = 0; i < count; i++)
        fields[i] = make(rows[i].name, rows[i].value);
    rule(fields, count);
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].dropped != rows[i].dropped)
            fail_msg("%s: %s", rows[i].name, rows[i].value);
    }
}

/* RFC 9110 section 7.6.1 */
static void hop_by_hop_fields_stay_here(void **state)
{
    static const struct travel rows[] = {
        {"Host", "a", false},
        {"Connection", "x-mine, HOST, content-length, close, X-Two", true},
        {"X-Mine", "1", true},
        {"x-MINE", "again", true},
        {"X-Minor", "1", false},
        {"Content-Length", "5", true}, /* framing: written anew */
        {"Transfer-Encoding", "chunked", true},
        {"Keep-Alive", "5", true},
        {"Close", "5", true}, /* RFC 9112 section 9.6 */
        {"Proxy-Connection", "close", true},
        {"TE", "trailers", true},
        {"Upgrade", "h2c", true},
        {"HTTP2-Settings", "AAMAAABk", true},
        {"Trailer", "X-Sum", false},
        {"Proxy-Authorization", "Basic x", false},
        {"Connection", "via", true},
        {"Via", "1.1 a", true},
    };
    check_travel(rows, ARRAY_SIZE(rows), fields_drop_hop);
    static const struct travel nothing_named[] = {{"Connection", "", true}, {"X-A", "1", false}, {"", "", false}};
    check_travel(nothing_named, 2, fields_drop_hop);
    static const struct travel before[] = {{"X-Two", "2", true}, {"Connection", ",x-two,,", true}};
    check_travel(before, ARRAY_SIZE(before), fields_drop_hop);
}

/* RFC 9110 section 6.5.1 */
static void trailers_carry_no_framing_and_no_routing(void **state)
{
    static const struct travel rows[] = {
        {"X-Sum", "1", false},         {"Content-Length", "5", true}, {"transfer-encoding", "chunked", true},
        {"Host", "b", true},           {"Connection", "x-sum", true}, {"Expect", "100-continue", true},
        {"Max-Forwards", "1", true},   {"TE", "trailers", true},      {"Proxy-Authorization", "x", true},
        {"Server-Timing", "a", false},
    };
    check_travel(rows, ARRAY_SIZE(rows), fields_drop_from_trailers);
}

static void find_passes_over_dropped_ones(void **state)
{
    struct field fields[] = {make("Via", "a"), make("Host", "x"), make("via", "b")};
    assert_ptr_equal(fields_find(fields, 3, FIELD_VIA), &fields[0]);
    fields[0].dropped = true;
    assert_ptr_equal(fields_find(fields, 3, FIELD_VIA), &fields[2]);
    assert_null(fields_find(fields, 3, FIELD_DATE));
    assert_null(fields_find(NULL, 0, FIELD_DATE));
}

static void flags_come_from_the_table(void **state)
{
    assert_int_equal(field_flags(FIELD_OTHER), 0);
    assert_int_equal(field_flags(FIELD_HOST), FIELD_KEEP | FIELD_REQUEST);
    assert_int_equal(field_flags(FIELD_CONTENT_LENGTH), FIELD_FRAMING | FIELD_KEEP);
    assert_str(field_name(FIELD_OTHER), STR(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_is_found_in_any_case),
        cmocka_unit_test(near_misses_are_not_found),
        cmocka_unit_test(token_bytes),
        cmocka_unit_test(lists),
        cmocka_unit_test(hop_by_hop_fields_stay_here),
        cmocka_unit_test(trailers_carry_no_framing_and_no_routing),
        cmocka_unit_test(find_passes_over_dropped_ones),
        cmocka_unit_test(flags_come_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
