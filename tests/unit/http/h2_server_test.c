/* The client side's HTTP/2, from the door on, against frames written by hand; ends are in h2_server_ends_test.c, floods
 * in h2_server_floods_test.c. Covers the session, its streams, its room and the door, which have no meaning without
 * each other. */
#include "tests/unit/http/h2_served.h"

/* ---- the door ---- */

static void test_door_to_h1(void **state)
{
    open_door();
    say("P");
    say("OST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    hear("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    say(GET_A);
    hear(EMPTY);
    assert_open();
}

static void test_door_bytewise(void **state)
{
    open_door();
    h2_wire_hello(&wire);
    request(1, GET_H2);
    for (size_t i = 0; i < wire.n; i++) {
        io_sim_peer_send(peer, wire.bytes + i, 1);
        world_settle(&world);
    }
    assert_non_null(find(H2_HEADERS, 1));
    assert_int_equal(echo.finished, 1);
}

static void test_door_times_out(void **state)
{
    open_door();
    say("PRI * HT");
    world_run(&world, HEAD_MS + 1);
    hear("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/* Of 18 bytes and more, what might still be the preface is a whole head of HTTP/1. */
static void test_door_times_out_late_in_the_preface(void **state)
{
    open_door();
    say("PRI * HTTP/2.0\r\n\r\nSM");
    world_run(&world, HEAD_MS + 1);
    struct str heard = io_sim_peer_received(peer);
    assert_true(heard.n > 12 && memcmp(heard.p, "HTTP/1.1 505", 12) == 0);
    assert_int_equal(echo.heads_lost, 0);
}

static void test_door_idle(void **state)
{
    open_door();
    world_run(&world, IDLE_MS + 1);
    assert_ended();
    assert_int_equal(echo.heads_lost, 0);
}

static void test_door_drains(void **state)
{
    open_door();
    session_drain(&echo.door.session);
    world_settle(&world);
    assert_ended();
}

static void test_door_without_h2(void **state)
{
    h2_options.enabled = false;
    open_door();
    h2_wire_hello(&wire);
    flush();
    struct str heard = io_sim_peer_received(peer);
    assert_true(heard.n > 12 && memcmp(heard.p, "HTTP/1.1 505", 12) == 0);
    assert_int_equal(room.counts.sessions, 0);
}

/* ---- requests ---- */

static void test_many_streams(void **state)
{
    open_h2();
    for (uint32_t i = 0; i < 10; i++)
        request(2 * i + 1, GET_H2);
    flush();
    for (uint32_t i = 0; i < 10; i++) {
        const struct h2_wire_frame *frame = find(H2_HEADERS, 2 * i + 1);
        assert_non_null(frame);
        assert_int_equal(frame->flags & H2_END_STREAM, H2_END_STREAM);
    }
    assert_int_equal(echo.finished, 10);
    assert_int_equal(count(H2_RST, 1), 0);
    assert_true(session_idle(&echo.door.session));
    assert_int_equal(world.pool.chunks.used, 0);
}

static void test_body_and_trailers(void **state)
{
    open_h2();
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
    h2_wire_frame(&wire, H2_DATA, 0, 1, "abc", 3);
    h2_wire_headers(&wire, H2_END_HEADERS | H2_END_STREAM, 1, "sum: 6\n");
    flush();
    assert_int_equal(body_bytes(1), 3);
    assert_int_equal(count(H2_HEADERS, 1), 2);
    look();
    assert_int_equal(frames[frame_count - 1].type, H2_HEADERS);
    assert_int_equal(frames[frame_count - 1].flags & H2_END_STREAM, H2_END_STREAM);
}

static void test_head_and_expect(void **state)
{
    open_h2();
    request(1, ":method: HEAD\n:scheme: http\n:path: /a\n:authority: h\n");
    h2_wire_headers(&wire, H2_END_HEADERS, 3, POST_H2 "expect: 100-continue\ncontent-length: 2\n");
    flush();
    assert_int_equal(count(H2_DATA, 1), 0);
    assert_int_equal(count(H2_HEADERS, 3), 2); /* 100 and 200 */
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 3, "ab", 2);
    flush();
    assert_int_equal(body_bytes(3), 2);
}

/* The client's credit for us is what a stream waits for, and nothing else does. */
static void test_windows_out(void **state)
{
    static char body[100000];
    struct msg msg = {.status = 200, .length = sizeof(body), .body = MSG_BODY_LENGTH};
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    flush();
    struct stream *stream = &echo.current->stream;
    struct bufq bytes;
    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, body, sizeof(body)), 0);
    assert_int_equal(session_send_head(stream, &msg), 0);
    assert_int_equal(session_send_body(stream, &bytes, sizeof(body)), 0);
    world_settle(&world);
    assert_int_equal(body_bytes(1), 65535);
    assert_int_equal(session_taken(stream, false), 65535);
    assert_int_equal(session_room(stream), SESSION_OUT_HIGH - (sizeof(body) - 65535));
    h2_wire_number(&wire, H2_WINDOW, 1, 1000);
    h2_wire_number(&wire, H2_WINDOW, 0, 500);
    flush();
    assert_int_equal(body_bytes(1), 66035);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    h2_wire_number(&wire, H2_WINDOW, 1, 100000);
    h2_wire_number(&wire, H2_WINDOW, 0, 100000);
    flush();
    assert_int_equal(body_bytes(1), sizeof(body));
    assert_int_equal(told(STREAM_SENT), 1);
    echo_finish(echo.current);
    world_settle(&world);
}

/* What found no room in conn->out follows when the client reads on, though nothing else happens. */
static void test_held_back(void **state)
{
    static char body[5 * SESSION_OUT_HIGH];
    struct msg msg = {.status = 200, .length = sizeof(body), .body = MSG_BODY_LENGTH};
    struct msg other = {.status = 204};
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    h2_wire_number(&wire, H2_WINDOW, 1, sizeof(body));
    h2_wire_number(&wire, H2_WINDOW, 0, sizeof(body));
    flush();
    io_sim_peer_pause(peer, true);
    struct echo_request *first = echo.current;
    struct bufq bytes;
    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, body, sizeof(body)), 0);
    assert_int_equal(session_send_head(&first->stream, &msg), 0);
    assert_int_equal(session_send_body(&first->stream, &bytes, sizeof(body)), 0);
    request(3, GET_H2);
    flush();
    assert_int_equal(answer(&other, ""), 0);
    assert_null(find(H2_HEADERS, 3));
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(body_bytes(1), sizeof(body));
    assert_non_null(find(H2_HEADERS, 3));
    echo_abort(first);
}

/* However many answers are on their way at once, no more than one frame stands above the mark. */
static void test_out_is_bounded(void **state)
{
    enum { ANSWERS = 5, DATA_MOST = 16384 + 9 };
    static char body[SESSION_OUT_HIGH];
    struct msg msg = {.status = 200, .length = sizeof(body), .body = MSG_BODY_LENGTH};
    io_sim_limits(world.net)->buffer_bytes = 9000;
    open_h2();
    echo.by_hand = true;
    h2_wire_number(&wire, H2_WINDOW, 0, ANSWERS * sizeof(body));
    for (uint32_t i = 0; i < ANSWERS; i++) {
        request(2 * i + 1, GET_H2);
        h2_wire_number(&wire, H2_WINDOW, 2 * i + 1, sizeof(body));
    }
    flush();
    io_sim_peer_pause(peer, true);
    for (uint32_t i = 0; i < ANSWERS; i++) {
        struct bufq bytes;
        bufq_init(&bytes, &world.pool);
        assert_int_equal(bufq_append(&bytes, body, sizeof(body)), 0);
        assert_int_equal(session_send_head(&echo.requests[i].stream, &msg), 0);
        assert_int_equal(session_send_body(&echo.requests[i].stream, &bytes, sizeof(body)), 0);
        assert_int_equal(session_send_end(&echo.requests[i].stream, NULL, 0), 0);
    }
    world_settle(&world);
    assert_in_range(bufq_bytes(&echo.door.session.conn.out), 0, SESSION_OUT_HIGH + DATA_MOST);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    for (uint32_t i = 0; i < ANSWERS; i++) {
        assert_int_equal(body_bytes(2 * i + 1), sizeof(body));
        echo_finish(&echo.requests[i]);
    }
}

/* Our credit comes back as bytes are taken, not as they arrive. */
static void test_windows_in(void **state)
{
    char piece[16000] = "";
    open_h2();
    echo.by_hand = true;
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
    for (int i = 0; i < 4; i++)
        h2_wire_frame(&wire, H2_DATA, 0, 1, piece, sizeof(piece));
    flush();
    struct stream *stream = &echo.current->stream;
    assert_int_equal(bufq_bytes(&stream->body), 64000);
    assert_int_equal(count(H2_WINDOW, 1), 0);
    bufq_consume(&stream->body, 40000);
    session_consumed(stream);
    world_settle(&world);
    const struct h2_wire_frame *frame = find(H2_WINDOW, 1);
    assert_non_null(frame);
    assert_int_equal(h2_wire_at(frame->payload, 0), 40000);
    /* More than was granted: RFC 9113 section 6.9.1. */
    for (int i = 0; i < 4; i++)
        h2_wire_frame(&wire, H2_DATA, 0, 1, piece, sizeof(piece));
    flush();
    assert_int_equal(told(STREAM_FAILED), 1);
}

/* ---- tunnels ---- */

#define WEBSOCKET ":method: CONNECT\n:scheme: http\n:path: /a\n:authority: h\n:protocol: websocket\n"

static void ask_for_tunnel(void)
{
    h2_options.tunnels = true;
    open_h2();
    echo.by_hand = true;
    h2_wire_headers(&wire, H2_END_HEADERS, 1, WEBSOCKET);
    flush();
    assert_int_equal(told(STREAM_HEAD), 1);
    assert_int_equal(told(STREAM_END), 1);
    assert_true(echo.current->stream.ended);
}

static void switch_over(void)
{
    struct msg msg = {.status = 101, .reason = STR("x"), .length = -1, .body = MSG_BODY_OPEN};
    assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
    world_settle(&world);
    assert_false(echo.current->stream.ended);
}

static void open_tunnel(void)
{
    ask_for_tunnel();
    switch_over();
}

/* RFC 8441: bytes both ways, and an end of each direction. */
static void test_tunnel(void **state)
{
    struct bufq bytes;
    open_tunnel();
    struct stream *stream = &echo.current->stream;
    const struct h2_wire_frame *head = find(H2_HEADERS, 1);
    assert_int_equal(head->flags & H2_END_STREAM, 0);
    assert_int_equal(head->payload.p[0] & 0x7f, 8); /* :status 200, of HPACK's table */
    h2_wire_frame(&wire, H2_DATA, 0, 1, "ping", 4);
    flush();
    assert_int_equal(bufq_bytes(&stream->body), 4);
    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, "pong", 4), 0);
    assert_int_equal(session_send_body(stream, &bytes, 4), 0);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, NULL, 0);
    flush();
    assert_int_equal(body_bytes(1), 4);
    assert_true(stream->ended);
    assert_int_equal(told(STREAM_SENT), 1);
    echo_finish(echo.current);
    world_settle(&world);
    assert_null(find(H2_RST, 1));
}

static void test_tunnel_is_told_of_the_drain(void **state)
{
    open_tunnel();
    session_drain(&echo.door.session);
    assert_int_equal(told(STREAM_DRAIN), 1);
    echo_finish(echo.current);
    world_settle(&world);
    assert_int_equal(reset_code(1), H2_NO_ERROR);
}

/* A client that reads nothing is waited for no longer, whatever else is to be said to it. */
static void test_tunnel_ends_unread(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 9000;
    open_tunnel();
    h2_wire_number(&wire, H2_WINDOW, 1, 4 * SESSION_OUT_HIGH);
    h2_wire_number(&wire, H2_WINDOW, 0, 4 * SESSION_OUT_HIGH);
    flush();
    io_sim_peer_pause(peer, true);
    send_part(2 * SESSION_OUT_HIGH);
    send_part(1);
    session_drain(&echo.door.session);
    world_settle(&world);
    assert_true(bufq_bytes(&echo.door.session.conn.out) >= SESSION_OUT_HIGH);
    echo_finish(echo.current);
    world_run(&world, H2_NOTICE_MS + CONN_LINGER_MS + 2);
    assert_int_equal(echo.closed, 1);
}

/* Of one that was asked for before, too. */
static void test_tunnel_opens_in_the_drain(void **state)
{
    ask_for_tunnel();
    session_drain(&echo.door.session);
    assert_int_equal(told(STREAM_DRAIN), 0);
    switch_over();
    assert_int_equal(told(STREAM_DRAIN), 1);
    echo_finish(echo.current);
    world_settle(&world);
}

/* It goes on as long as the connection may, which is more than the time of a drain. */
static void test_tunnel_opens_while_retiring(void **state)
{
    ask_for_tunnel();
    session_retire(&echo.door.session);
    switch_over();
    assert_int_equal(told(STREAM_DRAIN), 0);
    session_drain(&echo.door.session);
    assert_int_equal(told(STREAM_DRAIN), 1);
    echo_finish(echo.current);
    world_settle(&world);
}

/* Nothing is missing: what came with the end is passed on, and nobody has left too early. */
static void test_tunnel_outlives_its_connection(void **state)
{
    open_tunnel();
    struct stream *stream = &echo.current->stream;
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&world);
    assert_int_equal(told(STREAM_SENT), 1);
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, "bye", 3);
    io_sim_peer_send(peer, wire.bytes, wire.n);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_true(stream->ended);
    assert_false(stream->failed);
    assert_int_equal(bufq_bytes(&stream->body), 3);
    assert_int_equal(echo.closed, 0);
    echo_finish(echo.current);
    world_settle(&world);
    assert_int_equal(echo.closed, 1);
}

/* Each flush sees the reset once more: nothing is to be done about it any more. */
static void test_reset_under_a_held_stream(void **state)
{
    int turns = 0;
    open_tunnel();
    io_sim_peer_break(peer);
    while (turns < 1000 && io_sim_step(world.net))
        turns++;
    assert_in_range(turns, 1, 999);
    echo_abort(echo.current);
    world_settle(&world);
}

static void test_tunnel_bytes_too_early(void **state)
{
    ask_for_tunnel();
    h2_wire_frame(&wire, H2_DATA, 0, 1, "ping", 4);
    flush();
    assert_int_equal(told(STREAM_FAILED), 1);
    assert_int_equal(echo.current->stream.error, -ERR_REQUEST_STREAM);
}

static void test_tunnels_are_not_offered(void **state)
{
    open_h2();
    h2_wire_headers(&wire, H2_END_HEADERS, 1, WEBSOCKET);
    flush();
    assert_int_equal(reset_code(1), H2_PROTOCOL_ERROR);
    assert_int_equal(echo.opened, 0);
}

/* ---- refusals ---- */

static void test_refused_head(void **state)
{
    open_h2();
    request(1, GET_H2 "host: other\n");
    flush();
    assert_int_equal(count(H2_HEADERS, 1), 1);
    assert_int_equal(echo.opened, 1);
    assert_null(find(H2_GOAWAY, 0));
}

static void test_malformed(void **state)
{
    static const char *const heads[] = {
        GET_H2 "Upper: x\n",
        GET_H2 "connection: close\n",
        GET_H2 "te: gzip\n",
        GET_H2 "x: a\rb\n",
        ":method: GET\n:scheme: http\n:authority: h\n",
        GET_H2 ":path: /b\n",
        "x: y\n" GET_H2,
        GET_H2 ":status: 200\n",
        GET_H2 "x:  padded\n",
    };
    open_h2();
    for (uint32_t i = 0; i < ARRAY_SIZE(heads); i++) {
        request(2 * i + 1, heads[i]);
        flush();
        assert_int_equal(reset_code(2 * i + 1), H2_PROTOCOL_ERROR);
    }
    assert_int_equal(echo.opened, 0);
    request(101, GET_H2);
    flush();
    assert_non_null(find(H2_HEADERS, 101)); /* HPACK's state has survived */
}

static void test_length_mismatch(void **state)
{
    open_h2();
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2 "content-length: 5\n");
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, "abc", 3);
    flush();
    assert_int_equal(reset_code(1), H2_PROTOCOL_ERROR);
    assert_int_equal(echo.aborted + echo.finished, 1);
}

static void test_no_room(void **state)
{
    room.streams.max_objects = 1;
    open_h2();
    echo.by_hand = true;
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
    request(3, GET_H2);
    flush();
    assert_int_equal(reset_code(3), H2_REFUSED_STREAM);
    assert_int_equal(room.counts.streams_refused, 1);
    assert_int_equal(echo.opened, 1);
}

static void test_early_answer(void **state)
{
    struct msg msg = {.status = 413, .length = 0, .body = MSG_BODY_LENGTH};
    open_h2();
    echo.by_hand = true;
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
    h2_wire_frame(&wire, H2_DATA, 0, 1, "abc", 3);
    flush();
    assert_int_equal(answer(&msg, ""), 0);
    assert_int_equal(told(STREAM_SENT), 1);
    echo_finish(echo.current);
    world_settle(&world);
    assert_int_equal(reset_code(1), H2_NO_ERROR);
    h2_wire_frame(&wire, H2_DATA, 0, 1, "late", 4); /* on its way already */
    request(3, GET_H2);
    flush();
    assert_int_equal(echo.opened, 2);
    assert_null(find(H2_GOAWAY, 0));
}

/* The library serves one after the other what is equally urgent: who waits behind a long answer to a client that reads
 * slowly is not held up by a silent one. */
static void test_windows_out_of_neighbours(void **state)
{
    static char body[100001];
    struct msg msg = {.status = 200, .length = sizeof(body) - 1, .body = MSG_BODY_LENGTH};
    memset(body, 'x', sizeof(body) - 1);
    open_h2();
    echo.by_hand = true;
    request(1, GET_H2);
    h2_wire_number(&wire, H2_WINDOW, 1, 1000000);
    flush();
    struct echo_request *first = echo.current;
    assert_int_equal(answer(&msg, body), 0);
    request(3, GET_H2);
    flush();
    msg.length = 2;
    assert_int_equal(answer(&msg, "ab"), 0);
    uint64_t before = session_taken(&echo.current->stream, false);
    h2_wire_number(&wire, H2_WINDOW, 0, 10000);
    flush();
    assert_int_equal(body_bytes(1), 75535);
    assert_int_equal(body_bytes(3), 0);
    assert_int_equal(session_taken(&echo.current->stream, false), before + 10000);
    assert_int_equal(session_taken(&echo.current->stream, true), 0);
    h2_wire_number(&wire, H2_WINDOW, 0, 100000);
    flush();
    assert_int_equal(body_bytes(3), 2);
    echo_finish(echo.current);
    echo_finish(first);
}

/* ---- memory ---- */

/* The library is refused its n-th piece of memory, for every n until all goes well. */
static void test_no_memory(void **state)
{
    for (size_t bytes = 0; bytes < 60000; bytes += 1000) {
        room.library_bytes_max = bytes;
        open_h2();
        h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
        h2_wire_frame(&wire, H2_DATA, 0, 1, "abc", 3);
        h2_wire_headers(&wire, H2_END_HEADERS | H2_END_STREAM, 1, "sum: 6\n");
        flush();
        leave();
        assert_int_equal(echo.opened, echo.finished + echo.aborted);
    }
    open_h2();
}

/* One refusal, whatever it was for, ends the session, and is no fault of the peer. */
static void test_memory_refused_once(void **state)
{
    size_t most = room.library_bytes_max;
    open_h2();
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2); /* its body has yet to come */
    flush();
    assert_int_equal(echo.opened, 1);
    room.library_bytes_max = room.library_bytes;
    request(3, GET_H2);
    flush();
    assert_ended();
    assert_int_equal(echo.aborted, echo.opened);
    assert_int_equal(room.counts.errors, 0);
    assert_int_equal(room.library_bytes, 0);
    room.library_bytes_max = most;
    leave();
    open_h2();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_door_to_h1),
        TEST(test_door_bytewise),
        TEST(test_door_times_out),
        TEST(test_door_times_out_late_in_the_preface),
        TEST(test_door_idle),
        TEST(test_door_drains),
        TEST(test_door_without_h2),
        TEST(test_many_streams),
        TEST(test_body_and_trailers),
        TEST(test_head_and_expect),
        TEST(test_windows_out),
        TEST(test_held_back),
        TEST(test_out_is_bounded),
        TEST(test_windows_in),
        TEST(test_tunnel),
        TEST(test_tunnel_is_told_of_the_drain),
        TEST(test_tunnel_ends_unread),
        TEST(test_tunnel_opens_in_the_drain),
        TEST(test_tunnel_opens_while_retiring),
        TEST(test_tunnel_outlives_its_connection),
        TEST(test_reset_under_a_held_stream),
        TEST(test_tunnel_bytes_too_early),
        TEST(test_tunnels_are_not_offered),
        TEST(test_refused_head),
        TEST(test_malformed),
        TEST(test_length_mismatch),
        TEST(test_no_room),
        TEST(test_early_answer),
        TEST(test_windows_out_of_neighbours),
        TEST(test_no_memory),
        TEST(test_memory_refused_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
