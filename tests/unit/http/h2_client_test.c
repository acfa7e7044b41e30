/* The worker side's HTTP/2 over the simulated net, against a worker whose frames are written by hand: streams, credit,
 * heads and their order, and everything a worker can do wrong. */
#include "h2_far.h"
#include "tests/unit/alloc_fail.h"

/* ---- requests and answers ---- */

static void test_many_streams(void **state)
{
    for (int i = 0; i < 4; i++)
        far_ask();
    assert_int_equal(session_slots(&far.door.session), 1);
    for (uint32_t id = 7; id < 8; id -= 2) { /* the last first */
        far_head(id, ":status: 200\nx: y\n", false);
        h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, id, "abc", 3);
    }
    far_flush();
    for (uint32_t id = 1; id < 8; id += 2) {
        struct stream *stream = &far.asked[id / 2].stream;
        assert_int_equal(far_take_events(id), STREAM_HEAD | STREAM_BODY | STREAM_END);
        assert_int_equal(stream->head.status, 200);
        assert_str(stream->head.reason, STR("OK"));
        assert_int_equal(bufq_bytes(&stream->body), 3);
        assert_true(far_finish(id));
    }
    assert_int_equal(session_slots(&far.door.session), 5);
    assert_null(far_find(H2_RST, 1));
    assert_true(session_idle(&far.door.session));
}

static void test_claims_take_slots(void **state)
{
    far.door.session.claimed = 4;
    assert_int_equal(session_slots(&far.door.session), 1);
    far_ask();
    assert_int_equal(session_slots(&far.door.session), 1);
    far.door.session.claimed = 9;
    assert_int_equal(session_slots(&far.door.session), 0);
    far.door.session.claimed = 0;
}

static void test_worker_wants_fewer(void **state)
{
    static const char most[] = {0, 3, 0, 0, 0, 2};
    h2_wire_frame(&far.wire, H2_SETTINGS, 0, 0, most, sizeof(most));
    far_flush();
    assert_int_equal(session_slots(&far.door.session), 2);
    far_ask();
    far_ask();
    assert_int_equal(session_slots(&far.door.session), 0);
}

/* RFC 9110 section 8.6 and 6.4.1: what ends with its head, by its kind. */
static void test_bodiless(void **state)
{
    struct msg msg = far_get;
    msg.method = METHOD_HEAD;
    msg.method_text = STR("HEAD");
    assert_int_equal(session_send_end(far_ask_with(&msg), NULL, 0), 0);
    far_ask();
    far_ask();
    far_head(1, ":status: 200\ncontent-length: 7\n", true);
    far_head(3, ":status: 304\ncontent-length: 7\n", true);
    far_head(5, ":status: 200\n", true);
    far_flush();
    for (uint32_t id = 1; id < 6; id += 2)
        assert_int_equal(far_take_events(id), STREAM_HEAD | STREAM_END);
    assert_int_equal(far.asked[0].stream.head.body, MSG_BODY_NONE);
    assert_int_equal(far.asked[0].stream.head.length, 7);
    assert_int_equal(far.asked[1].stream.head.body, MSG_BODY_NONE);
    assert_int_equal(far.asked[2].stream.head.body, MSG_BODY_LENGTH);
    assert_int_equal(far.asked[2].stream.head.length, 0);
}

static void test_trailers_both_ways(void **state)
{
    struct field field = {.name = STR("Sum"), .value = STR("3")};
    struct stream *stream = far_post(-1);
    far_send_body(stream, "abc", 3);
    assert_int_equal(session_send_end(stream, &field, 1), 0);
    world_settle(&far.world);
    assert_int_equal(far_find(H2_HEADERS, 1)->flags & H2_END_STREAM, H2_END_STREAM);
    assert_str(far_find(H2_DATA, 1)->payload, STR("abc"));
    far_head(1, ":status: 200\n", false);
    far_head(1, "sum: 6\nhost: x\n", true);
    far_flush();
    assert_int_equal(stream->trailer_count, 2);
    assert_str(stream->trailers[0].name, STR("sum"));
    assert_true(stream->trailers[1].dropped);
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
}

/* RFC 7541 section 6.2.3: a request's id comes as a literal each time, though it is the same here; other fields are in
 * the table the second time. */
static void test_unique_fields_stay_out_of_the_table(void **state)
{
    enum { ID_BYTES = 13 }; /* 0x10, the name's length, 9 bytes of Huffman, the value's length, the value */
    struct field fields[] = {{.name = STR("Some"), .value = STR("field with a value")},
                             {.name = STR("X-Request-ID"), .value = STR("7"), .id = FIELD_X_REQUEST_ID}};
    struct msg msg = far_get;
    msg.fields = fields;
    msg.count = ARRAY_SIZE(fields);
    for (uint32_t id = 1; id < 4; id += 2)
        assert_int_equal(session_send_end(far_ask_with(&msg), NULL, 0), 0);
    world_settle(&far.world);
    struct str first = far_find(H2_HEADERS, 1)->payload, second = far_find(H2_HEADERS, 3)->payload;
    assert_int_equal(first.p[first.n - ID_BYTES], 0x10);
    assert_int_equal(second.p[second.n - ID_BYTES], 0x10);
    assert_true(second.n < first.n - 10);
}

/* A client that knows the length leaves with the last byte: it is told of with the end, not before. */
static void test_last_byte_waits_for_the_end(void **state)
{
    struct stream *stream = far_ask();
    far_head(1, ":status: 200\ncontent-length: 6\n", false);
    h2_wire_frame(&far.wire, H2_DATA, 0, 1, "abc", 3);
    h2_wire_frame(&far.wire, H2_DATA, 0, 1, "def", 3);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_BODY);
    assert_int_equal(bufq_bytes(&stream->body), 3);
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, NULL, 0);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_BODY | STREAM_END);
    assert_int_equal(bufq_bytes(&stream->body), 6);
}

/* Interim heads wait for each other to be passed on, and so does what is behind them. */
static void test_interim_heads(void **state)
{
    struct stream *stream = far_ask();
    far_head(1, ":status: 103\na: b\n", false);
    far_head(1, ":status: 103\na: c\n", false);
    far_head(1, ":status: 200\n", false);
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, "x", 1);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_INTERIM | STREAM_BODY);
    assert_str(stream->head.fields[0].value, STR("b"));
    session_consumed(stream);
    assert_int_equal(far_take_events(1), STREAM_INTERIM);
    assert_str(stream->head.fields[0].value, STR("c"));
    assert_false(stream->ended);
    session_consumed(stream);
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
    assert_int_equal(stream->head.status, 200);
}

static void test_too_many_interim_heads(void **state)
{
    far_ask();
    for (int i = 0; i < H2_CLIENT_WAITING_HEADS + 2; i++)
        far_head(1, ":status: 103\n", false);
    far_flush();
    far_assert_failed(1, ERR_ANSWER_MALFORMED);
}

/* ---- credit ---- */

static void test_window_in(void **state)
{
    static char piece[16000];
    struct stream *stream = far_ask();
    far_head(1, ":status: 200\n", false);
    for (int i = 0; i < 4; i++)
        h2_wire_frame(&far.wire, H2_DATA, 0, 1, piece, sizeof(piece));
    far_flush();
    assert_int_equal(bufq_bytes(&stream->body), 64000);
    assert_null(far_find(H2_WINDOW, 1));
    /* The connection's is as wide as all streams' together. */
    assert_int_equal(far_number_in(H2_WINDOW, 0, 0), 5 * 65536 - 65535);
    bufq_consume(&stream->body, 40000);
    session_consumed(stream);
    world_settle(&far.world);
    assert_int_equal(far_number_in(H2_WINDOW, 1, 0), 40000);
}

static void test_window_out(void **state)
{
    static char body[100000];
    struct stream *stream = far_post(sizeof(body));
    far_send_body(stream, body, sizeof(body));
    assert_int_equal(session_taken(stream, false), 65535);
    assert_true(session_room(stream) > 0);
    h2_wire_number(&far.wire, H2_WINDOW, 1, 100000);
    h2_wire_number(&far.wire, H2_WINDOW, 0, 100000);
    far_flush();
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&far.world);
    assert_int_equal(far_find(H2_DATA, 1)->flags & H2_END_STREAM, H2_END_STREAM);
}

/* RFC 9113 section 8.1: the answer needed no more of the request. */
static void test_early_answer(void **state)
{
    struct stream *stream = far_post(-1);
    far_send_body(stream, "abc", 3);
    far_head(1, ":status: 413\n", true);
    h2_wire_number(&far.wire, H2_RST, 1, H2_NO_ERROR);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
    assert_false(stream->failed);
    far_send_body(stream, "more", 4);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    assert_true(far_finish(1));
}

/* ---- what the worker refuses and breaks ---- */

static void test_resets(void **state)
{
    for (int i = 0; i < 3; i++)
        far_ask();
    far_head(5, ":status: 200\n", false);
    h2_wire_number(&far.wire, H2_RST, 1, H2_REFUSED_STREAM);
    h2_wire_number(&far.wire, H2_RST, 3, H2_INTERNAL_ERROR);
    h2_wire_number(&far.wire, H2_RST, 5, H2_CANCEL);
    far_flush();
    far_assert_failed(1, ERR_STREAM_REFUSED);
    far_assert_failed(3, ERR_STREAM_RESET);
    far_assert_failed(5, ERR_ANSWER_CUT);
    assert_int_equal(far.room.counts.streams_reset, 2);
    assert_int_equal(far.room.counts.streams_refused, 1);
    far_abort_stream(1);
    far_ask(); /* the connection goes on */
}

static void goaway(uint32_t last, uint32_t code)
{
    const unsigned char bytes[8] = {(unsigned char)(last >> 24),
                                    (unsigned char)(last >> 16),
                                    (unsigned char)(last >> 8),
                                    (unsigned char)last,
                                    0,
                                    0,
                                    0,
                                    (unsigned char)code};
    h2_wire_frame(&far.wire, H2_GOAWAY, 0, 0, bytes, sizeof(bytes));
}

/* RFC 9113 section 6.8: what is above the last stream was not looked at; what is below goes on. */
static void test_goaway(void **state)
{
    far_ask();
    far_ask();
    goaway(1, H2_NO_ERROR);
    far_flush();
    far_assert_failed(3, ERR_STREAM_REFUSED);
    assert_int_equal(session_slots(&far.door.session), 0);
    assert_int_equal(far.lost, 0);
    far_head(1, ":status: 200\n", true);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
    far_abort_stream(3);
    assert_int_equal(far.lost, 0);
    assert_false(far_finish(1));
    world_run(&far.world, 1);
    assert_int_equal(far.lost, 1);
    assert_int_equal(far.room.counts.errors, 0);
    assert_int_equal(far.room.counts.goaways, 1);
    assert_int_equal(far.room.counts.streams_refused, 1);
    assert_int_equal(far.room.counts.streams_reset, 0);
}

/* What a worker still takes that gives notice (RFC 9113 section 6.8): its frames wait for others', not for the notice.
 */
static void test_notice_finds_a_request_on_its_way(void **state)
{
    struct stream *stream = far_ask_with(&far_get);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    goaway(INT32_MAX, H2_NO_ERROR);
    far_flush();
    assert_false(stream->failed);
    assert_non_null(far_find(H2_HEADERS, 1));
    assert_int_equal(session_slots(&far.door.session), 0);
    far_head(1, ":status: 200\n", true);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
    assert_int_equal(far.room.counts.streams_refused, 0);
}

/* An answer that was whole stays so, whatever comes of the connection. */
static void test_goaway_behind_the_answer(void **state)
{
    far_ask();
    far_head(1, ":status: 200\n", true);
    goaway(1, H2_NO_ERROR);
    far_flush();
    io_sim_peer_close(&far.peer, false);
    world_settle(&far.world);
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_END);
    assert_false(far.asked[0].stream.failed);
    assert_false(far_finish(1));
}

/* Opened in the turn in which the worker goes: refused, to be far.asked again. */
static void test_open_after_goaway(void **state)
{
    far_ask();
    goaway(1, H2_NO_ERROR);
    far_flush();
    far_ask();
    far_assert_failed(3, ERR_STREAM_REFUSED);
    assert_false(far.asked[1].stream.sent_bytes);
}

static void test_connection_ends(void **state)
{
    far_ask();
    far_ask();
    far_head(3, ":status: 200\n", false);
    far_flush();
    io_sim_peer_close(&far.peer, false);
    world_settle(&far.world);
    far_assert_failed(1, ERR_CONN_CLOSED);
    far_assert_failed(3, ERR_ANSWER_CUT);
    assert_int_equal(far.lost, 0);
    far_abort_stream(1);
    far_abort_stream(3);
    assert_int_equal(far.lost, 1);
}

static void test_connection_resets(void **state)
{
    far_ask();
    io_sim_peer_close(&far.peer, true);
    world_settle(&far.world);
    far_assert_failed(1, ERR_CONN_RESET);
}

static void test_malformed_answers(void **state)
{
    static const char *const heads[] = {
        ":status: 101\n",
        ":status: 20\n",
        ":status: 2000\n",
        "x: y\n",
        ":status: 200\nUpper: x\n",
        ":status: 200\nconnection: close\n",
        ":status: 200\ncontent-length: 1\ncontent-length: 2\n",
        ":status: 200\n:path: /\n",
        ":status: 200\ncontent-length: x\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        uint32_t id = 2 * (uint32_t)i + 1;
        far_ask();
        far_head(id, heads[i], false);
        far_flush();
        assert_true(far.asked[0].stream.failed);
        assert_int_equal(err_fault(far.asked[0].stream.error), ERR_FAULT_WORKER);
        assert_int_equal(err_retry(far.asked[0].stream.error), ERR_RETRY_NEVER);
        far_abort_stream(1);
    }
}

static void test_length_mismatch(void **state)
{
    far_ask();
    far_ask();
    far_head(1, ":status: 200\ncontent-length: 5\n", false);
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, "abc", 3);
    far_head(3, ":status: 200\ncontent-length: 2\n", false);
    h2_wire_frame(&far.wire, H2_DATA, 0, 3, "abc", 3);
    far_flush();
    far_assert_failed(1, ERR_ANSWER_MALFORMED);
    far_assert_failed(3, ERR_ANSWER_MALFORMED);
    assert_false(far.asked[0].stream.ended);
}

static void test_head_too_large(void **state)
{
    char lines[3000] = ":status: 200\nx: ";
    far_ask();
    memset(lines + strlen(lines), 'y', 2500);
    lines[strlen(lines) - 1] = '\n';
    far_head(1, lines, true);
    far_flush();
    far_assert_failed(1, ERR_ANSWER_HEAD_SIZE);
    far_abort_stream(1);
    far_ask();
}

/* The worker breaks a rule of the connection: all its streams fail. */
static void test_broken_connection(void **state)
{
    far_ask();
    h2_wire_frame(&far.wire, H2_DATA, 0, 0, "x", 1);
    far_flush();
    far_assert_failed(1, ERR_ANSWER_MALFORMED);
    assert_int_equal(far_number_in(H2_GOAWAY, 0, 4), H2_PROTOCOL_ERROR);
    assert_int_equal(far.room.counts.errors, 1);
    assert_int_equal(session_slots(&far.door.session), 0);
}

static void test_pushes_are_refused(void **state)
{
    char payload[100] = {0, 0, 0, 2};
    size_t n = 4 + h2_wire_block(":method: GET\n:scheme: http\n:path: /p\n:authority: w\n", payload + 4, 96);
    far_ask();
    h2_wire_frame(&far.wire, H2_PUSH, H2_END_HEADERS, 1, payload, n);
    far_flush();
    assert_non_null(far_find(H2_GOAWAY, 0));
    assert_true(far.asked[0].stream.failed);
}

static void test_floods(void **state)
{
    far_ask();
    for (int i = 0; i < 60; i++)
        h2_wire_frame(&far.wire, H2_PING, 0, 0, "12345678", 8);
    far_flush();
    assert_int_equal(far_number_in(H2_GOAWAY, 0, 4), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(far.room.counts.floods[H2_FLOOD_CONTROL], 1);
    assert_true(far.asked[0].stream.failed);
}

/* ---- ends ---- */

static void test_abort_cancels(void **state)
{
    far_ask();
    far_abort_stream(1);
    assert_int_equal(far_number_in(H2_RST, 1, 0), H2_CANCEL);
    assert_int_equal(session_slots(&far.door.session), 5);
    far_head(1, ":status: 200\n", true); /* too late */
    far_flush();
    assert_true(session_idle(&far.door.session));
}

static void test_idle_is_lost(void **state)
{
    world_run(&far.world, IDLE_MS - 1);
    assert_int_equal(far.lost, 0);
    far_ask();
    far_head(1, ":status: 200\n", true);
    far_flush();
    far_finish(1);
    world_run(&far.world, IDLE_MS - 1);
    assert_int_equal(far.lost, 0);
    world_run(&far.world, 2);
    assert_int_equal(far.lost, 1);
    assert_int_equal(far_number_in(H2_GOAWAY, 0, 4), H2_NO_ERROR);
}

static void test_drain(void **state)
{
    far_ask();
    session_drain(&far.door.session);
    world_settle(&far.world);
    assert_int_equal(session_slots(&far.door.session), 0);
    far_head(1, ":status: 200\n", true);
    far_flush();
    assert_int_equal(far.lost, 0);
    assert_false(far_finish(1));
    world_run(&far.world, 1);
    assert_int_equal(far.lost, 1);
}

/* A worker that was deaf for so long is left, but told before that nobody waits. */
static void test_reset_before_the_goodbye(void **state)
{
    far_ask();
    world_run(&far.world, H2_CLIENT_DEAF_MS + 1);
    session_abort(&far.asked[0].stream);
    stream_fini(&far.asked[0].stream);
    arena_fini(&far.asked[0].arena);
    far.asked[0].used = false;
    session_close(&far.door.session);
    world_settle(&far.world);
    assert_int_equal(far_number_in(H2_RST, 1, 0), H2_CANCEL);
    assert_int_equal(far_number_in(H2_GOAWAY, 0, 4), H2_NO_ERROR);
}

/* A worker that grants all and takes nothing: our reset and our goodbye wait behind more than there is room for. */
static void test_close_behind_an_unread_upload(void **state)
{
    static char body[2 * SESSION_OUT_HIGH];
    io_sim_limits(far.world.net)->buffer_bytes = 9000;
    struct stream *stream = far_post(-1);
    h2_wire_number(&far.wire, H2_WINDOW, 0, sizeof(body));
    far_flush();
    h2_wire_number(&far.wire, H2_WINDOW, 1, sizeof(body));
    far_flush();
    io_sim_peer_pause(far.peer, true);
    far_send_body(stream, body, sizeof(body) - 1);
    far_send_body(stream, body, 1); /* what has left by now makes room for more */
    assert_true(bufq_bytes(&far.door.session.conn.out) >= SESSION_OUT_HIGH);
    far_abort_stream(1);
    world_run(&far.world, IDLE_MS + 1);
    assert_int_equal(far.lost, 1);
    world_run(&far.world, CONN_LINGER_MS + 1);
    assert_int_equal(far.closed, 1);
}

/* Nothing was heard for as long as an exchange waited: nobody else shall. */
static void test_deaf(void **state)
{
    far_ask();
    far_ask();
    world_run(&far.world, H2_CLIENT_DEAF_MS + 1);
    far_abort_stream(1);
    assert_int_equal(session_slots(&far.door.session), 0);
    far_abort_stream(3);
    world_run(&far.world, 1);
    assert_int_equal(far.lost, 1);
}

static void test_not_deaf(void **state)
{
    far_ask();
    world_run(&far.world, H2_CLIENT_DEAF_MS + 1);
    h2_wire_frame(&far.wire, H2_PING, H2_ACK, 0, "12345678", 8);
    far_flush();
    far_abort_stream(1);
    assert_int_equal(session_slots(&far.door.session), 5);
}

static void test_no_memory(void **state)
{
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        far_leave();
        far_begin();
        far_ask();
        far_head(1, ":status: 200\n", false);
        h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, "abc", 3);
        alloc_fail_at(n);
        far_flush();
        failed = alloc_fail_stop();
        assert_true(far.asked[0].stream.ended || far.asked[0].stream.failed);
        assert_true(failed || far.asked[0].stream.ended);
    }
}

/* ---- the far.door ---- */

/* Without ALPN nothing agrees to h2. */
static void test_door(void **state)
{
    far_leave();
    far_connect_door(WORKER_H2);
    assert_int_equal(far.ready_error, -ERR_NO_HTTP2);
    far_leave();
    far_connect_door(WORKER_AUTO);
    assert_int_equal(far.ready_error, 0);
    assert_false(session_is_shared(&far.door.session));
    assert_true(session_idle(&far.door.session));
    far_leave();
    far_connect_door(WORKER_HTTP1);
    assert_false(session_is_shared(&far.door.session));
    far_leave();
    far_begin();
}

/* What does not begin with SETTINGS is not HTTP/2, and got nothing of a request. */
static void test_door_to_another_version(void **state)
{
    static const char *const words[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "x"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        far_leave();
        far_connect_door(WORKER_H2C);
        io_sim_peer_send(far.peer, words[i], strlen(words[i]));
        world_settle(&far.world);
        assert_int_equal(far.ready, i == 0);
        io_sim_peer_shutdown(far.peer);
        world_settle(&far.world);
        assert_int_equal(far.ready, 1);
        assert_int_equal(far.ready_error, -ERR_NO_HTTP2);
        world_run(&far.world, CONN_LINGER_MS + 1);
        assert_int_equal(far.closed, 1);
    }
    far_leave();
    far_begin();
}

static void test_door_closes_while_it_connects(void **state)
{
    far_leave();
    far.ready = far.closed = 0;
    seat_init(&far.seat, NULL);
    assert_int_equal(
        worker_door_open(&far.door, &far.seat, far.world.io, &far.address, NULL, WORKER_H2C, &far.options, &far.user),
        0);
    assert_false(session_idle(&far.door.session));
    session_close(&far.door.session);
    world_settle(&far.world);
    assert_int_equal(far.ready, 0);
    assert_int_equal(far.closed, 1);
    far.peer = io_sim_peer_accept(far.world.net, far.listener);
}

static void test_door_is_refused(void **state)
{
    far_leave();
    io_sim_peer_unlisten(far.world.net, far.listener);
    far.ready = far.closed = 0;
    seat_init(&far.seat, NULL);
    assert_int_equal(
        worker_door_open(&far.door, &far.seat, far.world.io, &far.address, NULL, WORKER_H2C, &far.options, &far.user),
        0);
    world_settle(&far.world);
    assert_int_equal(far.ready_error, -ERR_CONNECT_REFUSED);
    assert_int_equal(far.closed, 1);
    far.listener = io_sim_peer_listen(far.world.net, &far.address, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAR_TEST(test_many_streams),
        FAR_TEST(test_claims_take_slots),
        FAR_TEST(test_worker_wants_fewer),
        FAR_TEST(test_bodiless),
        FAR_TEST(test_trailers_both_ways),
        FAR_TEST(test_unique_fields_stay_out_of_the_table),
        FAR_TEST(test_last_byte_waits_for_the_end),
        FAR_TEST(test_interim_heads),
        FAR_TEST(test_too_many_interim_heads),
        FAR_TEST(test_window_in),
        FAR_TEST(test_window_out),
        FAR_TEST(test_early_answer),
        FAR_TEST(test_resets),
        FAR_TEST(test_goaway),
        FAR_TEST(test_notice_finds_a_request_on_its_way),
        FAR_TEST(test_goaway_behind_the_answer),
        FAR_TEST(test_open_after_goaway),
        FAR_TEST(test_connection_ends),
        FAR_TEST(test_connection_resets),
        FAR_TEST(test_malformed_answers),
        FAR_TEST(test_length_mismatch),
        FAR_TEST(test_head_too_large),
        FAR_TEST(test_broken_connection),
        FAR_TEST(test_pushes_are_refused),
        FAR_TEST(test_floods),
        FAR_TEST(test_abort_cancels),
        FAR_TEST(test_idle_is_lost),
        FAR_TEST(test_drain),
        FAR_TEST(test_reset_before_the_goodbye),
        FAR_TEST(test_close_behind_an_unread_upload),
        FAR_TEST(test_deaf),
        FAR_TEST(test_not_deaf),
        FAR_TEST(test_no_memory),
        FAR_TEST(test_door),
        FAR_TEST(test_door_to_another_version),
        FAR_TEST(test_door_closes_while_it_connects),
        FAR_TEST(test_door_is_refused),
    };
    return cmocka_run_group_tests_name("h2_client", tests, NULL, NULL);
}
