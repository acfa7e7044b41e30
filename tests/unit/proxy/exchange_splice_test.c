/* Long bodies that go through pipes, beside others that cannot: the same bytes, no chunk held for them, a stalled
 * reader stops the sender, and whatever ends an exchange gives its pipe back. */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

enum { BODY = 1 << 20, HEAD_CHUNKS = 4, POST = 100000 };

#define GET   "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static char *make_body(void)
{
    char *body = malloc(BODY);
    assert_non_null(body);
    for (size_t i = 0; i < BODY; i++)
        body[i] = (char)('a' + (i * 7 + (i >> 11)) % 26);
    return body;
}

static struct reactor_use use_of(struct world *w)
{
    struct reactor_use use;
    reactor_read_use(w->reactor, &use);
    return use;
}

static void start(struct world *w, uint32_t pipes)
{
    world_init(w, 1);
    w->options.pipes = pipes;
    world_start(w);
    w->far[0].answer = NULL;
}

static void stop(struct world *w, struct io_sim_peer *client)
{
    io_sim_peer_close(&client, false);
    world_run(w, 10);
    assert_int_equal(use_of(w).pipes, 0);
    world_stop(w);
}

/* A client that has asked, and the answer's head on its way back. */
static struct io_sim_peer *ask(struct world *w, const char *head)
{
    struct io_sim_peer *client = world_client(w);
    world_send(client, GET);
    world_run(w, 10);
    scripted_worker_send(&w->far[0], head);
    return client;
}

/* What a client or a worker got ends with exactly this body. */
static void expect_body(struct io_sim_peer *peer, const char *body)
{
    struct str got = io_sim_peer_received(peer);
    assert_true(got.n > BODY);
    assert_memory_equal(got.p + got.n - BODY, body, BODY);
    assert_memory_equal(got.p + got.n - BODY - 4, "\r\n\r\n", 4);
}

static void answers_with(uint32_t pipes, const char *head, const char *asked)
{
    struct world w;
    char *body = make_body();
    start(&w, pipes);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, asked);
    world_run(&w, 10);
    scripted_worker_send(&w.far[0], head);
    io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY);
    bool closes = strstr(head, "Content-Length") == NULL;
    if (closes)
        io_sim_peer_shutdown(scripted_worker_newest(&w.far[0])->peer);
    world_run(&w, 1000);
    expect_body(client, body);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.bytes_from_workers, BODY);
    if (pipes > 0)
        assert_in_range(use_of(&w).chunks_max, 1, HEAD_CHUNKS);
    else
        assert_true(use_of(&w).chunks_max > HEAD_CHUNKS);
    assert_int_equal(use_of(&w).pipes, 0);
    free(body);
    stop(&w, client);
}

static void a_long_answer_goes_through_a_pipe(void **state)
{
    answers_with(1, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n", GET);
}

static void it_is_copied_where_there_is_none(void **state)
{
    answers_with(0, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n", GET);
}

/* Its length is not known, and a client of HTTP/1.0 learns it the same way. */
static void an_answer_that_ends_with_the_connection(void **state)
{
    answers_with(1, "HTTP/1.1 200 OK\r\n\r\n", "GET / HTTP/1.0\r\nHost: h\r\n\r\n");
}

static void the_connections_go_on_behind_it(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = world_client(&w);
    for (int i = 0; i < 3; i++) {
        world_send(client, GET);
        world_run(&w, 10);
        scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
        io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY);
        world_run(&w, 1000);
        expect_body(client, body);
        io_sim_peer_take(client, io_sim_peer_received(client).n);
    }
    assert_int_equal(w.far[0].accepted, 1);
    assert_int_equal(w.far[0].requests, 3);
    free(body);
    stop(&w, client);
}

static void a_long_request_goes_through_a_pipe(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_peer_send(client, body, BODY);
    for (int ms = 0; ms < 1000 && use_of(&w).pipes == 0; ms++)
        world_run(&w, 1);
    scripted_worker_send(&w.far[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world_run(&w, 1000);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.bytes_from_clients, BODY);
    free(body);
    stop(&w, client);
}

/* A request whose head comes alone, then `first` bytes of its body, then the rest of POST: its worker gets each once.
 * Returns the most chunks that were in use. */
static size_t posts_with(uint32_t pipes, const char *method, size_t first)
{
    struct world w;
    char *body = make_body(), head[100];
    start(&w, pipes);
    struct io_sim_peer *client = world_client(&w);
    (void)snprintf(head, sizeof(head), "%s / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", method, POST);
    world_send(client, head);
    world_run(&w, 10);
    io_sim_peer_send(client, body, first);
    world_run(&w, 10);
    io_sim_peer_send(client, body + first, POST - first);
    world_run(&w, 100);
    assert_int_equal(w.far[0].requests, 1);
    size_t n = strlen(w.far[0].last);
    assert_int_equal(n, strlen(head) + POST);
    assert_memory_equal(w.far[0].last + n - POST, body, POST);
    scripted_worker_send(&w.far[0], EMPTY);
    world_run(&w, 10);
    assert_begins(world_received(client), "HTTP/1.1 200 ");
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.bytes_from_clients, POST);
    size_t chunks = use_of(&w).chunks_max;
    free(body);
    stop(&w, client);
    return chunks;
}

/* Once a byte of it has left it is not sent again: nothing of it is worth keeping. */
static void a_post_goes_through_a_pipe_from_the_start(void **state)
{
    for (size_t first = 0; first < POST; first += 9999)
        assert_in_range(posts_with(1, "POST", first), 1, HEAD_CHUNKS);
    assert_true(posts_with(0, "POST", 5) > HEAD_CHUNKS);
}

static void a_put_is_kept_before_it_does(void **state)
{
    assert_true(posts_with(1, "PUT", 0) > HEAD_CHUNKS);
    assert_true(posts_with(1, "PUT", 5) > HEAD_CHUNKS);
    assert_true(posts_with(0, "PUT", 5) > HEAD_CHUNKS);
}

/* Until then it is whole: here, or where it waits to be received. */
static void a_post_whose_first_worker_is_gone_goes_to_the_next(void **state)
{
    struct world w;
    world_init(&w, 2);
    w.options.pipes = 1;
    world_start(&w);
    scripted_worker_refuse(&w.far[0]);
    char *body = make_body();
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    io_sim_peer_send(client, body, POST);
    world_run(&w, 100);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.retries[ERR_CONNECT_REFUSED], 1);
    assert_int_equal(w.far[1].requests, 1);
    assert_memory_equal(w.far[1].last + strlen(w.far[1].last) - POST, body, POST);
    free(body);
    stop(&w, client);
}

/* The worker is not read beyond a window, and the client's silence is what it ends by. */
static void a_client_that_does_not_read_stops_the_worker(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = ask(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_limits(w.net)->buffer_bytes = 65536;
    io_sim_peer_pause(client, true);
    struct io_sim_peer *worker = scripted_worker_newest(&w.far[0])->peer;
    io_sim_peer_send(worker, body, BODY);
    world_run(&w, 100);
    assert_int_equal(use_of(&w).pipes, 1);
    assert_true(io_sim_peer_unsent(worker) >= BODY - 4 * 65536 - 16384);
    world_count(&w);
    assert_int_equal(w.totals.active, 1);
    world_run(&w, w.rules.client_stall_ms + 200);
    world_count(&w);
    assert_int_equal(w.totals.active, 0);
    assert_int_equal(w.totals.by_reason[ERR_CLIENT_STALLED], 1);
    assert_int_equal(use_of(&w).pipes, 0);
    free(body);
    stop(&w, client);
}

/* Reading slowly is no silence: each piece that leaves the pipe counts. */
static void a_slow_reader_is_waited_for(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = ask(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_limits(w.net)->buffer_bytes = 8192;
    io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY);
    for (int i = 0; i < 12; i++) {
        io_sim_peer_pause(client, true);
        world_run(&w, w.rules.client_stall_ms - 300);
        io_sim_peer_pause(client, false);
        io_sim_peer_take(client, io_sim_peer_received(client).n);
        world_count(&w);
        assert_int_equal(w.totals.failed + w.totals.aborted, 0);
    }
    free(body);
    stop(&w, client);
}

static void an_answer_cut_inside_a_pipe_is_never_whole(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = ask(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY / 2);
    world_run(&w, 100);
    scripted_worker_close(&w.far[0], 0, false);
    world_run(&w, 100);
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_RESET);
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_ANSWER_CUT], 1);
    free(body);
    stop(&w, client);
}

static void a_client_that_leaves_gives_the_pipe_back(void **state)
{
    struct world w;
    char *body = make_body();
    start(&w, 1);
    struct io_sim_peer *client = ask(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_peer_pause(client, true);
    io_sim_limits(w.net)->buffer_bytes = 65536;
    io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY);
    world_run(&w, 100);
    assert_int_equal(use_of(&w).pipes, 1);
    io_sim_peer_close(&client, true);
    world_run(&w, 100);
    assert_int_equal(use_of(&w).pipes, 0);
    world_count(&w);
    assert_int_equal(w.totals.aborted, 1);
    /* The next body comes through a clean one. */
    client = ask(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    io_sim_peer_send(scripted_worker_newest(&w.far[0])->peer, body, BODY);
    world_run(&w, 1000);
    expect_body(client, body);
    free(body);
    stop(&w, client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_answer_goes_through_a_pipe),
        cmocka_unit_test(it_is_copied_where_there_is_none),
        cmocka_unit_test(an_answer_that_ends_with_the_connection),
        cmocka_unit_test(the_connections_go_on_behind_it),
        cmocka_unit_test(a_long_request_goes_through_a_pipe),
        cmocka_unit_test(a_post_goes_through_a_pipe_from_the_start),
        cmocka_unit_test(a_put_is_kept_before_it_does),
        cmocka_unit_test(a_post_whose_first_worker_is_gone_goes_to_the_next),
        cmocka_unit_test(a_client_that_does_not_read_stops_the_worker),
        cmocka_unit_test(a_slow_reader_is_waited_for),
        cmocka_unit_test(an_answer_cut_inside_a_pipe_is_never_whole),
        cmocka_unit_test(a_client_that_leaves_gives_the_pipe_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
