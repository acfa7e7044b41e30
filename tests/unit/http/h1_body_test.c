/* Body framing both ways: what is taken from a queue and what is put behind one, with every kind of framing, cut
 * anywhere, with no room and with no memory. */
#include "http_cmocka.h"

#include "base/err.h"
#include "http/h1_body.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/net/world.h"

static const struct h1_limits limits = {.head_bytes = 1000, .fields = 5, .target_bytes = 200};

static struct buf_pool pool;
static struct arena arena;
static struct stream stream;
static struct bufq in, out;

static void on_event(struct stream *self, unsigned events)
{
}

static int setup(void **state)
{
    buf_pool_init(&pool, 32 * BUF_CHUNK_BYTES);
    arena_init(&arena, 1 << 16);
    stream_init(&stream, on_event, &arena, &pool);
    bufq_init(&in, &pool);
    bufq_init(&out, &pool);
    return 0;
}

static int teardown(void **state)
{
    bufq_clear(&in);
    bufq_clear(&out);
    stream_fini(&stream);
    arena_fini(&arena);
    assert_int_equal(pool.chunks.used, 0);
    assert_int_equal(pool.nodes.used, 0);
    buf_pool_fini(&pool);
    return 0;
}

static void put(struct bufq *queue, struct str text)
{
    assert_int_equal(bufq_append(queue, text.p, text.n), 0);
}

static struct h1_body_in body_of(enum h1_body_kind kind, int64_t length)
{
    struct h1_head head = {.msg = {.length = length}};
    struct h1_body_in body;

    head.chunked = kind == H1_BODY_CHUNKED;
    head.msg.body = kind == H1_BODY_NONE ? MSG_BODY_NONE : kind == H1_BODY_LENGTH ? MSG_BODY_LENGTH : MSG_BODY_OPEN;
    h1_body_in_init(&body, &head);
    assert_int_equal(body.kind, kind);
    return body;
}

/* ---- taking ---- */

static const struct take_case {
    const char *name, *bytes, *body, *rest, *trailer;
    enum h1_body_kind kind;
    int64_t length;
    int result;
} take_cases[] = {
    {"none", "next", "", "next", NULL, H1_BODY_NONE, -1, 1},
    {"length 0", "next", "", "next", NULL, H1_BODY_LENGTH, 0, 1},
    {"length", "bodynext", "body", "next", NULL, H1_BODY_LENGTH, 4, 1},
    {"length, not all", "bod", "bod", "", NULL, H1_BODY_LENGTH, 4, 0},
    {"to the end", "body and more", "body and more", "", NULL, H1_BODY_CLOSE, -1, 0},
    {"chunked", "4\r\nbody\r\n3;x=y\r\nand\r\n0\r\n\r\nnext", "bodyand", "next", NULL, H1_BODY_CHUNKED, -1, 1},
    {"chunked, no last chunk", "4\r\nbody\r\n", "body", "", NULL, H1_BODY_CHUNKED, -1, 0},
    {"chunked, no end of the trailers", "0\r\n", "", "", NULL, H1_BODY_CHUNKED, -1, 0},
    {"trailers", "1\r\nb\r\n0\r\nSum: 5\r\n\r\nnext", "b", "next", "Sum", H1_BODY_CHUNKED, -1, 1},
    {"bad size", "x\r\n", "", "x\r\n", NULL, H1_BODY_CHUNKED, -1, -ERR_REQUEST_CHUNK},
    {"data runs over", "1\r\nbc\r\n", "b", "", NULL, H1_BODY_CHUNKED, -1, -ERR_REQUEST_CHUNK},
    {"bad trailer", "0\r\nSum : 5\r\n\r\n", "", "", NULL, H1_BODY_CHUNKED, -1, -ERR_REQUEST_TRAILER},
    {"bare LF", "0\r\nSum: 5\n\r\n", "", "", NULL, H1_BODY_CHUNKED, -1, -ERR_REQUEST_BARE_LF},
    {"too many trailers", "0\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\n\r\n", "", "", NULL, H1_BODY_CHUNKED, -1,
     -ERR_REQUEST_FIELD_COUNT},
};

static void check_taken(const struct take_case *c, int result)
{
    if (result != c->result)
        print_error("%s\n", c->name);
    assert_int_equal(result, c->result);
    assert_str(world_text(&stream.body), str_of(c->body));
    if (result >= 0)
        assert_str(world_text(&in), str_of(c->rest));
    assert_int_equal(stream.trailer_count, c->trailer ? 1 : 0);
    if (c->trailer)
        assert_str(stream.trailers[0].name, str_of(c->trailer));
}

static void clear_all(void)
{
    bufq_clear(&in);
    bufq_clear(&out);
    stream_reset(&stream);
    arena_reset(&arena);
}

static void test_take(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(take_cases); i++) {
        struct h1_body_in body = body_of(take_cases[i].kind, take_cases[i].length);
        put(&in, str_of(take_cases[i].bytes));
        check_taken(&take_cases[i], h1_body_in_take(&body, &in, &stream, &limits));
        clear_all();
    }
}

/* Byte by byte, and as slices that never touch: the same. */
static void test_take_in_pieces(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(take_cases); i++) {
        const struct take_case *c = &take_cases[i];
        struct h1_body_in body = body_of(c->kind, c->length);
        int result = h1_body_in_take(&body, &in, &stream, &limits);
        size_t at = 0;
        for (; result == 0 && c->bytes[at]; at++) {
            assert_int_equal(bufq_push_static(&in, str_slice(&c->bytes[at], 1)), 0);
            result = h1_body_in_take(&body, &in, &stream, &limits);
        }
        put(&in, str_of(c->bytes + at));
        check_taken(c, result);
        clear_all();
    }
}

/* No more is taken than there is room for, and the rest later; whatever the framing. */
static void test_take_leaves_what_has_no_room(void **state)
{
    static const enum h1_body_kind kinds[] = {H1_BODY_LENGTH, H1_BODY_CLOSE, H1_BODY_CHUNKED};
    static char bytes[STREAM_BODY_HIGH + 5000];
    memset(bytes, 'b', sizeof(bytes));
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        char line[H1_CHUNK_HEAD_BYTES];
        struct h1_body_in body = body_of(kinds[i], sizeof(bytes));
        bool chunked = kinds[i] == H1_BODY_CHUNKED;
        if (chunked)
            put(&in, str_slice(line, h1_chunk_head(line, sizeof(bytes))));
        put(&in, str_slice(bytes, sizeof(bytes)));
        if (chunked)
            put(&in, STR("\r\n0\r\n\r\n"));
        assert_int_equal(h1_body_in_take(&body, &in, &stream, &limits), 0);
        assert_int_equal(bufq_bytes(&stream.body), STREAM_BODY_HIGH);
        assert_int_equal(h1_body_in_take(&body, &in, &stream, &limits), 0);
        assert_int_equal(bufq_bytes(&stream.body), STREAM_BODY_HIGH);
        bufq_consume(&stream.body, 1000);
        assert_int_equal(h1_body_in_take(&body, &in, &stream, &limits), 0);
        assert_int_equal(bufq_bytes(&stream.body), STREAM_BODY_HIGH);
        bufq_clear(&stream.body);
        assert_int_equal(h1_body_in_take(&body, &in, &stream, &limits), kinds[i] != H1_BODY_CLOSE);
        assert_int_equal(bufq_bytes(&stream.body), 4000);
        assert_int_equal(bufq_bytes(&in), 0);
        clear_all();
    }
}

/* A trailer outlives the chunk it came in. */
static void test_trailers_are_copied(void **state)
{
    struct h1_body_in body = body_of(H1_BODY_CHUNKED, -1);
    put(&in, STR("0\r\nSum: 5\r\nHost: x\r\n\r\n"));
    assert_int_equal(h1_body_in_take(&body, &in, &stream, &limits), 1);
    assert_int_equal(pool.chunks.used, 0);
    assert_int_equal(stream.trailer_count, 2);
    assert_str(stream.trailers[0].value, STR("5"));
    assert_false(stream.trailers[0].dropped);
    assert_true(stream.trailers[1].dropped);
}

static void test_take_without_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct h1_body_in body = body_of(H1_BODY_CHUNKED, -1);
        teardown(NULL);
        setup(NULL);
        assert_int_equal(bufq_push_static(&in, STR("3\r\nabc\r\n0\r\nSum:")), 0);
        assert_int_equal(bufq_push_static(&in, STR(" 5\r\n\r\n")), 0);
        alloc_fail_at(n);
        int result = h1_body_in_take(&body, &in, &stream, &limits);
        failed = alloc_fail_stop();
        assert_int_equal(result, failed ? -ERR_NO_MEMORY : 1);
    }
}

/* ---- heads ---- */

static void test_scan_queue(void **state)
{
    struct h1_scan scan = {0};
    size_t bytes = 0;
    struct str head = STR("GET / HTTP/1.1\r\nHost: x\r\n\r\nrest");
    for (size_t at = 0; at < head.n - 5; at++) {
        assert_int_equal(h1_scan_queue(&scan, &in, &limits, &bytes), 0);
        assert_int_equal(bufq_push_static(&in, str_slice(head.p + at, 1)), 0);
    }
    assert_int_equal(h1_scan_queue(&scan, &in, &limits, &bytes), 0);
    put(&in, STR("\nrest"));
    assert_int_equal(h1_scan_queue(&scan, &in, &limits, &bytes), 1);
    assert_int_equal(bytes, head.n - 4);
    assert_true(bufq_front(&in).n >= bytes);
    assert_str(str_slice(bufq_front(&in).p, bytes), str_slice(head.p, bytes));
}

static void test_scan_queue_limit(void **state)
{
    for (size_t over = 0; over <= 1; over++) {
        struct h1_scan scan = {0};
        size_t bytes = 0, filled = 0;
        int found = 0;
        char text[1100];
        memset(text, 'v', sizeof(text));
        memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
        memcpy(text + limits.head_bytes + over - 4, "\r\n\r\n", 4);
        while (found == 0 && filled < limits.head_bytes + over) {
            put(&in, str_slice(text + filled++, 1));
            found = h1_scan_queue(&scan, &in, &limits, &bytes);
        }
        assert_int_equal(found, over ? -ERR_REQUEST_HEAD_SIZE : 1);
        clear_all();
    }
}

static void test_take_fields(void **state)
{
    put(&in, STR("head one"));
    struct buf *first = bufq_front_buf(&in);
    assert_non_null(h1_take_fields(&stream, &in, 3));
    assert_ptr_equal(stream.head_buf, first);
    bufq_clear(&in);
    assert_int_equal(pool.chunks.used, 1);
    put(&in, STR("head two"));
    assert_non_null(h1_take_fields(&stream, &in, 0));
    assert_ptr_equal(stream.head_buf, bufq_front_buf(&in));
    assert_int_equal(pool.chunks.used, 1); /* the first went */
    assert_null(h1_take_fields(&stream, &in, 1 << 16));
}

/* ---- putting ---- */

static const struct send_case {
    enum h1_body_kind kind;
    uint64_t length;
    const char *pieces[3];
    const char *bytes;
    int send_result, end_result;
} send_cases[] = {
    {H1_BODY_NONE, 0, {""}, "", 0, 0},
    {H1_BODY_NONE, 0, {"x"}, "", -ERR_INTERNAL, 0},
    {H1_BODY_LENGTH, 4, {"bo", "", "dy"}, "body", 0, 0},
    {H1_BODY_LENGTH, 4, {"bo", "d"}, "bod", 0, -ERR_INTERNAL},
    {H1_BODY_LENGTH, 4, {"bod", "yx"}, "bod", -ERR_INTERNAL, -ERR_INTERNAL},
    {H1_BODY_CLOSE, 0, {"bo", "dy"}, "body", 0, 0},
    {H1_BODY_CHUNKED,
     0,
     {"bo", "", "dy and more and more"},
     "2\r\nbo\r\n14\r\ndy and more and more\r\n0\r\n\r\n",
     0,
     0},
    {H1_BODY_CHUNKED, 0, {""}, "0\r\n\r\n", 0, 0},
};

static void test_send(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(send_cases); i++) {
        const struct send_case *c = &send_cases[i];
        struct h1_body_out body = {.kind = (uint8_t)c->kind, .left = c->length};
        int result = 0;
        for (size_t at = 0; at < ARRAY_SIZE(c->pieces) && c->pieces[at] && result == 0; at++) {
            bufq_clear(&in);
            put(&in, str_of(c->pieces[at]));
            result = h1_body_out_send(&body, &out, &in, strlen(c->pieces[at]));
        }
        assert_int_equal(result, c->send_result);
        assert_int_equal(h1_body_out_end(&body, &out, NULL, 0), c->end_result);
        assert_str(world_text(&out), str_of(c->bytes));
        clear_all();
    }
}

static void test_send_trailers(void **state)
{
    struct field trailers[] = {{.name = STR("Sum"), .value = STR("5")},
                               {.name = STR("Host"), .value = STR("x"), .dropped = true}};
    struct h1_body_out chunked = {.kind = H1_BODY_CHUNKED}, length = {.kind = H1_BODY_LENGTH};
    assert_int_equal(h1_body_out_end(&chunked, &out, trailers, 2), 0);
    assert_str(world_text(&out), STR("0\r\nSum: 5\r\n\r\n"));
    bufq_clear(&out);
    assert_int_equal(h1_body_out_end(&length, &out, trailers, 2), 0);
    assert_int_equal(bufq_bytes(&out), 0);
}

static void test_send_without_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct h1_body_out body = {.kind = H1_BODY_CHUNKED};
        teardown(NULL);
        setup(NULL);
        put(&in, STR("some bytes"));
        alloc_fail_at(n);
        int result = h1_body_out_send(&body, &out, &in, 5);
        if (!result)
            result = h1_body_out_end(&body, &out, NULL, 0);
        failed = alloc_fail_stop();
        assert_int_equal(result, failed ? -ERR_NO_MEMORY : 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_take),
        TEST(test_take_in_pieces),
        TEST(test_take_leaves_what_has_no_room),
        TEST(test_trailers_are_copied),
        TEST(test_take_without_memory),
        TEST(test_scan_queue),
        TEST(test_scan_queue_limit),
        TEST(test_take_fields),
        TEST(test_send),
        TEST(test_send_trailers),
        TEST(test_send_without_memory),
    };
    return cmocka_run_group_tests_name("h1_body", tests, NULL, NULL);
}
