/* A reactor's own business over the simulated net: how many it lets in, how it drains, what it leaves behind. */
#include "proxy/reactor.h"

#include "base/lines.h"
#include "tests/unit/alloc_fail.h"
#include "world.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

/* At the limit the listener waits: the next client is let in when one has left, and loses nothing. */
static void reactor_waits_at_its_limit(void **state)
{
    enum { MOST = 3, CLIENTS = 7 };
    struct world w;
    struct io_sim_peer *clients[CLIENTS];
    world_init(&w, 1);
    w.options.connections = MOST;
    world_start(&w);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = world_client(&w);
        world_send(clients[i], GET);
    }
    world_run(&w, 200);
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < CLIENTS; k++)
            assert_int_equal(k < i || *world_received(clients[k]) != '\0', k < i || k < i + MOST);
        world_count(&w);
        assert_int_equal(w.totals.clients_open, CLIENTS - i < MOST ? CLIENTS - i : MOST);
        io_sim_peer_close(&clients[i], false);
        world_run(&w, 200);
    }
    world_count(&w);
    assert_int_equal(w.totals.ok, CLIENTS);
    assert_int_equal(w.totals.clients_accepted, CLIENTS);
    assert_int_equal(w.totals.accepts_refused, 0);
    world_stop(&w);
}

/* What a request writes is its reactor's alone, on lines of its own, but for the pool's turn, which
 * the roster keeps on a line of its own. */
static void reactor_shares_no_line(void **state)
{
    struct world w;
    world_init(&w, 3);
    world_start(&w);
    const struct account *account = reactor_account(w.reactor);
    const void *lines[] = {w.reactor, &account->sequence, table_at(&account->workers, 0),
                           table_at(&account->latencies, 0)};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal((uintptr_t)lines[i] % LINE_BYTES, 0);
    world_stop(&w);
}

static void reactor_counts_connections(void **state)
{
    struct world w;
    world_init(&w, 2);
    world_start(&w);
    struct io_sim_peer *a = world_client(&w), *b = world_client(&w);
    world_send(a, GET GET);
    world_run(&w, 200);
    world_count(&w);
    assert_int_equal(w.totals.clients_open, 2);
    assert_int_equal(w.totals.workers_open, 2);
    assert_int_equal(w.totals.workers_idle, 2);
    world_send(b, "GET / HT");
    world_run(&w, 10);
    io_sim_peer_close(&b, false);
    world_run(&w, 200);
    world_count(&w);
    assert_int_equal(w.totals.heads_lost, 1);
    assert_int_equal(w.totals.clients_open, 1);
    assert_int_equal(w.totals.total, 2);
    io_sim_peer_close(&a, false);
    world_stop(&w);
}

/* Idle clients go, those with a request get their answer and are told that it is the last, nobody new comes in. */
static void reactor_drains(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *idle = world_client(&w), *busy = world_client(&w), *upload = world_client(&w);
    world_send(idle, GET);
    world_run(&w, 10);
    w.far[0].answer = NULL;
    world_send(busy, GET);
    world_send(upload, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nso");
    world_run(&w, 10);
    reactor_drain(w.reactor);
    reactor_drain(w.reactor);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(idle), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(busy), IO_SIM_PEER_OPEN);
    struct io_sim_peer *late = world_client(&w);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(late), IO_SIM_PEER_REFUSED);
    w.far[0].answer = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n";
    world_send(upload, "me");
    world_run(&w, 10);
    assert_string_equal(world_received(upload), "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n"
                                                "Connection: close\r\n\r\n");
    assert_int_equal(io_sim_peer_state(upload), IO_SIM_PEER_ENDED);
    world_run(&w, w.rules.response_head_ms); /* the silent worker's time */
    assert_begins(world_received(busy), "HTTP/1.1 504 ");
    assert_holds(world_received(busy), "\r\nConnection: close\r\n");
    io_sim_peer_close(&idle, false);
    io_sim_peer_close(&busy, false);
    io_sim_peer_close(&upload, false);
    io_sim_peer_close(&late, false);
    world_run(&w, 10);
    world_stop(&w);
}

/* Another process goes on with its listeners: whoever is there gets one more answer, the last; who comes waits for the
 * other. */
static void reactor_retires(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *idle = world_client(&w), *fresh = world_client(&w), *busy = world_client(&w);
    world_send(idle, GET);
    world_run(&w, 10);
    w.far[0].answer = NULL;
    world_send(busy, GET);
    world_run(&w, 10);
    reactor_retire(w.reactor);
    world_run(&w, 10);
    assert_int_equal(io_sim_peer_state(idle), IO_SIM_PEER_OPEN);
    assert_int_equal(io_sim_peer_state(fresh), IO_SIM_PEER_OPEN);
    struct io_sim_peer *late = world_client(&w);
    world_send(late, GET);
    world_run(&w, 10);
    assert_string_equal(world_received(late), "");
    w.far[0].answer = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n";
    world_send(idle, GET);
    world_send(fresh, GET);
    world_run(&w, 10);
    assert_holds(world_received(idle), "okHTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\nConnection: close\r\n");
    assert_holds(world_received(fresh), "\r\nConnection: close\r\n");
    assert_int_equal(io_sim_peer_state(idle), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(fresh), IO_SIM_PEER_ENDED);
    assert_int_equal(io_sim_peer_state(busy), IO_SIM_PEER_OPEN);
    assert_false(reactor_has_stopped(w.reactor));
    io_sim_peer_close(&idle, false);
    io_sim_peer_close(&fresh, false);
    world_run(&w, 200);
    world_count(&w);
    assert_int_equal(w.totals.clients_open, 1);
    world_run(&w, w.rules.response_head_ms);
    assert_begins(world_received(busy), "HTTP/1.1 504 ");
    io_sim_peer_close(&busy, false);
    io_sim_peer_close(&late, false);
    world_run(&w, 10);
    world_stop(&w);
}

struct look {
    struct reactor_order order;
    int runs, exchanges, clients;
    struct exchange_view last;
    char id[64];
};

static void see_exchange(void *context, const struct exchange_view *view)
{
    struct look *look = context;
    look->exchanges++;
    look->last = *view;
    assert_true(view->id.n < sizeof(look->id));
    memcpy(look->id, view->id.p, view->id.n);
}

static void see_client(void *context, const struct seat *seat, bool busy)
{
    struct look *look = context;
    look->clients++;
}

static void look_around(struct reactor_order *order, struct reactor *reactor)
{
    struct look *look = CONTAINER_OF(order, struct look, order);
    look->runs++;
    look->exchanges = look->clients = 0;
    reactor_each_exchange(reactor, see_exchange, look);
    reactor_each_client(reactor, see_client, look);
}

/* Orders of other threads are run between turns, and see what is in flight. */
static void reactor_runs_orders(void **state)
{
    struct look look = {.order = {look_around}};
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *idle = world_client(&w), *busy = world_client(&w);
    w.far[0].answer = NULL;
    world_send(busy, "GET /slow?x HTTP/1.1\r\nHost: h:1\r\nX-Request-ID: an-id-of-the-client\r\n\r\n");
    world_run(&w, 50);
    assert_int_equal(reactor_post(w.reactor, &look.order), 0);
    assert_int_equal(look.runs, 0);
    world_run(&w, 1);
    assert_int_equal(look.runs, 1);
    assert_int_equal(look.clients, 2);
    assert_int_equal(look.exchanges, 1);
    assert_int_equal(look.last.step, EXCHANGE_RELAY);
    assert_ptr_equal(look.last.worker, &w.helper.workers[0]);
    assert_int_equal(look.last.tries, 1);
    assert_true(look.last.age_us >= 40000);
    assert_string_equal(look.id, "an-id-of-the-client");
    io_sim_peer_close(&busy, false);
    world_run(&w, w.rules.half_closed_ms + 50);
    assert_int_equal(reactor_post(w.reactor, &look.order), 0);
    world_run(&w, 1);
    assert_int_equal(look.exchanges, 0);
    assert_int_equal(look.clients, 1);
    io_sim_peer_close(&idle, false);
    world_stop(&w);
}

static void reactor_ends_idle_clients(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *quiet = world_client(&w), *slow = world_client(&w);
    world_send(slow, "GET / HTTP/1.1\r\nHos");
    world_run(&w, w.options.client.request_head_ms - 50);
    assert_int_equal(io_sim_peer_state(slow), IO_SIM_PEER_OPEN);
    world_run(&w, 100);
    assert_begins(world_received(slow), "HTTP/1.1 408 Request Timeout\r\n");
    world_run(&w, w.options.client.client_idle_ms - w.options.client.request_head_ms);
    assert_int_equal(io_sim_peer_state(quiet), IO_SIM_PEER_ENDED);
    assert_string_equal(world_received(quiet), "");
    io_sim_peer_close(&quiet, false);
    io_sim_peer_close(&slow, false);
    world_run(&w, 10);
    world_count(&w);
    assert_int_equal(w.totals.total, 1);
    assert_int_equal(w.totals.by_reason[ERR_REQUEST_HEAD_TIMEOUT], 1);
    world_stop(&w);
}

static void count_call(void *context)
{
    ++*(int *)context;
}

/* An exchange goes on by the rules it began under, which are released when the last one has ended; what comes then goes
 * by the new ones, over the idle connections that are there. */
static void reactor_turns_to_other_rules(void **state)
{
    struct world w;
    struct reactor_change *change;
    int released = 0, applied = 0;
    world_init(&w, 1);
    w.options.on_released = count_call;
    w.options.rules_context = &released;
    world_start(&w);
    struct exchange_rules rules = w.rules;
    struct reactor_options options = w.options;
    const struct reactor_change_options next = {.options = &options, .on_applied = count_call, .context = &applied};
    rules.routes.count = 0;
    rules.response_head_ms = 1;
    options.rules = &rules;
    options.on_released = NULL;
    assert_begins(world_ask(&w, GET), "HTTP/1.1 200");
    w.far[0].answer = NULL;
    struct io_sim_peer *slow = world_client(&w);
    world_send(slow, GET);
    world_run(&w, 20);
    assert_int_equal(reactor_prepare(w.reactor, &next, &change), 0);
    reactor_publish(w.reactor, change);
    world_run(&w, 20);
    assert_int_equal(applied, 1);
    assert_int_equal(released, 0);
    assert_begins(world_ask(&w, GET), "HTTP/1.1 404");
    world_run(&w, 100); /* longer than the new patience */
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world_run(&w, 20);
    assert_begins(world_received(slow), "HTTP/1.1 200");
    assert_int_equal(released, 1);
    assert_int_equal(w.far[0].accepted, 1);
    world_send(slow, GET);
    world_run(&w, 20);
    assert_holds(world_received(slow), "HTTP/1.1 404"); /* the same connection */
    io_sim_peer_close(&slow, false);
    world_stop(&w);
}

static void reactor_opens_and_closes_doors(void **state)
{
    struct world w;
    struct reactor_change *change;
    int applied = 0;
    world_init(&w, 1);
    world_start(&w);
    struct sockaddr_storage first = w.door, second = io_sim_address(w.net);
    const struct reactor_door door = {7, io_sim_listen(w.net, &second)};
    static const uint32_t closed[] = {0};
    const struct reactor_change_options next = {.options = &w.options,
                                                .opened = &door,
                                                .opened_count = 1,
                                                .closed = closed,
                                                .closed_count = 1,
                                                .on_applied = count_call,
                                                .context = &applied};
    struct io_sim_peer *there = world_client(&w);
    world_send(there, GET);
    w.far[0].answer = NULL;
    world_run(&w, 20);
    assert_int_equal(reactor_prepare(w.reactor, &next, &change), 0);
    reactor_publish(w.reactor, change);
    world_run(&w, 20);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world_run(&w, 20);
    assert_begins(world_received(there), "HTTP/1.1 200"); /* the request at hand is answered, */
    assert_holds(world_received(there), "Connection: close");
    io_sim_peer_close(&there, false);
    w.far[0].answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    w.door = second;
    assert_begins(world_ask(&w, GET), "HTTP/1.1 200");
    w.door = first;
    assert_string_equal(world_ask(&w, GET), "");
    world_stop(&w);
}

static void reactor_change_survives_no_memory(void **state)
{
    struct world w;
    bool failed = true;
    int applied = 0;
    static const uint32_t closed[] = {3};
    world_init(&w, 1);
    world_start(&w);
    struct reactor_options options = w.options;
    const struct reactor_door door = {7, -1};
    const struct reactor_change_options next = {.options = &options,
                                                .opened = &door,
                                                .opened_count = 1,
                                                .closed = closed,
                                                .closed_count = 1,
                                                .on_applied = count_call,
                                                .context = &applied};
    options.workers = 500;
    for (unsigned n = 1; failed; n++) {
        struct reactor_change *change = NULL;
        alloc_fail_at(n);
        int error = reactor_prepare(w.reactor, &next, &change);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        assert_int_equal(change == NULL, failed);
        if (change)
            reactor_change_destroy(&change);
    }
    assert_int_equal(applied, 0);
    world_stop(&w);
}

static void reactor_survives_no_memory_at_start(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct world w;
        struct reactor *reactor = NULL;
        world_init(&w, 1);
        w.opened = (struct reactor_door){.fd = io_sim_listen(w.net, &w.door)};
        w.options.doors = &w.opened;
        alloc_fail_at(n);
        int error = reactor_create(&w.options, &reactor);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        if (!failed) {
            w.reactor = reactor;
            world_stop(&w);
            break;
        }
        assert_null(reactor);
        io_sim_peer_unlisten(w.net, w.opened.fd); /* it stayed the caller's */
        scripted_worker_stop(&w.far[0]);
        pool_fini(&w.helper.pool);
        io_sim_net_destroy(&w.net);
    }
}

/* Who has clearly more clients passes the next on, to be served there as if it had come there; not to one that ends. */
static void reactor_passes_clients_on(void **state)
{
    enum { CLIENTS = 6 };
    struct world w;
    struct team *team;
    struct reactor *other;
    struct reactor_use here, there;
    struct io_sim_peer *clients[CLIENTS + 1];
    assert_int_equal(team_create(2, 1, &team), 0);
    world_init(&w, 1);
    w.options.team = team;
    world_start(&w);
    struct sockaddr_storage address = io_sim_address(w.net);
    struct reactor_options options = w.options;
    struct reactor_door door = {.fd = io_sim_listen(w.net, &address)};
    options.index = 1;
    options.doors = &door;
    assert_int_equal(reactor_create(&options, &other), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = world_client(&w);
        world_run(&w, 10);
    }
    reactor_read_use(w.reactor, &here);
    reactor_read_use(other, &there);
    assert_int_equal(here.clients, CLIENTS / 2);
    assert_int_equal(there.clients, CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        world_send(clients[i], GET);
    world_run(&w, 200);
    for (int i = 0; i < CLIENTS; i++)
        assert_begins(world_received(clients[i]), "HTTP/1.1 200 OK\r\n");
    world_count(&w);
    assert_int_equal(w.totals.clients_passed_on, CLIENTS / 2);
    assert_int_equal(w.totals.clients_accepted, CLIENTS / 2);
    reactor_drain(other);
    world_run(&w, SEAT_LINGER_MS + 100);
    assert_true(reactor_has_stopped(other));
    clients[CLIENTS] = world_client(&w);
    world_send(clients[CLIENTS], GET);
    world_run(&w, 100);
    assert_begins(world_received(clients[CLIENTS]), "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i <= CLIENTS; i++)
        io_sim_peer_close(&clients[i], false);
    world_run(&w, 10);
    reactor_destroy(&other);
    world_stop(&w);
    team_destroy(&team);
}

/* One that has stopped before it saw its mail drops who was passed on to it. */
static void reactor_drops_late_mail(void **state)
{
    struct world w;
    struct team *team;
    struct reactor *other;
    assert_int_equal(team_create(2, 1, &team), 0);
    world_init(&w, 1);
    w.options.team = team;
    world_start(&w);
    struct sockaddr_storage address = io_sim_address(w.net);
    struct reactor_options options = w.options;
    struct reactor_door door = {.fd = io_sim_listen(w.net, &address)};
    options.index = 1;
    options.doors = &door;
    assert_int_equal(reactor_create(&options, &other), 0);
    struct io_sim_peer *first = world_client(&w);
    world_run(&w, 10);
    reactor_drain(other);
    world_run(&w, 100);
    assert_true(reactor_has_stopped(other));
    team_note(team, 1, 0); /* as if that had not been seen yet */
    struct io_sim_peer *late = world_client(&w);
    while (w.totals.clients_passed_on == 0) {
        assert_true(io_sim_step(w.net));
        world_count(&w);
    }
    reactor_destroy(&other);
    world_run(&w, 10);
    assert_int_not_equal(io_sim_peer_state(late), IO_SIM_PEER_OPEN);
    io_sim_peer_close(&first, false);
    io_sim_peer_close(&late, false);
    world_run(&w, 10);
    world_stop(&w);
    team_destroy(&team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reactor_passes_clients_on),
        cmocka_unit_test(reactor_drops_late_mail),
        cmocka_unit_test(reactor_waits_at_its_limit),
        cmocka_unit_test(reactor_shares_no_line),
        cmocka_unit_test(reactor_counts_connections),
        cmocka_unit_test(reactor_drains),
        cmocka_unit_test(reactor_retires),
        cmocka_unit_test(reactor_runs_orders),
        cmocka_unit_test(reactor_ends_idle_clients),
        cmocka_unit_test(reactor_turns_to_other_rules),
        cmocka_unit_test(reactor_opens_and_closes_doors),
        cmocka_unit_test(reactor_change_survives_no_memory),
        cmocka_unit_test(reactor_survives_no_memory_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
