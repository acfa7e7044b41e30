/* What is a call, how long it may last, and what it is told when Ballast answers. */
#include "proxy/grpc.h"

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

static struct field fields[4];

static struct msg call_with(const char *type, const char *timeout)
{
    struct msg msg = {.method = METHOD_POST, .trailers_wanted = true, .fields = fields, .cap = ARRAY_SIZE(fields)};
    if (type)
        msg_add_field(&msg, FIELD_OTHER, STR("content-type"), str_of(type));
    if (timeout)
        msg_add_field(&msg, FIELD_OTHER, STR("grpc-timeout"), str_of(timeout));
    return msg;
}

static void grpc_calls(void **state)
{
    static const struct {
        const char *type;
        bool is_call;
    } rows[] = {
        {"application/grpc", true},
        {"application/grpc+proto", true},
        {"Application/gRPC; x=y", true},
        {"application/grpc-web", false},
        {"application/grp", false},
        {"", false},
        {NULL, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msg msg = call_with(rows[i].type, NULL);
        assert_int_equal(grpc_is_call(&msg), rows[i].is_call);
        msg.trailers_wanted = false;
        assert_false(grpc_is_call(&msg));
        msg.trailers_wanted = true;
        msg.method = METHOD_GET;
        assert_false(grpc_is_call(&msg));
    }
}

static void grpc_timeouts(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1H", 3600000},
        {"2M", 120000},
        {"3S", 3000},
        {"4m", 4},
        {"1u", 1},
        {"1001u", 2},
        {"1000000n", 1},
        {"0m", 0},
        {"99999999S", 99999999000},
        {"100000000m", -1},
        {"99999999H", 359999996400000},
        {"m", -1},
        {"", -1},
        {NULL, -1},
        {"1", -1},
        {"1s", -1},
        {"-1m", -1},
        {"+1m", -1},
        {"1 m", -1},
        {"1.5S", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msg msg = call_with("application/grpc", rows[i].text);
        assert_int_equal(grpc_timeout_ms(&msg), rows[i].ms);
    }
}

static void grpc_statuses(void **state)
{
    assert_int_equal(grpc_status_of(-ERR_DEADLINE), GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(grpc_status_of(-ERR_DEADLINE_OVER), GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(grpc_status_of(-ERR_NO_WORKER), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of(-ERR_CONNECT_REFUSED), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of(-ERR_ANSWER_TIMEOUT), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of(-ERR_NO_ROUTE), GRPC_UNIMPLEMENTED);
    assert_int_equal(grpc_status_of(-ERR_REQUEST_BODY_SIZE), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of(-ERR_INTERNAL), GRPC_INTERNAL);
    assert_int_equal(grpc_status_of(-ERR_REQUEST_HOST), GRPC_INTERNAL);
    assert_int_equal(grpc_status_of(-ERR_REQUEST_BODY_TIMEOUT), GRPC_CANCELLED);
    assert_int_equal(grpc_status_of(-ERR_REQUEST_EXPECT), GRPC_UNKNOWN);
}

static void grpc_replies(void **state)
{
    struct arena arena;
    struct reply reply;
    bool failed = true;
    arena_init(&arena, 65536);
    assert_int_equal(grpc_reply(&reply, -ERR_NO_WORKER, STR("some-id"), STR("some date"), &arena), 0);
    assert_int_equal(reply.head.status, 200);
    assert_int_equal(reply.body.n, 0);
    assert_int_equal(reply.head.length, 0);
    assert_true(str_eq(reply.head.fields[1].value, STR("application/grpc")));
    assert_true(str_eq(reply.head.fields[2].value, STR("14")));
    assert_true(str_starts(reply.head.fields[3].value, STR("No healthy worker is available. (reason: ")));
    arena_fini(&arena);
    for (unsigned long n = 1; failed; n++) {
        arena_init(&arena, 65536);
        alloc_fail_at(n);
        int error = grpc_reply(&reply, -ERR_NO_WORKER, STR("some-id"), STR("some date"), &arena);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        arena_fini(&arena);
    }
}

/* grpc-message is percent-encoded: our sentences need none of it. */
static void grpc_messages_are_plain(void **state)
{
    for (int code = 1; code < ERR_COUNT; code++)
        for (const char *p = err_sentence(code); *p; p++)
            assert_true(*p >= ' ' && *p <= '~' && *p != '%');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpc_calls),   cmocka_unit_test(grpc_timeouts),           cmocka_unit_test(grpc_statuses),
        cmocka_unit_test(grpc_replies), cmocka_unit_test(grpc_messages_are_plain),
    };
    return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
