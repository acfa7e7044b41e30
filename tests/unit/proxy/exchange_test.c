/* The life of a request over the simulated net: what is passed on, what is sent again, and what Ballast answers itself.
 */
#include "proxy/exchange.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/alloc_fail.h"
#include "world.h"

#define DATE "Date: Thu, 01 Jan 2026 00:16:40 GMT\r\n"
#define OK   "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nok"

static void exchange_passes_on(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    w.far[0].answer = OK;
    assert_string_equal(world_ask(&w, "GET /a?b HTTP/1.1\r\nHost: h:1\r\nA: b\r\nConnection: keep-alive\r\n\r\n"), OK);
    assert_string_equal(w.far[0].last, "GET /a?b HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n");
    w.far[0].answer = "HTTP/1.1 404 Nothing here\r\nContent-Length: 0\r\n\r\n";
    assert_string_equal(world_ask(&w, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"),
                        "HTTP/1.1 404 Nothing here\r\n" DATE "Content-Length: 0\r\n\r\n");
    assert_string_equal(w.far[0].last, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    w.far[0].answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"; /* a worker's own is no failure */
    assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 503 Busy\r\n");
    world_count(&w);
    assert_int_equal(w.totals.ok, 3);
    assert_int_equal(w.workers[0].answers[1] + w.workers[0].answers[3] + w.workers[0].answers[4], 3);
    assert_int_equal(w.totals.bytes_from_clients, 3);
    assert_int_equal(w.totals.bytes_from_workers, 2);
    assert_int_equal(w.far[0].accepted, 1); /* one idle connection served all */
    world_stop(&w);
}

static void exchange_takes_turns(void **state)
{
    struct world w;
    world_init(&w, 3);
    world_start(&w);
    for (int i = 0; i < 9; i++)
        assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    for (int i = 0; i < 3; i++)
        assert_int_equal(w.far[i].requests, 3);
    world_stop(&w);
}

/* ---- sent again, or not ---- */

/* One request on an idle connection that the worker closes when it is asked. */
struct stale_case {
    const char *request; /* head's beginning; a body of body_bytes follows */
    size_t body_bytes;
    bool reset;
    bool repeated;
};

static const struct stale_case stale_cases[] = {
    {"GET", 0, false, true},      {"GET", 0, true, true},    {"HEAD", 0, false, true}, {"DELETE", 0, false, true},
    {"OPTIONS", 0, true, true},   {"TRACE", 0, false, true}, {"PUT", 5, false, true},  {"PUT", 60000, true, true},
    {"PUT", 70000, false, false}, {"POST", 0, false, false}, {"POST", 5, true, false}, {"PATCH", 5, false, false},
    {"BREW", 0, false, false},
};

static char *stale_request(const struct stale_case *c)
{
    char *text = calloc(1, c->body_bytes + 200);
    assert_non_null(text);
    int head = snprintf(text, 200, "%s / HTTP/1.1\r\nHost: h\r\n", c->request);
    if (c->body_bytes > 0)
        head += snprintf(text + head, 200 - (size_t)head, "Content-Length: %zu\r\n", c->body_bytes);
    head += snprintf(text + head, 200 - (size_t)head, "\r\n");
    for (size_t i = 0; i < c->body_bytes; i++)
        text[(size_t)head + i] = (char)('a' + i % 26);
    return text;
}

static void check_stale(const struct stale_case *c)
{
    struct world w;
    char *request = stale_request(c);
    world_init(&w, 1);
    w.rules.tries_max = 2;
    world_start(&w);
    assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    w.far[0].dead_below = 1;
    w.far[0].dead_reset = c->reset;
    const char *answer = world_ask(&w, request);
    world_count(&w);
    assert_begins(answer, c->repeated ? "HTTP/1.1 200 " : "HTTP/1.1 502 ");
    assert_int_equal(w.far[0].accepted, c->repeated ? 2 : 1);
    assert_int_equal(w.totals.retries[c->reset ? ERR_CONN_RESET : ERR_CONN_CLOSED], c->repeated);
    assert_int_equal(w.totals.failed, !c->repeated);
    if (c->repeated)
        assert_string_equal(w.far[0].last, request);
    else
        assert_holds(answer, c->reset ? "details=\"connection_reset\"" : "details=\"connection_closed\"");
    world_stop(&w);
    free(request);
}

static void exchange_repeats_what_is_safe(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(stale_cases); i++) {
        print_message("%s, %zu bytes, %s\n", stale_cases[i].request, stale_cases[i].body_bytes,
                      stale_cases[i].reset ? "reset" : "closed");
        check_stale(&stale_cases[i]);
    }
}

/* Nothing of a request went to a worker that refuses: any method is sent elsewhere. */
static void exchange_goes_past_refusals(void **state)
{
    struct world w;
    world_init(&w, 3);
    world_start(&w);
    scripted_worker_refuse(&w.far[0]);
    scripted_worker_refuse(&w.far[1]);
    for (int i = 0; i < 4; i++)
        assert_begins(world_ask(&w, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"), "HTTP/1.1 200 ");
    assert_int_equal(w.far[2].requests, 4);
    world_count(&w);
    assert_int_equal(w.totals.ok, 4);
    assert_int_equal(w.totals.failed, 0);
    assert_true(w.totals.retries[ERR_CONNECT_REFUSED] > 0);
    world_stop(&w);
}

/* A worker dies with five requests: three of them may be a second time at others, two wait until one has its answer. */
static void exchange_waits_its_turn(void **state)
{
    enum { CLIENTS = 10 };
    struct world w;
    struct io_sim_peer *clients[CLIENTS];
    world_init(&w, 2);
    world_start(&w);
    w.far[0].answer = w.far[1].answer = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = world_client(&w);
        world_send(clients[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    world_run(&w, 10);
    assert_int_equal(w.far[0].requests, CLIENTS / 2);
    scripted_worker_refuse(&w.far[0]);
    for (uint32_t i = 0; i < CLIENTS / 2; i++)
        scripted_worker_close(&w.far[0], i, true);
    world_run(&w, 10);
    world_count(&w);
    assert_int_equal(w.far[1].requests, CLIENTS / 2 + RETRY_LEAST);
    assert_int_equal(w.totals.retries_waited, CLIENTS / 2 - RETRY_LEAST);
    io_sim_peer_close(&clients[0], true); /* whoever it is: leaving gives its place in line or under way away */
    w.far[1].answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    scripted_worker_send(&w.far[1], w.far[1].answer);
    world_run(&w, w.rules.response_head_ms - 100);
    world_count(&w);
    assert_true(w.far[1].requests >= CLIENTS - 1);
    assert_int_equal(w.totals.retries_refused[RETRY_BUDGET], 0);
    for (int i = 1; i < CLIENTS; i++)
        io_sim_peer_close(&clients[i], true);
    world_stop(&w);
}

/* Those under way come to nothing: who waited as long as for an answer is told what had become of its first try. */
static void exchange_waits_so_long(void **state)
{
    enum { CLIENTS = 8 };
    struct world w;
    struct io_sim_peer *clients[CLIENTS];
    world_init(&w, 2);
    w.rules.response_head_ms = 1000;
    w.rules.connect_ms = 5000;
    world_start(&w);
    w.far[0].answer = w.far[1].answer = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = world_client(&w);
        world_send(clients[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    world_run(&w, 500);
    io_sim_dark(w.net, &w.far[1].address, true);
    for (uint32_t i = 0; i < CLIENTS / 2; i++)
        scripted_worker_close(&w.far[0], i, false);
    world_run(&w, 900);
    world_count(&w);
    assert_int_equal(w.totals.retries_waited, 1);
    assert_int_equal(w.totals.active, CLIENTS / 2); /* worker 1's own were given up */
    world_run(&w, 200);
    world_count(&w);
    assert_int_equal(w.totals.active, RETRY_LEAST);
    assert_int_equal(w.totals.by_reason[ERR_CONN_CLOSED], 1);
    assert_int_equal(w.totals.retries_refused[RETRY_BUDGET], 1);
    for (int i = 0; i < CLIENTS; i++)
        io_sim_peer_close(&clients[i], true);
    world_run(&w, 10);
    io_sim_dark(w.net, &w.far[1].address, false);
    world_stop(&w);
}

static void exchange_tries_so_often(void **state)
{
    for (uint32_t tries = 1; tries <= 4; tries++) {
        struct world w;
        uint32_t asked = tries < 3 ? tries : 3;
        world_init(&w, 3);
        w.rules.tries_max = tries;
        world_start(&w);
        for (int i = 0; i < 3; i++)
            scripted_worker_refuse(&w.far[i]);
        const char *answer = world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_begins(answer, "HTTP/1.1 502 Bad Gateway\r\n");
        assert_holds(answer, "Proxy-Status: ballast; error=connection_refused; details=\"connect_refused\"\r\n");
        world_count(&w);
        assert_int_equal(w.totals.dispatches, asked);
        assert_int_equal(w.totals.failed, 1);
        for (int i = 0; i < 3; i++)
            assert_true(w.workers[i].dispatches <= 1); /* nobody twice */
        world_stop(&w);
    }
}

/* A new connection that dies under a GET: another worker is asked, not the same. */
static void exchange_asks_another(void **state)
{
    struct world w;
    world_init(&w, 2);
    world_start(&w);
    w.far[0].dead_below = SCRIPTED_CONNS;
    for (int i = 0; i < 4; i++)
        assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(w.far[1].requests, 4);
    w.far[1].dead_below = SCRIPTED_CONNS;
    assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 502 ");
    world_stop(&w);
}

/* An idle connection that dies as the request comes: the others are asked first, since a dying worker does that too. */
static void exchange_asks_others_before_one_that_let_go(void **state)
{
    struct world w;
    world_init(&w, 2);
    w.rules.tries_max = 2;
    world_start(&w);
    for (int i = 0; i < 2; i++) /* an idle connection to each */
        assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    for (int dying = 0; dying < 2; dying++) {
        w.far[dying].dead_below = w.far[dying].accepted;
        scripted_worker_refuse(&w.far[dying]);
        for (int i = 0; i < 2; i++) /* whoever's turn it is */
            assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
        w.far[dying].dead_below = 0;
        scripted_worker_listen(&w.far[dying]);
    }
    world_count(&w);
    assert_int_equal(w.totals.failed, 0);
    assert_true(w.totals.retries[ERR_CONN_CLOSED] > 0);
    world_stop(&w);
}

/* ---- answers of workers ---- */

static const struct {
    const char *answer;
    bool close_after;
    const char *begins; /* what the client gets */
    int error;
} bad_answers[] = {
    {"HTTP/1.1 20", true, "HTTP/1.1 502 ", ERR_ANSWER_CUT},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", false, "HTTP/1.1 502 ", ERR_ANSWER_FRAMING},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, "HTTP/1.1 502 ", ERR_ANSWER_CODING},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, "HTTP/1.1 502 ", ERR_ANSWER_SWITCHED},
    {"220 mail.example ESMTP\r\n", false, "HTTP/1.1 502 ", ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 103 Early Hints\r\n\r\n", true, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 502 ", ERR_ANSWER_CUT},
};

static void exchange_refuses_bad_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_answers); i++) {
        struct world w;
        world_init(&w, 2);
        world_start(&w);
        for (int k = 0; k < 2; k++) {
            w.far[k].answer = bad_answers[i].answer;
            w.far[k].close_after = bad_answers[i].close_after;
        }
        const char *answer = world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_begins(answer, bad_answers[i].begins);
        assert_holds(answer, err_reason(bad_answers[i].error));
        world_count(&w);
        assert_int_equal(w.totals.by_reason[bad_answers[i].error], 1);
        assert_int_equal(w.totals.dispatches, 1); /* the worker had begun to answer: never asked again */
        world_stop(&w);
    }
}

/* A cut body is never ended cleanly: the client's connection is reset behind what had come. */
static void exchange_cuts_what_was_cut(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct world w;
        world_init(&w, 1);
        world_start(&w);
        w.far[0].answer = answers[i];
        w.far[0].close_after = true;
        struct io_sim_peer *client = world_client(&w);
        world_send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        world_run(&w, 20);
        assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_RESET);
        world_count(&w);
        assert_int_equal(w.totals.failed, 1);
        assert_int_equal(w.workers[0].broken, 1);
        io_sim_peer_close(&client, false);
        world_stop(&w);
    }
}

static void exchange_passes_interim_heads(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    w.far[0].answer = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" OK;
    assert_string_equal(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
                        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" OK);
    assert_begins(world_ask(&w, "GET / HTTP/1.0\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 OK\r\n"); /* never to 1.0 */
    world_stop(&w);
}

/* Expect goes to the worker, its 100 to the client, and the body only then. */
static void exchange_waits_for_continue(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    w.far[0].answer = NULL;
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    world_run(&w, 10);
    scripted_worker_send(&w.far[0], "HTTP/1.1 100 Continue\r\n\r\n");
    world_run(&w, 10);
    assert_string_equal(world_received(client), "HTTP/1.1 100 Continue\r\n\r\n");
    w.far[0].answer = OK;
    world_send(client, "hi");
    world_run(&w, 10);
    assert_string_equal(world_received(client), "HTTP/1.1 100 Continue\r\n\r\n" OK);
    assert_int_equal(w.far[0].requests, 1);
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

/* The answer comes before the request's end: it is passed on whole, and the connection ends behind it. */
static void exchange_passes_early_answers(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nsome");
    world_run(&w, 10);
    scripted_worker_send(&w.far[0], "HTTP/1.1 413 Too much\r\nDate: then\r\nContent-Length: 2\r\n\r\nno");
    world_run(&w, 10);
    assert_string_equal(world_received(client), "HTTP/1.1 413 Too much\r\nDate: then\r\nContent-Length: 2\r\n"
                                                "Connection: close\r\n\r\nno");
    assert_int_equal(io_sim_peer_state(client), IO_SIM_PEER_ENDED);
    world_count(&w);
    assert_int_equal(w.totals.ok, 1);
    assert_int_equal(w.totals.active, 0);
    io_sim_peer_close(&client, false);
    world_run(&w, 20);
    assert_int_equal(scripted_worker_open(&w.far[0]), 0);
    world_stop(&w);
}

/* ---- answers of Ballast ---- */

static int refuse_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    return -ERR_NO_MEMORY;
}

static struct {
    unsigned written, dropped;
} pieces;

static int write_three_pieces(void *context, struct metric_page **page, struct bufq *out)
{
    bool more = ++pieces.written < 3;

    *page = more ? (struct metric_page *)&pieces : NULL;
    int error = bufq_append(out, "piece\n", 6);
    return error ? error : more;
}

static void drop_pieces(struct metric_page **page)
{
    pieces.dropped++;
    *page = NULL;
}

/* A piece a millisecond, whatever else happens; others are served meanwhile, and who leaves gets no more of them. */
static void exchange_writes_metrics_over_turns(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    w.rules.metrics = write_three_pieces;
    w.rules.metrics_drop = drop_pieces;
    pieces.written = pieces.dropped = 0;
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    while (pieces.written == 0)
        world_run(&w, 0);
    assert_int_equal(pieces.written, 1);
    assert_string_equal(world_received(client), "");
    assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(pieces.written, 3);
    assert_holds(world_received(client), "Content-Length: 18\r\n\r\npiece\npiece\npiece\n");
    assert_int_equal(pieces.dropped, 0);
    pieces.written = 0;
    world_send(client, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    while (pieces.written == 0)
        world_run(&w, 0);
    io_sim_peer_close(&client, true);
    world_run(&w, 10);
    assert_int_equal(pieces.dropped, 1);
    assert_true(pieces.written < 3);
    world_stop(&w);
}

static void exchange_answers_metrics(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    const char *answer = world_ask(&w, "GET /metrics?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_begins(answer, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_holds(answer, "Content-Length: 17\r\n\r\nrequests_total 0\n");
    answer = world_ask(&w, "HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_holds(answer, "Content-Length: 17\r\n\r\n");
    assert_null(strstr(answer, "requests_total"));
    world_count(&w);
    assert_int_equal(w.totals.total, 0);
    assert_int_equal(w.far[0].requests, 0);
    assert_begins(world_ask(&w, "POST /metrics HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    assert_begins(world_ask(&w, "GET /metrics/x HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(w.far[0].requests, 2);
    w.rules.metrics = refuse_metrics;
    assert_string_equal(world_ask(&w, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"), "");
    w.rules.metrics_path = STR("");
    assert_begins(world_ask(&w, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(w.far[0].requests, 3);
    world_stop(&w);
}

static void exchange_honours_max_forwards(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    const char *answer = world_ask(&w, "TRACE /a HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nCookie: no\r\nA: b\r\n\r\n");
    assert_begins(answer, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: message/http\r\n");
    assert_holds(answer, "\r\n\r\nTRACE /a HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nA: b\r\n");
    answer = world_ask(&w, "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
    assert_begins(answer, "HTTP/1.1 200 OK\r\n");
    assert_holds(answer, "Content-Length: 0\r\n\r\n");
    assert_int_equal(w.far[0].requests, 0);
    assert_begins(world_ask(&w, "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5\r\n\r\n"), "HTTP/1.1 200 ");
    assert_string_equal(w.far[0].last, "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 4\r\n\r\n");
    assert_begins(world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(w.far[0].requests, 2);
    world_stop(&w);
}

#define CALL(timeout)                                                                                    \
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\nTE: trailers\r\nConnection: TE\r\n" \
    "grpc-timeout: " timeout "\r\nContent-Length: 0\r\n\r\n"

static void exchange_gives_no_worker_a_call_that_is_over(void **state)
{
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    const char *answer = world_ask(&w, CALL("0n"));
    assert_begins(answer, "HTTP/1.1 200 OK\r\n");
    assert_holds(answer, "\r\ngrpc-status: 4\r\n");
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_DEADLINE_OVER], 1);
    assert_int_equal(w.totals.failed, 1);
    assert_int_equal(w.totals.dispatches, 0);
    assert_begins(world_ask(&w, CALL("1m")), "HTTP/1.1 200 OK\r\n");
    assert_int_equal(w.far[0].requests, 1);
    world_stop(&w);
}

/* Nobody waits for what it would answer: the quarter of a second is for a client that ends the call itself. */
static void exchange_gives_no_other_worker_a_call_that_is_over(void **state)
{
    struct world w;
    world_init(&w, 2);
    w.rules.connect_ms = 200;
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    world_run(&w, 10);
    world_send(client, CALL("100m"));
    io_sim_limits(w.net)->delay_ns = INT64_C(60000) * 1000000;
    world_run(&w, 20);
    io_sim_limits(w.net)->delay_ns = 0;
    world_run(&w, 200);
    assert_holds(world_received(client), "\r\ngrpc-status: 4\r\n");
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_DEADLINE], 1);
    assert_int_equal(w.totals.dispatches, 1);
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

static void exchange_finds_no_way(void **state)
{
    struct world w;
    world_init(&w, 1);
    w.route.host = STR("known.example");
    world_start(&w);
    const char *answer = world_ask(&w, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n");
    assert_begins(answer, "HTTP/1.1 404 Not Found\r\n");
    assert_holds(answer, "error=destination_not_found; details=\"no_route\"\r\n");
    helper_set_alive(&w.helper, 0);
    answer = world_ask(&w, "GET / HTTP/1.1\r\nHost: known.example:80\r\n\r\n");
    assert_begins(answer, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_holds(answer, "\r\nRetry-After: 1\r\n");
    atomic_store(&w.helper.pool.next_probe_ms, io_sim_now_ns(w.net) / 1000000 + 2500);
    assert_holds(world_ask(&w, "GET / HTTP/1.1\r\nHost: known.example\r\n\r\n"), "\r\nRetry-After: 3\r\n");
    world_count(&w);
    assert_int_equal(w.totals.by_reason[ERR_NO_ROUTE], 1);
    assert_int_equal(w.totals.by_reason[ERR_NO_WORKER], 2);
    assert_int_equal(w.totals.dispatches, 0);
    world_stop(&w);
}

/* A request id is kept, made, and the same in the answer of ours; the connection goes on. */
static void exchange_answers_and_goes_on(void **state)
{
    struct world w;
    world_init(&w, 1);
    w.rules.rewrite.request_id = true;
    w.route.path = STR("/known");
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    world_send(client, "POST /x HTTP/1.1\r\nHost: h\r\nX-Request-ID: my.id\r\nContent-Length: 3\r\n\r\nabc"
                       "GET /known HTTP/1.1\r\nHost: h\r\nX-Request-ID: b\"d\r\n\r\n");
    world_run(&w, 20);
    assert_begins(world_received(client), "HTTP/1.1 404 Not Found\r\n");
    assert_holds(world_received(client), "\r\nX-Request-ID: my.id\r\n");
    assert_holds(world_received(client), "HTTP/1.1 200 OK\r\n");
    assert_holds(w.far[0].last, "\r\nX-Request-ID: ");
    assert_null(strstr(w.far[0].last, "b\"d"));
    io_sim_peer_close(&client, false);
    world_stop(&w);
}

/* Once a connection is warm, a small request takes its memory from slabs and arenas alone. */
static void a_small_request_allocates_nothing(void **state)
{
#ifdef BALLAST_SANITIZE
    skip(); /* slabs keep nothing there */
#endif
    struct world w;
    world_init(&w, 1);
    world_start(&w);
    struct io_sim_peer *client = world_client(&w);
    for (int i = 0; i < 20; i++) {
        alloc_fail_at(UINT_MAX); /* none fails, all are counted */
        world_send(client, "GET / HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n");
        world_run(&w, 10);
        if (i == 0)
            assert_true(alloc_fail_count() > 0); /* the counting counts */
        else if (i > 2)
            assert_int_equal(alloc_fail_count(), 0);
        assert_begins(world_received(client), "HTTP/1.1 200 OK\r\n");
    }
    assert_false(alloc_fail_stop());
    assert_int_equal(w.far[0].requests, 20);
    io_sim_peer_close(&client, false);
    world_run(&w, 10);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_request_allocates_nothing),
        cmocka_unit_test(exchange_passes_on),
        cmocka_unit_test(exchange_takes_turns),
        cmocka_unit_test(exchange_repeats_what_is_safe),
        cmocka_unit_test(exchange_goes_past_refusals),
        cmocka_unit_test(exchange_waits_its_turn),
        cmocka_unit_test(exchange_waits_so_long),
        cmocka_unit_test(exchange_tries_so_often),
        cmocka_unit_test(exchange_asks_another),
        cmocka_unit_test(exchange_asks_others_before_one_that_let_go),
        cmocka_unit_test(exchange_refuses_bad_answers),
        cmocka_unit_test(exchange_cuts_what_was_cut),
        cmocka_unit_test(exchange_passes_interim_heads),
        cmocka_unit_test(exchange_waits_for_continue),
        cmocka_unit_test(exchange_passes_early_answers),
        cmocka_unit_test(exchange_answers_metrics),
        cmocka_unit_test(exchange_writes_metrics_over_turns),
        cmocka_unit_test(exchange_honours_max_forwards),
        cmocka_unit_test(exchange_gives_no_worker_a_call_that_is_over),
        cmocka_unit_test(exchange_gives_no_other_worker_a_call_that_is_over),
        cmocka_unit_test(exchange_finds_no_way),
        cmocka_unit_test(exchange_answers_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
