/* Fields to messages: what HTTP/2 says in its own way, and that the common rules are asked. */
#include "http/h2_head.h"

#include <stdio.h>

#include "http_cmocka.h"

static const struct h1_limits limits = {.head_bytes = 40000, .fields = 10, .target_bytes = 50};
static struct buf_pool pool;
static struct arena arena;
static struct stream stream;
static struct h2_block block;

static void on_event(struct stream *of, unsigned events)
{
}

static int setup(void **state)
{
    buf_pool_init(&pool, 10 * BUF_CHUNK_BYTES);
    arena_init(&arena, 1 << 18);
    stream_init(&stream, on_event, &arena, &pool);
    return 0;
}

static int teardown(void **state)
{
    h2_block_end(&block);
    stream_fini(&stream);
    arena_fini(&arena);
    assert_int_equal(pool.chunks.used, 0);
    buf_pool_fini(&pool);
    return 0;
}

/* "name: value\n" lines. */
static void fill(const char *lines)
{
    struct str rest = str_of(lines), line;
    h2_block_end(&block);
    while (rest.n > 0) {
        size_t end = str_find(rest, '\n'), colon = 1;
        line = str_slice(rest.p, end);
        while (memcmp(line.p + colon, ": ", 2) != 0)
            colon++;
        h2_block_add(&block, &pool, &limits, str_slice(line.p, colon), str_slice(line.p + colon + 2, end - colon - 2));
        rest = str_slice(rest.p + end + 1, rest.n - end - 1);
    }
}

#define CONNECT   ":method: CONNECT\n:scheme: https\n:path: /chat\n:authority: h\n"
#define WEBSOCKET CONNECT ":protocol: websocket\n"
#define GET       ":method: GET\n:scheme: http\n:path: /a?b\n:authority: h:80\n"

static void test_plain(void **state)
{
    fill(GET "user-agent: x\nte: trailers\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, true), 0);
    h2_block_end(&block); /* nothing points there any more */
    const struct msg *msg = &stream.head;
    assert_int_equal(msg->major, 2);
    assert_int_equal(msg->method, METHOD_GET);
    assert_str(msg->method_text, STR("GET"));
    assert_str(msg->target, STR("/a?b"));
    assert_str(msg->path, STR("/a"));
    assert_str(msg->authority, STR("h:80"));
    assert_int_equal(msg->body, MSG_BODY_NONE);
    assert_int_equal(msg->count, 2);
    assert_false(msg->fields[0].dropped);
    assert_true(msg->fields[1].dropped);
    assert_true(msg->trailers_wanted);
    assert_str(msg_protocol(msg), STR("HTTP/2"));
    assert_str(msg_via(msg), STR("2 ballast"));
}

static void test_bodies(void **state)
{
    static const struct {
        const char *length;
        bool ended;
        int error;
        enum msg_body body;
    } cases[] = {
        {"", true, 0, MSG_BODY_NONE},
        {"", false, 0, MSG_BODY_OPEN},
        {"content-length: 5\n", false, 0, MSG_BODY_LENGTH},
        {"content-length: 0\n", true, 0, MSG_BODY_LENGTH},
        {"content-length: 5\n", true, -ERR_REQUEST_LENGTH, MSG_BODY_NONE},
        {"content-length: x\n", false, -ERR_REQUEST_LENGTH, MSG_BODY_NONE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char lines[200];
        (void)snprintf(lines, sizeof(lines), "%s%s", GET, cases[i].length);
        fill(lines);
        assert_int_equal(h2_head_request(&stream, &block, &limits, cases[i].ended), cases[i].error);
        if (!cases[i].error)
            assert_int_equal(stream.head.body, cases[i].body);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *lines;
        int error;
    } cases[] = {
        {":method: G T\n:scheme: http\n:path: /\n:authority: h\n", -ERR_REQUEST_METHOD},
        {":method: GET\n:scheme: ftp\n:path: /\n:authority: h\n", -ERR_REQUEST_TARGET},
        {":method: GET\n:scheme: http\n:path: \n:authority: h\n", -ERR_REQUEST_TARGET},
        {":method: GET\n:scheme: http\n:path: http://h/\n:authority: h\n", -ERR_REQUEST_TARGET},
        {":method: GET\n:scheme: http\n:path: *\n:authority: h\n", -ERR_REQUEST_TARGET},
        {":method: GET\n:scheme: http\n:path: /a b\n:authority: h\n", -ERR_REQUEST_TARGET},
        {":method: GET\n:scheme: http\n:path: /\n:authority: a@b\n", -ERR_REQUEST_HOST},
        {":method: GET\n:scheme: http\n:path: /\n", -ERR_REQUEST_HOST},
        {GET "host: other\n", -ERR_REQUEST_HOST},
        {GET "expect: wonders\n", -ERR_REQUEST_EXPECT},
        {":method: CONNECT\n:authority: h:1\n", -ERR_REQUEST_CONNECT},
        {WEBSOCKET, -ERR_REQUEST_CONNECT}, /* and its stream ends with it */
        {":method: GET\n:scheme: http\n:authority: h\n"
         ":path: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
         -ERR_REQUEST_TARGET_SIZE},
        {GET "a: 1\na: 1\na: 1\na: 1\na: 1\na: 1\na: 1\na: 1\na: 1\na: 1\na: 1\n", -ERR_REQUEST_FIELD_COUNT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fill(cases[i].lines);
        assert_int_equal(h2_head_request(&stream, &block, &limits, true), cases[i].error);
        assert_int_equal(stream.head.method_text.n, 0);
    }
    fill(":method: HEAD\n:scheme: ftp\n:path: /\n:authority: h\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, true), -ERR_REQUEST_TARGET);
    assert_int_equal(stream.head.method, METHOD_HEAD);
}

static void test_cookies(void **state)
{
    fill(GET "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, true), 0);
    assert_str(stream.head.fields[0].value, STR("a=1; b=2; c=3"));
    assert_false(stream.head.fields[0].dropped);
    assert_true(stream.head.fields[2].dropped);
    assert_true(stream.head.fields[3].dropped);
    h2_block_end(&block);
    fill(GET "cookie: \ncookie: a\ncookie: \n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, true), 0);
    assert_str(stream.head.fields[0].value, STR("a"));
}

static void test_trailers(void **state)
{
    fill("grpc-status: 0\ncontent-length: 3\nhost: h\n");
    assert_int_equal(h2_head_trailers(&stream, &block), 0);
    h2_block_end(&block);
    assert_int_equal(stream.trailer_count, 3);
    assert_str(stream.trailers[0].name, STR("grpc-status"));
    assert_false(stream.trailers[0].dropped);
    assert_true(stream.trailers[1].dropped);
    assert_true(stream.trailers[2].dropped);
    fill(":path: /\n");
    assert_int_equal(h2_head_trailers(&stream, &block), -ERR_REQUEST_TRAILER);
}

/* RFC 8441: as HTTP/1.1 would ask. */
static void test_extended_connect(void **state)
{
    const struct msg *msg = &stream.head;
    fill(WEBSOCKET "sec-websocket-version: 13\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, false), 0);
    assert_int_equal(msg->method, METHOD_GET);
    assert_str(msg->method_text, STR("GET"));
    assert_str(msg->target, STR("/chat"));
    assert_str(msg->upgrade, STR("websocket"));
    assert_true(msg->must_switch);
    assert_int_equal(msg->body, MSG_BODY_NONE);
    fill(CONNECT ":protocol: connect-udp\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, false), -ERR_REQUEST_CONNECT);
    fill(WEBSOCKET "content-length: 4\n");
    assert_int_equal(h2_head_request(&stream, &block, &limits, false), -ERR_REQUEST_LENGTH);
}

static void test_answers(void **state)
{
    static const struct {
        const char *lines;
        int error;
        enum msg_body body;
        int64_t length;
        bool ended;
    } rows[] = {
        {":status: 200\n", 0, MSG_BODY_OPEN, -1, false},
        {":status: 200\n", 0, MSG_BODY_LENGTH, 0, true},
        {":status: 200\ncontent-length: 7\n", 0, MSG_BODY_LENGTH, 7, false},
        {":status: 200\ncontent-length: 7\n", -ERR_ANSWER_FRAMING, 0, 0, true},
        {":status: 204\ncontent-length: 0\n", 0, MSG_BODY_NONE, -1, true},
        {":status: 304\ncontent-length: 7\n", 0, MSG_BODY_NONE, 7, true},
        {":status: 103\n", 0, MSG_BODY_NONE, -1, false},
        {":status: 103\n", -ERR_ANSWER_MALFORMED, 0, 0, true},
        {":status: 101\n", -ERR_ANSWER_MALFORMED, 0, 0, false},
        {":status: 099\n", -ERR_ANSWER_MALFORMED, 0, 0, false},
        {":status: 2000\n", -ERR_ANSWER_MALFORMED, 0, 0, false},
        {":status: 600\n", -ERR_ANSWER_MALFORMED, 0, 0, false},
        {"x: y\n", -ERR_ANSWER_MALFORMED, 0, 0, false},
        {":status: 200\ncontent-length: 1, 2\n", -ERR_ANSWER_FRAMING, 0, 0, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msg msg;
        fill(rows[i].lines);
        int error = h2_head_answer(&stream, &block, METHOD_GET, rows[i].ended, &msg);
        assert_int_equal(error, rows[i].error);
        if (error)
            continue;
        assert_int_equal(msg.body, rows[i].body);
        assert_int_equal(msg.length, rows[i].length);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_plain),   TEST(test_bodies),   TEST(test_refused),
                                       TEST(test_cookies), TEST(test_trailers), TEST(test_extended_connect),
                                       TEST(test_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
