/* Ballast's own answers: every error in every form, and what they say about it. */
#include "proxy/reply.h"

#include <stdio.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

static const struct str id = {"some-id", 7}, date = {"some date", 9};

static struct str value_of(const struct msg *head, const char *name)
{
    struct str found = STR_NONE;
    for (uint32_t i = 0; i < head->count; i++) {
        if (!str_ieq(head->fields[i].name, str_of(name)))
            continue;
        assert_null(found.p);
        found = head->fields[i].value;
    }
    return found;
}

static void assert_value(const struct msg *head, const char *name, const char *wanted)
{
    struct str value = value_of(head, name);
    if (!value.p || !str_eq(value, str_of(wanted)))
        fail_msg("%s: %.*s, not %s", name, STR_ARG(value), wanted);
}

static bool holds(struct str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void check_error(int code, const char *accept, const char *type)
{
    struct arena arena;
    struct reply reply;
    char wanted[200];
    arena_init(&arena, 1 << 16);
    assert_int_equal(reply_error(&reply, -code, id, date, str_of(accept), 0, &arena), 0);
    assert_int_equal(reply.head.status, err_http_status(code));
    assert_true(reply.head.reason.n > 0);
    assert_int_equal(reply.head.length, reply.body.n);
    assert_int_equal(reply.head.body, MSG_BODY_LENGTH);
    assert_value(&reply.head, "Content-Type", type);
    assert_value(&reply.head, "X-Request-ID", "some-id");
    assert_value(&reply.head, "Date", "some date");
    assert_value(&reply.head, "Cache-Control", "no-store");
    assert_null(value_of(&reply.head, "Retry-After").p);
    (void)snprintf(wanted, sizeof(wanted), "ballast; error=%s; details=\"%s\"", err_proxy_status(code),
                   err_reason(code));
    assert_value(&reply.head, "Proxy-Status", wanted);
    assert_true(holds(reply.body, err_sentence(code)));
    assert_true(holds(reply.body, err_reason(code)));
    assert_true(holds(reply.body, "some-id"));
    (void)snprintf(wanted, sizeof(wanted), "%d", err_http_status(code));
    assert_true(holds(reply.body, wanted));
    assert_int_equal(reply.body.p[reply.body.n - 1], '\n');
    arena_fini(&arena);
}

static void reply_says_every_error(void **state)
{
    for (int code = 1; code < ERR_COUNT; code++) {
        int status = err_http_status(code);
        if (status == 0 || status == 499)
            continue;
        check_error(code, "", "text/plain; charset=utf-8");
        check_error(code, "text/html", "text/html; charset=utf-8");
        check_error(code, "application/json", "application/json");
    }
}

static void reply_chooses_by_accept(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {"*/*", "text/plain; charset=utf-8"},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"},
        {"image/png, APPLICATION/JSON;q=0.5", "application/json"},
        {"application/json, text/html", "application/json"},
        {"text/htmlx", "text/plain; charset=utf-8"},
        {" , ;q=1,, text/html ;q=0", "text/html; charset=utf-8"},
        {"application/vnd.api+json", "text/plain; charset=utf-8"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_error(ERR_NO_WORKER, cases[i].accept, cases[i].type);
}

/* Its form, for whoever reads it by program. */
static void reply_writes_json(void **state)
{
    struct arena arena;
    struct reply reply;
    arena_init(&arena, 1 << 16);
    assert_int_equal(reply_error(&reply, -ERR_NO_WORKER, id, date, STR("application/json"), 3, &arena), 0);
    assert_true(str_eq(reply.body, STR("{\"status\": 503, \"title\": \"Service Unavailable\", \"detail\": \"No healthy "
                                       "worker is available.\", \"reason\": \"no_worker_alive\", \"request_id\": "
                                       "\"some-id\"}\n")));
    assert_value(&reply.head, "Retry-After", "3");
    arena_fini(&arena);
}

static void reply_plain(void **state)
{
    struct arena arena;
    struct reply reply;
    arena_init(&arena, 1 << 16);
    assert_int_equal(reply_text(&reply, STR("hello"), STR("text/x"), date, &arena), 0);
    assert_int_equal(reply.head.status, 200);
    assert_int_equal(reply.head.length, 5);
    assert_value(&reply.head, "Content-Type", "text/x");
    assert_value(&reply.head, "Date", "some date");
    assert_int_equal(reply.head.count, 2);
    arena_fini(&arena);
}

/* RFC 9110 section 9.3.8: nothing secret is sent back. */
static void reply_traces(void **state)
{
    struct arena arena;
    struct reply reply;
    struct field fields[] = {
        {STR("A"), STR("b"), FIELD_OTHER, false},
        {STR("Connection"), STR("x"), FIELD_CONNECTION, true},
        {STR("cookie"), STR("secret"), FIELD_OTHER, false},
        {STR("AUTHORIZATION"), STR("secret"), FIELD_OTHER, false},
        {STR("Proxy-Authorization"), STR("secret"), FIELD_PROXY_AUTHORIZATION, false},
        {STR("C"), STR(""), FIELD_OTHER, false},
    };
    struct msg request = {.target = STR("/t?q"),
                          .authority = STR("h:1"),
                          .minor = 1,
                          .fields = fields,
                          .count = ARRAY_SIZE(fields),
                          .cap = ARRAY_SIZE(fields)};
    arena_init(&arena, 1 << 16);
    assert_int_equal(reply_trace(&reply, &request, date, &arena), 0);
    assert_value(&reply.head, "Content-Type", "message/http");
    assert_true(str_starts(reply.body, STR("TRACE /t?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nC: \r\n")));
    assert_false(holds(reply.body, "secret"));
    arena_fini(&arena);
}

static void reply_redirects(void **state)
{
    static const struct {
        struct route_redirect redirect;
        const char *authority, *target, *location;
    } cases[] = {
        {{308, 443, true, {NULL, 0}}, "a.example", "/x?y=1", "https://a.example/x?y=1"},
        {{308, 443, true, {NULL, 0}}, "a.example:8080", "/", "https://a.example/"},
        {{308, 8443, true, {NULL, 0}}, "a.example:80", "/", "https://a.example:8443/"},
        {{308, 8443, true, {NULL, 0}}, "[::1]:80", "/", "https://[::1]:8443/"},
        {{308, 443, true, {NULL, 0}}, "a.example", "*", "https://a.example/"},
        {{302, 443, false, {"https://b.example", 17}}, "a.example", "/x?y", "https://b.example/x?y"},
        {{302, 443, false, {"https://b.example/", 18}}, "a.example", "/x?y", "https://b.example/"},
        {{302, 443, false, {"http://b:1/moved?to=1", 21}}, "a.example", "/x", "http://b:1/moved?to=1"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msg request = {.authority = str_of(cases[i].authority), .target = str_of(cases[i].target)};
        struct arena arena;
        struct reply reply;
        arena_init(&arena, 4096);
        struct str location = reply_location(&cases[i].redirect, &request, &arena);
        assert_int_equal(reply_redirect(&reply, cases[i].redirect.status, location, id, date, &arena), 0);
        assert_int_equal(reply.head.status, cases[i].redirect.status);
        assert_value(&reply.head, "Location", cases[i].location);
        assert_value(&reply.head, "X-Request-ID", "some-id");
        assert_true(holds(reply.body, cases[i].location));
        assert_int_equal(reply.head.length, reply.body.n);
        arena_fini(&arena);
    }
}

static void reply_survives_no_memory(void **state)
{
    bool failed = true;
    struct field fields[] = {{STR("A"), STR("b"), FIELD_OTHER, false}};
    struct msg request = {.target = STR("/"), .fields = fields, .count = 1, .cap = 1};
    for (unsigned n = 1; failed; n++) {
        struct arena arena;
        struct reply reply;
        arena_init(&arena, 1 << 16);
        alloc_fail_at(n);
        int error = reply_error(&reply, -ERR_NO_WORKER, id, date, STR("text/html"), 2, &arena);
        if (!error)
            error = reply_trace(&reply, &request, date, &arena);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_says_every_error),
        cmocka_unit_test(reply_chooses_by_accept),
        cmocka_unit_test(reply_writes_json),
        cmocka_unit_test(reply_plain),
        cmocka_unit_test(reply_traces),
        cmocka_unit_test(reply_redirects),
        cmocka_unit_test(reply_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
