/* A reactor's clients as they speak and rest, over the simulated net. */
#include "proxy/clients.h"

#include "tests/unit/alloc_fail.h"
#include "world.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"

static struct reactor_use use(struct world *w)
{
    struct reactor_use use;
    reactor_read_use(w->reactor, &use);
    return use;
}

static void begin(struct world *w)
{
    world_init(w, 1);
    w->options.client_h2 = (struct h2_server_options){.enabled = true, .streams = 4, .floods = {100, 100, 100, 100}};
    w->options.streams = 4;
    world_start(w);
}

/* Of a client that says nothing, and of one that was answered a while ago, there is a seat; it is asked as before. */
static void clients_rest_and_speak(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *client = world_client(&w);
    world_run(&w, 50);
    assert_int_equal(use(&w).clients, 1);
    assert_int_equal(use(&w).clients_whole, 0);
    for (int round = 0; round < 3; round++) {
        world_send(client, GET);
        world_run(&w, 500);
        assert_begins(world_received(client), OK);
        assert_int_equal(use(&w).clients_whole, 1);
        world_run(&w, 700);
        assert_int_equal(use(&w).clients, 1);
        assert_int_equal(use(&w).clients_whole, 0);
        assert_int_equal(use(&w).leases, 1);
        assert_int_equal(use(&w).leases_whole, 0);
    }
    world_count(&w);
    assert_int_equal(w.totals.ok, 3);
    io_sim_peer_close(&client, false);
    world_run(&w, 10);
    assert_int_equal(use(&w).clients, 0);
    world_stop(&w);
}

/* Half a head keeps its session, and its time. */
static void clients_do_not_rest_in_a_head(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, GET "GET / HT");
    world_run(&w, 2000);
    assert_int_equal(use(&w).clients_whole, 1);
    world_send(client, "TP/1.1\r\nHost: h\r\n\r\n");
    world_run(&w, 1300);
    assert_int_equal(use(&w).clients_whole, 0);
    world_count(&w);
    assert_int_equal(w.totals.ok, 2);
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

/* A byte at a time, from rest: nothing of it is lost. */
static void clients_speak_slowly(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *client = world_client(&w);
    for (int round = 0; round < 2; round++) {
        for (const char *p = GET; *p; p++) {
            io_sim_peer_send(client, p, 1);
            world_run(&w, 5);
        }
        world_run(&w, 1500);
        assert_begins(world_received(client), OK);
        assert_int_equal(use(&w).clients_whole, 0);
    }
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

static void clients_rest_until_they_are_ended(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *silent = world_client(&w), *asked = world_client(&w), *gone = world_client(&w);
    world_send(asked, GET);
    world_run(&w, 4000);
    assert_int_equal(use(&w).clients_whole, 0);
    io_sim_peer_close(&gone, true);
    world_run(&w, 10);
    assert_int_equal(use(&w).clients, 2);
    world_run(&w, 1200); /* the idle time of 5 s */
    assert_int_equal(io_sim_peer_state(silent), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(asked), IO_SIM_PEER_ENDED);
    assert_int_equal(use(&w).clients, 2);
    io_sim_peer_close(&silent, false);
    io_sim_peer_close(&asked, false);
    world_run(&w, 10);
    assert_int_equal(use(&w).clients, 0);
    world_count(&w);
    assert_int_equal(w.totals.heads_lost, 0);
    world_stop(&w);
}

static void clients_drain_from_rest(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *silent = world_client(&w), *asked = world_client(&w);
    world_send(asked, GET);
    world_run(&w, 1500);
    reactor_drain(w.reactor);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(silent), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(asked), IO_SIM_PEER_ENDED);
    world_send(asked, GET); /* it has crossed the end */
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(asked), IO_SIM_PEER_ENDED);
    assert_int_equal(use(&w).clients, 2);
    io_sim_peer_close(&silent, false);
    io_sim_peer_close(&asked, false);
    world_run(&w, 10);
    assert_int_equal(use(&w).clients + use(&w).leases, 0);
    world_stop(&w);
}

/* What has come when it is told to stop is answered, and is the last; empty lines are no request. */
static void clients_drain_as_they_stir(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *idle = world_client(&w), *asks = world_client(&w);
    world_run(&w, 1500);
    reactor_drain(w.reactor);
    world_send(asks, GET);
    world_send(idle, "\r\n");
    world_run(&w, 10);
    assert_begins(world_received(asks), OK);
    assert_holds(world_received(asks), "\r\nConnection: close\r\n");
    assert_int_equal(io_sim_peer_state(asks), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(idle), IO_SIM_PEER_ENDED);
    world_run(&w, CONN_LINGER_MS + 100);
    assert_int_equal(use(&w).clients, 0);
    io_sim_peer_close(&idle, false);
    io_sim_peer_close(&asks, false);
    world_stop(&w);
}

/* The first bytes say which version it is, from rest too; what speaks HTTP/2 stays whole. */
static void clients_choose_their_version(void **state)
{
    struct world w;
    begin(&w);
    struct io_sim_peer *client = world_client(&w);
    world_run(&w, 1500);
    io_sim_peer_send(client, "PRI * HTTP/2.0\r\n", 16);
    world_run(&w, 10);
    io_sim_peer_send(client, "\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 17);
    world_run(&w, 2000);
    assert_int_equal(use(&w).clients_whole, 1);
    assert_true(io_sim_peer_received(client).n >= 9);
    assert_int_equal(io_sim_peer_received(client).p[3], 4); /* SETTINGS */
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

/* Whoever speaks when there is no memory for it is closed, and counted. */
static void clients_without_memory(void **state)
{
    unsigned lost = 0;
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct world w;
        begin(&w);
        struct io_sim_peer *client = world_client(&w);
        world_run(&w, 50);
        world_send(client, GET);
        alloc_fail_at(n);
        world_run(&w, 50);
        failed = alloc_fail_stop();
        world_count(&w);
        lost += (unsigned)w.totals.heads_lost;
        io_sim_peer_close(&client, false);
        world_run(&w, 50);
        assert_int_equal(use(&w).clients, 0);
        world_stop(&w);
    }
    assert_true(lost >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_rest_and_speak),       cmocka_unit_test(clients_do_not_rest_in_a_head),
        cmocka_unit_test(clients_speak_slowly),         cmocka_unit_test(clients_rest_until_they_are_ended),
        cmocka_unit_test(clients_drain_from_rest),      cmocka_unit_test(clients_drain_as_they_stir),
        cmocka_unit_test(clients_choose_their_version), cmocka_unit_test(clients_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
