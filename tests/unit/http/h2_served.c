/* The connection and what was sent on it, frame by frame; each test begins anew, as those of h1_served do. */
#include "tests/unit/http/h2_served.h"

struct h2_server_options h2_options;
struct h2_room room;
static struct client_door_options door_options;
struct h2_wire wire;
struct h2_wire_frame frames[H2_SERVED_FRAMES];
size_t frame_count;

int h2_served_setup(void **state)
{
    served_setup(state);
    h2_options = (struct h2_server_options){.enabled = true, .streams = 10, .floods = {20, 50, 20}};
    h2_room_init(&room, 12, 10 << 20);
    door_options = (struct client_door_options){&options, &h2_options, &room};
    wire.n = 0;
    return 0;
}

void open_door(void)
{
    int fd;
    echo_init(&echo, world.io);
    peer = io_sim_peer_pair(world.net, &fd);
    assert_int_equal(echo_start_door(&echo, fd, &door_options), 0);
    world_settle(&world);
}

int h2_served_teardown(void **state)
{
    leave();
    assert_int_equal(room.streams.used, 0);
    h2_room_fini(&room);
    world_destroy(&world);
    return 0;
}

void flush(void)
{
    io_sim_peer_send(peer, wire.bytes, wire.n);
    wire.n = 0;
    world_settle(&world);
}

void open_h2(void)
{
    open_door();
    h2_wire_hello(&wire);
    flush();
}

void request(uint32_t stream, const char *lines)
{
    h2_wire_headers(&wire, H2_END_HEADERS | H2_END_STREAM, stream, lines);
}

void look(void)
{
    struct str rest = io_sim_peer_received(peer);
    for (frame_count = 0; frame_count < ARRAY_SIZE(frames) && h2_wire_next(&rest, &frames[frame_count]);)
        frame_count++;
    assert_int_equal(rest.n, 0);
}

const struct h2_wire_frame *find(enum h2_wire_type type, uint32_t stream)
{
    look();
    for (size_t i = 0; i < frame_count; i++)
        if (frames[i].type == type && frames[i].stream == stream)
            return &frames[i];
    return NULL;
}

size_t count(enum h2_wire_type type, uint32_t stream)
{
    size_t n = 0;
    look();
    for (size_t i = 0; i < frame_count; i++)
        n += frames[i].type == type && frames[i].stream == stream;
    return n;
}

size_t body_bytes(uint32_t stream)
{
    size_t n = 0;
    look();
    for (size_t i = 0; i < frame_count; i++)
        n += frames[i].type == H2_DATA && frames[i].stream == stream ? frames[i].payload.n : 0;
    return n;
}

uint32_t goaway_code(void)
{
    const struct h2_wire_frame *frame = find(H2_GOAWAY, 0);
    assert_non_null(frame);
    return h2_wire_at(frame->payload, 4);
}

uint32_t reset_code(uint32_t stream)
{
    const struct h2_wire_frame *frame = find(H2_RST, stream);
    assert_non_null(frame);
    return h2_wire_at(frame->payload, 0);
}

void send_part(size_t n)
{
    static char body[2 * SESSION_OUT_HIGH];
    struct bufq bytes;

    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, body, n), 0);
    assert_int_equal(session_send_body(&echo.current->stream, &bytes, n), 0);
    world_settle(&world);
}
