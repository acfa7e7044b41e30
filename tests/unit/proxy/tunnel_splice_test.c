/* Bulk in tunnels goes through pipes that are lent (ADR 0032): the same bytes, short messages copied, and a pipe that
 * is soon back whatever becomes of the tunnel. */
#include <stdlib.h>

#include "proxy/flow.h"
#include "proxy/reactor_parts.h"
#include "world.h"

enum { BULK = 4 << 20, BUFFER = 1 << 17, SHORT_OF_BULK = 3 * BUF_CHUNK_CAP };

#define UPGRADE  "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"

static struct world w;
static struct io_sim_peer *client, *far;
static char *bulk;

static void start(uint32_t pipes)
{
    world_init(&w, 1);
    w.options.pipes = pipes;
    world_start(&w);
    io_sim_limits(w.net)->buffer_bytes = BUFFER;
    w.far[0].answer = NULL;
    bulk = malloc(BULK);
    assert_non_null(bulk);
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 7 + (i >> 11));
}

static void open_tunnel(struct io_sim_peer **ret_client, struct io_sim_peer **ret_far)
{
    *ret_client = world_client(&w);
    world_send(*ret_client, UPGRADE);
    world_run(&w, 10);
    scripted_worker_send(&w.far[0], SWITCHED);
    world_run(&w, 10);
    assert_begins(world_received(*ret_client), "HTTP/1.1 101 ");
    io_sim_peer_take(*ret_client, io_sim_peer_received(*ret_client).n);
    *ret_far = scripted_worker_newest(&w.far[0])->peer;
    io_sim_peer_take(*ret_far, io_sim_peer_received(*ret_far).n);
    io_sim_peer_on_event(*ret_far, NULL, NULL); /* what comes is no request */
}

static void begin(uint32_t pipes)
{
    start(pipes);
    open_tunnel(&client, &far);
}

static void stop(void)
{
    io_sim_peer_close(&client, false);
    world_run(&w, 10);
    assert_int_equal(io_pipes_taken(w.reactor->io), 0);
    free(bulk);
    world_stop(&w);
}

static uint32_t lent(void)
{
    return io_pipes_taken(w.reactor->io);
}

/* Pipes have been in use, or are. */
static uint32_t made(void)
{
    return io_pipes_taken(w.reactor->io) + io_pipes_kept(w.reactor->io);
}

static bool is_lent(void *context)
{
    return lent() > 0;
}

static bool has_all(void *context)
{
    return io_sim_peer_received(context).n >= BULK;
}

static void take_bulk(struct io_sim_peer *peer)
{
    assert_true(io_sim_run(w.net, has_all, peer, 1000));
    struct str got = io_sim_peer_received(peer);
    assert_int_equal(got.n, BULK);
    assert_memory_equal(got.p, bulk, BULK);
    io_sim_peer_take(peer, BULK);
}

static void ends_well(void)
{
    io_sim_peer_shutdown(far);
    io_sim_peer_shutdown(client);
    world_run(&w, 10);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.active, 0);
}

static void bulk_goes_through_a_pipe_each_way(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    take_bulk(client);
    assert_int_equal(made(), 1);
    io_sim_peer_send(client, bulk, BULK);
    take_bulk(far);
    ends_well();
    assert_int_equal(w.totals.bytes_from_workers, BULK);
    assert_int_equal(w.totals.bytes_from_clients, BULK);
    stop();
}

static void both_ways_at_once(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    io_sim_peer_send(client, bulk, BULK);
    take_bulk(client);
    take_bulk(far);
    assert_int_equal(made(), 2);
    ends_well();
    stop();
}

/* The window's worth of each MiB that is copied, and what the two connections hold, is all that chunks are for. */
static void it_is_copied_where_there_is_none(void **state)
{
    begin(0);
    io_sim_peer_send(far, bulk, BULK);
    io_sim_peer_send(client, bulk, BULK);
    take_bulk(client);
    take_bulk(far);
    ends_well();
    stop();
}

static void short_messages_are_copied(void **state)
{
    begin(2);
    for (int i = 0; i < 100; i++) {
        io_sim_peer_send(far, bulk, SHORT_OF_BULK);
        world_run(&w, 5);
        io_sim_peer_send(far, bulk, 100); /* the end of a row */
        io_sim_peer_send(client, "pong", 4);
        world_run(&w, 5);
    }
    assert_int_equal(io_sim_peer_received(client).n, 100 * (SHORT_OF_BULK + 100));
    assert_int_equal(made(), 0);
    stop();
}

/* With the last byte of a piece, or in the middle of it. */
static void a_silent_tunnel_keeps_none(void **state)
{
    begin(2);
    for (size_t n = 100000; n < 400000; n += 17001) {
        io_sim_peer_send(far, bulk, n);
        assert_true(io_sim_run(w.net, is_lent, NULL, 100));
        world_run(&w, FLOW_LOAN_MS + 5);
        assert_int_equal(lent(), 0);
        io_sim_peer_send(far, "and more", 8);
        world_run(&w, 10);
        struct str got = io_sim_peer_received(client);
        assert_int_equal(got.n, n + 8);
        assert_memory_equal(got.p, bulk, n);
        assert_memory_equal(got.p + n, "and more", 8);
        io_sim_peer_take(client, got.n);
    }
    ends_well();
    stop();
}

/* The look at its end is no sign of life. */
static void a_loan_makes_no_silence_longer(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, 100000);
    assert_true(io_sim_run(w.net, is_lent, NULL, 10));
    world_run(&w, w.rules.tunnel_idle_ms - 5);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    ends_well();
    assert_int_equal(w.totals.tunnels_idle, 1);
    stop();
}

/* What the pipe holds is copied back; nothing of it is lost or overtaken. */
static void a_reader_that_stops_keeps_none(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    assert_true(io_sim_run(w.net, is_lent, NULL, 100));
    io_sim_peer_pause(client, true);
    world_run(&w, FLOW_LOAN_MS / 2);
    assert_int_equal(lent(), 1);
    world_run(&w, FLOW_LOAN_MS);
    assert_int_equal(lent(), 0);
    assert_true(io_sim_peer_unsent(far) > BULK / 2); /* and the worker waits */
    for (int i = 0; i < 3; i++) {                    /* the other way goes on meanwhile */
        world_run(&w, w.rules.tunnel_idle_ms / 2);
        world_send(client, "still here");
        assert_true(io_sim_peer_expect(far, STR("still here"), 10));
        assert_int_equal(lent(), 0);
    }
    io_sim_peer_pause(client, false);
    take_bulk(client);
    ends_well();
    stop();
}

/* Bodies are not told from bulk for longer than a loan. */
static void a_body_beside_bulk_gets_a_pipe(void **state)
{
    begin(1);
    struct io_sim_peer *other = world_client(&w);
    world_send(other, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run(&w, 10);
    struct io_sim_peer *answering = scripted_worker_newest(&w.far[0])->peer;
    io_sim_peer_send(far, bulk, BULK);
    assert_true(io_sim_run(w.net, is_lent, NULL, 100));
    io_sim_peer_pause(client, true);
    world_run(&w, FLOW_LOAN_MS + 5);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
    io_sim_peer_send(answering, bulk, BULK / 2);
    world_run(&w, 10);
    assert_int_equal(lent(), 1);
    io_sim_peer_pause(client, false);
    take_bulk(client);
    io_sim_peer_send(answering, bulk + BULK / 2, BULK / 2);
    world_run(&w, 1000);
    assert_int_equal(lent(), 0);
    io_sim_peer_close(&other, false);
    stop();
}

static void an_end_behind_bulk(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    io_sim_peer_shutdown(far);
    take_bulk(client);
    world_run(&w, 5);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    assert_int_equal(lent(), 0); /* though the other way stands */
    io_sim_peer_send(client, bulk, BULK);
    io_sim_peer_shutdown(client);
    take_bulk(far);
    world_run(&w, 5);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    stop();
}

/* What they still say is dropped, and must not wait in a pipe: their ends are behind it. */
static void it_is_closed_in_the_middle_of_a_loan(void **state)
{
    begin(2);
    reactor_drain(w.reactor);
    world_run(&w, w.rules.tunnel_drain_ms - 20);
    io_sim_peer_send(far, bulk, 300000);
    assert_true(io_sim_run(w.net, is_lent, NULL, 15));
    world_run(&w, 30);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_received(client).n, 300000);
    assert_int_equal(lent(), 0);
    io_sim_peer_send(far, "late", 4);
    world_run(&w, 5);
    ends_well();
    assert_int_equal(w.totals.tunnels_drained, 1);
    stop();
}

static void a_client_that_leaves_gives_it_back(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    assert_true(io_sim_run(w.net, is_lent, NULL, 100));
    io_sim_peer_pause(client, true);
    world_run(&w, 5);
    io_sim_peer_close(&client, true);
    world_run(&w, 5);
    assert_int_equal(lent(), 0);
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_int_equal(w.totals.aborted, 1);
    client = world_client(&w);
    stop();
}

/* It is seen when what came before has been taken, however that was sent. */
static void a_worker_that_resets_gives_it_back(void **state)
{
    begin(2);
    io_sim_peer_send(far, bulk, BULK);
    assert_true(io_sim_run(w.net, is_lent, NULL, 100));
    io_sim_peer_pause(client, true);
    world_run(&w, 5);
    scripted_worker_close(&w.far[0], w.far[0].accepted - 1, true);
    world_run(&w, FLOW_LOAN_MS + 5);
    assert_int_equal(lent(), 0);
    io_sim_peer_pause(client, false);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_RESET);
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_ANSWER_CUT], 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_goes_through_a_pipe_each_way),
        cmocka_unit_test(both_ways_at_once),
        cmocka_unit_test(it_is_copied_where_there_is_none),
        cmocka_unit_test(short_messages_are_copied),
        cmocka_unit_test(a_silent_tunnel_keeps_none),
        cmocka_unit_test(a_loan_makes_no_silence_longer),
        cmocka_unit_test(a_reader_that_stops_keeps_none),
        cmocka_unit_test(a_body_beside_bulk_gets_a_pipe),
        cmocka_unit_test(an_end_behind_bulk),
        cmocka_unit_test(it_is_closed_in_the_middle_of_a_loan),
        cmocka_unit_test(a_client_that_leaves_gives_it_back),
        cmocka_unit_test(a_worker_that_resets_gives_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
