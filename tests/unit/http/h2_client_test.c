/* The worker side's HTTP/2 over the simulated net, against a worker whose frames are written by hand: streams, credit,
 * heads and their order, and everything a worker can do wrong. */
#include "http/worker_door.h"

#include "h2_wire.h"
#include "http_cmocka.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/net/world.h"

enum { ASKED_MAX = 6, IDLE_MS = 4000, ARENA_BYTES = 1 << 18 };

struct asked {
    struct stream stream;
    struct arena arena;
    unsigned events;
    bool used;
};

static struct world world;
static struct h2_room room;
static struct worker_door_options options;
static union worker_door door;
static struct seat seat;
static struct session_user user;
static struct sockaddr_storage address;
static struct io_sim_peer *peer;
static struct h2_wire wire;
static struct h2_wire_frame frames[4000];
static size_t frame_count;
static struct asked asked[ASKED_MAX];
static int listener, ready_error;
static unsigned ready, lost, closed;

static void on_ready(struct session_user *who, struct session *session, int error)
{
    ready++;
    ready_error = error;
    if (error)
        session_close(session);
}

static void on_lost(struct session_user *who, struct session *session)
{
    lost++;
    session_close(session);
}

static void on_closed(struct session_user *who, struct session *session)
{
    closed++;
}

static void on_stream(struct stream *stream, unsigned events)
{
    CONTAINER_OF(stream, struct asked, stream)->events |= events;
}

static void flush(void)
{
    io_sim_peer_send(peer, wire.bytes, wire.n);
    wire.n = 0;
    world_settle(&world);
}

static void connect_door(enum worker_protocol protocol)
{
    ready = lost = closed = 0;
    seat_init(&seat, NULL);
    assert_int_equal(worker_door_open(&door, &seat, world.io, &address, NULL, protocol, &options, &user), 0);
    world_settle(&world);
    peer = io_sim_peer_accept(world.net, listener);
    assert_non_null(peer);
}

/* Connected; the worker has said its SETTINGS. */
static void begin(void)
{
    connect_door(WORKER_H2C);
    assert_int_equal(ready, 0);
    h2_wire_frame(&wire, H2_SETTINGS, 0, 0, NULL, 0);
    flush();
    assert_int_equal(ready, 1);
    assert_int_equal(ready_error, 0);
}

static void done(struct asked *one)
{
    stream_fini(&one->stream);
    arena_fini(&one->arena);
    one->used = false;
}

static bool finish(uint32_t id)
{
    bool more = session_finish(&asked[id / 2].stream);
    done(&asked[id / 2]);
    world_settle(&world);
    return more;
}

static void abort_stream(uint32_t id)
{
    session_abort(&asked[id / 2].stream);
    done(&asked[id / 2]);
    world_settle(&world);
}

static void leave(void)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++)
        if (asked[i].used && asked[i].stream.session)
            abort_stream(2 * i + 1);
    if (closed == 0)
        session_close(&door.session);
    if (peer)
        io_sim_peer_close(&peer, false);
    world_run(&world, CONN_LINGER_MS + 1);
    assert_int_equal(closed, 1);
    assert_int_equal(room.streams.used, 0);
    assert_int_equal(world.pool.chunks.used, 0);
    wire.n = 0;
}

static int setup(void **state)
{
    world_create(&world, 128);
    address = io_sim_address(world.net);
    listener = io_sim_peer_listen(world.net, &address, NULL, NULL);
    h2_room_init(&room, ASKED_MAX, 10 << 20);
    user = (struct session_user){on_ready, on_lost, on_closed};
    options = (struct worker_door_options){
        .limits = {.head_bytes = 2000, .fields = 20, .target_bytes = 500},
        .h2 = {.streams = 5, .floods = {20, 50, 20}, .idle_ms = IDLE_MS, .room = &room},
    };
    begin();
    return 0;
}

static int teardown(void **state)
{
    leave();
    h2_room_fini(&room);
    io_sim_peer_unlisten(world.net, listener);
    world_destroy(&world);
    return 0;
}

/* The next stream: 1, 3, 5 and so on. */
static struct stream *ask_with(const struct msg *msg)
{
    uint32_t i = 0;

    while (asked[i].used)
        i++;
    assert_in_range(i, 0, ASKED_MAX - 1);
    asked[i].used = true;
    asked[i].events = 0;
    arena_init(&asked[i].arena, ARENA_BYTES);
    stream_init(&asked[i].stream, on_stream, &asked[i].arena, &world.pool);
    assert_int_equal(session_open(&door.session, &asked[i].stream), 0);
    assert_int_equal(session_send_head(&asked[i].stream, msg), 0);
    return &asked[i].stream;
}

static const struct msg get = {
    .method = METHOD_GET,
    .method_text = {"GET", 3},
    .target = {"/a", 2},
    .authority = {"w", 1},
    .length = -1,
};

static struct stream *ask(void)
{
    struct stream *stream = ask_with(&get);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&world);
    return stream;
}

static struct stream *post(int64_t length)
{
    struct msg msg = get;
    msg.method = METHOD_POST;
    msg.method_text = STR("POST");
    msg.body = length < 0 ? MSG_BODY_OPEN : MSG_BODY_LENGTH;
    msg.length = length;
    return ask_with(&msg);
}

static void send_body(struct stream *stream, const char *bytes, size_t n)
{
    struct bufq body;
    bufq_init(&body, &world.pool);
    assert_int_equal(bufq_append(&body, bytes, n), 0);
    assert_int_equal(session_send_body(stream, &body, n), 0);
    world_settle(&world);
}

static const struct h2_wire_frame *find(enum h2_wire_type type, uint32_t stream)
{
    struct str rest = io_sim_peer_received(peer);

    assert_true(rest.n >= H2_PREFACE_BYTES && memcmp(rest.p, H2_PREFACE, H2_PREFACE_BYTES) == 0);
    rest = str_slice(rest.p + H2_PREFACE_BYTES, rest.n - H2_PREFACE_BYTES);
    for (frame_count = 0; frame_count < ARRAY_SIZE(frames) && h2_wire_next(&rest, &frames[frame_count]);)
        frame_count++;
    for (size_t i = frame_count; i-- > 0;)
        if (frames[i].type == type && frames[i].stream == stream)
            return &frames[i];
    return NULL;
}

static uint32_t number_in(enum h2_wire_type type, uint32_t stream, size_t offset)
{
    const struct h2_wire_frame *frame = find(type, stream);
    assert_non_null(frame);
    return h2_wire_at(frame->payload, offset);
}

static void head(uint32_t id, const char *lines, bool ends)
{
    h2_wire_headers(&wire, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), id, lines);
}

static unsigned take_events(uint32_t id)
{
    unsigned events = asked[id / 2].events;
    asked[id / 2].events = 0;
    return events;
}

static void assert_failed(uint32_t id, int error)
{
    struct asked *one = &asked[id / 2];
    assert_true(one->events & STREAM_FAILED);
    assert_int_equal(one->stream.error, -error);
}

/* ---- requests and answers ---- */

static void test_many_streams(void **state)
{
    for (int i = 0; i < 4; i++)
        ask();
    assert_int_equal(session_slots(&door.session), 1);
    for (uint32_t id = 7; id < 8; id -= 2) { /* the last first */
        head(id, ":status: 200\nx: y\n", false);
        h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, id, "abc", 3);
    }
    flush();
    for (uint32_t id = 1; id < 8; id += 2) {
        struct stream *stream = &asked[id / 2].stream;
        assert_int_equal(take_events(id), STREAM_HEAD | STREAM_BODY | STREAM_END);
        assert_int_equal(stream->head.status, 200);
        assert_str(stream->head.reason, STR("OK"));
        assert_int_equal(bufq_bytes(&stream->body), 3);
        assert_true(finish(id));
    }
    assert_int_equal(session_slots(&door.session), 5);
    assert_null(find(H2_RST, 1));
    assert_true(session_idle(&door.session));
}

static void test_claims_take_slots(void **state)
{
    door.session.claimed = 4;
    assert_int_equal(session_slots(&door.session), 1);
    ask();
    assert_int_equal(session_slots(&door.session), 1);
    door.session.claimed = 9;
    assert_int_equal(session_slots(&door.session), 0);
    door.session.claimed = 0;
}

static void test_worker_wants_fewer(void **state)
{
    static const char most[] = {0, 3, 0, 0, 0, 2};
    h2_wire_frame(&wire, H2_SETTINGS, 0, 0, most, sizeof(most));
    flush();
    assert_int_equal(session_slots(&door.session), 2);
    ask();
    ask();
    assert_int_equal(session_slots(&door.session), 0);
}

/* RFC 9110 section 8.6 and 6.4.1: what ends with its head, by its kind. */
static void test_bodiless(void **state)
{
    struct msg msg = get;
    msg.method = METHOD_HEAD;
    msg.method_text = STR("HEAD");
    assert_int_equal(session_send_end(ask_with(&msg), NULL, 0), 0);
    ask();
    ask();
    head(1, ":status: 200\ncontent-length: 7\n", true);
    head(3, ":status: 304\ncontent-length: 7\n", true);
    head(5, ":status: 200\n", true);
    flush();
    for (uint32_t id = 1; id < 6; id += 2)
        assert_int_equal(take_events(id), STREAM_HEAD | STREAM_END);
    assert_int_equal(asked[0].stream.head.body, MSG_BODY_NONE);
    assert_int_equal(asked[0].stream.head.length, 7);
    assert_int_equal(asked[1].stream.head.body, MSG_BODY_NONE);
    assert_int_equal(asked[2].stream.head.body, MSG_BODY_LENGTH);
    assert_int_equal(asked[2].stream.head.length, 0);
}

static void test_trailers_both_ways(void **state)
{
    struct field field = {.name = STR("Sum"), .value = STR("3")};
    struct stream *stream = post(-1);
    send_body(stream, "abc", 3);
    assert_int_equal(session_send_end(stream, &field, 1), 0);
    world_settle(&world);
    assert_int_equal(find(H2_HEADERS, 1)->flags & H2_END_STREAM, H2_END_STREAM);
    assert_str(find(H2_DATA, 1)->payload, STR("abc"));
    head(1, ":status: 200\n", false);
    head(1, "sum: 6\nhost: x\n", true);
    flush();
    assert_int_equal(stream->trailer_count, 2);
    assert_str(stream->trailers[0].name, STR("sum"));
    assert_true(stream->trailers[1].dropped);
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_END);
}

/* A client that knows the length leaves with the last byte: it is told of with the end, not before. */
static void test_last_byte_waits_for_the_end(void **state)
{
    struct stream *stream = ask();
    head(1, ":status: 200\ncontent-length: 6\n", false);
    h2_wire_frame(&wire, H2_DATA, 0, 1, "abc", 3);
    h2_wire_frame(&wire, H2_DATA, 0, 1, "def", 3);
    flush();
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_BODY);
    assert_int_equal(bufq_bytes(&stream->body), 3);
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, NULL, 0);
    flush();
    assert_int_equal(take_events(1), STREAM_BODY | STREAM_END);
    assert_int_equal(bufq_bytes(&stream->body), 6);
}

/* Interim heads wait for each other to be passed on, and so does what is behind them. */
static void test_interim_heads(void **state)
{
    struct stream *stream = ask();
    head(1, ":status: 103\na: b\n", false);
    head(1, ":status: 103\na: c\n", false);
    head(1, ":status: 200\n", false);
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, "x", 1);
    flush();
    assert_int_equal(take_events(1), STREAM_INTERIM | STREAM_BODY);
    assert_str(stream->head.fields[0].value, STR("b"));
    session_consumed(stream);
    assert_int_equal(take_events(1), STREAM_INTERIM);
    assert_str(stream->head.fields[0].value, STR("c"));
    assert_false(stream->ended);
    session_consumed(stream);
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_END);
    assert_int_equal(stream->head.status, 200);
}

static void test_too_many_interim_heads(void **state)
{
    ask();
    for (int i = 0; i < H2_CLIENT_WAITING_HEADS + 2; i++)
        head(1, ":status: 103\n", false);
    flush();
    assert_failed(1, ERR_ANSWER_MALFORMED);
}

/* ---- credit ---- */

static void test_window_in(void **state)
{
    static char piece[16000];
    struct stream *stream = ask();
    head(1, ":status: 200\n", false);
    for (int i = 0; i < 4; i++)
        h2_wire_frame(&wire, H2_DATA, 0, 1, piece, sizeof(piece));
    flush();
    assert_int_equal(bufq_bytes(&stream->body), 64000);
    assert_null(find(H2_WINDOW, 1));
    /* The connection's is as wide as all streams' together. */
    assert_int_equal(number_in(H2_WINDOW, 0, 0), 5 * 65536 - 65535);
    bufq_consume(&stream->body, 40000);
    session_consumed(stream);
    world_settle(&world);
    assert_int_equal(number_in(H2_WINDOW, 1, 0), 40000);
}

static void test_window_out(void **state)
{
    static char body[100000];
    struct stream *stream = post(sizeof(body));
    send_body(stream, body, sizeof(body));
    assert_int_equal(session_taken(stream, false), 65535);
    assert_true(session_room(stream) > 0);
    h2_wire_number(&wire, H2_WINDOW, 1, 100000);
    h2_wire_number(&wire, H2_WINDOW, 0, 100000);
    flush();
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&world);
    assert_int_equal(find(H2_DATA, 1)->flags & H2_END_STREAM, H2_END_STREAM);
}

/* RFC 9113 section 8.1: the answer needed no more of the request. */
static void test_early_answer(void **state)
{
    struct stream *stream = post(-1);
    send_body(stream, "abc", 3);
    head(1, ":status: 413\n", true);
    h2_wire_number(&wire, H2_RST, 1, H2_NO_ERROR);
    flush();
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_END);
    assert_false(stream->failed);
    send_body(stream, "more", 4);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    assert_true(finish(1));
}

/* ---- what the worker refuses and breaks ---- */

static void test_resets(void **state)
{
    for (int i = 0; i < 3; i++)
        ask();
    head(5, ":status: 200\n", false);
    h2_wire_number(&wire, H2_RST, 1, H2_REFUSED_STREAM);
    h2_wire_number(&wire, H2_RST, 3, H2_INTERNAL_ERROR);
    h2_wire_number(&wire, H2_RST, 5, H2_CANCEL);
    flush();
    assert_failed(1, ERR_STREAM_REFUSED);
    assert_failed(3, ERR_STREAM_RESET);
    assert_failed(5, ERR_ANSWER_CUT);
    assert_int_equal(room.counts.streams_reset, 2);
    assert_int_equal(room.counts.streams_refused, 1);
    abort_stream(1);
    ask(); /* the connection goes on */
}

static void goaway(uint32_t last, uint32_t code)
{
    const unsigned char bytes[8] = {0, 0, 0, (unsigned char)last, 0, 0, 0, (unsigned char)code};
    h2_wire_frame(&wire, H2_GOAWAY, 0, 0, bytes, sizeof(bytes));
}

/* RFC 9113 section 6.8: what is above the last stream was not looked at; what is below goes on. */
static void test_goaway(void **state)
{
    ask();
    ask();
    goaway(1, H2_NO_ERROR);
    flush();
    assert_failed(3, ERR_STREAM_REFUSED);
    assert_int_equal(session_slots(&door.session), 0);
    assert_int_equal(lost, 0);
    head(1, ":status: 200\n", true);
    flush();
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_END);
    abort_stream(3);
    assert_int_equal(lost, 0);
    assert_false(finish(1));
    world_run(&world, 1);
    assert_int_equal(lost, 1);
    assert_int_equal(room.counts.errors, 0);
    assert_int_equal(room.counts.goaways, 1);
    assert_int_equal(room.counts.streams_refused, 1);
    assert_int_equal(room.counts.streams_reset, 0);
}

/* An answer that was whole stays so, whatever comes of the connection. */
static void test_goaway_behind_the_answer(void **state)
{
    ask();
    head(1, ":status: 200\n", true);
    goaway(1, H2_NO_ERROR);
    flush();
    io_sim_peer_close(&peer, false);
    world_settle(&world);
    assert_int_equal(take_events(1), STREAM_HEAD | STREAM_END);
    assert_false(asked[0].stream.failed);
    assert_false(finish(1));
}

/* Opened in the turn in which the worker goes: refused, to be asked again. */
static void test_open_after_goaway(void **state)
{
    ask();
    goaway(1, H2_NO_ERROR);
    flush();
    ask();
    assert_failed(3, ERR_STREAM_REFUSED);
    assert_false(asked[1].stream.sent_bytes);
}

static void test_connection_ends(void **state)
{
    ask();
    ask();
    head(3, ":status: 200\n", false);
    flush();
    io_sim_peer_close(&peer, false);
    world_settle(&world);
    assert_failed(1, ERR_CONN_CLOSED);
    assert_failed(3, ERR_ANSWER_CUT);
    assert_int_equal(lost, 0);
    abort_stream(1);
    abort_stream(3);
    assert_int_equal(lost, 1);
}

static void test_connection_resets(void **state)
{
    ask();
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_failed(1, ERR_CONN_RESET);
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
        ask();
        head(id, heads[i], false);
        flush();
        assert_true(asked[0].stream.failed);
        assert_int_equal(err_fault(asked[0].stream.error), ERR_FAULT_WORKER);
        assert_int_equal(err_retry(asked[0].stream.error), ERR_RETRY_NEVER);
        abort_stream(1);
    }
}

static void test_length_mismatch(void **state)
{
    ask();
    ask();
    head(1, ":status: 200\ncontent-length: 5\n", false);
    h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, "abc", 3);
    head(3, ":status: 200\ncontent-length: 2\n", false);
    h2_wire_frame(&wire, H2_DATA, 0, 3, "abc", 3);
    flush();
    assert_failed(1, ERR_ANSWER_MALFORMED);
    assert_failed(3, ERR_ANSWER_MALFORMED);
    assert_false(asked[0].stream.ended);
}

static void test_head_too_large(void **state)
{
    char lines[3000] = ":status: 200\nx: ";
    ask();
    memset(lines + strlen(lines), 'y', 2500);
    lines[strlen(lines) - 1] = '\n';
    head(1, lines, true);
    flush();
    assert_failed(1, ERR_ANSWER_HEAD_SIZE);
    abort_stream(1);
    ask();
}

/* The worker breaks a rule of the connection: all its streams fail. */
static void test_broken_connection(void **state)
{
    ask();
    h2_wire_frame(&wire, H2_DATA, 0, 0, "x", 1);
    flush();
    assert_failed(1, ERR_ANSWER_MALFORMED);
    assert_int_equal(number_in(H2_GOAWAY, 0, 4), H2_PROTOCOL_ERROR);
    assert_int_equal(room.counts.errors, 1);
    assert_int_equal(session_slots(&door.session), 0);
}

static void test_pushes_are_refused(void **state)
{
    char payload[100] = {0, 0, 0, 2};
    size_t n = 4 + h2_wire_block(":method: GET\n:scheme: http\n:path: /p\n:authority: w\n", payload + 4, 96);
    ask();
    h2_wire_frame(&wire, H2_PUSH, H2_END_HEADERS, 1, payload, n);
    flush();
    assert_non_null(find(H2_GOAWAY, 0));
    assert_true(asked[0].stream.failed);
}

static void test_floods(void **state)
{
    ask();
    for (int i = 0; i < 60; i++)
        h2_wire_frame(&wire, H2_PING, 0, 0, "12345678", 8);
    flush();
    assert_int_equal(number_in(H2_GOAWAY, 0, 4), H2_ENHANCE_YOUR_CALM);
    assert_int_equal(room.counts.floods[H2_FLOOD_CONTROL], 1);
    assert_true(asked[0].stream.failed);
}

/* ---- ends ---- */

static void test_abort_cancels(void **state)
{
    ask();
    abort_stream(1);
    assert_int_equal(number_in(H2_RST, 1, 0), H2_CANCEL);
    assert_int_equal(session_slots(&door.session), 5);
    head(1, ":status: 200\n", true); /* too late */
    flush();
    assert_true(session_idle(&door.session));
}

static void test_idle_is_lost(void **state)
{
    world_run(&world, IDLE_MS - 1);
    assert_int_equal(lost, 0);
    ask();
    head(1, ":status: 200\n", true);
    flush();
    finish(1);
    world_run(&world, IDLE_MS - 1);
    assert_int_equal(lost, 0);
    world_run(&world, 2);
    assert_int_equal(lost, 1);
    assert_int_equal(number_in(H2_GOAWAY, 0, 4), H2_NO_ERROR);
}

static void test_drain(void **state)
{
    ask();
    session_drain(&door.session);
    world_settle(&world);
    assert_int_equal(session_slots(&door.session), 0);
    head(1, ":status: 200\n", true);
    flush();
    assert_int_equal(lost, 0);
    assert_false(finish(1));
    world_run(&world, 1);
    assert_int_equal(lost, 1);
}

/* Nothing was heard for as long as an exchange waited: nobody else shall. */
static void test_deaf(void **state)
{
    ask();
    ask();
    world_run(&world, H2_CLIENT_DEAF_MS + 1);
    abort_stream(1);
    assert_int_equal(session_slots(&door.session), 0);
    abort_stream(3);
    world_run(&world, 1);
    assert_int_equal(lost, 1);
}

static void test_not_deaf(void **state)
{
    ask();
    world_run(&world, H2_CLIENT_DEAF_MS + 1);
    h2_wire_frame(&wire, H2_PING, H2_ACK, 0, "12345678", 8);
    flush();
    abort_stream(1);
    assert_int_equal(session_slots(&door.session), 5);
}

static void test_no_memory(void **state)
{
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        leave();
        begin();
        ask();
        head(1, ":status: 200\n", false);
        h2_wire_frame(&wire, H2_DATA, H2_END_STREAM, 1, "abc", 3);
        alloc_fail_at(n);
        flush();
        failed = alloc_fail_stop();
        assert_true(asked[0].stream.ended || asked[0].stream.failed);
        assert_true(failed || asked[0].stream.ended);
    }
}

/* ---- the door ---- */

/* Without ALPN nothing agrees to h2. */
static void test_door(void **state)
{
    leave();
    connect_door(WORKER_H2);
    assert_int_equal(ready_error, -ERR_NO_HTTP2);
    leave();
    connect_door(WORKER_AUTO);
    assert_int_equal(ready_error, 0);
    assert_false(session_is_shared(&door.session));
    assert_true(session_idle(&door.session));
    leave();
    connect_door(WORKER_HTTP1);
    assert_false(session_is_shared(&door.session));
    leave();
    begin();
}

/* What does not begin with SETTINGS is not HTTP/2, and got nothing of a request. */
static void test_door_to_another_version(void **state)
{
    static const char *const words[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "x"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        leave();
        connect_door(WORKER_H2C);
        io_sim_peer_send(peer, words[i], strlen(words[i]));
        world_settle(&world);
        assert_int_equal(ready, i == 0);
        io_sim_peer_shutdown(peer);
        world_settle(&world);
        assert_int_equal(ready, 1);
        assert_int_equal(ready_error, -ERR_NO_HTTP2);
        world_run(&world, CONN_LINGER_MS + 1);
        assert_int_equal(closed, 1);
    }
    leave();
    begin();
}

static void test_door_closes_while_it_connects(void **state)
{
    leave();
    ready = closed = 0;
    seat_init(&seat, NULL);
    assert_int_equal(worker_door_open(&door, &seat, world.io, &address, NULL, WORKER_H2C, &options, &user), 0);
    assert_false(session_idle(&door.session));
    session_close(&door.session);
    world_settle(&world);
    assert_int_equal(ready, 0);
    assert_int_equal(closed, 1);
    peer = io_sim_peer_accept(world.net, listener);
}

static void test_door_is_refused(void **state)
{
    leave();
    io_sim_peer_unlisten(world.net, listener);
    ready = closed = 0;
    seat_init(&seat, NULL);
    assert_int_equal(worker_door_open(&door, &seat, world.io, &address, NULL, WORKER_H2C, &options, &user), 0);
    world_settle(&world);
    assert_int_equal(ready_error, -ERR_CONNECT_REFUSED);
    assert_int_equal(closed, 1);
    listener = io_sim_peer_listen(world.net, &address, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_many_streams),
        TEST(test_claims_take_slots),
        TEST(test_worker_wants_fewer),
        TEST(test_bodiless),
        TEST(test_trailers_both_ways),
        TEST(test_last_byte_waits_for_the_end),
        TEST(test_interim_heads),
        TEST(test_too_many_interim_heads),
        TEST(test_window_in),
        TEST(test_window_out),
        TEST(test_early_answer),
        TEST(test_resets),
        TEST(test_goaway),
        TEST(test_goaway_behind_the_answer),
        TEST(test_open_after_goaway),
        TEST(test_connection_ends),
        TEST(test_connection_resets),
        TEST(test_malformed_answers),
        TEST(test_length_mismatch),
        TEST(test_head_too_large),
        TEST(test_broken_connection),
        TEST(test_pushes_are_refused),
        TEST(test_floods),
        TEST(test_abort_cancels),
        TEST(test_idle_is_lost),
        TEST(test_drain),
        TEST(test_deaf),
        TEST(test_not_deaf),
        TEST(test_no_memory),
        TEST(test_door),
        TEST(test_door_to_another_version),
        TEST(test_door_closes_while_it_connects),
        TEST(test_door_is_refused),
    };
    return cmocka_run_group_tests_name("h2_client", tests, NULL, NULL);
}
