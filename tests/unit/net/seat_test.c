/* A seat between conns: what stirs it, what becomes of its end, and that a conn rises only when nothing would be lost.
 */
#include "net/seat.h"

#include "net_cmocka.h"

#include "base/err.h"
#include "io/io_backend.h"
#include "io/sock.h"
#include "net/conn.h"
#include "world.h"

static struct world world;
static struct io_sim_peer *peer;
static struct seat seat;
static struct conn conn;
static unsigned stirs, timeouts, closed, conn_closed, conn_timeouts, broken;
static int stirred_by;
static bool sits;   /* whoever stirs it is given a conn */
static bool leaves; /* which leaves the bytes where they are */
static char heard[64];

static void on_nothing(struct conn *self)
{
}

static void on_received(struct conn *self)
{
    struct str text = world_text(&self->in);
    memcpy(heard, text.p, text.n);
    heard[text.n] = '\0';
    if (!leaves)
        bufq_clear(&self->in);
}

static void on_end(struct conn *self, int error)
{
}

static void on_conn_timeout(struct conn *self)
{
    conn_timeouts++;
}

static void on_conn_broken(struct conn *self)
{
    broken++;
}

static void on_conn_closed(struct conn *self)
{
    conn_closed++;
}

static const struct conn_events conn_events = {
    .on_ready = on_nothing,
    .on_received = on_received,
    .on_sent = on_nothing,
    .on_ended = on_end,
    .on_send_failed = on_end,
    .on_broken = on_conn_broken,
    .on_timeout = on_conn_timeout,
    .on_closed = on_conn_closed,
};

static struct conn *on_stir(struct seat *self, int result)
{
    stirs++;
    stirred_by = result;
    if (result > 0 && sits) {
        conn_sit(&conn, self, &conn_events);
        return &conn;
    }
    seat_close(self);
    return NULL;
}

static void on_timeout(struct seat *self)
{
    timeouts++;
}

static void on_closed(struct seat *self)
{
    closed++;
}

static const struct seat_events seat_events = {on_stir, on_timeout, on_closed};

static int setup(void **state)
{
    struct sockaddr_storage from = {.ss_family = AF_UNIX};
    int fd;
    world_create(&world, 16);
    stirs = timeouts = closed = conn_closed = conn_timeouts = broken = 0;
    sits = true;
    leaves = false;
    peer = io_sim_peer_pair(world.net, &fd);
    seat_init(&seat, &seat_events);
    assert_int_equal(seat_accept(&seat, world.io, fd, &from), 0);
    world_settle(&world);
    return 0;
}

static int teardown(void **state)
{
    if (seat.conn)
        conn_close(&conn, CONN_CLOSE_NOW);
    else if (io_is_open(&seat.sock))
        seat_close(&seat);
    world_settle(&world);
    assert_int_equal(closed + conn_closed, 1);
    if (peer)
        io_sim_peer_close(&peer, false);
    world_destroy(&world);
    return 0;
}

static void hear(const char *text)
{
    io_sim_peer_send(peer, text, strlen(text));
    world_settle(&world);
    assert_true(!seat.conn || strcmp(heard, text) == 0);
}

/* What woke it is the first thing that the conn finds; and so again after each rest. */
static void seat_stirs(void **state)
{
    assert_int_equal(stirs, 0);
    for (int round = 0; round < 3; round++) {
        hear("hi");
        assert_int_equal(stirs, round + 1);
        assert_int_equal(stirred_by, 2);
        hear("more");
        assert_true(conn_rise(&conn));
        memset(&conn, 0xa5, sizeof(conn)); /* nobody looks at it any more */
        world_run(&world, 10);
        assert_null(seat.conn);
    }
}

static void conn_stays_while_something_is_left(void **state)
{
    leaves = true;
    hear("hi");
    assert_false(conn_rise(&conn)); /* bytes wait */
    bufq_clear(&conn.in);
    assert_false(conn_rise(&conn)); /* more would be received behind them */
    leaves = false;
    hear("ho");
    io_sim_peer_pause(peer, true);
    assert_int_equal(bufq_append(&conn.out, "x", 1), 0);
    assert_false(conn_rise(&conn)); /* to be sent */
    conn_flush(&conn);
    assert_false(conn_rise(&conn));
    world_settle(&world);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    conn_read(&conn, false);
    assert_false(conn_rise(&conn)); /* whoever does not read would be sent bytes */
    conn_read(&conn, true);
    conn_end_sending(&conn);
    assert_false(conn_rise(&conn));
    world_settle(&world);
    assert_false(conn_rise(&conn));
}

/* Bytes that have come in this turn and were not told yet are not passed over. */
static void conn_stays_for_what_has_come(void **state)
{
    hear("hi");
    seat.sock.rx->completed = true;
    assert_false(conn_rise(&conn));
    seat.sock.rx->completed = false;
    seat.sock.peer_ended = true;
    assert_false(conn_rise(&conn));
    seat.sock.peer_ended = false;
    seat.sock.broken = true;
    assert_false(conn_rise(&conn));
    seat.sock.broken = false;
    assert_true(conn_rise(&conn));
    assert_true(seat_quiet(&seat));
    assert_false(seat_peer_ended(&seat));
}

/* The deadline is the same whether a conn sits here or not. */
static void seat_keeps_its_deadline(void **state)
{
    hear("hi");
    conn_set_deadline(&conn, io_now_ms(world.io) + 100);
    assert_true(conn_rise(&conn));
    world_run(&world, 99);
    assert_int_equal(timeouts, 0);
    world_run(&world, 2);
    assert_int_equal(timeouts, 1);
    io_timer_set(world.io, &seat.timer, io_now_ms(world.io) + 100);
    hear("hi");
    world_run(&world, 101);
    assert_int_equal(conn_timeouts, 1);
    assert_int_equal(timeouts, 1);
}

static void seat_is_told_of_the_end(void **state)
{
    io_sim_peer_close(&peer, false);
    world_settle(&world);
    assert_int_equal(stirs, 1);
    assert_int_equal(stirred_by, 0);
    assert_true(seat_peer_ended(&seat));
    assert_int_equal(closed, 1);
}

static void seat_is_told_of_a_reset(void **state)
{
    hear("hi");
    assert_true(conn_rise(&conn));
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_int_equal(stirs, 2);
    assert_int_equal(stirred_by, -ERR_CONN_RESET);
    assert_int_equal(broken, 0);
    assert_int_equal(closed, 1);
}

/* What comes while it is being closed, or what nobody wants, is given back (the world asserts it). */
static void seat_closes(void **state)
{
    sits = false;
    io_sim_peer_send(peer, "hi", 2);
    seat_close(&seat);
    seat_close(&seat);
    world_settle(&world);
    assert_int_equal(closed, 1);
    assert_int_equal(stirs, 0);
}

static void seat_lingers_until_its_peer_ends(void **state)
{
    hear("hi");
    assert_true(conn_rise(&conn));
    seat_linger(&seat);
    seat_linger(&seat);
    world_settle(&world);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
    hear("crossed");
    hear("it");
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
    assert_int_equal(stirs, 1);
    assert_int_equal(closed, 0);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(closed, 1);
}

static void seat_lingers_no_longer(void **state)
{
    seat_linger(&seat);
    world_run(&world, SEAT_LINGER_MS - 1);
    assert_int_equal(closed, 0);
    world_run(&world, 2);
    assert_int_equal(closed, 1);
    assert_int_equal(timeouts, 0);
}

static void seat_drops_no_more_than_that(void **state)
{
    seat_linger(&seat);
    for (int i = 1; i < SEAT_LINGER_RECEIVES; i++)
        hear("more");
    assert_int_equal(closed, 0);
    hear("too much");
    assert_int_equal(closed, 1);
}

/* Nobody is there any more to whom the end could be told. */
static void seat_does_not_linger_alone(void **state)
{
    seat.sock.peer_ended = true;
    seat_linger(&seat);
    world_settle(&world);
    assert_int_equal(closed, 1);
}

static void seat_drops_what_nobody_wants(void **state)
{
    sits = false;
    hear("hi");
    assert_int_equal(stirs, 1);
    assert_int_equal(closed, 1);
}

static void seat_closes_after_its_conn(void **state)
{
    hear("hi");
    conn_close(&conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(conn_closed, 1);
    assert_int_equal(closed, 0);
    assert_null(seat.conn);
}

static void seat_knows_its_peer(void **state)
{
    char host[SOCK_TEXT_MAX];
    struct sockaddr_storage from = io_sim_address(world.net);
    assert_int_equal(seat.peer.any.sa_family, AF_UNSPEC);
    assert_str(seat_peer_host(&seat, host), STR("unix"));
    seat_keep_peer(&seat, &from);
    assert_str(seat_peer_host(&seat, host), STR("127.0.0.1"));
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = {{{[15] = 1}}}};
    memcpy(&from, &six, sizeof(six));
    seat_keep_peer(&seat, &from);
    assert_str(seat_peer_host(&seat, host), STR("::1"));
}

static int adopt_none(struct io *io, struct io_sock *sock, int fd)
{
    return -ERR_NO_DESCRIPTORS;
}

static void seat_without_a_socket(void **state)
{
    struct io_backend poor = io_sim_backend;
    struct io_options options = {.backend = &poor, .buffers = &world.pool};
    struct sockaddr_storage from = {.ss_family = AF_UNIX};
    struct seat other;
    struct io *io;
    int fd;
    poor.adopt = adopt_none;
    assert_int_equal(io_create(&options, &io), 0);
    struct io_sim_peer *far = io_sim_peer_pair(world.net, &fd);
    seat_init(&other, &seat_events);
    assert_int_equal(seat_accept(&other, io, fd, &from), -ERR_NO_DESCRIPTORS);
    io_discard(io, fd);
    io_destroy(&io);
    io_sim_peer_close(&far, false);
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAT_TEST(seat_stirs),
        SEAT_TEST(conn_stays_while_something_is_left),
        SEAT_TEST(conn_stays_for_what_has_come),
        SEAT_TEST(seat_keeps_its_deadline),
        SEAT_TEST(seat_is_told_of_the_end),
        SEAT_TEST(seat_is_told_of_a_reset),
        SEAT_TEST(seat_closes),
        SEAT_TEST(seat_lingers_until_its_peer_ends),
        SEAT_TEST(seat_lingers_no_longer),
        SEAT_TEST(seat_drops_no_more_than_that),
        SEAT_TEST(seat_does_not_linger_alone),
        SEAT_TEST(seat_drops_what_nobody_wants),
        SEAT_TEST(seat_closes_after_its_conn),
        SEAT_TEST(seat_knows_its_peer),
        SEAT_TEST(seat_without_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
