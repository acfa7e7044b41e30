/* What becomes of an exchange whose worker answers 101: who may, how it stands, and how it ends. */
#include "proxy/reactor_parts.h"
#include "proxy/tunnel.h"
#include "world.h"

#define UPGRADE  "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"

static struct world w;
static struct io_sim_peer *client;

static void ask_for_tunnel(void)
{
    world_init(&w, 1);
    world_start(&w);
    w.far[0].answer = NULL;
    client = world_client(&w);
    world_send(client, UPGRADE);
    world_run(&w, 10);
}

static void begin(const char *switched)
{
    ask_for_tunnel();
    scripted_worker_send(&w.far[0], switched);
    world_run(&w, 10);
}

static void begin_tunnel(void)
{
    begin(SWITCHED);
    assert_begins(world_received(client), "HTTP/1.1 101 Switching Protocols\r\n");
    assert_holds(world_received(client), "\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    io_sim_peer_take(client, io_sim_peer_received(client).n);
    world_count(&w);
    assert_int_equal(w.totals.tunnels_open, 1);
    assert_int_equal(w.totals.active, 1);
}

static void end(void)
{
    io_sim_peer_close(&client, false);
    world_run(&w, 10);
    world_stop(&w);
}

static struct io_sim_peer *worker(void)
{
    return scripted_worker_newest(&w.far[0])->peer;
}

static void assert_ended_well(void)
{
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_int_equal(w.totals.tunnels, 1);
    assert_int_equal(w.totals.tunnels_open, 0);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.workers[0].answers[0], 1);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
}

/* Both have ended, and only the client has not taken all yet: it needs the worker no more. */
static void goes_on_without_a_worker_that_has_ended(void **state)
{
    enum { BYTES = 30000 };
    static char bulk[BYTES + 1];
    size_t got = 0;
    memset(bulk, 'x', BYTES);
    begin_tunnel();
    io_sim_limits(w.net)->buffer_bytes = 8192;
    io_sim_peer_pause(client, true);
    scripted_worker_send(&w.far[0], bulk);
    world_run(&w, 10);
    io_sim_peer_shutdown(worker());
    world_run(&w, 10);
    io_sim_peer_close(&scripted_worker_newest(&w.far[0])->peer, true);
    world_send(client, "bye");
    io_sim_peer_shutdown(client);
    world_run(&w, 10);
    io_sim_peer_pause(client, false);
    for (int i = 0; i < 20; i++) {
        size_t n = io_sim_peer_received(client).n;
        io_sim_peer_take(client, n);
        got += n;
        world_run(&w, 1);
    }
    assert_int_equal(got, BYTES);
    assert_ended_well();
    end();
}

static void ends_when_both_have(void **state)
{
    begin_tunnel();
    world_send(client, "ping");
    scripted_worker_send(&w.far[0], "pong");
    world_run(&w, 10);
    assert_string_equal(world_received(client), "pong");
    io_sim_peer_shutdown(worker());
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    world_count(&w);
    assert_int_equal(w.totals.active, 1);
    io_sim_peer_shutdown(client);
    world_run(&w, 10);
    assert_ended_well();
    end();
}

static void assert_told_the_end(void)
{
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(worker()), IO_SIM_PEER_ENDED);
    world_count(&w);
    assert_int_equal(w.totals.active, 1);
}

/* Both sides were told, and say theirs. */
static void assert_closed_in_order(void)
{
    assert_told_the_end();
    io_sim_peer_shutdown(client);
    world_run(&w, 10);
    io_sim_peer_shutdown(worker());
    world_run(&w, 10);
    assert_ended_well();
}

static void ends_when_nothing_moves(void **state)
{
    begin_tunnel();
    for (int i = 0; i < 3; i++) {
        world_run(&w, w.rules.tunnel_idle_ms - 20);
        world_send(client, "x");
        world_run(&w, w.rules.tunnel_idle_ms - 20);
        scripted_worker_send(&w.far[0], "y");
    }
    world_run(&w, w.rules.tunnel_idle_ms - 20);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 40);
    assert_closed_in_order();
    end();
}

static void ends_in_its_time_when_all_stops(void **state)
{
    begin_tunnel();
    reactor_drain(w.reactor);
    world_run(&w, w.rules.tunnel_drain_ms - 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 20);
    assert_closed_in_order();
    end();
}

/* It was asked for before the balancer was told to stop, and switched after. */
static void opened_while_all_stops(void **state)
{
    ask_for_tunnel();
    reactor_drain(w.reactor);
    world_run(&w, 10);
    scripted_worker_send(&w.far[0], SWITCHED);
    world_run(&w, w.rules.tunnel_drain_ms - 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 20);
    assert_closed_in_order();
    end();
}

/* As control does: the mark first, then each reactor looks. */
static void set_removed(bool removed)
{
    atomic_store(&w.helper.workers[0].removed, removed);
    tunnel_follow_workers(&w.reactor->home);
}

static void ends_in_its_time_when_its_worker_goes(void **state)
{
    begin_tunnel();
    set_removed(true);
    world_run(&w, w.rules.tunnel_leave_ms / 2);
    set_removed(true); /* another configuration without it begins no new time */
    world_run(&w, w.rules.tunnel_leave_ms / 2 - 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 20);
    assert_closed_in_order();
    assert_int_equal(w.totals.tunnels_drained, 1);
    atomic_store(&w.helper.workers[0].removed, false);
    end();
}

static void stands_when_its_worker_comes_back(void **state)
{
    begin_tunnel();
    set_removed(true);
    world_run(&w, w.rules.tunnel_leave_ms - 10);
    set_removed(false);
    world_run(&w, 100);
    world_send(client, "ping");
    scripted_worker_send(&w.far[0], "pong");
    world_run(&w, 10);
    assert_string_equal(world_received(client), "pong");
    reactor_drain(w.reactor);
    world_run(&w, w.rules.tunnel_drain_ms + 10);
    assert_closed_in_order();
    end();
}

/* It was asked for before its worker was removed, and switched after. */
static void opened_after_its_worker_went(void **state)
{
    ask_for_tunnel();
    set_removed(true);
    scripted_worker_send(&w.far[0], SWITCHED);
    world_run(&w, w.rules.tunnel_leave_ms - 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 30);
    assert_closed_in_order();
    atomic_store(&w.helper.workers[0].removed, false);
    end();
}

/* Whichever of the two times is over first counts, and that of the stop is not taken back. */
static void its_worker_goes_while_all_stops(void **state)
{
    begin_tunnel();
    set_removed(true);
    world_run(&w, 10);
    reactor_drain(w.reactor);
    world_run(&w, 10);
    set_removed(false);
    world_run(&w, w.rules.tunnel_drain_ms - 20);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 20);
    assert_closed_in_order();
    end();
}

/* What they still say is taken, and goes nowhere. */
static void is_not_waited_for_for_ever(void **state)
{
    begin_tunnel();
    reactor_drain(w.reactor);
    world_run(&w, w.rules.tunnel_drain_ms + 10);
    assert_told_the_end();
    world_send(client, "still here");
    scripted_worker_send(&w.far[0], "me too");
    world_run(&w, TUNNEL_CLOSE_MS - 20);
    assert_told_the_end();
    assert_int_equal(io_sim_peer_received(client).n, 0);
    world_run(&w, 40);
    assert_ended_well();
    end();
}

/* In the time that it has to end. */
static void resets_while_it_closes(void **state)
{
    begin_tunnel();
    reactor_drain(w.reactor);
    world_run(&w, w.rules.tunnel_drain_ms + 10);
    assert_told_the_end();
    io_sim_peer_shutdown(client);
    scripted_worker_close(&w.far[0], w.far[0].accepted - 1, true);
    world_run(&w, 10);
    assert_ended_well();
    assert_int_equal(w.totals.tunnels_drained, 1);
    end();
}

static void is_cut_when_the_worker_resets(void **state)
{
    begin_tunnel();
    scripted_worker_close(&w.far[0], w.far[0].accepted - 1, true);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_RESET);
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_ANSWER_CUT], 1);
    assert_int_equal(w.totals.tunnels_open, 0);
    end();
}

/* The worker has closed, not half-closed: what the client says from then on has nobody to go to. */
static void ends_when_nobody_is_there(void **state)
{
    begin_tunnel();
    scripted_worker_close(&w.far[0], w.far[0].accepted - 1, false);
    world_run(&w, 10);
    for (int i = 0; i < 3; i++) {
        world_send(client, "hello?");
        world_run(&w, 10);
    }
    assert_ended_well();
    end();
}

static void is_refused_when_it_is_another(void **state)
{
    begin("HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    assert_begins(world_received(client), "HTTP/1.1 502 Bad Gateway\r\n");
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_ANSWER_SWITCHED], 1);
    assert_int_equal(w.totals.tunnels, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_when_both_have),
        cmocka_unit_test(goes_on_without_a_worker_that_has_ended),
        cmocka_unit_test(ends_when_nothing_moves),
        cmocka_unit_test(ends_in_its_time_when_all_stops),
        cmocka_unit_test(opened_while_all_stops),
        cmocka_unit_test(ends_in_its_time_when_its_worker_goes),
        cmocka_unit_test(stands_when_its_worker_comes_back),
        cmocka_unit_test(opened_after_its_worker_went),
        cmocka_unit_test(its_worker_goes_while_all_stops),
        cmocka_unit_test(is_not_waited_for_for_ever),
        cmocka_unit_test(resets_while_it_closes),
        cmocka_unit_test(is_cut_when_the_worker_resets),
        cmocka_unit_test(ends_when_nobody_is_there),
        cmocka_unit_test(is_refused_when_it_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
