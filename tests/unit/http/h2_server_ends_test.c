/* How requests and sessions of the client side's HTTP/2 end: by the client, when told to, and by time. */
#include "tests/unit/http/h2_served.h"

enum { SMALL_BUFFER = 9000 };

static void test_client_resets(void **state)
{
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    h2_wire_number(&wire, H2_RST, 1, H2_CANCEL);
    flush();
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
    assert_int_equal(room.counts.streams_reset, 1);
}

static void test_client_goes(void **state)
{
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
    echo_abort(echo.current);
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
}

static void test_abort_is_a_reset(void **state)
{
    struct msg msg = {.status = 200, .length = -1, .body = MSG_BODY_OPEN};
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    world_settle(&world);
    echo_abort(echo.current);
    world_settle(&world);
    assert_int_equal(reset_code(1), H2_INTERNAL_ERROR);
    assert_open();
}

/* The client has seen the notice: the last stream is named, and the session over with its answer. */
static void see_off(const struct h2_wire_frame *ping)
{
    struct msg msg = {.status = 200, .length = 0, .body = MSG_BODY_LENGTH};
    h2_wire_frame(&wire, H2_PING, H2_ACK, 0, ping->payload.p, 8);
    flush();
    assert_int_equal(count(H2_GOAWAY, 0), 2);
    assert_int_equal(h2_wire_at(frames[frame_count - 1].payload, 0), 1);
    assert_int_equal(answer(&msg, ""), 0);
    echo_finish(echo.current);
    world_settle(&world);
    assert_ended();
}

static void test_drain(void **state)
{
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
    session_drain(&echo.door.session);
    world_settle(&world);
    const struct h2_wire_frame *frame = find(H2_GOAWAY, 0);
    assert_non_null(frame);
    assert_int_equal(h2_wire_at(frame->payload, 0), 0x7fffffff);
    frame = find(H2_PING, 0);
    assert_non_null(frame);
    see_off(frame);
}

/* Another process goes on: what was on its way when the notice left is served, on a connection that idled too. */
static void test_retire_while_idle(void **state)
{
    open_h2();
    echo.by_hand = true;
    session_retire(&echo.door.session);
    world_settle(&world);
    assert_int_equal(count(H2_GOAWAY, 0), 1);
    assert_int_equal(h2_wire_at(find(H2_GOAWAY, 0)->payload, 0), 0x7fffffff);
    const struct h2_wire_frame *ping = find(H2_PING, 0);
    assert_non_null(ping);
    assert_true(ping > find(H2_GOAWAY, 0));
    request(1, GET_H2);
    see_off(ping);
}

static void hold_a_request(void)
{
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
}

static void answer_it(void)
{
    struct msg msg = {.status = 200, .length = 0, .body = MSG_BODY_LENGTH};
    assert_int_equal(answer(&msg, ""), 0);
    echo_finish(echo.current);
    world_settle(&world);
}

/* A client that never answers the PING has a second to; then the last stream is named. */
static void test_drain_unseen(void **state)
{
    hold_a_request();
    session_drain(&echo.door.session);
    world_run(&world, H2_NOTICE_MS - 10);
    assert_int_equal(count(H2_GOAWAY, 0), 1);
    world_run(&world, 20);
    assert_int_equal(count(H2_GOAWAY, 0), 2);
    assert_int_equal(h2_wire_at(frames[frame_count - 1].payload, 0), 1);
    request(3, GET_H2);
    flush();
    assert_int_equal(echo.opened, 1);
    answer_it();
    assert_non_null(find(H2_HEADERS, 1));
    assert_ended();
    assert_int_equal(room.counts.errors, 0);
}

/* The same once all is answered: it has no longer to idle. */
static void test_drain_unseen_while_idle(void **state)
{
    hold_a_request();
    session_drain(&echo.door.session);
    world_settle(&world);
    answer_it();
    assert_open();
    world_run(&world, H2_NOTICE_MS + 1);
    assert_int_equal(goaway_code(), H2_NO_ERROR);
    assert_int_equal(h2_wire_at(frames[frame_count - 1].payload, 0), 1);
    assert_ended();
}

/* Until the notice's time is nearly over. */
static void retire_and_wait(void)
{
    open_h2();
    session_retire(&echo.door.session);
    world_run(&world, H2_NOTICE_MS - 10);
}

static void test_retire_unseen(void **state)
{
    retire_and_wait();
    assert_open();
    world_run(&world, 20);
    assert_ended();
}

/* A head that has begun by then is waited for as long as any other. */
static void test_retire_unseen_inside_a_head(void **state)
{
    char block[200];
    retire_and_wait();
    size_t n = h2_wire_block(GET_H2, block, sizeof(block));
    h2_wire_frame(&wire, H2_HEADERS, H2_END_STREAM, 1, block, n - 1);
    flush();
    world_run(&world, 20);
    assert_int_equal(count(H2_GOAWAY, 0), 2);
    assert_int_equal(h2_wire_at(frames[frame_count - 1].payload, 0), 1);
    h2_wire_frame(&wire, H2_MORE, H2_END_HEADERS, 1, block + n - 1, 1);
    flush();
    assert_non_null(find(H2_HEADERS, 1));
    assert_ended();
}

static void test_retire_unseen_in_a_head_that_never_ends(void **state)
{
    char block[200];
    retire_and_wait();
    h2_wire_frame(&wire, H2_HEADERS, 0, 1, block, h2_wire_block(GET_H2, block, sizeof(block)));
    flush();
    world_run(&world, HEAD_MS - 1);
    assert_open();
    world_run(&world, 2);
    assert_int_equal(echo.lost_code, -ERR_REQUEST_HEAD_TIMEOUT);
    assert_ended();
}

/* Told to stop, and the last answer waits in a full socket: it is sent to its end, and counts as sent. */
static bool is_restless(void *context)
{
    return ++*(int *)context > 1000;
}

/* A client that breaks a rule is no more told of an end, and what it has asked goes on for a while. */
static void test_retire_of_who_breaks_a_rule(void **state)
{
    int turns = 0;
    hold_a_request();
    session_retire(&echo.door.session);
    world_settle(&world);
    h2_wire_frame(&wire, H2_PING, 0, 0, "short", 5);
    flush();
    assert_false(io_sim_run(world.net, is_restless, &turns, 2 * H2_NOTICE_MS));
    echo_abort(echo.current);
    world_settle(&world);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
}

static void test_drain_under_a_last_answer(void **state)
{
    struct msg msg = {.status = 200, .length = 60000, .body = MSG_BODY_LENGTH};
    static char body[60001];
    memset(body, 'x', sizeof(body) - 1);
    io_sim_limits(world.net)->buffer_bytes = SMALL_BUFFER;
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
    session_drain(&echo.door.session);
    world_settle(&world);
    h2_wire_frame(&wire, H2_PING, H2_ACK, 0, find(H2_PING, 0)->payload.p, 8);
    flush();
    io_sim_peer_pause(peer, true);
    assert_int_equal(answer(&msg, body), 0);
    world_settle(&world);
    assert_false(echo.current->stream.failed);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_false(echo.current->stream.failed);
    assert_int_equal(body_bytes(1), 60000);
    echo_finish(echo.current);
    world_settle(&world);
    assert_ended();
    assert_int_equal(room.counts.errors, 0);
}

/* ---- clients that read nothing, and what is to be said behind more than there is room for ---- */

/* A client that grants all and takes nothing, in the middle of an answer. */
static void answer_unread(void)
{
    struct msg msg = {.status = 200, .length = -1, .body = MSG_BODY_OPEN};

    io_sim_limits(world.net)->buffer_bytes = SMALL_BUFFER;
    hold_a_request();
    h2_wire_number(&wire, H2_WINDOW, 1, 4 * SESSION_OUT_HIGH);
    h2_wire_number(&wire, H2_WINDOW, 0, 4 * SESSION_OUT_HIGH);
    flush();
    io_sim_peer_pause(peer, true);
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    send_part(2 * SESSION_OUT_HIGH);
    send_part(1); /* what has left by now makes room for more */
    assert_true(bufq_bytes(&echo.door.session.conn.out) >= SESSION_OUT_HIGH);
}

static void test_idle_with_an_unread_end(void **state)
{
    answer_unread();
    echo_abort(echo.current);
    world_run(&world, IDLE_MS - 1);
    assert_int_equal(echo.closed, 0);
    world_run(&world, CONN_LINGER_MS + 2);
    assert_int_equal(echo.closed, 1);
}

static void test_drain_with_an_unread_end(void **state)
{
    answer_unread();
    echo_abort(echo.current);
    world_settle(&world);
    session_drain(&echo.door.session);
    world_run(&world, CONN_LINGER_MS - 1);
    assert_int_equal(echo.closed, 0);
    world_run(&world, 2);
    assert_int_equal(echo.closed, 1);
}

static void test_unread_end_of_who_was_told_to_drain(void **state)
{
    answer_unread();
    session_drain(&echo.door.session);
    world_run(&world, H2_NOTICE_MS + 1);
    echo_abort(echo.current);
    world_run(&world, CONN_LINGER_MS + 1);
    assert_int_equal(echo.closed, 1);
}

/* Whoever reads on in that time has all that was said, and no clean end of the answer. */
static void test_unread_end_is_read_late(void **state)
{
    answer_unread();
    echo_abort(echo.current);
    session_drain(&echo.door.session);
    world_run(&world, CONN_LINGER_MS / 2);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(reset_code(1), H2_INTERNAL_ERROR);
    assert_int_equal(goaway_code(), H2_NO_ERROR);
    assert_in_range(body_bytes(1), SESSION_OUT_HIGH - 1, 2 * SESSION_OUT_HIGH);
    for (size_t i = 0; i < frame_count; i++)
        assert_false(frames[i].type == H2_DATA && (frames[i].flags & H2_END_STREAM));
    assert_ended();
}

static void test_idle(void **state)
{
    open_h2();
    request(1, GET_H2);
    flush();
    world_run(&world, IDLE_MS + 1);
    assert_int_equal(goaway_code(), H2_NO_ERROR);
    assert_ended();
}

static void test_head_that_never_ends(void **state)
{
    char block[200];
    open_h2();
    h2_wire_frame(&wire, H2_HEADERS, 0, 1, block, h2_wire_block(GET_H2, block, sizeof(block)));
    flush();
    world_run(&world, HEAD_MS + 1);
    assert_int_equal(echo.lost_code, -ERR_REQUEST_HEAD_TIMEOUT);
    assert_ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_resets),
        TEST(test_client_goes),
        TEST(test_abort_is_a_reset),
        TEST(test_drain),
        TEST(test_retire_while_idle),
        TEST(test_drain_unseen),
        TEST(test_drain_unseen_while_idle),
        TEST(test_retire_unseen),
        TEST(test_retire_unseen_inside_a_head),
        TEST(test_retire_unseen_in_a_head_that_never_ends),
        TEST(test_retire_of_who_breaks_a_rule),
        TEST(test_drain_under_a_last_answer),
        TEST(test_idle_with_an_unread_end),
        TEST(test_drain_with_an_unread_end),
        TEST(test_unread_end_of_who_was_told_to_drain),
        TEST(test_unread_end_is_read_late),
        TEST(test_idle),
        TEST(test_head_that_never_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
