/* WebSocket to a worker of HTTP/2 (RFC 8441): what is asked for as in HTTP/1.1 leaves as extended CONNECT, and what is
 * answered comes as in HTTP/1.1. */
#include "h2_far.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* of RFC 6455 section 1.3 */

static struct field fields[] = {
    {.name = {"Sec-WebSocket-Key", 17}, .value = {"dGhlIHNhbXBsZSBub25jZQ==", 24}},
    {.name = {"Sec-WebSocket-Version", 21}, .value = {"13", 2}},
};

static void announce(void)
{
    static const char connect_protocol[] = {0, 8, 0, 0, 0, 1};
    h2_wire_frame(&far.wire, H2_SETTINGS, 0, 0, connect_protocol, sizeof(connect_protocol));
    far_flush();
}

static struct msg upgrade(void)
{
    struct msg msg = far_get;
    msg.upgrade = STR("websocket");
    msg.fields = fields;
    msg.count = msg.cap = ARRAY_SIZE(fields);
    return msg;
}

/* Whole, as it is in HTTP/1.1. */
static struct stream *ask_for_tunnel(void)
{
    struct msg msg = upgrade();
    struct stream *stream = far_ask_with(&msg);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&far.world);
    return stream;
}

static struct stream *open_tunnel(void)
{
    announce();
    struct stream *stream = ask_for_tunnel();
    far_head(1, ":status: 200\n", false);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD);
    return stream;
}

static void test_switch(void **state)
{
    struct stream *stream = open_tunnel();
    assert_int_equal(far_find(H2_HEADERS, 1)->flags & H2_END_STREAM, 0);
    assert_int_equal(stream->head.status, 101);
    assert_int_equal(stream->head.body, MSG_BODY_OPEN);
    assert_str(stream->head.upgrade, STR("websocket"));
    assert_int_equal(stream->head.count, 1);
    assert_str(stream->head.fields[0].name, STR("Sec-WebSocket-Accept"));
    assert_str(stream->head.fields[0].value, STR(ACCEPT));
    far_send_body(stream, "up", 2);
    assert_str(far_find(H2_DATA, 1)->payload, STR("up"));
    h2_wire_frame(&far.wire, H2_DATA, 0, 1, "down", 4);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_BODY);
    assert_int_equal(bufq_bytes(&stream->body), 4);
}

/* An end of ours that waits for credit is not cut off: it is told when it has left. */
static void test_each_end(void **state)
{
    static char long_one[70000];
    struct stream *stream = open_tunnel();
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, "bye", 3);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_BODY | STREAM_END);
    far_send_body(stream, long_one, sizeof(long_one));
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&far.world);
    assert_true(stream->unsent);
    assert_int_equal(far_take_events(1) & STREAM_SENT, 0);
    h2_wire_number(&far.wire, H2_WINDOW, 0, 1 << 20);
    h2_wire_number(&far.wire, H2_WINDOW, 1, 1 << 20);
    far_flush();
    assert_false(stream->unsent);
    assert_true(far_take_events(1) & STREAM_SENT);
    assert_int_equal(far_find(H2_DATA, 1)->flags & H2_END_STREAM, H2_END_STREAM);
    assert_true(far_finish(1));
    assert_null(far_find(H2_RST, 1));
}

/* Whoever counts how long a tunnel is silent hears that what waits goes on. */
static void test_credit_is_told(void **state)
{
    static char long_one[70000];
    struct stream *stream = open_tunnel();
    far_send_body(stream, long_one, sizeof(long_one));
    assert_int_equal(far_take_events(1), 0);
    h2_wire_number(&far.wire, H2_WINDOW, 0, 1000);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_ROOM);
    h2_wire_number(&far.wire, H2_WINDOW, 1, 1 << 20);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_ROOM);
    h2_wire_number(&far.wire, H2_WINDOW, 0, 1 << 20);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_ROOM);
    h2_wire_number(&far.wire, H2_WINDOW, 0, 1000); /* and nothing waits any more */
    h2_wire_number(&far.wire, H2_WINDOW, 1, 1000);
    far_flush();
    assert_int_equal(far_take_events(1), 0);
}

/* Nor is it waited for when the worker does not want it any more. */
static void test_end_nobody_waits_for(void **state)
{
    static char long_one[70000];
    struct stream *stream = open_tunnel();
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, NULL, 0);
    far_flush();
    far_send_body(stream, long_one, sizeof(long_one));
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&far.world);
    assert_true(stream->unsent);
    h2_wire_number(&far.wire, H2_RST, 1, H2_NO_ERROR);
    far_flush();
    assert_false(stream->unsent);
    assert_false(stream->failed);
    assert_true(far_take_events(1) & STREAM_SENT);
    assert_true(far_finish(1));
}

static void test_ended_by_us(void **state)
{
    open_tunnel();
    assert_true(far_finish(1));
    assert_int_equal(far_number_in(H2_RST, 1, 0), H2_NO_ERROR);
}

static void test_aborted_by_us(void **state)
{
    open_tunnel();
    far_abort_stream(1);
    assert_int_equal(far_number_in(H2_RST, 1, 0), H2_CANCEL);
}

static void test_cut(void **state)
{
    open_tunnel();
    h2_wire_number(&far.wire, H2_RST, 1, H2_CANCEL);
    far_flush();
    far_assert_failed(1, ERR_ANSWER_CUT);
}

/* Any other answer is one: our side of the stream ends, and nothing is reset. */
static void test_refused_by_the_worker(void **state)
{
    announce();
    struct stream *stream = ask_for_tunnel();
    far_head(1, ":status: 403\ncontent-length: 2\n", false);
    h2_wire_frame(&far.wire, H2_DATA, H2_END_STREAM, 1, "no", 2);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_HEAD | STREAM_BODY | STREAM_END);
    assert_int_equal(stream->head.status, 403);
    assert_int_equal(far_find(H2_DATA, 1)->flags & H2_END_STREAM, H2_END_STREAM);
    assert_true(far_finish(1));
    assert_null(far_find(H2_RST, 1));
}

static void test_not_announced(void **state)
{
    struct msg msg = upgrade();
    far_ask_with(&msg);
    world_settle(&far.world);
    far_assert_failed(1, ERR_NO_WEBSOCKET);
    assert_null(far_find(H2_HEADERS, 1));
    assert_int_equal(far.room.counts.streams_refused, 0);
    far_abort_stream(1);
    far_ask(); /* the connection goes on */
    assert_non_null(far_find(H2_HEADERS, 1));
}

/* Without a key nobody could tell that the worker has understood: an ordinary request, as RFC 9110 section 7.8 has it.
 */
static void test_other_upgrades(void **state)
{
    struct msg msg = upgrade();
    announce();
    msg.upgrade = STR("other");
    assert_int_equal(session_send_end(far_ask_with(&msg), NULL, 0), 0);
    msg = upgrade();
    fields[0].dropped = true;
    assert_int_equal(session_send_end(far_ask_with(&msg), NULL, 0), 0);
    fields[0].dropped = false;
    world_settle(&far.world);
    for (uint32_t id = 1; id < 4; id += 2)
        assert_int_equal(far_find(H2_HEADERS, id)->flags & H2_END_STREAM, H2_END_STREAM);
}

static void test_interim_before_the_switch(void **state)
{
    announce();
    struct stream *stream = ask_for_tunnel();
    far_head(1, ":status: 103\na: b\n", false);
    far_head(1, ":status: 200\n", false);
    far_flush();
    assert_int_equal(far_take_events(1), STREAM_INTERIM);
    assert_int_equal(stream->head.status, 103);
    session_consumed(stream);
    assert_int_equal(far_take_events(1), STREAM_HEAD);
    assert_int_equal(stream->head.status, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAR_TEST(test_switch),
        FAR_TEST(test_each_end),
        FAR_TEST(test_credit_is_told),
        FAR_TEST(test_end_nobody_waits_for),
        FAR_TEST(test_ended_by_us),
        FAR_TEST(test_aborted_by_us),
        FAR_TEST(test_cut),
        FAR_TEST(test_refused_by_the_worker),
        FAR_TEST(test_not_announced),
        FAR_TEST(test_other_upgrades),
        FAR_TEST(test_interim_before_the_switch),
    };
    return cmocka_run_group_tests_name("h2_client_tunnel", tests, NULL, NULL);
}
