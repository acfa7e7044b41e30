/* What costs a client of HTTP/2 little and us much, and what only looks like it. RFC 9113 section 10.5. */
#include "tests/unit/http/h2_served.h"

/* The 21st is one too many. */
static void reset_rapidly(uint32_t h2_code)
{
    open_h2();
    for (uint32_t i = 0; i < 40; i++) {
        request(2 * i + 1, GET_H2);
        h2_wire_number(&wire, H2_RST, 2 * i + 1, h2_code);
        flush();
    }
    assert_int_equal(goaway_code(), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[H2_FLOOD_RESETS], 1);
    assert_int_equal(echo.opened + room.counts.streams_refused, 21);
    assert_ended();
}

static void test_rapid_reset(void **state)
{
    reset_rapidly(H2_CANCEL);
    assert_int_equal(echo.opened, 21);
}

/* Whatever a client says why. */
static void test_rapid_reset_without_an_error(void **state)
{
    reset_rapidly(H2_NO_ERROR);
}

static void test_rapid_reset_as_refused(void **state)
{
    reset_rapidly(H2_REFUSED_STREAM);
}

/* And whether there was room for what it asked. */
static void test_rapid_reset_of_what_is_refused(void **state)
{
    room.streams.max_objects = 0;
    reset_rapidly(H2_NO_ERROR);
    assert_int_equal(echo.opened, 0);
}

/* Not the client's doing: a worker may have failed. */
static void test_aborts_of_ours_are_no_flood(void **state)
{
    struct msg msg = {.status = 200, .length = -1, .body = MSG_BODY_OPEN};
    open_h2();
    echo.by_hand = true;
    for (uint32_t i = 0; i < 40; i++) {
        request(2 * i + 1, GET_H2);
        flush();
        assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
        echo_abort(echo.current);
        world_settle(&world);
        assert_int_equal(reset_code(2 * i + 1), H2_INTERNAL_ERROR);
    }
    assert_null(find(H2_GOAWAY, 0));
    assert_open();
}

/* But those of a request that the client has spoilt while it is answered are. */
static void test_spoilt_requests(void **state)
{
    struct msg msg = {.status = 200, .length = -1, .body = MSG_BODY_OPEN};
    options.body_bytes = 2;
    open_h2();
    echo.by_hand = true;
    for (uint32_t i = 0; i < 21; i++) {
        h2_wire_headers(&wire, H2_END_HEADERS, 2 * i + 1, POST_H2);
        flush();
        assert_int_equal(session_send_head(&echo.current->stream, &msg), 0);
        h2_wire_frame(&wire, H2_DATA, 0, 2 * i + 1, "abc", 3);
        flush();
        assert_int_equal(echo.current->stream.error, -ERR_REQUEST_BODY_SIZE);
        echo_abort(echo.current);
        world_settle(&world);
    }
    assert_int_equal(reset_code(1), H2_PROTOCOL_ERROR);
    assert_int_equal(goaway_code(), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[H2_FLOOD_RESETS], 1);
}

static void flood(enum h2_wire_type type, unsigned flags, uint32_t stream, size_t payload, enum h2_flood kind)
{
    open_h2();
    h2_wire_headers(&wire, H2_END_HEADERS, 1, POST_H2);
    for (int i = 0; i < 100; i++)
        h2_wire_frame(&wire, type, flags, stream, "\0\0\0\0\0\0\0\1", payload);
    flush();
    assert_int_equal(goaway_code(), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[kind], 1);
}

static void test_ping_flood(void **state)
{
    flood(H2_PING, 0, 0, 8, H2_FLOOD_CONTROL);
}

static void test_settings_flood(void **state)
{
    flood(H2_SETTINGS, 0, 0, 0, H2_FLOOD_CONTROL);
}

static void test_priority_flood(void **state)
{
    flood(H2_PRIORITY, 0, 3, 5, H2_FLOOD_CONTROL);
}

static void test_goaway_flood(void **state)
{
    flood(H2_GOAWAY, 0, 0, 8, H2_FLOOD_CONTROL);
}

/* Of a stream that is over. */
static void flood_late(enum h2_wire_type type, const void *payload, size_t n)
{
    open_h2();
    request(1, GET_H2);
    flush();
    assert_int_equal(echo.finished, 1);
    for (int i = 0; i < 51; i++)
        h2_wire_frame(&wire, type, H2_END_HEADERS | H2_END_STREAM, 1, payload, n);
    flush();
    assert_int_equal(goaway_code(), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[H2_FLOOD_CONTROL], 1);
    assert_int_equal(echo.opened, 1);
}

static void test_late_reset_flood(void **state)
{
    flood_late(H2_RST, "\0\0\0\x08", 4);
}

static void test_late_head_flood(void **state)
{
    char block[200];
    flood_late(H2_HEADERS, block, h2_wire_block(GET_H2, block, sizeof(block)));
}

static void test_padding_flood(void **state)
{
    enum { PADDED = 8 };
    flood(H2_DATA, PADDED, 1, 1, H2_FLOOD_EMPTY);
}

static void test_empty_flood(void **state)
{
    flood(H2_DATA, 0, 1, 0, H2_FLOOD_EMPTY);
}

static void test_continuation_flood(void **state)
{
    char block[200];
    open_h2();
    h2_wire_frame(&wire, H2_HEADERS, 0, 1, block, h2_wire_block(GET_H2, block, sizeof(block)));
    for (int i = 0; i < 30; i++)
        h2_wire_frame(&wire, H2_MORE, 0, 1, block, h2_wire_block("x: y\n", block, sizeof(block)));
    flush();
    assert_int_equal(goaway_code(), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[H2_FLOOD_HEADS], 1);
    assert_int_equal(echo.opened, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rapid_reset),
        TEST(test_rapid_reset_without_an_error),
        TEST(test_rapid_reset_as_refused),
        TEST(test_rapid_reset_of_what_is_refused),
        TEST(test_aborts_of_ours_are_no_flood),
        TEST(test_spoilt_requests),
        TEST(test_ping_flood),
        TEST(test_settings_flood),
        TEST(test_priority_flood),
        TEST(test_goaway_flood),
        TEST(test_late_reset_flood),
        TEST(test_late_head_flood),
        TEST(test_padding_flood),
        TEST(test_empty_flood),
        TEST(test_continuation_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
