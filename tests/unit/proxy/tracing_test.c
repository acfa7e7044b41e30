/* A request's trace: continued or begun, told to the worker once, and written down when it is sampled. */
#include "proxy/tracing.h"

#include "net/transport.h"
#include "proxy/span.h"
#include "still_life.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct field fields[8];

static void begin(struct still_life *s, const char *const *parents, size_t count)
{
    still_life_init(s);
    rand_seed(&s->home.rand, 1);
    s->rules.trace = (struct trace_options){.enabled = true, .ratio_percent = 100};
    struct msg *head = &s->x->client.head;
    head->fields = fields;
    head->count = 0;
    head->cap = ARRAY_SIZE(fields);
    for (size_t i = 0; i < count; i++)
        msg_add_field(head, FIELD_OTHER, STR("TraceParent"), str_of(parents[i]));
    msg_add_field(head, FIELD_OTHER, STR("tracestate"), STR("a=b"));
    head->method = METHOD_GET;
    head->method_text = STR("GET");
    head->target = STR("/a?b=c");
    head->path = str_slice(head->target.p, 2);
    head->authority = STR("example:8080");
}

static struct str field_of(const struct msg *head, struct str name)
{
    struct str found = STR_NONE;
    for (uint32_t i = 0; i < head->count; i++) {
        if (head->fields[i].dropped || !str_ieq(head->fields[i].name, name))
            continue;
        assert_null(found.p);
        found = head->fields[i].value;
    }
    return found;
}

static void tracing_continues_a_trace(void **state)
{
    static const char *const parents[] = {"00-" ID "-" PARENT "-00"};
    struct still_life s;

    begin(&s, parents, 1);
    assert_int_equal(tracing_begin(s.x), 0);
    assert_false(s.x->trace->sampled);
    assert_int_equal(tracing_rewrite(s.x), 0);
    struct str told = field_of(&s.x->client.head, STR("traceparent"));
    assert_int_equal(told.n, TRACE_PARENT_CHARS);
    assert_memory_equal(told.p, "00-" ID "-", 36);
    assert_memory_not_equal(told.p + 36, PARENT, 16);
    assert_memory_equal(told.p + 52, "-00", 3);
    assert_true(str_eq(field_of(&s.x->client.head, STR("tracestate")), STR("a=b")));
    still_life_fini(&s);
}

/* What is no traceparent, or two of them, or one that is not to be believed: a trace of our own, without their state.
 */
static void tracing_begins_a_trace(void **state)
{
    static const char *const cases[][2] = {
        {"00-" ID "-" PARENT "-01", "00-" ID "-" PARENT "-01"}, {"nonsense", NULL}, {NULL, NULL}};

    for (size_t i = 0; i <= ARRAY_SIZE(cases); i++) {
        static const char *const good[] = {"00-" ID "-" PARENT "-00"};
        bool restart = i == ARRAY_SIZE(cases);
        const char *const *parents = restart ? good : cases[i];
        struct still_life s;
        begin(&s, parents, restart ? 1 : parents[1] ? 2 : parents[0] ? 1 : 0);
        s.rules.trace.restart = restart;
        assert_int_equal(tracing_begin(s.x), 0);
        assert_true(s.x->trace->sampled);
        assert_int_equal(tracing_rewrite(s.x), 0);
        struct str told = field_of(&s.x->client.head, STR("traceparent"));
        assert_int_equal(told.n, TRACE_PARENT_CHARS);
        assert_memory_not_equal(told.p + 3, ID, 32);
        assert_int_equal(field_of(&s.x->client.head, STR("tracestate")).n, 0);
        still_life_fini(&s);
    }
}

static void tracing_writes_spans_down(void **state)
{
    struct still_life s;
    struct span span;

    begin(&s, NULL, 0);
    s.client.conn.transport = &transport_plain;
    assert_int_equal(span_queue_create(&s.home.spans), 0);
    s.x->client_host = STR("192.0.2.1");
    s.x->id = STR("an-id");
    s.x->status = 502;
    s.x->error = -ERR_CONN_RESET;
    s.x->own_answer = true;
    s.x->tries = 1;
    s.x->attempts[0] = (struct exchange_try){.worker = &s.helper.workers[1], .picked_us = 7};
    tracing_note(s.x); /* no trace */
    assert_int_equal(span_queue_count(s.home.spans), 0);
    assert_int_equal(tracing_begin(s.x), 0);
    s.x->trace->sampled = false;
    tracing_note(s.x);
    assert_int_equal(span_queue_count(s.home.spans), 0);
    s.x->trace->sampled = true;
    still_life_pass(&s, 3);
    tracing_note(s.x);
    assert_int_equal(span_queue_take(s.home.spans, &span, 1), 1);
    assert_memory_equal(&span.trace, s.x->trace, sizeof(span.trace));
    assert_int_equal(span.end_ns - span.start_ns, 3000000);
    assert_int_equal(span.status, 502);
    assert_int_equal(span.error, ERR_CONN_RESET);
    assert_true(span.own && span.failed && span.known_method);
    assert_int_equal(span.tries, 1);
    assert_int_equal(span.attempts[0].picked_us, 7);
    assert_true(str_eq(str_of(span.attempts[0].worker), worker_name(&s.helper.workers[1])));
    assert_true(str_eq(span_get_text(&span, SPAN_PATH), STR("/a")));
    assert_true(str_eq(span_get_text(&span, SPAN_QUERY), STR("b=c")));
    assert_true(str_eq(span_get_text(&span, SPAN_HOST), STR("example:8080")));
    assert_true(str_eq(span_get_text(&span, SPAN_CLIENT), STR("192.0.2.1")));
    assert_true(str_eq(span_get_text(&span, SPAN_REQUEST_ID), STR("an-id")));
    span_queue_destroy(&s.home.spans);
    still_life_fini(&s);
}

static void tracing_survives_no_memory(void **state)
{
    struct still_life s;

    begin(&s, NULL, 0);
    size_t room = s.x->arena.max_bytes;
    s.x->arena.max_bytes = 0;
    assert_int_equal(tracing_begin(s.x), -ERR_NO_MEMORY);
    assert_null(s.x->trace);
    s.x->arena.max_bytes = room;
    assert_int_equal(tracing_begin(s.x), 0);
    s.x->arena.max_bytes = s.x->arena.bytes;
    assert_int_equal(tracing_rewrite(s.x), -ERR_NO_MEMORY);
    still_life_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracing_continues_a_trace),
        cmocka_unit_test(tracing_begins_a_trace),
        cmocka_unit_test(tracing_writes_spans_down),
        cmocka_unit_test(tracing_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
