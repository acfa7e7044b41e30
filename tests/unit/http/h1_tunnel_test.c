/* The client side's HTTP/1 session after a 101: bytes both ways, and each way its own end. */
#include "tests/unit/http/h1_served.h"

#define UPGRADE  "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"

static const struct msg switching = {
    .status = 101, .reason = {"Switching", 9}, .body = MSG_BODY_OPEN, .length = -1, .upgrade = {"websocket", 9}};

static void open_tunnel(void)
{
    begin_by_hand();
    say(UPGRADE);
    assert_str(echo.current->stream.head.upgrade, STR("websocket"));
    assert_true(echo.current->stream.ended);
    assert_int_equal(session_send_head(&echo.current->stream, &switching), 0);
    world_settle(&world);
    hear(SWITCHED);
    assert_false(echo.current->stream.ended);
}

static void send_text(const char *text)
{
    struct bufq bytes;

    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, text, strlen(text)), 0);
    assert_int_equal(session_send_body(&echo.current->stream, &bytes, strlen(text)), 0);
    bufq_clear(&bytes);
    world_settle(&world);
}

static void take_text(const char *text)
{
    struct bufq *body = &echo.current->stream.body;

    assert_int_equal(bufq_bytes(body), strlen(text));
    assert_int_equal(bufq_gather(body, strlen(text), BUF_CHUNK_CAP), 0);
    assert_str(bufq_front(body), str_of(text));
    bufq_clear(body);
    session_consumed(&echo.current->stream);
    world_settle(&world);
}

static void test_bytes_go_both_ways(void **state)
{
    open_tunnel();
    say("GET / is no request here\r\n\r\n");
    take_text("GET / is no request here\r\n\r\n");
    send_text("HTTP/1.1 200 is no answer\r\n\r\n");
    hear("HTTP/1.1 200 is no answer\r\n\r\n");
    world_run(&world, 10 * IDLE_MS); /* its patience is the owner's */
    assert_open();
    assert_int_equal(echo.opened, 1);
}

static void test_what_came_before_the_switch_belongs_to_it(void **state)
{
    begin_by_hand();
    say(UPGRADE "hello");
    assert_int_equal(session_send_head(&echo.current->stream, &switching), 0);
    assert_int_equal(told(STREAM_BODY), 1);
    take_text("hello");
    hear(SWITCHED);
}

static void test_the_client_ends_first(void **state)
{
    open_tunnel();
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_true(echo.current->stream.ended);
    assert_int_equal(told(STREAM_PEER_ENDED), 0);
    send_text("last words");
    hear("last words");
    assert_int_equal(session_send_end(&echo.current->stream, NULL, 0), 0);
    world_settle(&world);
    assert_int_equal(told(STREAM_SENT), 1);
    assert_ended();
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
}

/* The other side's end is passed on at once, behind its last bytes, and the client may still talk. */
static void test_the_worker_ends_first(void **state)
{
    open_tunnel();
    send_text("bye");
    assert_int_equal(session_send_end(&echo.current->stream, NULL, 0), 0);
    world_settle(&world);
    hear("bye");
    assert_ended();
    assert_int_equal(told(STREAM_SENT), 1);
    say("wait");
    take_text("wait");
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_true(echo.current->stream.ended);
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
}

static void test_a_reset_is_a_failure(void **state)
{
    open_tunnel();
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_true(echo.current->stream.failed);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
}

/* A bound on request bodies is none on tunnels; the queue's is. */
static void test_bounded_by_the_queue_only(void **state)
{
    options.body_bytes = 1000;
    open_tunnel();
    say_many(2 * STREAM_BODY_HIGH);
    struct bufq *body = &echo.current->stream.body;
    assert_in_range(bufq_bytes(body), STREAM_BODY_HIGH, STREAM_BODY_HIGH + BUF_CHUNK_BYTES);
    size_t taken = 0;
    while (bufq_bytes(body) > 0) {
        taken += bufq_bytes(body);
        bufq_clear(body);
        session_consumed(&echo.current->stream);
        world_settle(&world);
    }
    assert_int_equal(taken, 2 * STREAM_BODY_HIGH / 1000 * 1000);
    assert_false(echo.current->stream.failed);
}

static void test_drain_is_told(void **state)
{
    open_tunnel();
    session_drain(&echo.server.session);
    assert_int_equal(told(STREAM_DRAIN), 1);
    assert_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_bytes_go_both_ways),    SERVED_TEST(test_what_came_before_the_switch_belongs_to_it),
        SERVED_TEST(test_the_client_ends_first), SERVED_TEST(test_the_worker_ends_first),
        SERVED_TEST(test_a_reset_is_a_failure),  SERVED_TEST(test_bounded_by_the_queue_only),
        SERVED_TEST(test_drain_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
