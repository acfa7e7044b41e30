/* A listener over the simulated net: accepting when wanted, leaving connections in the queue when not, and its end. */
#include "tests/unit/net/net_cmocka.h"

#include "base/err.h"
#include "io/io_backend.h"
#include "net/listener.h"
#include "tests/unit/net/world.h"

enum { PEERS = 40, OWNER = 7 };

static struct world world;
static struct listener listener;
static struct sockaddr_storage address;
static int owner = OWNER;
static int accepted, refused, refused_error, closed;
static int room;         /* stops accepting when this many were accepted */
static bool stop_inside; /* stops the listener from inside on_accepted */
static struct io_sim_peer *peers[PEERS];

static void on_accepted(struct listener *self, int fd, const struct sockaddr_storage *peer)
{
    assert_int_equal(closed, 0);
    assert_ptr_equal(self->owner, &owner);
    assert_int_equal(peer->ss_family, AF_INET);
    accepted++;
    io_discard(world.io, fd);
    if (accepted == room)
        listener_accept(self, false);
    if (stop_inside)
        listener_stop(self);
}

static void on_refused(struct listener *self, int error)
{
    refused++;
    refused_error = error;
}

static void on_closed(struct listener *self)
{
    closed++;
}

static const struct listener_events events = {
    .on_accepted = on_accepted, .on_refused = on_refused, .on_closed = on_closed};

static void call(int count)
{
    for (int i = 0; i < PEERS && count > 0; i++) {
        if (!peers[i]) {
            peers[i] = io_sim_peer_connect(world.net, &address);
            count--;
        }
    }
    assert_int_equal(count, 0);
}

static int setup(void **state)
{
    world_create(&world, 8);
    accepted = refused = refused_error = closed = 0;
    room = 0;
    stop_inside = false;
    address = io_sim_address(world.net);
    int fd = io_sim_listen(world.net, &address);
    assert_int_equal(listener_start(&listener, world.io, fd, &events, &owner), 0);
    return 0;
}

static int teardown(void **state)
{
    listener_stop(&listener);
    world_settle(&world);
    assert_int_equal(closed, 1);
    for (int i = 0; i < PEERS; i++) {
        if (peers[i])
            io_sim_peer_close(&peers[i], false);
    }
    world_destroy(&world);
    return 0;
}

static void test_accepts_when_wanted(void **state)
{
    call(3);
    world_settle(&world);
    assert_int_equal(accepted, 0);
    listener_accept(&listener, true);
    listener_accept(&listener, true);
    world_settle(&world);
    assert_int_equal(accepted, 3);
    call(2);
    world_settle(&world);
    assert_int_equal(accepted, 5);
}

static void test_more_than_a_burst(void **state)
{
    listener_accept(&listener, true);
    call(PEERS);
    world_settle(&world);
    assert_int_equal(accepted, PEERS);
}

static void test_off_and_on(void **state)
{
    listener_accept(&listener, true);
    world_settle(&world);
    listener_accept(&listener, false);
    world_settle(&world);
    call(2);
    world_run(&world, 100);
    assert_int_equal(accepted, 0);
    assert_int_equal(io_sim_peer_state(peers[0]), IO_SIM_PEER_OPEN); /* waits in the queue */
    listener_accept(&listener, true);
    world_settle(&world);
    assert_int_equal(accepted, 2);
}

/* Wanted again before the cancelled accept has completed. */
static void test_off_and_on_at_once(void **state)
{
    listener_accept(&listener, true);
    world_settle(&world);
    listener_accept(&listener, false);
    listener_accept(&listener, true);
    listener_accept(&listener, false);
    listener_accept(&listener, true);
    call(1);
    world_settle(&world);
    call(1);
    world_settle(&world);
    assert_int_equal(accepted, 2);
}

static void test_full(void **state)
{
    room = 2;
    listener_accept(&listener, true);
    call(5);
    world_settle(&world);
    assert_int_equal(accepted, 2);
    world_run(&world, 100);
    assert_int_equal(accepted, 2);
    room = 0;
    listener_accept(&listener, true);
    world_settle(&world);
    assert_int_equal(accepted, 5);
}

static void test_refused_goes_on(void **state)
{
    listener_accept(&listener, true);
    world_settle(&world);
    io_complete(&listener.accept, -ERR_NO_DESCRIPTORS);
    world_settle(&world);
    assert_int_equal(refused, 1);
    assert_int_equal(refused_error, -ERR_NO_DESCRIPTORS);
    call(1);
    world_settle(&world);
    assert_int_equal(accepted, 1);
}

static void test_stop(void **state)
{
    listener_accept(&listener, true);
    world_settle(&world);
    call(1);
    listener_stop(&listener);
    listener_accept(&listener, true); /* too late */
    assert_int_equal(closed, 0);
    world_settle(&world);
    assert_int_equal(closed, 1);
    assert_int_equal(accepted, 0);
    assert_int_equal(io_sim_peer_state(peers[0]), IO_SIM_PEER_RESET); /* it was in the queue */
    call(1);
    world_settle(&world);
    assert_int_equal(io_sim_peer_state(peers[1]), IO_SIM_PEER_REFUSED);
}

static void test_stop_unused(void **state)
{
    listener_stop(&listener);
    listener_stop(&listener);
    world_settle(&world);
    assert_int_equal(closed, 1);
}

static void test_stop_inside(void **state)
{
    stop_inside = true;
    listener_accept(&listener, true);
    call(3);
    world_settle(&world);
    assert_int_equal(accepted, 1);
    assert_int_equal(closed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accepts_when_wanted),
        TEST(test_more_than_a_burst),
        TEST(test_off_and_on),
        TEST(test_off_and_on_at_once),
        TEST(test_full),
        TEST(test_refused_goes_on),
        TEST(test_stop),
        TEST(test_stop_unused),
        TEST(test_stop_inside),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
