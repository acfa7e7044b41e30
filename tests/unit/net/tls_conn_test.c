/* Two conns over TLS in the simulated net: a client's and a server's, however the net cuts what they say. */
#include "net/tls_conn.h"

#include "base/rand.h"
#include "net/conn.h"
#include "net/listener.h"
#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"
#include "tests/unit/net/world.h"

enum { BYTES = 100000 };

/* One end, and what it was told. */
struct end {
    struct conn conn;
    struct seat seat;
    int ready, ended, closed, failed, sent;
    int ended_by;
    bool stop_reading;
};

static struct world world;
static struct listener listener;
static struct sockaddr_storage address;
static struct tls_files files;
static struct tls_room room;
static struct tls_ctx *server_ctx, *client_ctx;
static struct end server, client;
static char pattern[BYTES];

static struct end *of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct end, conn);
}

static void on_ready(struct conn *conn)
{
    of(conn)->ready++;
    assert_str(conn_scheme(conn), STR("https"));
    conn_read(conn, true);
}

static void on_received(struct conn *conn)
{
}

static void on_sent(struct conn *conn)
{
    of(conn)->sent++;
}

static void on_ended(struct conn *conn, int error)
{
    of(conn)->ended++;
    of(conn)->ended_by = error;
}

static void on_send_failed(struct conn *conn, int error)
{
    of(conn)->failed++;
}

static void on_closed(struct conn *conn)
{
    of(conn)->closed++;
}

static const struct conn_events events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_received,
    .on_closed = on_closed,
};

static void on_accepted(struct listener *self, int fd, const struct sockaddr_storage *peer)
{
    struct transport_use use = {&transport_tls, server_ctx, &room};
    seat_init(&server.seat, NULL);
    conn_init(&server.conn, &server.seat, world.io, &events);
    assert_int_equal(conn_use(&server.conn, &use), 0);
    assert_int_equal(conn_accept(&server.conn, fd, peer), 0);
}

static void on_refused(struct listener *self, int error)
{
    fail();
}

static void on_listener_closed(struct listener *self)
{
}

static const struct listener_events listener_events = {on_accepted, on_refused, on_listener_closed};

static int make_files(void **state)
{
    struct rand_gen random;
    rand_seed(&random, 5);
    for (size_t i = 0; i < BYTES; i++)
        pattern[i] = (char)rand_below(&random, 256);
    tls_files_create(&files, "DNS:test.example", 30);
    return 0;
}

static struct tls_ctx *make_client(const char *name)
{
    struct tls_client_options options = {.verify = true, .ca = files.chain, .handshake_ms = 1000};
    struct tls_ctx *shared = NULL, *ctx = NULL;
    struct tls_why why;
    assert_int_equal(tls_client_create(&options, &shared, &why), 0);
    assert_int_equal(tls_client_for(shared, str_of(name), &ctx), 0);
    tls_ctx_unref(shared);
    return ctx;
}

static int setup(void **state)
{
    struct tls_certificate certificate = {files.chain, files.key, {""}};
    struct tls_server_options options = {.certificates = &certificate, .count = 1, .handshake_ms = 1000};
    struct tls_why why;
    world_create(&world, 64);
    tls_room_init(&room, world.io, 4);
    assert_int_equal(tls_server_create(&options, &server_ctx, &why), 0);
    client_ctx = make_client("test.example");
    memset(&server, 0, sizeof(server));
    memset(&client, 0, sizeof(client));
    address = io_sim_address(world.net);
    int fd = io_sim_listen(world.net, &address);
    assert_int_equal(listener_start(&listener, world.io, fd, &listener_events, NULL), 0);
    listener_accept(&listener, true);
    return 0;
}

static int teardown(void **state)
{
    listener_stop(&listener);
    world_settle(&world);
    tls_ctx_unref(server_ctx);
    tls_ctx_unref(client_ctx);
    tls_room_fini(&room);
    world_destroy(&world);
    return 0;
}

static void begin(void)
{
    struct transport_use use = {&transport_tls, client_ctx, NULL};
    memset(&client, 0, sizeof(client));
    memset(&server, 0, sizeof(server));
    seat_init(&client.seat, NULL);
    conn_init(&client.conn, &client.seat, world.io, &events);
    assert_int_equal(conn_use(&client.conn, &use), 0);
    assert_int_equal(conn_connect(&client.conn, &address), 0);
    world_settle(&world);
}

/* The client leaves at once; the server is told of an orderly end, and leaves too. */
static void finish(void)
{
    conn_close(&client.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(client.closed, 1);
    assert_int_equal(server.ended, 1);
    assert_int_equal(server.ended_by, 0);
    conn_close(&server.conn, CONN_CLOSE_NOW);
    world_run(&world, CONN_LINGER_MS + 1); /* its word of the end may not fit into what nobody reads any more */
    assert_int_equal(server.closed, 1);
    assert_int_equal(room.in_flight, 0);
}

static void put(struct end *end, size_t n)
{
    assert_int_equal(bufq_append(&end->conn.out, pattern, n), 0);
    conn_flush(&end->conn);
}

static void test_bytes_both_ways(void **state)
{
    static const struct {
        size_t segment, buffer;
    } cuts[] = {{65536, 262144}, {1, 100}, {1000, 2500}, {17, 17}};
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        io_sim_limits(world.net)->segment_bytes = cuts[i].segment;
        io_sim_limits(world.net)->buffer_bytes = cuts[i].buffer;
        begin();
        assert_int_equal(client.ready, 1);
        assert_int_equal(server.ready, 1);
        size_t n = cuts[i].segment < 100 ? BYTES / 10 : BYTES;
        put(&client, n);
        put(&server, n);
        world_settle(&world);
        assert_str(world_text(&server.conn.in), str_slice(pattern, n));
        assert_str(world_text(&client.conn.in), str_slice(pattern, n));
        assert_int_equal(bufq_bytes(&client.conn.out), 0);
        finish();
    }
}

/* What an idle connection holds of the reactor's chunks: none. */
static void test_idle_holds_no_chunk(void **state)
{
    begin();
    put(&client, 5);
    world_settle(&world);
    bufq_clear(&server.conn.in);
    assert_int_equal(world.pool.chunks.used, 0);
    finish();
}

/* A reader that does not read stops the writer; the bytes that wait are all there later. */
static void test_back_pressure(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin();
    conn_read(&server.conn, false);
    put(&client, BYTES);
    world_settle(&world);
    assert_true(bufq_bytes(&server.conn.in) < BYTES / 2);
    assert_true(bufq_bytes(&client.conn.out) > 0);
    conn_read(&server.conn, true);
    world_settle(&world);
    assert_str(world_text(&server.conn.in), str_slice(pattern, BYTES));
    finish();
}

/* Whoever asks whether a byte has left must not be told no while the rest of its record, or of what was encrypted with
 * it, waits: a request would be sent again that a worker has. */
static void test_the_first_bytes_are_told_while_the_rest_waits(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 2000;
    begin();
    conn_read(&server.conn, false);
    client.sent = 0;
    put(&client, BYTES / 2);
    world_settle(&world);
    assert_int_equal(bufq_bytes(&client.conn.out), BYTES / 2);
    assert_true(client.sent > 0);
    conn_read(&server.conn, true);
    world_settle(&world);
    assert_str(world_text(&server.conn.in), str_slice(pattern, BYTES / 2));
    finish();
}

static void test_cut_is_told_from_an_end(void **state)
{
    begin();
    put(&client, 5);
    world_settle(&world);
    io_shutdown_send(&client.seat.sock); /* the socket's end without a word of TLS */
    world_settle(&world);
    assert_int_equal(server.ended, 1);
    assert_int_equal(server.ended_by, -ERR_TLS_TRUNCATED);
    conn_close(&server.conn, CONN_CLOSE_RESET);
    conn_close(&client.conn, CONN_CLOSE_RESET);
    world_settle(&world);
    assert_int_equal(server.closed + client.closed, 2);
}

static void test_half_close(void **state)
{
    begin();
    put(&client, 5);
    conn_end_sending(&client.conn);
    world_settle(&world);
    assert_int_equal(server.ended, 1);
    assert_int_equal(server.ended_by, 0);
    put(&server, 7); /* the other direction goes on */
    conn_close(&server.conn, CONN_CLOSE_LINGER);
    world_settle(&world);
    assert_str(world_text(&client.conn.in), str_slice(pattern, 7));
    assert_int_equal(client.ended_by, 0);
    conn_close(&client.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(server.closed + client.closed, 2);
}

/* Its close_notify goes to nobody any more: there is nothing to wait for. */
static void test_end_that_cannot_be_said(void **state)
{
    begin();
    io_sim_limits(world.net)->buffer_bytes = 10; /* it has to wait with the rest of it */
    conn_close(&server.conn, CONN_CLOSE_RESET);
    conn_close(&client.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(server.closed + client.closed, 2);
}

static void test_wrong_name_is_refused(void **state)
{
    tls_ctx_unref(client_ctx);
    client_ctx = make_client("other.example");
    begin();
    assert_int_equal(client.ready, 0);
    assert_int_equal(client.ended_by, -ERR_TLS_CERTIFICATE);
    assert_int_equal(server.ready, 0);
    conn_close(&client.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    conn_close(&server.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(server.closed + client.closed, 2);
}

static void test_silence_ends_the_handshake(void **state)
{
    struct io_sim_peer *peer = io_sim_peer_connect(world.net, &address);
    world_settle(&world);
    world_run(&world, 999);
    assert_int_equal(server.ended, 0);
    world_run(&world, 2);
    assert_int_equal(server.ended_by, -ERR_TLS_TIMEOUT);
    conn_close(&server.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    io_sim_peer_close(&peer, false);
}

static void test_plain_http_is_told_so(void **state)
{
    struct io_sim_peer *peer = io_sim_peer_connect(world.net, &address);
    world_settle(&world);
    io_sim_peer_send(peer, "GET / HTTP/1.1\r\n\r\n", 18);
    world_settle(&world);
    assert_int_equal(server.ended_by, -ERR_TLS_PLAIN);
    assert_true(io_sim_peer_expect(peer, STR("HTTP/1.1 400 Bad Request\r\n"), 10));
    conn_close(&server.conn, CONN_CLOSE_NOW);
    world_settle(&world);
    io_sim_peer_close(&peer, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_both_ways),         TEST(test_idle_holds_no_chunk),
        TEST(test_back_pressure),           TEST(test_the_first_bytes_are_told_while_the_rest_waits),
        TEST(test_cut_is_told_from_an_end), TEST(test_half_close),
        TEST(test_end_that_cannot_be_said), TEST(test_wrong_name_is_refused),
        TEST(test_plain_http_is_told_so),   TEST(test_silence_ends_the_handshake),
    };
    return cmocka_run_group_tests_name("tls_conn", tests, make_files, NULL);
}
