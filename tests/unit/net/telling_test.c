/* Connections to workers that begin with a header: it is there before anything else, and it tells of the right one. */
#include "net/telling.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "net/conn.h"
#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/world.h"

static struct world world;
static struct sockaddr_storage address;
static struct io_sim_peer *peer;
static struct conn conn;
static struct seat seat;
static int ready, ended, closed;

static void on_ready(struct conn *self)
{
    ready++;
    assert_int_equal(bufq_append(&self->out, "GET /", 5), 0);
    conn_flush(self);
}

static void on_nothing(struct conn *self)
{
}

static void on_ended(struct conn *self, int error)
{
    ended++;
}

static void on_closed(struct conn *self)
{
    closed++;
}

static const struct conn_events events = {
    .on_ready = on_ready,
    .on_received = on_nothing,
    .on_sent = on_nothing,
    .on_ended = on_ended,
    .on_send_failed = on_ended,
    .on_timeout = on_nothing,
    .on_closed = on_closed,
};

static void on_accepted(struct io_sim_peer *accepted, void *context)
{
    peer = accepted;
}

static int begin(void)
{
    world_create(&world, 16);
    address = io_sim_address(world.net);
    ready = ended = closed = 0;
    peer = NULL;
    return io_sim_peer_listen(world.net, &address, on_accepted, NULL);
}

static void connect_with(enum telling_version version, struct telling_client *client)
{
    struct telling settings = {version, NULL};
    struct transport_use use = {&transport_telling, &settings, client};
    seat_init(&seat, NULL);
    conn_init(&conn, &seat, world.io, &events);
    assert_int_equal(conn_use(&conn, &use), 0);
    assert_int_equal(conn_connect(&conn, &address), 0);
    memset(&settings, 0xff, sizeof(settings)); /* they may go */
    world_settle(&world);
}

static void finish(int listening)
{
    conn_close(&conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(closed, 1);
    if (peer)
        io_sim_peer_close(&peer, false);
    io_sim_peer_unlisten(world.net, listening);
    world_destroy(&world);
}

static void test_nobody_is_told_of(void **state)
{
    int listening = begin();
    connect_with(TELLING_V1, NULL);
    assert_str(io_sim_peer_received(peer), STR("PROXY UNKNOWN\r\nGET /"));
    finish(listening);
    listening = begin();
    connect_with(TELLING_V2, NULL);
    assert_str(io_sim_peer_received(peer), STR("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET /"));
    finish(listening);
}

/* Without knowing where the client connected to there is no pair to tell; the request's id is told all the same. */
static void test_client_is_told_of(void **state)
{
    struct conn whose;
    struct seat whose_seat;
    struct telling_client client = {&whose, STR("id7")};
    int listening = begin();
    seat_init(&whose_seat, NULL);
    conn_init(&whose, &whose_seat, world.io, &events);
    connect_with(TELLING_V2, &client);
    assert_str(io_sim_peer_received(peer), STR("\r\n\r\n\0\r\nQUIT\n\x21\0\0\x06\x05\0\x03id7GET /"));
    finish(listening);
}

/* However the net cuts it. */
static void test_byte_by_byte(void **state)
{
    int listening = begin();
    io_sim_limits(world.net)->segment_bytes = 1;
    io_sim_limits(world.net)->buffer_bytes = 3;
    connect_with(TELLING_V1, NULL);
    assert_str(io_sim_peer_received(peer), STR("PROXY UNKNOWN\r\nGET /"));
    assert_int_equal(ready, 1);
    finish(listening);
}

static void test_refused(void **state)
{
    int listening = begin();
    io_sim_peer_unlisten(world.net, listening);
    connect_with(TELLING_V1, NULL);
    assert_int_equal(ready, 0);
    assert_int_equal(ended, 1);
    conn_close(&conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(closed, 1);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_told_of),
        cmocka_unit_test(test_client_is_told_of),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
