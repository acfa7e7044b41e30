/* The field's spans, and what its failing leaves. */
#include "proxy/server_timing.h"

#include "still_life.h"

static struct field fields[2];

static void begin(struct still_life *s)
{
    still_life_init(s);
    s->x->worker.head.fields = fields;
    s->x->worker.head.count = 0;
    s->x->worker.head.cap = ARRAY_SIZE(fields);
    s->x->tries = 1;
    s->x->attempts[0] = (struct exchange_try){.worker = &s->helper.workers[0], .picked_us = 1, .connected_us = 1501};
}

static void server_timing_tells_three_spans(void **state)
{
    struct still_life s;
    begin(&s);
    still_life_pass(&s, 12);
    assert_int_equal(server_timing_add(s.x), 0);
    assert_int_equal(s.x->worker.head.count, 1);
    assert_true(str_eq(fields[0].name, STR("Server-Timing")));
    assert_true(str_eq(fields[0].value, STR("queue;dur=0.001, connect;dur=1.500, worker;dur=10.499")));
    still_life_fini(&s);
}

/* With an answer that was there before the request had been sent. */
static void server_timing_never_runs_backwards(void **state)
{
    struct still_life s;
    begin(&s);
    s.x->attempts[0].connected_us = RECENT_NEVER;
    still_life_pass(&s, 1);
    assert_int_equal(server_timing_add(s.x), 0);
    assert_true(str_eq(fields[0].value, STR("queue;dur=0.001, connect;dur=0.999, worker;dur=0.000")));
    still_life_fini(&s);
}

static void server_timing_needs_memory(void **state)
{
    struct still_life s;
    begin(&s);
    still_life_pass(&s, 1);
    s.x->arena.max_bytes = 0;
    assert_int_equal(server_timing_add(s.x), -ERR_NO_MEMORY);
    assert_int_equal(s.x->worker.head.count, 0);
    still_life_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_timing_tells_three_spans),
        cmocka_unit_test(server_timing_never_runs_backwards),
        cmocka_unit_test(server_timing_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
