/* How a request's life may end before its time: time-outs, clients that leave, memory that is not there. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/alloc_fail.h"
#include "world.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

/* A world with one silent worker and a client that has sent its request. */
static struct io_sim_peer *open_silent(struct world *w, const char *request)
{
    world_init(w, 1);
    world_start(w);
    w->far[0].answer = NULL;
    struct io_sim_peer *client = world_client(w);
    world_send(client, request);
    world_run(w, 10);
    return client;
}

/* The client got this within `ms`, and not 50 ms before. */
static void expect_at(struct world *w, struct io_sim_peer *client, int64_t ms, const char *begins, int reason)
{
    world_run(w, ms - 10 - 50);
    assert_string_equal(world_received(client), "");
    world_count(w);
    assert_int_equal(w->totals.active, 1);
    world_run(w, 100);
    assert_begins(world_received(client), begins);
    world_count(w);
    assert_int_equal(w->totals.active, 0);
    assert_int_equal(w->totals.by_reason[reason], 1);
}

static void close_world(struct world *w, struct io_sim_peer *client)
{
    io_sim_peer_close(&client, false);
    world_run(w, 10);
    world_stop(w);
}

static void ends_when_the_worker_is_silent(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    expect_at(&w, client, w.rules.response_head_ms, "HTTP/1.1 504 Gateway Timeout\r\n", ERR_ANSWER_TIMEOUT);
    world_run(&w, 10);
    assert_int_equal(scripted_worker_open(&w.far[0]), 0);
    close_world(&w, client);
}

/* Its first byte could have been HTTP/2's: the time counts from there all the same, and is not given again. */
static void ends_when_the_head_stops(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "P");
    world_run(&w, 1500);
    world_send(client, "R");
    world_run(&w, 1500);
    world_send(client, "X");
    world_run(&w, (int64_t)w.options.client.request_head_ms - 3000 - 50);
    assert_string_equal(world_received(client), "");
    world_run(&w, 100);
    assert_begins(world_received(client), "HTTP/1.1 408 Request Timeout\r\n");
    close_world(&w, client);
}

static void ends_when_the_body_stops(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nsome");
    expect_at(&w, client, w.rules.request_body_ms, "HTTP/1.1 408 Request Timeout\r\n", ERR_REQUEST_BODY_TIMEOUT);
    close_world(&w, client);
}

/* A client that goes on in time is waited for, however long the whole takes. */
static void goes_on_while_the_body_trickles(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        world_run(&w, w.rules.request_body_ms - 100);
        world_send(client, "x");
    }
    world_run(&w, w.rules.request_body_ms - 100);
    w.far[0].answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    world_send(client, "x");
    world_run(&w, 10);
    assert_begins(world_received(client), "HTTP/1.1 200 OK\r\n");
    close_world(&w, client);
}

static void ends_when_the_connect_hangs(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    world_run(&w, 10);
    world_send(client, GET);
    io_sim_limits(w.net)->delay_ns = INT64_C(60000) * 1000000;
    world_run(&w, 10);
    world_run(&w, w.rules.connect_ms - 60);
    io_sim_limits(w.net)->delay_ns = 0;
    assert_string_equal(world_received(client), "");
    world_run(&w, 100);
    assert_begins(world_received(client), "HTTP/1.1 504 Gateway Timeout\r\n");
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_CONNECT_TIMEOUT], 1);
    close_world(&w, client);
}

static void ends_when_the_worker_reads_nothing(void **state)
{
    enum { BODY = 1 << 20 };
    struct world w;
    char *body = malloc(BODY);
    assert_non_null(body);
    memset(body, 'x', BODY);
    struct io_sim_peer *client = open_silent(&w, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_peer_pause(w.far[0].conns[0].peer, true);
    io_sim_peer_send(client, body, BODY);
    free(body);
    world_run(&w, 10);
    assert_true(io_sim_peer_unsent(client) > 0); /* back-pressure: the client was not read to its end */
    expect_at(&w, client, w.rules.response_idle_ms, "HTTP/1.1 504 Gateway Timeout\r\n", ERR_SEND_TIMEOUT);
    close_world(&w, client);
}

static void ends_when_the_answer_stops(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome");
    world_run(&w, w.rules.response_idle_ms - 50);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_OPEN);
    world_run(&w, 100);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_RESET);
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_ANSWER_STALLED], 1);
    assert_int_equal(w.totals.failed, 1);
    close_world(&w, client);
}

static void ends_when_the_client_reads_nothing(void **state)
{
    enum { BODY = 1 << 20 };
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    char *answer = calloc(1, BODY + 100);
    assert_non_null(answer);
    int head = snprintf(answer, 100, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY);
    memset(answer + head, 'x', BODY);
    io_sim_peer_pause(client, true);
    scripted_worker_send(&w.far[0], answer);
    free(answer);
    world_run(&w, w.rules.client_stall_ms - 50);
    assert_true(io_sim_peer_unsent(w.far[0].conns[0].peer) > BODY / 4); /* the worker is held back */
    world_count(&w);
    assert_int_equal(w.totals.active, 1);
    world_run(&w, 100);
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_int_equal(w.totals.aborted, 1);
    assert_int_equal(w.totals.by_reason[ERR_CLIENT_STALLED], 1);
    close_world(&w, client);
}

/* A slow reader that does read gets everything, however long it takes. */
static void goes_on_while_the_client_reads(void **state)
{
    enum { BODY = 1 << 20, PIECE = 40000 };
    struct world w;
    world_init(&w, 1);
    w.rules.client_stall_ms = 300;
    world_start(&w);
    char *answer = calloc(1, BODY + 100);
    assert_non_null(answer);
    int head = snprintf(answer, 100, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: %d\r\n\r\n", BODY);
    for (int i = 0; i < BODY; i++)
        answer[head + i] = (char)('a' + i % 23);
    w.far[0].answer = answer;
    struct io_sim_peer *client = world_client(&w);
    io_sim_limits(w.net)->buffer_bytes = 32768;
    world_send(client, GET);
    size_t got = 0;
    for (int i = 0; i < 200 && got < (size_t)head + BODY; i++) {
        io_sim_peer_pause(client, true);
        world_run(&w, 250);
        io_sim_peer_pause(client, false);
        struct str piece = io_sim_peer_received(client);
        assert_memory_equal(piece.p, answer + got, piece.n);
        got += piece.n;
        io_sim_peer_take(client, piece.n);
    }
    assert_int_equal(got, (size_t)head + BODY);
    free(answer);
    world_count(&w);
    assert_int_equal(w.totals.aborted, 0);
    close_world(&w, client);
}

/* ---- the client leaves ---- */

/* At each moment of an exchange of an upload, its answer and the connections' delays. */
static void ends_wherever_the_client_leaves(void **state)
{
    uint64_t aborted = 0, ok = 0;
    for (int64_t ms = 1; ms < 80; ms++) {
        struct world w;
        world_init(&w, 1);
        world_start(&w);
        io_sim_limits(w.net)->delay_ns = 5000000;
        io_sim_limits(w.net)->jitter_ns = 2000000;
        io_sim_limits(w.net)->segment_bytes = 30;
        w.far[0].answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        struct io_sim_peer *client = world_client(&w);
        world_send(client, "PUT /somewhere HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n"
                           "0123456789012345678901234567890123456789");
        world_run(&w, ms);
        io_sim_peer_close(&client, true);
        world_run(&w, 200);
        world_count(&w);
        assert_int_equal(w.totals.active, 0);
        assert_int_equal(w.totals.failed, 0);
        assert_true(w.totals.total <= 1);
        aborted += w.totals.aborted;
        ok += w.totals.ok;
        world_stop(&w);
    }
    assert_true(aborted > 10 && ok > 5); /* it did leave in the middle, and at the end */
}

/* While connecting, with no answer yet, and inside the answer: the worker's side is aborted at once. */
static void ends_the_worker_side_too(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    io_sim_peer_close(&client, true);
    world_run(&w, 5);
    assert_int_equal(io_sim_peer_state(w.far[0].conns[0].peer), IO_SIM_PEER_RESET);
    client = world_client(&w);
    world_send(client, GET);
    world_run(&w, 5);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome");
    world_run(&w, 5);
    io_sim_peer_close(&client, true);
    world_run(&w, 5);
    assert_int_equal(io_sim_peer_state(w.far[0].conns[1].peer), IO_SIM_PEER_RESET);
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_CLIENT_GONE], 2);
    assert_int_equal(w.totals.aborted, 2);
    world_stop(&w);
}

/* A client that has ended its sending may still wait for its answer, for half_closed_ms; then it counts as gone. */
static void answers_the_half_closed(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    io_sim_peer_shutdown(client);
    world_run(&w, w.rules.half_closed_ms - 100);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso");
    world_run(&w, w.rules.response_idle_ms - 100); /* once the answer has begun it may take its time */
    scripted_worker_send(&w.far[0], "me");
    world_run(&w, 20);
    assert_begins(world_received(client), "HTTP/1.1 200 OK\r\n");
    assert_holds(world_received(client), "\r\n\r\nsome");
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    close_world(&w, client);
}

static void gives_the_half_closed_up(void **state)
{
    struct world w;
    struct io_sim_peer *client = open_silent(&w, GET);
    io_sim_peer_shutdown(client);
    world_run(&w, w.rules.half_closed_ms - 60);
    world_count(&w);
    assert_int_equal(w.totals.active, 1);
    world_run(&w, 100);
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_int_equal(w.totals.by_reason[ERR_CLIENT_GONE], 1);
    close_world(&w, client);
}

/* ---- no memory ---- */

/* What a client got without the n-th allocation: one whole answer or the beginning of one; and then all goes on. */
static bool ask_without(unsigned n, const char *request)
{
    struct world w;
    world_init(&w, 2);
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    alloc_fail_at(n);
    world_send(client, request);
    world_run(&w, 20);
    world_send(client, request);
    world_run(&w, 20);
    bool failed = alloc_fail_stop();
    const char *answer = world_received(client);
    if (*answer)
        assert_begins(answer, "HTTP/1.1 ");
    if (!failed)
        assert_begins(answer, "HTTP/1.1 200 ");
    io_sim_peer_close(&client, false);
    world_run(&w, 4000); /* time for what lost an event to its time-out */
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_begins(world_ask(&w, GET), "HTTP/1.1 200 ");
    world_stop(&w);
    return failed;
}

static void ends_without_memory(void **state)
{
    static const char *const requests[] = {
        GET,
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        unsigned n = 1;
        while (ask_without(n, requests[i]))
            n++;
        assert_true(n > 2);
    }
}

/* The worker's side is gone by then, and had an upload waiting. */
static void ends_without_memory_for_the_answer(void **state)
{
    enum { BODY = 1 << 20 };
    bool failed = true;
    uint64_t failures = 0;
    for (unsigned n = 1; failed; n++) {
        struct world w;
        char *body = calloc(1, BODY);
        assert_non_null(body);
        struct io_sim_peer *client = open_silent(&w, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
        io_sim_peer_pause(w.far[0].conns[0].peer, true);
        io_sim_peer_send(client, body, BODY);
        free(body);
        world_run(&w, w.rules.response_idle_ms - 20);
        alloc_fail_at(n);
        world_run(&w, 100);
        failed = alloc_fail_stop();
        world_count(&w);
        assert_int_equal(w.totals.active, 0);
        /* Some of what fails is only there to save memory, and is not missed. */
        assert_int_equal(w.totals.by_reason[ERR_NO_MEMORY] + w.totals.by_reason[ERR_SEND_TIMEOUT], 1);
        assert_true(failed || w.totals.by_reason[ERR_SEND_TIMEOUT] == 1);
        failures += w.totals.by_reason[ERR_NO_MEMORY];
        close_world(&w, client);
    }
#ifdef BALLAST_SANITIZE
    assert_true(failures > 0);
#else
    (void)failures; /* where memory is kept warm there may be nothing left to fail */
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_when_the_worker_is_silent),     cmocka_unit_test(ends_when_the_head_stops),
        cmocka_unit_test(ends_when_the_body_stops),           cmocka_unit_test(goes_on_while_the_body_trickles),
        cmocka_unit_test(ends_when_the_connect_hangs),        cmocka_unit_test(ends_when_the_worker_reads_nothing),
        cmocka_unit_test(ends_when_the_answer_stops),         cmocka_unit_test(ends_when_the_client_reads_nothing),
        cmocka_unit_test(goes_on_while_the_client_reads),     cmocka_unit_test(ends_wherever_the_client_leaves),
        cmocka_unit_test(ends_the_worker_side_too),           cmocka_unit_test(answers_the_half_closed),
        cmocka_unit_test(gives_the_half_closed_up),           cmocka_unit_test(ends_without_memory),
        cmocka_unit_test(ends_without_memory_for_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
