/* The client side's HTTP/1 session when something runs out: time, room, the connection, memory. */
#include "tests/sim/io_sim_net.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/http/h1_served.h"

/* ---- time ---- */

/* What crosses the end is dropped, and no reset; the client's own end is awaited, though not for long. */
static void assert_lingers(void)
{
    assert_ended();
    say(GET_A);
    hear("");
    assert_int_equal(echo.closed, 0);
    world_run(&world, SEAT_LINGER_MS + 1);
    assert_int_equal(echo.closed, 1);
    assert_ended();
}

static void test_idle_timeout(void **state)
{
    begin();
    world_run(&world, IDLE_MS - 1);
    say(GET_A);
    hear(EMPTY);
    world_run(&world, IDLE_MS - 1);
    assert_open();
    say("\r\n"); /* empty lines are no request */
    world_run(&world, 2);
    assert_lingers();
    assert_int_equal(echo.heads_lost, 0);
}

static void test_head_timeout(void **state)
{
    begin();
    world_run(&world, 100);
    say("GET / HTTP/1.1\r\n");
    int64_t began_ns = io_now_ns(world.io);
    world_run(&world, HEAD_MS / 2);
    say("Host: h\r\n"); /* no more time for that */
    world_run(&world, HEAD_MS / 2 - 1);
    assert_open();
    assert_int_equal(echo.opened, 0);
    echo.by_hand = true;
    world_run(&world, 2);
    assert_int_equal(echo.current->stream.error, -ERR_REQUEST_HEAD_TIMEOUT);
    assert_true(echo.current->stream.began_ns == began_ns);
    struct msg msg = {.status = 408, .reason = STR("Late"), .body = MSG_BODY_LENGTH};
    assert_int_equal(answer(&msg, ""), 0);
    hear("HTTP/1.1 408 Late\r\nContent-Length: 0\r\n" CLOSES "\r\n");
}

static void test_no_timeout_while_answering(void **state)
{
    begin_by_hand();
    say(GET_A);
    world_run(&world, 10 * IDLE_MS);
    assert_open();
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1};
    assert_int_equal(answer(&msg, ""), 0);
    assert_true(echo_finish(echo.current));
    world_run(&world, IDLE_MS - 1);
    assert_open();
    world_run(&world, 2);
    assert_ended();
}

/* The pipelined beginning of a head has its own deadline, from when it is looked at. */
static void test_pipelined_head_timeout(void **state)
{
    begin();
    say(GET_A "GET /b");
    hear(EMPTY);
    world_run(&world, HEAD_MS - 1);
    assert_open();
    world_run(&world, 2);
    hear("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n" CLOSES "\r\n");
    assert_ended();
}

/* ---- drain ---- */

static void test_drain_idle(void **state)
{
    begin();
    say(GET_A);
    session_drain(&echo.server.session);
    world_settle(&world);
    hear(EMPTY);
    assert_lingers();
}

/* Both come in one turn: it is answered, and told that no other is. */
static void test_drain_beside_a_request(void **state)
{
    begin();
    io_sim_peer_send(peer, GET_A, strlen(GET_A));
    sim_net_deliver(world.net);
    session_drain(&echo.server.session);
    world_settle(&world);
    hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" CLOSES "\r\n");
    assert_ended();
}

static void test_drain_inside_head(void **state)
{
    begin();
    say("GET / HTTP/1.1\r\n");
    session_drain(&echo.server.session);
    world_settle(&world);
    assert_open();
    say("Host: h\r\n\r\n");
    hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" CLOSES "\r\n");
    assert_ended();
}

static void test_drain_busy(void **state)
{
    begin_by_hand();
    say(GET_A GET_A);
    session_drain(&echo.server.session);
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1};
    assert_int_equal(answer(&msg, ""), 0);
    hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" CLOSES "\r\n");
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    assert_ended();
    assert_int_equal(echo.opened, 1);
}

/* ---- back-pressure ---- */

static void test_slow_owner_stops_the_client(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 10000;
    begin_by_hand();
    say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
    say_many(300000);
    struct stream *stream = &echo.current->stream;
    assert_true(bufq_bytes(&stream->body) < BUF_CHUNK_BYTES); /* the rest waits: it may go through a pipe */
    session_consumed(stream);
    world_settle(&world);
    assert_int_equal(bufq_bytes(&stream->body), STREAM_BODY_HIGH);
    size_t unsent = io_sim_peer_unsent(peer);
    assert_true(unsent > 300000 - STREAM_BODY_HIGH - 3 * BUF_CHUNK_BYTES - 10000);
    world_run(&world, 100);
    assert_int_equal(io_sim_peer_unsent(peer), unsent);
    size_t taken = 0;
    while (!stream->ended) {
        assert_true(bufq_bytes(&stream->body) > 0 && bufq_bytes(&stream->body) <= STREAM_BODY_HIGH);
        taken += bufq_bytes(&stream->body);
        bufq_clear(&stream->body);
        session_consumed(stream);
        world_settle(&world);
    }
    assert_int_equal(taken + bufq_bytes(&stream->body), 300000);
    assert_int_equal(told(STREAM_END), 1);
}

static void test_slow_client_stops_the_owner(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = 200000, .body = MSG_BODY_LENGTH};
    struct bufq bytes;
    size_t left = 200000;
    io_sim_limits(world.net)->buffer_bytes = 10000;
    begin_by_hand();
    say(GET_A);
    io_sim_peer_pause(peer, true);
    struct stream *stream = &echo.current->stream;
    bufq_init(&bytes, &world.pool);
    assert_int_equal(session_send_head(stream, &msg), 0);
    while (left > 0) {
        size_t room = session_room(stream);
        assert_true(room <= SESSION_OUT_HIGH);
        if (room == 0) {
            assert_int_equal(told(STREAM_ROOM), 0);
            io_sim_peer_pause(peer, false);
            world_settle(&world);
            assert_int_equal(told(STREAM_ROOM), 1);
            assert_true(session_room(stream) >= SESSION_OUT_HIGH - SESSION_OUT_LOW);
            io_sim_peer_pause(peer, true);
            echo.current->told[4] = 0;
            continue;
        }
        size_t n = left < 1000 ? left : 1000;
        assert_int_equal(bufq_append(&bytes, (char[1000]){0}, n), 0);
        assert_int_equal(session_send_body(stream, &bytes, n), 0);
        left -= n;
        world_settle(&world);
    }
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&world);
    assert_int_equal(told(STREAM_SENT), 0);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(told(STREAM_SENT), 1);
    assert_int_equal(told(STREAM_ROOM), 0); /* nobody asked again */
    io_sim_peer_take(peer, io_sim_peer_received(peer).n);
    assert_true(echo_finish(echo.current));
}

static void test_large_echo(void **state)
{
    static const size_t segments[] = {65536, 1400, 100};
    for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
        io_sim_limits(world.net)->segment_bytes = segments[i];
        io_sim_limits(world.net)->buffer_bytes = 30000;
        begin();
        io_sim_peer_send(peer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n", 52);
        say_many(200000);
        struct str heard = io_sim_peer_received(peer);
        assert_true(heard.n > 200000 && heard.n < 200100);
        assert_int_equal(echo.finished, 1);
        leave();
    }
    begin();
}

/* ---- ends ---- */

static void test_abort_resets(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = 100, .body = MSG_BODY_LENGTH};
    begin_by_hand();
    say(GET_A);
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    world_settle(&world);
    echo_abort(echo.current);
    world_settle(&world);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_RESET);
    assert_int_equal(echo.closed, 1);
}

/* All of its answer has left: what the client does then takes nothing from it. */
static void test_client_leaves_behind_its_answer(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = 2, .body = MSG_BODY_LENGTH};
    for (int reset = 0; reset <= 1; reset++) {
        begin_by_hand();
        say(GET_A);
        assert_int_equal(answer(&msg, "ok"), 0);
        assert_int_equal(told(STREAM_SENT), 1);
        io_sim_peer_close(&peer, reset);
        world_settle(&world);
        assert_int_equal(told(STREAM_FAILED), 0);
        assert_false(echo_finish(echo.current));
        world_settle(&world);
        assert_int_equal(echo.closed, 1);
        assert_int_equal(echo.heads_lost, 0);
        leave();
    }
    begin();
}

static void test_head_is_lost(void **state)
{
    static const struct {
        const char *bytes;
        unsigned lost;
    } cases[] = {{"", 0}, {"\r\n", 0}, {"GET", 1}, {"GET / HTTP/1.1\r\nHost: h\r\n", 1}, {GET_A, 0}, {GET_A "G", 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int reset = 0; reset <= 1; reset++) {
            begin();
            say(cases[i].bytes);
            io_sim_peer_close(&peer, reset);
            world_settle(&world);
            assert_int_equal(echo.heads_lost, cases[i].lost);
            if (cases[i].lost)
                assert_int_equal(echo.lost_code, -ERR_CLIENT_GONE);
            leave();
        }
    }
    begin();
}

static void test_client_gone_inside_body(void **state)
{
    static const char *const framings[] = {"Content-Length: 10\r\n\r\nbod",
                                           "Transfer-Encoding: chunked\r\n\r\n4\r\nbod",
                                           "Transfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n0\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
        for (int reset = 0; reset <= 1; reset++) {
            begin_by_hand();
            say("POST / HTTP/1.1\r\nHost: h\r\n");
            say(framings[i]);
            io_sim_peer_close(&peer, reset);
            world_settle(&world);
            assert_int_equal(told(STREAM_FAILED), 1);
            assert_int_equal(told(STREAM_END) + told(STREAM_PEER_ENDED), 0);
            assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
            assert_str(world_text(&echo.current->stream.body), STR("bod"));
            leave();
        }
    }
    begin();
}

/* The end is seen while more waits than there is room for: it is told when all was taken, and not before. */
static void test_client_gone_behind_full_body(void **state)
{
    for (int whole = 0; whole <= 1; whole++) {
        begin_by_hand();
        say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
        struct stream *stream = &echo.current->stream;
        io_sim_peer_send(peer, (char[100000]){0}, whole ? 100000 : 99999);
        io_sim_peer_shutdown(peer);
        world_settle(&world);
        assert_int_equal(told(STREAM_FAILED), 0);
        size_t taken = 0;
        for (int i = 0; i < 20 && !stream->ended && !stream->failed; i++) {
            taken += bufq_bytes(&stream->body);
            bufq_clear(&stream->body);
            session_consumed(stream);
            world_settle(&world);
        }
        assert_int_equal(taken + bufq_bytes(&stream->body), whole ? 100000 : 99999);
        assert_int_equal(told(STREAM_FAILED), !whole);
        assert_int_equal(told(STREAM_END), whole);
        assert_int_equal(told(STREAM_PEER_ENDED), whole);
        leave();
    }
    begin();
}

/* The same for a request that waited behind another one, and was cut before anyone looked at it. */
static void test_client_gone_inside_pipelined_body(void **state)
{
    begin_by_hand();
    say(GET_A "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbod");
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1};
    assert_int_equal(answer(&msg, ""), 0);
    assert_true(echo_finish(echo.current));
    assert_int_equal(echo.opened, 2);
    assert_int_equal(told(STREAM_HEAD), 1);
    assert_int_equal(told(STREAM_END), 0);
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
    assert_str(world_text(&echo.current->stream.body), STR("bod"));
}

static void test_client_half_closes(void **state)
{
    begin_by_hand();
    say(GET_A);
    assert_int_equal(told(STREAM_PEER_ENDED), 0);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(told(STREAM_PEER_ENDED), 1);
    assert_int_equal(told(STREAM_FAILED), 0);
    struct msg msg = {.status = 200, .reason = STR("OK"), .body = MSG_BODY_LENGTH, .length = 4};
    assert_int_equal(answer(&msg, "body"), 0);
    hear(OK_LENGTH "\r\nbody");
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
    assert_ended();
}

static void test_client_resets_while_waiting(void **state)
{
    begin_by_hand();
    say(GET_A);
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
}

/* After the client's end only sending shows that it has gone. */
static void test_send_fails(void **state)
{
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1, .body = MSG_BODY_OPEN};
    begin_by_hand();
    say(GET_A);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_CLIENT_GONE);
    assert_int_equal(session_send_end(&echo.current->stream, NULL, 0), 0); /* dropped */
    assert_false(echo_finish(echo.current));
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
}

/* ---- streams ---- */

static void test_stream(void **state)
{
    begin_by_hand();
    echo.spare_fields = 4;
    world_run(&world, 77);
    say("GET /a?b ");
    int64_t began_ns = io_now_ns(world.io);
    world_run(&world, 10);
    say("HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n");
    struct stream *stream = &echo.current->stream;
    assert_int_equal(echo.current->events, STREAM_HEAD | STREAM_END);
    assert_true(stream->began_ns == began_ns);
    assert_str(stream->head.target, STR("/a?b"));
    assert_str(stream->head.authority, STR("h:1"));
    assert_true(stream->head.cap >= stream->head.count + 4);
    assert_ptr_equal(stream->session, &echo.server.session);
    assert_false(session_idle(&echo.server.session));
    assert_string_equal(stream->session->ops->name, "HTTP/1.1");
    assert_str(stream->session->ops->via, STR("1.1"));
}

/* The head's bytes stay although more is received into the same chunk and the queue moves on. */
static void test_head_stays(void **state)
{
    begin_by_hand();
    say("POST /target HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
    say_many(30000);
    bufq_clear(&echo.current->stream.body);
    session_consumed(&echo.current->stream);
    world_settle(&world);
    assert_str(echo.current->stream.head.target, STR("/target"));
}

/* ---- out of memory ---- */

static void test_no_stream(void **state)
{
    begin();
    echo.refuses_open = true;
    say(GET_A);
    assert_int_equal(echo.closed, 1);
    assert_int_equal(echo.heads_lost, 1);
    assert_int_equal(echo.lost_code, -ERR_NO_MEMORY);
}

static void test_no_stream_for_pipelined(void **state)
{
    begin_by_hand();
    io_sim_peer_send(peer, GET_A GET_A, 2 * strlen(GET_A));
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    struct msg msg = {.status = 200, .reason = STR("OK"), .length = -1};
    assert_int_equal(answer(&msg, ""), 0);
    echo.refuses_open = true;
    echo_finish(echo.current);
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
    assert_int_equal(echo.heads_lost, 1); /* once */
    assert_int_equal(echo.lost_code, -ERR_NO_MEMORY);
}

/* Requests that use everything: two at once, then a head in pieces, chunks, trailers and many bytes. */
static void converse(void)
{
    begin();
    say(GET_A GET_A "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Enc");
    say("oding: chunked\r\nX: 1\r\n\r\n4e20\r\n");
    say_many(20000);
    say("\r\n0\r\nSum: 1\r\n");
    say("\r\n");
}

/* The connection ends, once, and the reason is said. */
static void check_out_of_memory(bool failed)
{
    bool refused = echo.current && echo.current->refused;
    unsigned lost = echo.heads_lost + echo.aborted + refused;
    assert_true(lost == 0 || (lost == 1 && failed));
    assert_true(conn_closing(&echo.server.session.conn));
    assert_true(lost == 1 || echo.finished == 3); /* a chunk that is only there to save others may be missing */
    if (echo.heads_lost)
        assert_int_equal(echo.lost_code, -ERR_NO_MEMORY);
    if (echo.aborted)
        assert_int_equal(echo.error, -ERR_NO_MEMORY);
    if (refused)
        assert_int_equal(echo.current->stream.error, -ERR_NO_MEMORY);
}

static void test_nth_allocation_fails(void **state)
{
    bool failed = true;
    unsigned failures = 0;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        converse();
        failed = alloc_fail_stop();
        failures += failed;
        check_out_of_memory(failed);
        leave();
        world_destroy(&world); /* fresh pools, so that the same allocations are made */
        world_create(&world, 128);
    }
    assert_true(failures > 5);
    begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_idle_timeout),
        SERVED_TEST(test_head_timeout),
        SERVED_TEST(test_no_timeout_while_answering),
        SERVED_TEST(test_pipelined_head_timeout),
        SERVED_TEST(test_drain_idle),
        SERVED_TEST(test_drain_beside_a_request),
        SERVED_TEST(test_drain_inside_head),
        SERVED_TEST(test_drain_busy),
        SERVED_TEST(test_slow_owner_stops_the_client),
        SERVED_TEST(test_slow_client_stops_the_owner),
        SERVED_TEST(test_large_echo),
        SERVED_TEST(test_abort_resets),
        SERVED_TEST(test_client_leaves_behind_its_answer),
        SERVED_TEST(test_head_is_lost),
        SERVED_TEST(test_client_gone_inside_body),
        SERVED_TEST(test_client_gone_behind_full_body),
        SERVED_TEST(test_client_gone_inside_pipelined_body),
        SERVED_TEST(test_client_half_closes),
        SERVED_TEST(test_client_resets_while_waiting),
        SERVED_TEST(test_send_fails),
        SERVED_TEST(test_stream),
        SERVED_TEST(test_head_stays),
        SERVED_TEST(test_no_stream),
        SERVED_TEST(test_no_stream_for_pipelined),
        SERVED_TEST(test_nth_allocation_fails),
    };
    return cmocka_run_group_tests_name("h1_server_ends", tests, NULL, NULL);
}
