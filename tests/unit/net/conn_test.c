/* A conn over the simulated net against a scripted peer: how it opens, carries bytes both ways, and ends, in every
 * state. */
#include "tests/unit/net/net_cmocka.h"

#include "base/err.h"
#include "io/io_backend.h"
#include "net/conn.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/net/world.h"

enum event { READY, RECEIVED, SENT, ENDED, SEND_FAILED, TIMEOUT, CLOSED, EVENTS, NO_EVENT };

/* The owner of a conn: counts what it is told, and may close from inside an event. */
struct side {
    struct conn conn;
    struct seat seat;
    unsigned told[EVENTS];
    int error; /* of the last end or failure */
    enum event close_in;
    enum conn_close_how close_how;
    bool takes; /* drops what it receives */
    size_t taken;
};

static struct world world;
static struct side side;
static struct io_sim_peer *peer;

static void tell(struct conn *conn, enum event event)
{
    struct side *self = CONTAINER_OF(conn, struct side, conn);
    assert_int_equal(self->told[CLOSED], 0);
    self->told[event]++;
    if (self->close_in == event)
        conn_close(conn, self->close_how);
}

static void on_ready(struct conn *conn)
{
    tell(conn, READY);
}

static void on_received(struct conn *conn)
{
    struct side *self = CONTAINER_OF(conn, struct side, conn);
    assert_true(bufq_bytes(&conn->in) > 0);
    if (self->takes) {
        self->taken += bufq_bytes(&conn->in);
        bufq_clear(&conn->in);
    }
    tell(conn, RECEIVED);
}

static void on_sent(struct conn *conn)
{
    tell(conn, SENT);
}

static void on_ended(struct conn *conn, int error)
{
    CONTAINER_OF(conn, struct side, conn)->error = error;
    tell(conn, ENDED);
}

static void on_send_failed(struct conn *conn, int error)
{
    assert_int_equal(bufq_bytes(&conn->out), 0);
    CONTAINER_OF(conn, struct side, conn)->error = error;
    tell(conn, SEND_FAILED);
}

static void on_timeout(struct conn *conn)
{
    tell(conn, TIMEOUT);
}

static void on_closed(struct conn *conn)
{
    assert_int_equal(bufq_bytes(&conn->in) + bufq_bytes(&conn->out), 0);
    tell(conn, CLOSED);
}

static const struct conn_events events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

static void begin(void)
{
    memset(&side, 0, sizeof(side));
    side.close_in = NO_EVENT;
    seat_init(&side.seat, NULL);
    conn_init(&side.conn, &side.seat, world.io, &events);
}

static void begin_accepted(void)
{
    struct sockaddr_storage from = io_sim_address(world.net);
    int fd;
    begin();
    peer = io_sim_peer_pair(world.net, &fd);
    assert_int_equal(conn_accept(&side.conn, fd, &from), 0);
    assert_int_equal(side.told[READY], side.close_in == READY ? 0 : 1);
}

static void say(const char *text)
{
    assert_int_equal(bufq_append(&side.conn.out, text, strlen(text)), 0);
    conn_flush(&side.conn);
}

static void say_many(size_t n)
{
    char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    for (; n >= sizeof(bytes); n -= sizeof(bytes))
        assert_int_equal(bufq_append(&side.conn.out, bytes, sizeof(bytes)), 0);
    conn_flush(&side.conn);
}

static void peer_say_many(size_t n)
{
    char bytes[1000];
    memset(bytes, 'p', sizeof(bytes));
    for (; n >= sizeof(bytes); n -= sizeof(bytes))
        io_sim_peer_send(peer, bytes, sizeof(bytes));
}

static void assert_closed(void)
{
    world_settle(&world);
    assert_int_equal(side.told[CLOSED], 1);
}

static int setup(void **state)
{
    world_create(&world, 64);
    peer = NULL;
    return 0;
}

static int teardown(void **state)
{
    if (peer)
        io_sim_peer_close(&peer, false);
    world_destroy(&world);
    return 0;
}

/* ---- opening ---- */

static void test_accepted(void **state)
{
    char host[SOCK_TEXT_MAX];
    begin_accepted();
    assert_str(conn_peer_host(&side.conn, host), STR("127.0.0.1"));
    assert_false(conn_closing(&side.conn));
    io_sim_peer_send(peer, "hello", 5);
    world_settle(&world);
    assert_int_equal(side.told[RECEIVED], 0);
    conn_read(&side.conn, true);
    world_settle(&world);
    assert_int_equal(side.told[RECEIVED], 1);
    assert_str(world_text(&side.conn.in), STR("hello"));
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_true(conn_closing(&side.conn));
    assert_int_equal(side.told[CLOSED], 0);
    assert_closed();
}

static void test_peer_host(void **state)
{
    struct sockaddr_storage from[3] = {{.ss_family = AF_INET}, {.ss_family = AF_INET6}, {.ss_family = AF_UNIX}};
    const char *text[3] = {"0.0.0.0", "::", "unix"};
    for (int i = 0; i < 3; i++) {
        char host[SOCK_TEXT_MAX];
        int fd;
        begin();
        peer = io_sim_peer_pair(world.net, &fd);
        assert_int_equal(conn_accept(&side.conn, fd, &from[i]), 0);
        assert_str(conn_peer_host(&side.conn, host), str_of(text[i]));
        conn_close(&side.conn, CONN_CLOSE_NOW);
        assert_closed();
        io_sim_peer_close(&peer, false);
    }
}

static void test_connect(void **state)
{
    struct sockaddr_storage to = io_sim_address(world.net);
    int listener = io_sim_peer_listen(world.net, &to, NULL, NULL);
    begin();
    assert_int_equal(conn_connect(&side.conn, &to), 0);
    conn_read(&side.conn, true);
    say("early");
    assert_int_equal(side.told[READY], 0);
    world_settle(&world);
    assert_int_equal(side.told[READY], 1);
    peer = io_sim_peer_accept(world.net, listener);
    assert_non_null(peer);
    assert_true(io_sim_peer_expect(peer, STR("early"), 10));
    io_sim_peer_send(peer, "back", 4);
    world_settle(&world);
    assert_str(world_text(&side.conn.in), STR("back"));
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
    io_sim_peer_unlisten(world.net, listener);
}

static void test_connect_refused(void **state)
{
    struct sockaddr_storage to = io_sim_address(world.net);
    begin();
    assert_int_equal(conn_connect(&side.conn, &to), 0);
    say("never");
    world_settle(&world);
    assert_int_equal(side.told[READY], 0);
    assert_int_equal(side.told[ENDED], 1);
    assert_int_equal(side.error, -ERR_CONNECT_REFUSED);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    assert_closed();
}

static void test_connect_given_up(void **state)
{
    static const enum conn_close_how hows[] = {CONN_CLOSE_NOW, CONN_CLOSE_RESET, CONN_CLOSE_LINGER};
    struct sockaddr_storage to = io_sim_address(world.net);
    int listener = io_sim_peer_listen(world.net, &to, NULL, NULL);
    io_sim_limits(world.net)->delay_ns = 1000000;
    for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
        begin();
        assert_int_equal(conn_connect(&side.conn, &to), 0);
        conn_set_deadline(&side.conn, io_now_ms(world.io) + 1);
        conn_close(&side.conn, hows[i]);
        assert_closed();
        assert_int_equal(side.told[READY] + side.told[ENDED] + side.told[TIMEOUT], 0);
        world_run(&world, 10);
    }
    io_sim_peer_unlisten(world.net, listener);
}

static int open_none(struct io *io, struct io_sock *sock, int family)
{
    return -ERR_NO_DESCRIPTORS;
}

static int adopt_none(struct io *io, struct io_sock *sock, int fd)
{
    return -ERR_NO_DESCRIPTORS;
}

/* Nothing was started: no event comes, and an accepted descriptor is still the caller's. */
static void test_no_socket(void **state)
{
    struct io_backend poor = io_sim_backend;
    struct io_options io_options = {.backend = &poor, .buffers = &world.pool};
    struct sockaddr_storage to = io_sim_address(world.net);
    struct io *io;
    int fd;
    poor.open = open_none;
    poor.adopt = adopt_none;
    assert_int_equal(io_create(&io_options, &io), 0);
    peer = io_sim_peer_pair(world.net, &fd);
    begin();
    seat_init(&side.seat, NULL);
    conn_init(&side.conn, &side.seat, io, &events);
    assert_int_equal(conn_connect(&side.conn, &to), -ERR_NO_DESCRIPTORS);
    assert_int_equal(conn_accept(&side.conn, fd, &to), -ERR_NO_DESCRIPTORS);
    world_run(&world, 100);
    for (enum event event = 0; event < EVENTS; event++)
        assert_int_equal(side.told[event], 0);
    io_discard(io, fd);
    io_destroy(&io);
}

/* ---- bytes ---- */

static void test_flush_is_corked(void **state)
{
    begin_accepted();
    say("head");
    say("body");
    assert_int_equal(io_sim_peer_received(peer).n, 0);
    world_settle(&world);
    assert_int_equal(side.told[SENT], 1);
    assert_str(io_sim_peer_received(peer), STR("headbody"));
    conn_flush(&side.conn); /* nothing to send: nothing told */
    world_settle(&world);
    assert_int_equal(side.told[SENT], 1);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

static void test_idle_holds_no_chunk(void **state)
{
    begin_accepted();
    side.takes = true;
    conn_read(&side.conn, true);
    world_settle(&world);
    assert_non_null(side.seat.sock.rx);
    assert_int_equal(world.pool.chunks.used, 0);
    io_sim_peer_send(peer, "ping", 4);
    say("pong");
    world_settle(&world);
    assert_int_equal(side.taken, 4);
    assert_int_equal(side.told[SENT], 1);
    assert_int_equal(world.pool.chunks.used, 0);
    assert_int_equal(world.pool.nodes.used, 0);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

/* Bytes that arrive one by one go behind each other into one chunk. */
static void test_small_receives_share_a_chunk(void **state)
{
    begin_accepted();
    conn_read(&side.conn, true);
    for (int i = 0; i < 100; i++) {
        io_sim_peer_send(peer, &"abcdefghij"[i % 10], 1);
        world_settle(&world);
    }
    assert_int_equal(side.told[RECEIVED], 100);
    assert_int_equal(world.pool.chunks.used, 1);
    assert_str(str_slice(world_text(&side.conn.in).p, 12), STR("abcdefghijab"));
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

static void test_reading_off_pushes_back(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin_accepted();
    conn_read(&side.conn, true);
    world_settle(&world);
    conn_read(&side.conn, false);
    peer_say_many(10000);
    world_settle(&world);
    size_t first = bufq_bytes(&side.conn.in);
    assert_int_equal(side.told[RECEIVED], 1); /* the receive that was under way */
    assert_true(first <= 2000);
    assert_int_equal(io_sim_peer_unsent(peer), 8000 - first);
    world_run(&world, 1000);
    assert_int_equal(bufq_bytes(&side.conn.in), first);
    conn_read(&side.conn, true);
    world_settle(&world);
    assert_int_equal(bufq_bytes(&side.conn.in), 10000);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

static void test_slow_reader(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 3000;
    begin_accepted();
    io_sim_peer_pause(peer, true);
    say_many(10000);
    world_settle(&world);
    assert_int_equal(bufq_bytes(&side.conn.out), 7000);
    unsigned before = side.told[SENT];
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(bufq_bytes(&side.conn.out), 0);
    assert_true(side.told[SENT] > before);
    assert_int_equal(io_sim_peer_received(peer).n, 10000);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

/* ---- ends ---- */

static void test_peer_half_closes(void **state)
{
    begin_accepted();
    conn_read(&side.conn, true);
    io_sim_peer_send(peer, "last", 4);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_str(world_text(&side.conn.in), STR("last"));
    assert_int_equal(side.told[ENDED], 1);
    assert_int_equal(side.error, 0);
    assert_true(conn_peer_ended(&side.conn));
    say("answer");
    conn_read(&side.conn, true); /* there is nothing to read: no op, no second end */
    world_settle(&world);
    assert_true(io_sim_peer_expect(peer, STR("answer"), 10));
    assert_int_equal(side.told[ENDED], 1);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    assert_closed(); /* at once: the peer's end is there already */
}

static void test_peer_resets(void **state)
{
    begin_accepted();
    conn_read(&side.conn, true);
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_int_equal(side.told[ENDED], 1);
    assert_int_equal(side.error, -ERR_CONN_RESET);
    say("too late");
    world_settle(&world);
    assert_int_equal(side.told[SEND_FAILED], 1);
    say("dropped");
    assert_int_equal(bufq_bytes(&side.conn.out), 0);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
    assert_int_equal(side.told[SEND_FAILED], 1);
}

/* An end is known before it is read: an idle connection like that must not be used. */
static void test_peer_ended_unread(void **state)
{
    begin_accepted();
    assert_false(conn_peer_ended(&side.conn));
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(side.told[ENDED], 0);
    assert_true(conn_peer_ended(&side.conn));
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

static void test_send_fails(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin_accepted();
    io_sim_peer_pause(peer, true);
    say_many(9000);
    world_settle(&world);
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    assert_int_equal(side.told[SEND_FAILED], 1);
    assert_int_equal(side.error, -ERR_CONN_RESET);
    assert_int_equal(side.told[ENDED], 0); /* nobody read */
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    assert_closed();
}

static void test_deadline(void **state)
{
    begin_accepted();
    int64_t now = io_now_ms(world.io);
    conn_set_deadline(&side.conn, now + 50);
    conn_set_deadline(&side.conn, now + 100);
    world_run(&world, 99);
    assert_int_equal(side.told[TIMEOUT], 0);
    world_run(&world, 2);
    assert_int_equal(side.told[TIMEOUT], 1);
    conn_set_deadline(&side.conn, now + 200);
    conn_set_deadline(&side.conn, TIMER_NEVER);
    world_run(&world, 500);
    assert_int_equal(side.told[TIMEOUT], 1);
    conn_set_deadline(&side.conn, now + 700);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    conn_set_deadline(&side.conn, now + 701); /* the deadline is the closing's own now */
    world_run(&world, 300);
    assert_int_equal(side.told[TIMEOUT] + side.told[CLOSED], 1);
    world_run(&world, CONN_LINGER_MS);
    assert_closed();
}

/* ---- lingering ---- */

static void test_linger_in_order(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin_accepted();
    io_sim_peer_pause(peer, true);
    say_many(5000);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    assert_true(conn_closing(&side.conn));
    world_settle(&world);
    assert_int_equal(bufq_bytes(&side.conn.out), 3000);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_OPEN);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(io_sim_peer_received(peer).n, 5000);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
    peer_say_many(10000); /* what is still read, and dropped */
    world_settle(&world);
    assert_int_equal(io_sim_peer_unsent(peer), 0);
    assert_int_equal(side.told[CLOSED] + side.told[RECEIVED] + side.told[SENT], 0);
    assert_int_equal(world.pool.chunks.used, 0);
    io_sim_peer_shutdown(peer);
    assert_closed();
    assert_int_equal(side.told[ENDED], 0);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
}

static void test_linger_bounded_in_time(void **state)
{
    begin_accepted();
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    world_run(&world, CONN_LINGER_MS - 100);
    conn_close(&side.conn, CONN_CLOSE_LINGER); /* again: no longer for that */
    world_run(&world, 99);
    assert_int_equal(side.told[CLOSED], 0);
    world_run(&world, 2);
    assert_closed();
    assert_int_equal(side.told[TIMEOUT], 0);
}

/* Who was told the end before has had part of its time. */
static void test_linger_counts_from_the_end_that_was_said(void **state)
{
    begin_accepted();
    conn_end_sending(&side.conn);
    world_run(&world, CONN_LINGER_MS - 500);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    world_run(&world, 499);
    assert_int_equal(side.told[CLOSED], 0);
    world_run(&world, 2);
    assert_closed();
}

static void test_linger_flush_bounded_in_time(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin_accepted();
    io_sim_peer_pause(peer, true);
    say_many(5000);
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    world_run(&world, CONN_LINGER_MS - 1);
    assert_int_equal(side.told[CLOSED], 0);
    world_run(&world, 2);
    assert_closed();
}

static void test_linger_bounded_in_bytes(void **state)
{
    begin_accepted();
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    peer_say_many(CONN_LINGER_BYTES - 1000);
    world_settle(&world);
    assert_int_equal(side.told[CLOSED], 0);
    peer_say_many(100000);
    assert_closed();
}

static void test_linger_peer_resets(void **state)
{
    for (int unsent = 0; unsent <= 1; unsent++) {
        io_sim_limits(world.net)->buffer_bytes = 2000;
        begin_accepted();
        io_sim_peer_pause(peer, true);
        say_many(unsent ? 5000 : 0);
        conn_close(&side.conn, CONN_CLOSE_LINGER);
        world_settle(&world);
        io_sim_peer_close(&peer, true);
        assert_closed();
        assert_int_equal(side.told[ENDED] + side.told[SEND_FAILED], 0);
    }
}

/* ---- closing, whatever goes on ---- */

static void state_idle(void)
{
    begin_accepted();
}

static void state_receiving(void)
{
    begin_accepted();
    conn_read(&side.conn, true);
    world_settle(&world);
}

static void state_lent(void)
{
    state_receiving();
    io_sim_peer_send(peer, "some", 4);
    world_settle(&world);
    assert_non_null(side.conn.lent);
}

static void state_sending(void)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin_accepted();
    io_sim_peer_pause(peer, true);
    say_many(5000);
    world_settle(&world);
    assert_non_null(side.seat.sock.tx);
}

static void state_unflushed(void)
{
    begin_accepted();
    say("not yet on its way");
}

static void state_ended(void)
{
    state_receiving();
    io_sim_peer_shutdown(peer);
    world_settle(&world);
}

static void state_flushing(void)
{
    state_sending();
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    world_settle(&world);
}

static void state_lingering(void)
{
    state_receiving();
    conn_close(&side.conn, CONN_CLOSE_LINGER);
    world_settle(&world);
}

static void (*const states[])(void) = {state_idle,      state_receiving, state_lent,     state_sending,
                                       state_unflushed, state_ended,     state_flushing, state_lingering};

static void close_in_each_state(enum conn_close_how how)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        states[i]();
        memset(side.told, 0, sizeof(side.told));
        conn_set_deadline(&side.conn, io_now_ms(world.io) + 1);
        conn_close(&side.conn, how);
        conn_close(&side.conn, how);
        assert_closed();
        world_run(&world, 5000);
        for (enum event event = 0; event < EVENTS; event++)
            assert_int_equal(side.told[event], event == CLOSED);
        io_sim_peer_pause(peer, false);
        assert_int_equal(io_sim_peer_state(peer), how == CONN_CLOSE_RESET ? IO_SIM_PEER_RESET : IO_SIM_PEER_ENDED);
        io_sim_peer_close(&peer, false);
    }
}

static void test_close_now(void **state)
{
    close_in_each_state(CONN_CLOSE_NOW);
}

static void test_close_reset(void **state)
{
    close_in_each_state(CONN_CLOSE_RESET);
}

/* Makes every event happen once, in this order: received, sent, timeout, ended, send failed. */
static void make_events(void)
{
    conn_read(&side.conn, true);
    io_sim_peer_send(peer, "in", 2);
    world_settle(&world);
    if (!conn_closing(&side.conn))
        say("out");
    conn_set_deadline(&side.conn, io_now_ms(world.io) + 10);
    world_run(&world, 20);
    io_sim_peer_close(&peer, true);
    world_settle(&world);
    if (!conn_closing(&side.conn))
        say("more");
    world_run(&world, 3000);
}

static void test_close_inside_events(void **state)
{
    static const enum conn_close_how hows[] = {CONN_CLOSE_NOW, CONN_CLOSE_RESET, CONN_CLOSE_LINGER};
    for (enum event event = READY; event <= TIMEOUT; event++) {
        for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
            struct sockaddr_storage from = {.ss_family = AF_UNIX};
            int fd;
            begin();
            side.close_in = event;
            side.close_how = hows[i];
            peer = io_sim_peer_pair(world.net, &fd);
            assert_int_equal(conn_accept(&side.conn, fd, &from), 0);
            make_events();
            assert_int_equal(side.told[event], 1);
            assert_closed();
        }
    }
}

/* ---- out of memory ---- */

static void test_no_chunk_to_receive(void **state)
{
    begin_accepted();
    world.pool.chunks.max_objects = 0;
    conn_read(&side.conn, true);
    io_sim_peer_send(peer, "x", 1);
    world_settle(&world);
    assert_int_equal(side.told[ENDED], 1);
    assert_int_equal(side.error, -ERR_NO_MEMORY);
    conn_close(&side.conn, CONN_CLOSE_NOW);
    assert_closed();
}

static void receive_in_pieces(void)
{
    for (int i = 0; i < 8 && side.told[ENDED] == 0; i++) {
        peer_say_many(7000);
        world_settle(&world);
    }
}

static void test_nth_allocation_fails(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        begin_accepted();
        conn_read(&side.conn, true);
        alloc_fail_at(n);
        receive_in_pieces();
        failed = alloc_fail_stop();
        assert_int_equal(side.told[ENDED], failed);
        assert_int_equal(side.error, failed ? -ERR_NO_MEMORY : 0);
        if (!failed)
            assert_int_equal(bufq_bytes(&side.conn.in), 8 * 7000);
        conn_close(&side.conn, CONN_CLOSE_NOW);
        assert_closed();
        io_sim_peer_close(&peer, false);
        world_destroy(&world); /* fresh pools, so that the same allocations are made */
        world_create(&world, 64);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accepted),
        TEST(test_peer_host),
        TEST(test_connect),
        TEST(test_connect_refused),
        TEST(test_connect_given_up),
        TEST(test_no_socket),
        TEST(test_flush_is_corked),
        TEST(test_idle_holds_no_chunk),
        TEST(test_small_receives_share_a_chunk),
        TEST(test_reading_off_pushes_back),
        TEST(test_slow_reader),
        TEST(test_peer_half_closes),
        TEST(test_peer_resets),
        TEST(test_peer_ended_unread),
        TEST(test_send_fails),
        TEST(test_deadline),
        TEST(test_linger_in_order),
        TEST(test_linger_bounded_in_time),
        TEST(test_linger_counts_from_the_end_that_was_said),
        TEST(test_linger_flush_bounded_in_time),
        TEST(test_linger_bounded_in_bytes),
        TEST(test_linger_peer_resets),
        TEST(test_close_now),
        TEST(test_close_reset),
        TEST(test_close_inside_events),
        TEST(test_no_chunk_to_receive),
        TEST(test_nth_allocation_fails),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
