/* The harness of the tests of h2_client: what is held is counted at each end. */
#include "h2_far.h"

struct far far;
static struct h2_wire_frame frames[4000];
static size_t frame_count;

static void on_ready(struct session_user *who, struct session *session, int error)
{
    far.ready++;
    far.ready_error = error;
    if (error)
        session_close(session);
}

static void on_lost(struct session_user *who, struct session *session)
{
    far.lost++;
    session_close(session);
}

static void on_closed(struct session_user *who, struct session *session)
{
    far.closed++;
}

static void on_stream(struct stream *stream, unsigned events)
{
    CONTAINER_OF(stream, struct asked, stream)->events |= events;
}

void far_flush(void)
{
    io_sim_peer_send(far.peer, far.wire.bytes, far.wire.n);
    far.wire.n = 0;
    world_settle(&far.world);
}

void far_connect_door(enum worker_protocol protocol)
{
    far.ready = far.lost = far.closed = 0;
    seat_init(&far.seat, NULL);
    assert_int_equal(
        worker_door_open(&far.door, &far.seat, far.world.io, &far.address, NULL, protocol, &far.options, &far.user), 0);
    world_settle(&far.world);
    far.peer = io_sim_peer_accept(far.world.net, far.listener);
    assert_non_null(far.peer);
}

void far_begin(void)
{
    far_connect_door(WORKER_H2C);
    assert_int_equal(far.ready, 0);
    h2_wire_frame(&far.wire, H2_SETTINGS, 0, 0, NULL, 0);
    far_flush();
    assert_int_equal(far.ready, 1);
    assert_int_equal(far.ready_error, 0);
}

static void done(struct asked *one)
{
    stream_fini(&one->stream);
    arena_fini(&one->arena);
    one->used = false;
}

bool far_finish(uint32_t id)
{
    bool more = session_finish(&far.asked[id / 2].stream);
    done(&far.asked[id / 2]);
    world_settle(&far.world);
    return more;
}

void far_abort_stream(uint32_t id)
{
    session_abort(&far.asked[id / 2].stream);
    done(&far.asked[id / 2]);
    world_settle(&far.world);
}

void far_leave(void)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++)
        if (far.asked[i].used && far.asked[i].stream.session)
            far_abort_stream(2 * i + 1);
    if (far.closed == 0)
        session_close(&far.door.session);
    if (far.peer)
        io_sim_peer_close(&far.peer, false);
    world_run(&far.world, CONN_LINGER_MS + 1);
    assert_int_equal(far.closed, 1);
    assert_int_equal(far.room.streams.used, 0);
    assert_int_equal(far.world.pool.chunks.used, 0);
    far.wire.n = 0;
}

int far_setup(void **state)
{
    world_create(&far.world, 128);
    far.address = io_sim_address(far.world.net);
    far.listener = io_sim_peer_listen(far.world.net, &far.address, NULL, NULL);
    h2_room_init(&far.room, ASKED_MAX, 10 << 20);
    far.user = (struct session_user){on_ready, on_lost, on_closed};
    far.options = (struct worker_door_options){
        .limits = {.head_bytes = 2000, .fields = 20, .target_bytes = 500},
        .h2 = {.streams = 5, .floods = {20, 50, 20}, .idle_ms = IDLE_MS, .room = &far.room},
    };
    far_begin();
    return 0;
}

int far_teardown(void **state)
{
    far_leave();
    h2_room_fini(&far.room);
    io_sim_peer_unlisten(far.world.net, far.listener);
    world_destroy(&far.world);
    return 0;
}

struct stream *far_ask_with(const struct msg *msg)
{
    uint32_t i = 0;

    while (far.asked[i].used)
        i++;
    assert_in_range(i, 0, ASKED_MAX - 1);
    far.asked[i].used = true;
    far.asked[i].events = 0;
    arena_init(&far.asked[i].arena, ARENA_BYTES);
    stream_init(&far.asked[i].stream, on_stream, &far.asked[i].arena, &far.world.pool);
    assert_int_equal(session_open(&far.door.session, &far.asked[i].stream), 0);
    assert_int_equal(session_send_head(&far.asked[i].stream, msg), 0);
    return &far.asked[i].stream;
}

const struct msg far_get = {
    .method = METHOD_GET,
    .method_text = {"GET", 3},
    .target = {"/a", 2},
    .authority = {"w", 1},
    .length = -1,
};

struct stream *far_ask(void)
{
    struct stream *stream = far_ask_with(&far_get);
    assert_int_equal(session_send_end(stream, NULL, 0), 0);
    world_settle(&far.world);
    return stream;
}

struct stream *far_post(int64_t length)
{
    struct msg msg = far_get;
    msg.method = METHOD_POST;
    msg.method_text = STR("POST");
    msg.body = length < 0 ? MSG_BODY_OPEN : MSG_BODY_LENGTH;
    msg.length = length;
    return far_ask_with(&msg);
}

void far_send_body(struct stream *stream, const char *bytes, size_t n)
{
    struct bufq body;
    bufq_init(&body, &far.world.pool);
    assert_int_equal(bufq_append(&body, bytes, n), 0);
    assert_int_equal(session_send_body(stream, &body, n), 0);
    world_settle(&far.world);
}

const struct h2_wire_frame *far_find(enum h2_wire_type type, uint32_t stream)
{
    struct str rest = io_sim_peer_received(far.peer);

    assert_true(rest.n >= H2_PREFACE_BYTES && memcmp(rest.p, H2_PREFACE, H2_PREFACE_BYTES) == 0);
    rest = str_slice(rest.p + H2_PREFACE_BYTES, rest.n - H2_PREFACE_BYTES);
    for (frame_count = 0; frame_count < ARRAY_SIZE(frames) && h2_wire_next(&rest, &frames[frame_count]);)
        frame_count++;
    for (size_t i = frame_count; i-- > 0;)
        if (frames[i].type == type && frames[i].stream == stream)
            return &frames[i];
    return NULL;
}

uint32_t far_number_in(enum h2_wire_type type, uint32_t stream, size_t offset)
{
    const struct h2_wire_frame *frame = far_find(type, stream);
    assert_non_null(frame);
    return h2_wire_at(frame->payload, offset);
}

void far_head(uint32_t id, const char *lines, bool ends)
{
    h2_wire_headers(&far.wire, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), id, lines);
}

unsigned far_take_events(uint32_t id)
{
    unsigned events = far.asked[id / 2].events;
    far.asked[id / 2].events = 0;
    return events;
}

void far_assert_failed(uint32_t id, int error)
{
    struct asked *one = &far.asked[id / 2];
    assert_true(one->events & STREAM_FAILED);
    assert_int_equal(one->stream.error, -error);
}
