/* Which answer Ballast makes to what, that it is sent whole, and what its failing leaves. */
#include "proxy/own_answer.h"

#include "still_life.h"

static struct str header(const struct still_life *s, const char *name)
{
    for (uint32_t i = 0; i < s->sent_head.count; i++)
        if (str_ieq(s->sent_head.fields[i].name, str_of(name)))
            return s->sent_head.fields[i].value;
    return STR_NONE;
}

static void ask(struct still_life *s, enum msg_method method)
{
    still_life_init(s);
    s->x->id = STR("an-id");
    s->x->client.head.method = method;
}

static void check_whole(struct still_life *s, int status)
{
    assert_int_equal(s->heads, 1);
    assert_int_equal(s->ends, 1);
    assert_int_equal(s->sent_head.status, status);
    assert_int_equal(s->x->status, status);
    assert_true(s->x->answering && s->x->own_answer);
    assert_int_equal(bufq_bytes(&s->x->own_body), 0);
}

static void own_answer_says_what_went_wrong(void **state)
{
    struct still_life s;
    ask(&s, METHOD_GET);
    s.x->error = -ERR_NO_ROUTE;
    assert_int_equal(own_answer_send(s.x), 0);
    check_whole(&s, 404);
    assert_true(bufq_bytes(&s.sent) > 0);
    assert_int_equal(s.sent_head.length, bufq_bytes(&s.sent));
    assert_int_equal(header(&s, "Retry-After").n, 0);
    still_life_fini(&s);
}

/* Rounded up: who comes back then finds the probe done. */
static void own_answer_says_when_to_come_back(void **state)
{
    static const struct {
        int64_t wait_ms;
        const char *seconds;
    } waits[] = {{0, "1"}, {-5000, "1"}, {1000, "1"}, {1001, "2"}, {2500, "3"}};
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        struct still_life s;
        ask(&s, METHOD_GET);
        s.x->error = -ERR_NO_WORKER;
        s.x->pool = &s.helper.pool;
        atomic_store(&s.helper.pool.next_probe_ms, io_now_ms(s.io) + waits[i].wait_ms);
        assert_int_equal(own_answer_send(s.x), 0);
        check_whole(&s, 503);
        assert_true(str_eq(header(&s, "Retry-After"), str_of(waits[i].seconds)));
        still_life_fini(&s);
    }
}

static void own_answer_gives_the_metrics(void **state)
{
    for (int head = 0; head < 2; head++) {
        struct still_life s;
        ask(&s, head ? METHOD_HEAD : METHOD_GET);
        s.x->counted = false;
        assert_int_equal(own_answer_prepare(s.x), 0);
        assert_int_equal(own_answer_send(s.x), 0);
        assert_int_equal(s.sent_head.length, 17);
        assert_int_equal(bufq_bytes(&s.sent), head ? 0 : 17);
        assert_int_equal(s.ends, 1);
        still_life_fini(&s);
    }
}

static void own_answer_reports_that_it_could_not(void **state)
{
    struct still_life s;
    ask(&s, METHOD_GET);
    s.x->error = -ERR_NO_ROUTE;
    s.error = -ERR_NO_MEMORY;
    assert_int_equal(own_answer_send(s.x), -ERR_NO_MEMORY);
    still_life_fini(&s);
    ask(&s, METHOD_GET);
    s.x->error = -ERR_NO_ROUTE;
    s.x->arena.max_bytes = 0;
    assert_int_equal(own_answer_send(s.x), -ERR_NO_MEMORY);
    assert_int_equal(s.heads, 0);
    still_life_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_answer_says_what_went_wrong),
        cmocka_unit_test(own_answer_says_when_to_come_back),
        cmocka_unit_test(own_answer_gives_the_metrics),
        cmocka_unit_test(own_answer_reports_that_it_could_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
