/* A conn behind another proxy: whom it is told of, what comes behind the header, and everybody who is refused. */
#include "net/proxied.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "net/conn.h"
#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/world.h"

enum { HEADER_MS = 500 };

#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"

static struct world world;
static struct tls_room handshakes;
static struct proxied_room room;
static struct proxied_rules *rules;
static struct io_sim_peer *peer;
static struct conn conn;
static struct seat seat;
static int ready, ended, ended_by, closed, received;
static int told[PROXIED_NOTES], asked;
static bool full;

static void on_ready(struct conn *self)
{
    ready++;
    conn_read(self, true);
}

static void on_received(struct conn *self)
{
    assert_int_equal(ready, 1);
    assert_true(bufq_bytes(&self->in) > 0);
    received++;
}

static void on_nothing(struct conn *self)
{
}

static void on_ended(struct conn *self, int error)
{
    ended++;
    ended_by = error;
    assert_int_equal(ready ? 0 : bufq_bytes(&self->in), 0); /* a header never looks like a request */
    conn_close(self, CONN_CLOSE_NOW);
}

static void on_send_failed(struct conn *self, int error)
{
    fail();
}

static void on_closed(struct conn *self)
{
    closed++;
}

static const struct conn_events events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_sent = on_nothing,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_nothing,
    .on_closed = on_closed,
};

static bool admit(void *context, struct conn *self)
{
    assert_ptr_equal(context, &world);
    assert_ptr_equal(self, &conn);
    asked++;
    return !full;
}

static void note(void *context, enum proxied_note what)
{
    told[what]++;
}

static struct network any4(void)
{
    return (struct network){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
}

static void begin(bool known, bool others_plain)
{
    struct network from = any4();
    struct proxied_options options = {
        .from = &from, .count = known ? 1 : 0, .others_plain = others_plain, .header_ms = HEADER_MS};
    struct sockaddr_storage address = {0};
    int fd;
    world_create(&world, 16);
    tls_room_init(&handshakes, world.io, 1);
    room = (struct proxied_room){&handshakes, admit, note, &world};
    ready = ended = ended_by = closed = received = asked = 0;
    full = false;
    memset(told, 0, sizeof(told));
    assert_int_equal(proxied_create(&options, &rules), 0);
    struct transport_use use = {&transport_proxied, rules, &room};
    ((struct sockaddr_in *)&address)->sin_family = AF_INET;
    ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(0x7f000001);
    seat_init(&seat, NULL);
    conn_init(&conn, &seat, world.io, &events);
    assert_int_equal(conn_use(&conn, &use), 0);
    proxied_unref(rules); /* a reload may drop them while a conn has them */
    peer = io_sim_peer_pair(world.net, &fd);
    assert_int_equal(conn_accept(&conn, fd, &address), 0);
    assert_int_equal(ready + ended, 0); /* nothing from inside */
}

static void finish(void)
{
    conn_close(&conn, CONN_CLOSE_NOW);
    world_settle(&world);
    assert_int_equal(closed, 1);
    io_sim_peer_close(&peer, false);
    tls_room_fini(&handshakes);
    world_destroy(&world);
}

static void say(struct str bytes)
{
    io_sim_peer_send(peer, bytes.p, bytes.n);
    world_settle(&world);
}

static void assert_host(const char *expected)
{
    char out[SOCK_TEXT_MAX];
    assert_str(conn_peer_host(&conn, out), str_of(expected));
}

static void test_told_client_and_what_follows(void **state)
{
    static const struct str whole = {HEADER "GET / HTTP/1.1\r\n", sizeof(HEADER) - 1 + 16};
    for (size_t cut = 0; cut <= whole.n; cut++) {
        begin(true, false);
        say(str_slice(whole.p, cut));
        assert_int_equal(ready, cut >= sizeof(HEADER) - 1);
        say(str_slice(whole.p + cut, whole.n - cut));
        assert_int_equal(ready, 1);
        assert_int_equal(asked, 1);
        assert_int_equal(told[PROXIED_TAKEN], 1);
        assert_true(received > 0);
        assert_str(world_text(&conn.in), STR("GET / HTTP/1.1\r\n"));
        assert_host("192.0.2.1");
        assert_ptr_equal(conn.transport, &transport_plain);
        finish();
    }
}

static void test_local_keeps_the_peer(void **state)
{
    begin(true, false);
    say(STR("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"));
    assert_int_equal(ready, 1);
    assert_int_equal(told[PROXIED_LOCAL], 1);
    assert_host("127.0.0.1");
    finish();
}

/* A header from there is bytes like any others. */
static void test_others_plain(void **state)
{
    begin(false, true);
    say(STR(HEADER));
    assert_int_equal(ready, 1);
    assert_int_equal(told[PROXIED_PLAIN], 1);
    assert_host("127.0.0.1");
    assert_str(world_text(&conn.in), STR(HEADER));
    finish();
}

static void assert_refused(enum proxied_note why, int code)
{
    assert_int_equal(ready, 0);
    assert_int_equal(ended, 1);
    assert_int_equal(ended_by, code);
    assert_int_equal(told[why], 1);
    assert_int_equal(asked, 0);
    finish();
}

static void test_refused(void **state)
{
    char large[16] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
    begin(false, false);
    world_settle(&world);
    assert_refused(PROXIED_UNTRUSTED, -ERR_PROXY_UNTRUSTED);
    begin(true, false);
    say(STR("GET / HTTP/1.1\r\n\r\n"));
    assert_refused(PROXIED_MISSING, -ERR_PROXY_MISSING);
    begin(true, false);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_refused(PROXIED_MISSING, -ERR_PROXY_MISSING);
    begin(true, false);
    say(STR("PROXY TCP4 192.0.2.1\r\n"));
    assert_refused(PROXIED_MALFORMED, -ERR_PROXY_HEADER);
    begin(true, false);
    say(STR("PROXY TCP4 192.0.2.1"));
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_refused(PROXIED_MALFORMED, -ERR_PROXY_HEADER);
    begin(true, false);
    say(str_slice(large, sizeof(large)));
    assert_refused(PROXIED_TOO_LARGE, -ERR_PROXY_SIZE);
    begin(true, false);
    say(STR("PROXY TCP4 192.0.2.1"));
    world_run(&world, HEADER_MS - 1);
    assert_int_equal(ended, 0);
    world_run(&world, 1);
    assert_refused(PROXIED_TIMEOUT, -ERR_PROXY_TIMEOUT);
}

static void test_no_room_for_the_told_client(void **state)
{
    begin(true, false);
    full = true;
    say(STR(HEADER));
    assert_int_equal(ready, 0);
    assert_int_equal(ended_by, -ERR_FULL);
    finish();
}

/* The socket goes while the header is awaited. */
static void test_closed_meanwhile(void **state)
{
    begin(true, false);
    say(STR("PROXY"));
    finish();
    assert_int_equal(ready + ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_client_and_what_follows),
        cmocka_unit_test(test_local_keeps_the_peer),
        cmocka_unit_test(test_others_plain),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_room_for_the_told_client),
        cmocka_unit_test(test_closed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
