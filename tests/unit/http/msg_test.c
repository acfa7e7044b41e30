/* Methods, added fields, reason phrases. */
#include "http/msg.h"

#include "http_cmocka.h"

static void methods(void **state)
{
    static const struct {
        const char *text;
        enum msg_method method;
        bool repeatable; /* RFC 9110 section 9.2.2 */
    } cases[] = {
        {"GET", METHOD_GET, true},         {"HEAD", METHOD_HEAD, true},       {"POST", METHOD_POST, false},
        {"PUT", METHOD_PUT, true},         {"DELETE", METHOD_DELETE, true},   {"OPTIONS", METHOD_OPTIONS, true},
        {"TRACE", METHOD_TRACE, true},     {"PATCH", METHOD_PATCH, false},    {"CONNECT", METHOD_CONNECT, false},
        {"get", METHOD_OTHER, false},      {"GETS", METHOD_OTHER, false},     {"GE", METHOD_OTHER, false},
        {"", METHOD_OTHER, false},         {"PROPFIND", METHOD_OTHER, false}, {"POSH", METHOD_OTHER, false},
        {"CONNECt", METHOD_OTHER, false},  {"PAT", METHOD_OTHER, false},      {"DELETD", METHOD_OTHER, false},
        {"OPTIONSS", METHOD_OTHER, false}, {"TRACK", METHOD_OTHER, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(msg_method_of(str_of(cases[i].text)), cases[i].method);
        assert_int_equal(msg_method_repeatable(cases[i].method), cases[i].repeatable);
    }
}

static void added_fields_stand_behind(void **state)
{
    struct field fields[2] = {{.name = STR("A"), .value = STR("1")}, {.dropped = true}};
    struct msg msg = {.fields = fields, .count = 1, .cap = 2};
    msg_add_field(&msg, FIELD_VIA, field_name(FIELD_VIA), STR("1.1 ballast"));
    assert_int_equal(msg.count, 2);
    assert_str(fields[1].name, STR("Via"));
    assert_str(fields[1].value, STR("1.1 ballast"));
    assert_int_equal(fields[1].id, FIELD_VIA);
    assert_false(fields[1].dropped);
}

static void reasons(void **state)
{
    static const struct {
        int status;
        const char *reason;
    } cases[] = {
        {100, "Continue"},
        {103, "Early Hints"},
        {104, ""},
        {200, "OK"},
        {204, "No Content"},
        {208, "Already Reported"},
        {209, ""},
        {300, "Multiple Choices"},
        {304, "Not Modified"},
        {306, ""},
        {308, "Permanent Redirect"},
        {309, ""},
        {400, "Bad Request"},
        {404, "Not Found"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {418, ""},
        {421, "Misdirected Request"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {432, ""},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {511, "Network Authentication Required"},
        {599, ""},
        {600, ""},
        {99, ""},
        {0, ""},
        {-1, ""},
        {551, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_str(msg_reason_of(cases[i].status), str_of(cases[i].reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(added_fields_stand_behind),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
