/* Connections that are there before a request needs them, over the simulated net. */
#include "proxy/warm.h"

#include "world.h"

enum { LOOKS_MS = 350 }; /* a few looks */

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static struct reactor_use use(struct world *w)
{
    struct reactor_use use;
    reactor_read_use(w->reactor, &use);
    return use;
}

static void begin(struct world *w, uint32_t workers, uint32_t warm)
{
    world_init(w, workers);
    w->options.warm_per_worker = warm;
    world_start(w);
}

static void none_without_the_setting(void **state)
{
    struct world w;
    begin(&w, 2, 0);
    world_run(&w, LOOKS_MS);
    assert_int_equal(use(&w).idle, 0);
    assert_int_equal(w.far[0].accepted + w.far[1].accepted, 0);
    world_stop(&w);
}

/* The first requests find them, and others take their place. */
static void requests_find_them(void **state)
{
    struct world w;
    begin(&w, 3, 2);
    world_run(&w, LOOKS_MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(w.far[i].accepted, 2);
    assert_int_equal(use(&w).idle, 6);
    for (int i = 0; i < 6; i++)
        assert_begins(world_ask(&w, GET), "HTTP/1.1 200 ");
    world_run(&w, LOOKS_MS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w.far[i].accepted, 2);
        assert_int_equal(w.far[i].requests, 2);
    }
    world_stop(&w);
}

/* Two routes lead to the same workers; the book keeps one fewer than asked for. */
static void no_more_than_are_kept(void **state)
{
    struct world w;
    struct route routes[3] = {{.pool = NULL}}; /* the first leads elsewhere */
    world_init(&w, 2);
    routes[1] = routes[2] = w.route;
    w.rules.routes = (struct route_table){routes, 3};
    w.options.warm_per_worker = 4;
    w.options.idle_per_worker = 3;
    world_start(&w);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[0].accepted, 3);
    assert_int_equal(w.far[1].accepted, 3);
    world_stop(&w);
}

static void those_that_end_are_made_again(void **state)
{
    struct world w;
    world_init(&w, 1);
    w.options.warm_per_worker = 1;
    w.options.worker_idle_ms = 1000;
    world_start(&w);
    world_run(&w, LOOKS_MS);
    assert_int_equal(use(&w).idle, 1);
    scripted_worker_close(&w.far[0], 0, true);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[0].accepted, 2);
    assert_int_equal(use(&w).idle, 1);
    world_run(&w, 2000); /* too old meanwhile */
    assert_true(w.far[0].accepted >= 3);
    assert_int_equal(use(&w).leases, 1);
    world_stop(&w);
}

/* Only to workers that take requests: one that is not alive, or that an operator drains, is left alone until it is
 * back. */
static void a_worker_that_is_back_gets_them(void **state)
{
    struct world w;
    world_init(&w, 3);
    w.options.warm_per_worker = 1;
    helper_set_alive(&w.helper, 1 | 2);
    pool_set_mode(&w.helper.pool, &w.helper.workers[1], WORKER_DRAIN);
    world_start(&w);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[0].accepted, 1);
    assert_int_equal(w.far[1].accepted + w.far[2].accepted, 0);
    helper_set_alive(&w.helper, UINT32_MAX);
    pool_set_mode(&w.helper.pool, &w.helper.workers[1], WORKER_READY);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[1].accepted, 1);
    assert_int_equal(w.far[2].accepted, 1);
    world_stop(&w);
}

/* A worker that refuses is not asked at each look, and is asked again. */
static void a_failure_is_followed_by_a_pause(void **state)
{
    struct world w;
    world_init(&w, 1);
    w.options.warm_per_worker = 1;
    world_start(&w);
    scripted_worker_refuse(&w.far[0]);
    world_run(&w, LOOKS_MS);
    scripted_worker_listen(&w.far[0]);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[0].accepted, 0);
    world_run(&w, WARM_PAUSE_MS);
    assert_int_equal(w.far[0].accepted, 1);
    world_stop(&w);
}

/* One that answers nothing does not keep the places for ever. */
static void a_silent_worker_is_given_up(void **state)
{
    struct world w;
    world_init(&w, 2);
    w.options.warm_per_worker = WARM_AT_ONCE;
    w.options.idle_per_worker = WARM_AT_ONCE;
    world_start(&w);
    io_sim_dark(w.net, &w.far[0].address, true);
    world_run(&w, LOOKS_MS);
    assert_int_equal(use(&w).leases, WARM_AT_ONCE);
    assert_int_equal(w.far[1].accepted, 0);
    helper_set_alive(&w.helper, 2); /* so its probes have it */
    world_run(&w, WARM_CONNECT_MS + WARM_PAUSE_MS + LOOKS_MS);
    assert_int_equal(w.far[1].accepted, WARM_AT_ONCE);
    assert_int_equal(use(&w).leases, WARM_AT_ONCE);
    helper_set_alive(&w.helper, UINT32_MAX);
    world_stop(&w);
}

/* A connection that tells its worker of one client cannot be there before that client is. */
static void none_that_tell_of_a_client(void **state)
{
    struct world w;
    struct transport telling = transport_plain;
    struct transport_use use_of_it = {.transport = &telling};
    telling.personal = true;
    world_init(&w, 2);
    w.options.warm_per_worker = 2;
    atomic_store(&w.helper.workers[0].transport, &use_of_it);
    world_start(&w);
    world_run(&w, LOOKS_MS);
    assert_int_equal(w.far[0].accepted, 0);
    assert_int_equal(w.far[1].accepted, 2);
    world_stop(&w);
}

/* What is on its way when the reactor is to stop is given up. */
static void they_do_not_hold_up_the_end(void **state)
{
    struct world w;
    begin(&w, 3, 5);
    io_sim_limits(w.net)->delay_ns = 300 * 1000000LL;
    world_run(&w, 150);
    assert_true(use(&w).leases > 0);
    assert_int_equal(use(&w).idle, 0);
    world_stop(&w);
}

/* More at once than there are places: the next look goes on. */
static void many_come_one_look_after_the_other(void **state)
{
    struct world w;
    world_init(&w, 3);
    w.options.warm_per_worker = 8;
    w.options.connections = 64;
    world_start(&w);
    world_run(&w, 120);
    assert_int_equal(use(&w).idle, WARM_AT_ONCE);
    world_run(&w, 100);
    assert_int_equal(use(&w).idle, 24);
    world_stop(&w);
}

/* Descriptors are reckoned with for so many idle ones: none is closed to make another. */
static void no_more_than_there_are_descriptors_for(void **state)
{
    struct world w;
    world_init(&w, 3);
    w.options.warm_per_worker = 8;
    w.options.connections = 10;
    world_start(&w);
    world_run(&w, 5 * LOOKS_MS);
    assert_int_equal(use(&w).idle, 10);
    assert_in_range(w.far[0].accepted + w.far[1].accepted + w.far[2].accepted, 10, WARM_AT_ONCE);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_without_the_setting),
        cmocka_unit_test(requests_find_them),
        cmocka_unit_test(no_more_than_are_kept),
        cmocka_unit_test(those_that_end_are_made_again),
        cmocka_unit_test(a_worker_that_is_back_gets_them),
        cmocka_unit_test(a_failure_is_followed_by_a_pause),
        cmocka_unit_test(no_more_than_there_are_descriptors_for),
        cmocka_unit_test(a_silent_worker_is_given_up),
        cmocka_unit_test(none_that_tell_of_a_client),
        cmocka_unit_test(they_do_not_hold_up_the_end),
        cmocka_unit_test(many_come_one_look_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
