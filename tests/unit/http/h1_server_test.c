/* The client side's HTTP/1 session: requests in a row, the framing of answers, heads and bodies that are refused. Its
 * other half is h1_server_ends_test.c. */
#include "tests/unit/http/h1_served.h"

/* ---- requests in a row ---- */

static void test_keep_alive(void **state)
{
    begin();
    for (unsigned i = 1; i <= 3; i++) {
        say(GET_A);
        hear(EMPTY);
        assert_open();
        assert_int_equal(echo.finished, i);
        assert_true(session_idle(&echo.server.session));
        assert_int_equal(world.pool.chunks.used, 0);
    }
}

static void test_byte_by_byte(void **state)
{
    const char *text = "\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\nabc\r\n0\r\nSum: 6\r\n\r\n" GET_A;
    char byte[2] = "";
    begin();
    for (size_t i = 0; text[i]; i++) {
        byte[0] = text[i];
        say(byte);
    }
    hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
         "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nSum: 6\r\n\r\n");
    assert_ended(); /* answered before the request was whole */
}

static void test_pipelined(void **state)
{
    begin();
    say(GET_A "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" GET_A "\r\n" GET_A);
    hear(EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody" EMPTY EMPTY);
    assert_open();
    assert_int_equal(echo.opened, 4);
    assert_int_equal(echo.finished, 4);
}

static void test_pipelined_and_half_closed(void **state)
{
    begin();
    io_sim_peer_send(peer, GET_A GET_A GET_A, 3 * strlen(GET_A));
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    hear(EMPTY EMPTY EMPTY);
    assert_ended();
    assert_int_equal(echo.closed, 1);
    assert_int_equal(echo.heads_lost, 0);
}

static void test_pipelined_rest_is_cut(void **state)
{
    begin();
    io_sim_peer_send(peer, GET_A "GET /b", strlen(GET_A) + 6);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    hear(EMPTY);
    assert_int_equal(echo.closed, 1);
    assert_int_equal(echo.opened, 1);
    assert_int_equal(echo.heads_lost, 1);
    assert_int_equal(echo.lost_code, -ERR_CLIENT_GONE);
}

/* What a client sends ahead is read only up to a bound. */
static void test_pipelined_without_bound(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 10000;
    begin_by_hand();
    say(GET_A);
    say_many(500000);
    size_t ahead = bufq_bytes(&echo.server.session.conn.in);
    assert_true(ahead >= BUF_CHUNK_BYTES && ahead <= 3 * BUF_CHUNK_BYTES);
    assert_true(io_sim_peer_unsent(peer) > 400000);
}

/* ---- answers ---- */

#define H11(method)       method " / HTTP/1.1\r\nHost: h\r\n\r\n"
#define H11_CLOSE(method) method " / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define H10(method)       method " / HTTP/1.0\r\n\r\n"
#define H10_KEEP(method)  method " / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define OK_CHUNKED        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"

static const struct answer_case {
    const char *request;
    uint16_t status;
    enum msg_body body;
    int64_t length;
    const char *sent, *heard;
    bool goes_on;
} answer_cases[] = {
    {H11("GET"), 200, MSG_BODY_LENGTH, 4, "body", OK_LENGTH "\r\nbody", true},
    {H11("GET"), 200, MSG_BODY_LENGTH, 0, "", EMPTY, true},
    {H11("GET"), 200, MSG_BODY_NONE, -1, "", EMPTY, true},
    {H11("GET"), 200, MSG_BODY_OPEN, -1, "body", OK_CHUNKED "\r\n4\r\nbody\r\n0\r\n\r\n", true},
    {H11("GET"), 200, MSG_BODY_OPEN, -1, "", OK_CHUNKED "\r\n0\r\n\r\n", true},
    {H11_CLOSE("GET"), 200, MSG_BODY_LENGTH, 4, "body", OK_LENGTH CLOSES "\r\nbody", false},
    {H11_CLOSE("GET"), 200, MSG_BODY_OPEN, -1, "body", OK_CHUNKED CLOSES "\r\n4\r\nbody\r\n0\r\n\r\n", false},
    {H11("HEAD"), 200, MSG_BODY_NONE, 4, "", OK_LENGTH "\r\n", true},
    {H11("HEAD"), 200, MSG_BODY_NONE, -1, "", "HTTP/1.1 200 OK\r\n\r\n", true},
    {H11("HEAD"), 200, MSG_BODY_LENGTH, 4, "", OK_LENGTH "\r\n", true},
    {H11("GET"), 204, MSG_BODY_NONE, -1, "", "HTTP/1.1 204 OK\r\n\r\n", true},
    {H11("GET"), 204, MSG_BODY_NONE, 4, "", "HTTP/1.1 204 OK\r\n\r\n", true},
    {H11("GET"), 304, MSG_BODY_NONE, 4, "", "HTTP/1.1 304 OK\r\nContent-Length: 4\r\n\r\n", true},
    {H11("GET"), 304, MSG_BODY_NONE, -1, "", "HTTP/1.1 304 OK\r\n\r\n", true},
    {H10("GET"), 200, MSG_BODY_LENGTH, 4, "body", OK_LENGTH CLOSES "\r\nbody", false},
    {H10("GET"), 200, MSG_BODY_OPEN, -1, "body", "HTTP/1.1 200 OK\r\n" CLOSES "\r\nbody", false},
    {H10_KEEP("GET"), 200, MSG_BODY_LENGTH, 4, "body", OK_LENGTH "Connection: keep-alive\r\n\r\nbody", true},
    {H10_KEEP("GET"), 200, MSG_BODY_OPEN, -1, "body", "HTTP/1.1 200 OK\r\n" CLOSES "\r\nbody", false},
    {H10_KEEP("HEAD"), 200, MSG_BODY_NONE, 4, "", OK_LENGTH "Connection: keep-alive\r\n\r\n", true},
};

static void test_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct msg msg = {.status = c->status, .reason = STR("OK"), .body = c->body, .length = c->length};
        begin_by_hand();
        say(c->request);
        assert_int_equal(answer(&msg, c->sent), 0);
        hear(c->heard);
        assert_int_equal(told(STREAM_SENT), 1);
        assert_int_equal(echo_finish(echo.current), c->goes_on);
        world_settle(&world);
        assert_int_equal(io_sim_peer_state(peer), c->goes_on ? IO_SIM_PEER_OPEN : IO_SIM_PEER_ENDED);
        leave();
    }
    begin();
}

static void test_answer_of_wrong_length(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .body = MSG_BODY_LENGTH, .length = 4};
    static const char *const bodies[] = {"bod", "bodys", ""};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        begin_by_hand();
        say(GET_A);
        assert_int_equal(answer(&msg, bodies[i]), -ERR_INTERNAL);
        leave();
    }
    begin();
}

static void test_answer_in_one_send(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .body = MSG_BODY_LENGTH, .length = 4};
    begin_by_hand();
    say(GET_A);
    uint64_t before = io_stats(world.io)->completions;
    assert_int_equal(answer(&msg, "body"), 0);
    assert_int_equal(io_stats(world.io)->completions, before + 1);
    hear(OK_LENGTH "\r\nbody");
}

static void test_interim(void **state)
{
    struct msg interim = {.status = 103, .reason = STR("Early"), .length = -1};
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1};
    for (int minor = 0; minor <= 1; minor++) {
        begin_by_hand();
        say(minor ? H11("GET") : H10_KEEP("GET"));
        assert_int_equal(session_send_head(&echo.current->stream, &interim), 0);
        assert_int_equal(session_send_head(&echo.current->stream, &interim), 0);
        world_settle(&world);
        hear(minor ? "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" : "");
        assert_int_equal(told(STREAM_SENT), 0);
        assert_int_equal(answer(&msg, ""), 0);
        assert_true(echo_finish(echo.current));
        leave();
    }
    begin();
}

static void test_expect_continue(void **state)
{
    begin();
    say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    hear("HTTP/1.1 100 Continue\r\n\r\n" OK_LENGTH CLOSES "\r\n");
    say("body");
    hear("body");
    assert_ended();
}

/* What may still come of the request is not waited for, but read over, so that the answer is not reset away. */
static void test_early_answer(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .body = MSG_BODY_LENGTH, .length = 4};
    begin_by_hand();
    say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\nbeginning");
    assert_int_equal(answer(&msg, "body"), 0);
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    hear(OK_LENGTH CLOSES "\r\nbody");
    assert_ended();
    say_many(80000);
    assert_int_equal(io_sim_peer_unsent(peer), 0);
    assert_int_equal(echo.closed, 0);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
    assert_ended();
}

/* The client asked for the end: nothing to wait for. */
static void test_closes_at_once_when_asked(void **state)
{
    begin();
    say(H11_CLOSE("GET"));
    assert_int_equal(echo.closed, 1);
    assert_ended();
}

/* ---- heads that are refused ---- */

static const struct refused_case {
    const char *bytes;
    int error;
} refused_cases[] = {
    {"GARBAGE\r\n\r\n", ERR_REQUEST_LINE},
    {"GET / HTTP/1.1\r\n\r\n", ERR_REQUEST_HOST},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", ERR_REQUEST_VERSION},
    {"GET / HTTP/1.1\nHost: h\r\n\r\n", ERR_REQUEST_BARE_LF},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_REQUEST_TWO_LENGTHS},
    {"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", ERR_REQUEST_CONNECT},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", ERR_REQUEST_BODY_SIZE},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", ERR_REQUEST_CHUNK},
};

static void test_refused(void **state)
{
    options.body_bytes = 100;
    for (size_t i = 0; i < ARRAY_SIZE(refused_cases); i++) {
        begin_by_hand();
        say(refused_cases[i].bytes);
        assert_int_equal(told(STREAM_FAILED), 1);
        assert_int_equal(told(STREAM_END), 0);
        assert_true(echo.current->stream.failed);
        assert_int_equal(echo.current->stream.error, -refused_cases[i].error);
        say(GET_A); /* means nothing any more */
        say_many(50000);
        assert_int_equal(io_sim_peer_unsent(peer), 0);
        assert_int_equal(told(STREAM_FAILED), 1);
        struct msg msg = {.status = 400, .reason = STR("No"), .body = MSG_BODY_LENGTH, .length = 2};
        assert_int_equal(answer(&msg, "no"), 0);
        hear("HTTP/1.1 400 No\r\nContent-Length: 2\r\n" CLOSES "\r\nno");
        assert_false(echo_finish(echo.current));
        world_settle(&world);
        assert_ended();
        leave();
    }
    begin();
}

static void test_refused_limits(void **state)
{
    begin();
    say("GET / HTTP/1.1\r\nHost: h\r\nA: ");
    say_many(2000);
    hear("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n" CLOSES "\r\n");
    leave();
    begin();
    say("GET /");
    say_many(1000);
    hear("HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\n" CLOSES "\r\n");
}

static void test_refused_head_method(void **state)
{
    struct msg msg = {.status = 400, .reason = STR("No"), .body = MSG_BODY_LENGTH, .length = 2};
    begin_by_hand();
    say("HEAD / HTTP/1.1\r\nBad Field: 1\r\nHost: h\r\n\r\n");
    assert_int_equal(echo.current->stream.head.method, METHOD_HEAD);
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    assert_int_equal(session_send_end(&echo.current->stream, NULL, 0), 0);
    world_settle(&world);
    hear("HTTP/1.1 400 No\r\nContent-Length: 2\r\n" CLOSES "\r\n");
}

/* The limit holds for what comes in chunks too, as soon as it is passed. */
static void test_body_limit_chunked(void **state)
{
    options.body_bytes = 1000;
    begin_by_hand();
    say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n");
    say_many(1000);
    say("\r\n");
    assert_int_equal(told(STREAM_FAILED), 0);
    say("1\r\nx");
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_REQUEST_BODY_SIZE);
}

static void test_body_limit_exact(void **state)
{
    options.body_bytes = 4;
    begin();
    say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    hear(OK_LENGTH "\r\nbody");
    assert_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_keep_alive),
        SERVED_TEST(test_byte_by_byte),
        SERVED_TEST(test_pipelined),
        SERVED_TEST(test_pipelined_and_half_closed),
        SERVED_TEST(test_pipelined_rest_is_cut),
        SERVED_TEST(test_pipelined_without_bound),
        SERVED_TEST(test_answers),
        SERVED_TEST(test_answer_of_wrong_length),
        SERVED_TEST(test_answer_in_one_send),
        SERVED_TEST(test_interim),
        SERVED_TEST(test_expect_continue),
        SERVED_TEST(test_early_answer),
        SERVED_TEST(test_closes_at_once_when_asked),
        SERVED_TEST(test_refused),
        SERVED_TEST(test_refused_limits),
        SERVED_TEST(test_refused_head_method),
        SERVED_TEST(test_body_limit_chunked),
        SERVED_TEST(test_body_limit_exact),
    };
    return cmocka_run_group_tests_name("h1_server", tests, NULL, NULL);
}
