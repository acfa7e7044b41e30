/* Target forms and hosts. */
#include "http/target.h"

#include "base/err.h"
#include "http_cmocka.h"

struct target_case {
    enum msg_method method;
    const char *text;
    const char *target; /* NULL: refused */
    const char *path;
    const char *authority;
};

static const struct target_case targets[] = {
    /* origin form, RFC 9112 section 3.2.1 */
    {METHOD_GET, "/", "/", "/", ""},
    {METHOD_GET, "/a/b?c=d?e", "/a/b?c=d?e", "/a/b", ""},
    {METHOD_GET, "/?", "/?", "/", ""},
    {METHOD_GET, "//x/../y//", "//x/../y//", "//x/../y//", ""},
    {METHOD_GET, "/%2F%zz%", "/%2F%zz%", "/%2F%zz%", ""},
    {METHOD_GET, "/a|b{c}\"<>\\^`", "/a|b{c}\"<>\\^`", "/a|b{c}\"<>\\^`", ""},
    {METHOD_OPTIONS, "/x", "/x", "/x", ""},
    /* absolute form, section 3.2.2 */
    {METHOD_GET, "http://h/p?q", "/p?q", "/p", "h"},
    {METHOD_GET, "http://h:8080/", "/", "/", "h:8080"},
    {METHOD_GET, "HtTpS://H.example", "/", "/", "H.example"},
    {METHOD_GET, "http://[::1]:80/x", "/x", "/x", "[::1]:80"},
    {METHOD_GET, "http://h/p/http://i/", "/p/http://i/", "/p/http://i/", "h"},
    {METHOD_OPTIONS, "http://h", "*", "*", "h"}, /* section 3.2.4 */
    {METHOD_OPTIONS, "http://h/", "/", "/", "h"},
    {METHOD_GET, "http://h?q", NULL, NULL, NULL}, /* would need a byte that was not sent */
    {METHOD_OPTIONS, "http://h?q", NULL, NULL, NULL},
    {METHOD_GET, "http://u@h/", NULL, NULL, NULL}, /* RFC 9110 section 4.2.4 */
    {METHOD_GET, "http://u:p@h/", NULL, NULL, NULL},
    {METHOD_GET, "http:///x", NULL, NULL, NULL}, /* RFC 9110 section 4.2.1: an empty host */
    {METHOD_GET, "http://", NULL, NULL, NULL},
    {METHOD_GET, "http://:80/", NULL, NULL, NULL},
    {METHOD_GET, "http:/h/", NULL, NULL, NULL},
    {METHOD_GET, "ftp://h/", NULL, NULL, NULL},
    {METHOD_GET, "ws://h/", NULL, NULL, NULL},
    /* asterisk form, section 3.2.4 */
    {METHOD_OPTIONS, "*", "*", "*", ""},
    {METHOD_GET, "*", NULL, NULL, NULL},
    {METHOD_OPTIONS, "**", NULL, NULL, NULL},
    {METHOD_OPTIONS, "*/", NULL, NULL, NULL},
    /* authority form is for CONNECT, section 3.2.3 */
    {METHOD_GET, "h:80", NULL, NULL, NULL},
    {METHOD_CONNECT, "h:80", NULL, NULL, NULL},
    {METHOD_GET, "h", NULL, NULL, NULL},
    {METHOD_GET, "a/b", NULL, NULL, NULL},
    {METHOD_GET, "?q", NULL, NULL, NULL},
    {METHOD_GET, "", NULL, NULL, NULL},
    /* bytes that may not stand in a target */
    {METHOD_GET, "/a#b", NULL, NULL, NULL},
    {METHOD_GET, "/#", NULL, NULL, NULL},
    {METHOD_GET, "http://h/#", NULL, NULL, NULL},
    {METHOD_GET, "/a b", NULL, NULL, NULL},
    {METHOD_GET, "/a\tb", NULL, NULL, NULL},
    {METHOD_GET, "/a\x7f", NULL, NULL, NULL},
    {METHOD_GET, "/\xc3\xa9", NULL, NULL, NULL},
    {METHOD_GET, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01", NULL, NULL, NULL},
};

static void forms(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        const struct target_case *c = &targets[i];
        struct msg msg = {.target = STR("untouched"), .path = STR("untouched"), .authority = STR("untouched")};
        int code = target_parse(c->method, str_of(c->text), &msg);
        if (code != (c->target ? 0 : -ERR_REQUEST_TARGET))
            fail_msg("%s: %d", c->text, code);
        assert_str(msg.target, str_of(c->target ? c->target : "untouched"));
        assert_str(msg.path, str_of(c->target ? c->path : "untouched"));
        assert_str(msg.authority, str_of(c->target ? c->authority : "untouched"));
    }
    struct msg msg = {0};
    assert_int_equal(target_parse(METHOD_GET, STR("/a\0b"), &msg), -ERR_REQUEST_TARGET);
}

static void hosts(void **state)
{
    /* RFC 9110 section 7.2, RFC 3986 section 3.2.2 */
    static const struct {
        const char *host;
        const char *name; /* NULL: refused */
    } cases[] = {
        {"example.com", "example.com"},
        {"Example.COM:80", "Example.COM"},
        {"a-very-long-name.with.several.labels.example.com:65535", "a-very-long-name.with.several.labels.example.com"},
        {"127.0.0.1:8080", "127.0.0.1"},
        {"h:", "h"},
        {"h:0", "h"},
        {"h:00080", "h"},
        {"under_score", "under_score"},
        {"a~b!c$d&e'f(g)h*i+j,k;l=m", "a~b!c$d&e'f(g)h*i+j,k;l=m"},
        {"%41b", "%41b"},
        {"[::1]", "[::1]"},
        {"[::1]:80", "[::1]"},
        {"[2001:db8::ffff:192.0.2.1]:", "[2001:db8::ffff:192.0.2.1]"},
        {"", NULL},
        {":80", NULL},
        {"h:65536", NULL},
        {"h:8a", NULL},
        {"h:-1", NULL},
        {"h:+1", NULL},
        {"h: 1", NULL},
        {"h:80:80", NULL},
        {"u@h", NULL},
        {"h/", NULL},
        {"h?", NULL},
        {"h#", NULL},
        {"a b", NULL},
        {"a\tb", NULL},
        {"%4", NULL},
        {"%", NULL},
        {"%g1", NULL},
        {"%1g", NULL},
        {"h\\", NULL},
        {"h\"", NULL},
        {"<h>", NULL},
        {"h\x7f", NULL},
        {"h\xc3\xa9", NULL},
        {"::1", NULL},
        {"[]", NULL},
        {"[", NULL},
        {"]", NULL},
        {"[::1", NULL},
        {"[::1]x", NULL},
        {"[::1]80", NULL},
        {"[::1]:x", NULL},
        {"[::1%25eth0]", NULL},
        {"[v1.a]", NULL},
        {"[1.2.3.4]", NULL},
        {"[:::1]", NULL},
        {"[12345::]", NULL},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL},
        {"a[::1]", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct str host = str_of(cases[i].host);
        if (target_host_valid(host) != (cases[i].name != NULL))
            fail_msg("%s", cases[i].host);
        if (cases[i].name)
            assert_str(target_host_name(host), str_of(cases[i].name));
    }
    assert_false(target_host_valid(STR("a\0b")));
    assert_false(target_host_valid(STR("[::\0]")));
    assert_str(target_host_name(STR("[::1")), STR("[::1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
