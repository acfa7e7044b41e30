/* The body pump between two streams whose sessions are stand-ins: what moves, what waits, what can be sent again. */
#include "proxy/flow.h"

#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

/* Counts and keeps what the flow does with a session. */
struct far_side {
    struct session session;
    struct bufq sent;
    size_t room;
    uint32_t consumed, ends, trailers;
    int error; /* of the next send */
};

struct fixture {
    struct buf_pool buffers;
    struct arena arena;
    struct far_side source, sink;
    struct stream from, to;
    struct flow flow;
};

static struct far_side *side_of(struct stream *stream)
{
    return CONTAINER_OF(stream->session, struct far_side, session);
}

static int side_send_body(struct stream *stream, struct bufq *from, size_t n)
{
    struct far_side *side = side_of(stream);
    return side->error ? side->error : bufq_move(&side->sent, from, n);
}

static int side_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    side_of(stream)->ends++;
    side_of(stream)->trailers = count;
    return side_of(stream)->error;
}

static size_t side_room(struct stream *stream)
{
    struct far_side *side = side_of(stream);
    return side->room > bufq_bytes(&side->sent) ? side->room - bufq_bytes(&side->sent) : 0;
}

static void side_consumed(struct stream *stream)
{
    side_of(stream)->consumed++;
}

static const struct session_ops side_ops = {
    .name = "stand-in",
    .send_body = side_send_body,
    .send_end = side_send_end,
    .room = side_room,
    .consumed = side_consumed,
};

static void on_stream(struct stream *stream, unsigned events)
{
}

static void setup(struct fixture *f, bool keeping)
{
    memset(f, 0, sizeof(*f));
    buf_pool_init(&f->buffers, 4 << 20);
    arena_init(&f->arena, 1 << 16);
    stream_init(&f->from, on_stream, &f->arena, &f->buffers);
    stream_init(&f->to, on_stream, &f->arena, &f->buffers);
    f->source.session.ops = f->sink.session.ops = &side_ops;
    bufq_init(&f->sink.sent, &f->buffers);
    f->sink.room = SIZE_MAX;
    f->from.session = &f->source.session;
    f->to.session = &f->sink.session;
    flow_init(&f->flow, &f->from, &f->to, keeping, &f->buffers);
}

static void teardown(struct fixture *f)
{
    flow_fini(&f->flow);
    bufq_clear(&f->sink.sent);
    f->from.session = f->to.session = NULL;
    stream_fini(&f->from);
    stream_fini(&f->to);
    arena_fini(&f->arena);
    buf_pool_fini(&f->buffers); /* asserts that every chunk came back */
}

/* Bytes number first to first + n of an endless body arrive. */
static void arrive(struct fixture *f, size_t first, size_t n)
{
    char bytes[1000];
    while (n > 0) {
        size_t piece = n < sizeof(bytes) ? n : sizeof(bytes);
        for (size_t i = 0; i < piece; i++)
            bytes[i] = (char)((first + i) % 251);
        assert_int_equal(bufq_append(&f->from.body, bytes, piece), 0);
        first += piece;
        n -= piece;
    }
}

/* Exactly bytes 0 to n of that body were sent; forgets them. */
static void check_sent(struct fixture *f, size_t first, size_t n)
{
    assert_int_equal(bufq_bytes(&f->sink.sent), n);
    for (size_t at = first; n > 0;) {
        struct str front = bufq_front(&f->sink.sent);
        for (size_t i = 0; i < front.n; i++, at++)
            assert_int_equal((unsigned char)front.p[i], at % 251);
        n -= front.n;
        bufq_consume(&f->sink.sent, front.n);
    }
}

static void flow_moves_what_came(void **state)
{
    struct fixture f;
    setup(&f, false);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_int_equal(f.source.consumed, 0);
    arrive(&f, 0, 5000);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_int_equal(f.source.consumed, 1); /* the session may read on */
    assert_int_equal(f.flow.bytes, 5000);
    assert_false(f.flow.done);
    arrive(&f, 5000, 3000);
    f.from.ended = true;
    assert_int_equal(flow_step(&f.flow), 0);
    assert_int_equal(f.source.consumed, 1); /* nothing more to read */
    check_sent(&f, 0, 8000);
    assert_true(f.flow.done);
    assert_int_equal(f.sink.ends, 1);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_int_equal(f.sink.ends, 1); /* the end is passed on once */
    teardown(&f);
}

static void flow_passes_trailers_and_empty_bodies(void **state)
{
    struct fixture f;
    struct field trailers[2] = {{.name = STR("A"), .value = STR("b")}, {.name = STR("C"), .value = STR("d")}};
    setup(&f, true);
    f.from.ended = true;
    f.from.trailers = trailers;
    f.from.trailer_count = 2;
    assert_int_equal(flow_step(&f.flow), 0);
    assert_true(f.flow.done);
    assert_int_equal(f.flow.bytes, 0);
    assert_int_equal(f.sink.trailers, 2);
    assert_true(flow_rewindable(&f.flow));
    teardown(&f);
}

/* The slower side rules: what has no room waits, and so does the end. */
static void flow_waits_for_room(void **state)
{
    struct fixture f;
    setup(&f, true);
    f.sink.room = 1000;
    arrive(&f, 0, 2500);
    f.from.ended = true;
    for (size_t sent = 0; sent < 2000; sent += 1000) {
        assert_int_equal(flow_step(&f.flow), 0);
        assert_true(f.flow.blocked);
        assert_false(f.flow.done);
        assert_int_equal(f.flow.bytes, sent + 1000);
        assert_int_equal(flow_step(&f.flow), 0);
        assert_int_equal(f.flow.bytes, sent + 1000);
        check_sent(&f, sent, 1000);
    }
    assert_int_equal(flow_step(&f.flow), 0);
    assert_false(f.flow.blocked);
    assert_true(f.flow.done);
    check_sent(&f, 2000, 500);
    teardown(&f);
}

/* Rewound at any point, the same bytes go out again, before those that had not gone yet. */
static void flow_rewinds(void **state)
{
    for (size_t room = 500; room <= 4000; room += 500) {
        struct fixture f;
        setup(&f, true);
        arrive(&f, 0, 3000);
        f.sink.room = room;
        f.from.ended = true;
        assert_int_equal(flow_step(&f.flow), 0);
        bufq_clear(&f.sink.sent);
        f.sink.room = SIZE_MAX;
        assert_true(flow_rewindable(&f.flow));
        assert_int_equal(flow_rewind(&f.flow), 0);
        assert_int_equal(f.flow.bytes, 0);
        assert_false(f.flow.done || f.flow.blocked);
        assert_int_equal(flow_step(&f.flow), 0);
        check_sent(&f, 0, 3000);
        assert_true(f.flow.done);
        assert_true(flow_rewindable(&f.flow)); /* and once more */
        assert_int_equal(flow_rewind(&f.flow), 0);
        assert_int_equal(flow_step(&f.flow), 0);
        check_sent(&f, 0, 3000);
        teardown(&f);
    }
}

static void flow_keeps_so_much(void **state)
{
    struct fixture f;
    setup(&f, true);
    arrive(&f, 0, FLOW_REPLAY_MAX);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_true(flow_rewindable(&f.flow));
    assert_int_equal(bufq_bytes(&f.flow.replay), FLOW_REPLAY_MAX);
    arrive(&f, FLOW_REPLAY_MAX, 1);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_false(flow_rewindable(&f.flow));
    assert_int_equal(bufq_bytes(&f.flow.replay), 0);
    check_sent(&f, 0, FLOW_REPLAY_MAX + 1);
    teardown(&f);
}

static void flow_forgets(void **state)
{
    struct fixture f;
    setup(&f, true);
    assert_true(flow_rewindable(&f.flow));
    arrive(&f, 0, 100);
    assert_int_equal(flow_step(&f.flow), 0);
    flow_forget(&f.flow);
    assert_false(flow_rewindable(&f.flow));
    arrive(&f, 100, 100);
    assert_int_equal(flow_step(&f.flow), 0);
    assert_int_equal(bufq_bytes(&f.flow.replay), 0);
    check_sent(&f, 0, 200);
    teardown(&f);
}

static void flow_reports_errors(void **state)
{
    for (int keeping = 0; keeping < 2; keeping++) {
        struct fixture f;
        setup(&f, keeping);
        arrive(&f, 0, 100);
        f.sink.error = -ERR_INTERNAL;
        assert_int_equal(flow_step(&f.flow), -ERR_INTERNAL);
        assert_int_equal(f.flow.bytes, 0);
        bufq_clear(&f.from.body);
        f.from.ended = true;
        assert_int_equal(flow_step(&f.flow), -ERR_INTERNAL); /* less than was promised */
        teardown(&f);
    }
}

static void flow_survives_no_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct fixture f;
        setup(&f, true);
        arrive(&f, 0, 40000);
        f.from.ended = true;
        alloc_fail_at(n);
        int error = flow_step(&f.flow);
        if (!error)
            error = flow_rewind(&f.flow);
        failed = alloc_fail_stop();
        /* A chunk that is only there to save others may be missing without harm. */
        assert_true(error == 0 || (failed && error == -ERR_NO_MEMORY));
        if (error == 0)
            assert_int_equal(bufq_bytes(&f.from.body), 40000);
        teardown(&f);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_moves_what_came), cmocka_unit_test(flow_passes_trailers_and_empty_bodies),
        cmocka_unit_test(flow_waits_for_room),  cmocka_unit_test(flow_rewinds),
        cmocka_unit_test(flow_keeps_so_much),   cmocka_unit_test(flow_forgets),
        cmocka_unit_test(flow_reports_errors),  cmocka_unit_test(flow_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
