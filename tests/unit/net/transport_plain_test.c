/* The plain transport under a conn: every byte arrives once and in order, however the net cuts them, and no chunk is
 * lost when a receive is cut off. */
#include "tests/unit/net/net_cmocka.h"

#include "base/rand.h"
#include "net/conn.h"
#include "tests/unit/net/world.h"

enum { BYTES = 60000 };

static struct world world;
static struct conn conn;
static struct seat seat;
static struct io_sim_peer *peer;
static bool closed;
static char pattern[BYTES];

static void on_nothing(struct conn *self)
{
}

static void on_end(struct conn *self, int error)
{
}

static void on_closed(struct conn *self)
{
    closed = true;
}

static const struct conn_events events = {
    .on_ready = on_nothing,
    .on_received = on_nothing,
    .on_sent = on_nothing,
    .on_ended = on_end,
    .on_send_failed = on_end,
    .on_timeout = on_nothing,
    .on_closed = on_closed,
};

static void begin(void)
{
    struct sockaddr_storage from = {.ss_family = AF_UNIX};
    int fd;
    world_create(&world, 64);
    closed = false;
    seat_init(&seat, NULL);
    conn_init(&conn, &seat, world.io, &events);
    peer = io_sim_peer_pair(world.net, &fd);
    assert_int_equal(conn_accept(&conn, fd, &from), 0);
    assert_ptr_equal(conn.transport, &transport_plain);
    assert_string_equal(conn.transport->name, "plain");
    assert_str(conn_scheme(&conn), STR("http"));
    assert_int_equal(conn_alpn(&conn).n, 0);
}

static void finish(void)
{
    conn_close(&conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_true(closed);
    io_sim_peer_close(&peer, false);
    world_destroy(&world);
}

static int make_pattern(void **state)
{
    struct rand_gen random;
    rand_seed(&random, 5);
    for (size_t i = 0; i < BYTES; i++)
        pattern[i] = (char)rand_below(&random, 256);
    return 0;
}

static const struct cut {
    size_t segment, buffer, piece;
} cuts[] = {{65536, 262144, BYTES}, {1000, 2500, 7000}, {1, 100, 333}, {17000, 17000, 16000}, {7, 262144, BYTES}};

static void set_cut(const struct cut *cut)
{
    io_sim_limits(world.net)->segment_bytes = cut->segment;
    io_sim_limits(world.net)->buffer_bytes = cut->buffer;
}

static void test_receives_all(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        begin();
        set_cut(&cuts[i]);
        conn_read(&conn, true);
        io_sim_peer_send(peer, pattern, BYTES);
        world_settle(&world);
        assert_str(world_text(&conn.in), str_slice(pattern, BYTES));
        assert_true(world.pool.chunks.used <= BYTES / BUF_CHUNK_CAP + 1); /* the tail is filled before a new chunk */
        finish();
    }
}

static void test_sends_all(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        begin();
        set_cut(&cuts[i]);
        for (size_t at = 0; at < BYTES; at += cuts[i].piece) {
            size_t n = BYTES - at < cuts[i].piece ? BYTES - at : cuts[i].piece;
            assert_int_equal(bufq_append(&conn.out, pattern + at, n), 0);
            conn_flush(&conn);
        }
        assert_true(io_sim_peer_expect(peer, str_slice(pattern, BYTES), 10));
        world_settle(&world);
        assert_int_equal(world.pool.chunks.used, 0);
        finish();
    }
}

/* The chunk a receive goes into is taken from the queue meanwhile: the transport's own reference keeps it. */
static void test_lent_chunk_is_kept(void **state)
{
    for (int closes = 0; closes <= 1; closes++) {
        begin();
        conn_read(&conn, true);
        io_sim_peer_send(peer, "first", 5);
        world_settle(&world);
        assert_non_null(conn.lent);
        bufq_clear(&conn.in);
        assert_int_equal(world.pool.chunks.used, 1);
        if (!closes) {
            io_sim_peer_send(peer, "second", 6);
            world_settle(&world);
            assert_str(world_text(&conn.in), STR("second"));
        }
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receives_all),
        cmocka_unit_test(test_sends_all),
        cmocka_unit_test(test_lent_chunk_is_kept),
    };
    return cmocka_run_group_tests_name("transport_plain", tests, make_pattern, NULL);
}
