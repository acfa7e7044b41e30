/* Probes over the simulated net, in virtual time: what counts as good, when the next one comes, which connection asks.
 */
#include "balance/probe.h"

#include <stdio.h>

#include "balance/pick.h"
#include "balance_helper.h"
#include "scripted_worker.h"
#include "tests/unit/alloc_fail.h"

enum {
    WORKERS = 2,
    INTERVAL_MS = 2000,
    DOUBT_MS = 500,
    TIMEOUT_MS = 1000,
    JITTER_MS = 200,
    BATCH_MS = 10,
    CHANGES_MAX = 32
};

struct fixture {
    struct io_sim_net *net;
    struct buf_pool buffers;
    struct io *io;
    struct helper_pool helper;
    struct pool *pools[1];
    struct scripted_worker far[WORKERS];
    struct prober *prober;
    char changes[CHANGES_MAX + 1]; /* u, d: of worker 0; U, D: of worker 1 */
    struct probe_result cause;     /* of the last change */
};

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
    struct fixture *f = context;
    size_t n = strlen(f->changes);
    assert_true(n < CHANGES_MAX);
    f->changes[n] = (worker->index ? "?UD" : "?ud")[change];
    f->cause = *result;
    /* The schedule is published by now. */
    assert_int_equal(atomic_load(&worker->alive), change == HEALTH_WENT_UP);
    if (change == HEALTH_WENT_UP)
        assert_non_null(pool_at(&f->helper.pool, 0));
}

static void setup(struct fixture *f, uint32_t workers)
{
    memset(f, 0, sizeof(*f));
    f->net = io_sim_net_create(1);
    buf_pool_init(&f->buffers, 1 << 20);
    struct io_options io = {.backend = &io_sim_backend, .buffers = &f->buffers};
    assert_int_equal(io_create(&io, &f->io), 0);
    helper_pool_init(&f->helper, workers, NULL);
    f->helper.pool.health_path = STR("/health");
    f->helper.pool.health = (struct health_rules){
        .rise = 2,
        .fall = 3,
        .interval_ms = INTERVAL_MS,
        .doubt_ms = DOUBT_MS,
        .timeout_ms = TIMEOUT_MS,
        .jitter_percent = 10,
        .status_min = 200,
        .status_max = 299,
    };
    for (uint32_t i = 0; i < workers; i++) {
        scripted_worker_start(&f->far[i], f->net);
        f->helper.workers[i].addr.storage = f->far[i].address;
        f->helper.workers[i].address = STR("worker.example:3001");
    }
    f->pools[0] = &f->helper.pool;
    struct prober_options options = {
        .io = f->io,
        .pools = f->pools,
        .pool_count = 1,
        .worker_count = workers,
        .seed = 7,
        .on_change = on_change,
        .context = f,
    };
    assert_int_equal(prober_create(&options, &f->prober), 0);
}

static void start(struct fixture *f, uint32_t workers)
{
    setup(f, workers);
    prober_start(f->prober);
}

static bool stopped(void *context)
{
    return prober_stopped(((struct fixture *)context)->prober);
}

static void teardown(struct fixture *f)
{
    prober_stop(f->prober);
    assert_true(io_sim_run(f->net, stopped, f, 1000));
    prober_destroy(&f->prober);
    assert_null(f->prober);
    for (uint32_t i = 0; i < f->helper.pool.count; i++)
        scripted_worker_stop(&f->far[i]);
    io_sim_run(f->net, NULL, NULL, 10);
    assert_int_equal(io_sim_open_count(f->net), 0);
    pool_fini(&f->helper.pool);
    io_destroy(&f->io);
    buf_pool_fini(&f->buffers);
    io_sim_net_destroy(&f->net);
}

static struct probe_stats stats_of(struct fixture *f, uint32_t worker)
{
    struct health health;
    struct probe_stats stats;
    prober_read(f->prober, &f->helper.workers[worker], &health, &stats);
    return stats;
}

static struct probe_result last_result(struct fixture *f)
{
    struct probe_stats stats = stats_of(f, 0);
    assert_true(stats.probes > 0);
    return stats.history[(stats.probes - 1) % PROBE_HISTORY];
}

static bool probed(void *context)
{
    struct fixture *f = context;
    return stats_of(f, 0).probes > 0;
}

/* Runs until worker 0 has one result more. */
static struct probe_result next_result(struct fixture *f)
{
    uint64_t before = stats_of(f, 0).probes;
    for (int ms = 0; ms < 5000 && stats_of(f, 0).probes == before; ms++)
        io_sim_run(f->net, NULL, NULL, 1);
    assert_int_equal(stats_of(f, 0).probes, before + 1);
    return last_result(f);
}

static void probe_starts_at_once(void **state)
{
    struct fixture f;
    start(&f, 2);
    io_sim_run(f.net, NULL, NULL, 5);
    assert_int_equal(strlen(f.changes), 2);
    assert_int_equal(pool_alive(&f.helper.pool), 2);
    assert_string_equal(f.far[0].last,
                        "GET /health HTTP/1.1\r\nHost: worker.example:3001\r\nUser-Agent: ballast-health\r\n\r\n");
    struct probe_result result = last_result(&f);
    assert_int_equal(result.status, 200);
    assert_int_equal(result.error, 0);
    assert_true(result.good);
    teardown(&f);
}

/* One connection serves all probes when answers are read to their ends, however they are framed. */
static void probe_reuses_its_connection(void **state)
{
    static char big[200000];
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n!",
        "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad",
        big,
    };
    int head = snprintf(big, sizeof(big), "HTTP/1.1 200 OK\r\nContent-Length: 180000\r\n\r\n");
    memset(big + head, 'x', 180000);
    struct fixture f;
    start(&f, 1);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        f.far[0].answer = answers[i];
        struct probe_result result = next_result(&f);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.good, i != 5);
    }
    assert_int_equal(f.far[0].accepted, 1);
    assert_int_equal(f.far[0].requests, ARRAY_SIZE(answers));
    teardown(&f);
}

static void probe_judges_by_status(void **state)
{
    static const struct {
        int status;
        bool good;
    } cases[] = {{200, true}, {199 + 1, true}, {299, true}, {300, false}, {404, false}, {503, false}, {250, true}};
    struct fixture f;
    start(&f, 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char answer[64];
        snprintf(answer, sizeof(answer), "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", cases[i].status);
        f.far[0].answer = answer;
        struct probe_result result = next_result(&f);
        assert_int_equal(result.status, cases[i].status);
        assert_int_equal(result.good, cases[i].good);
    }
    teardown(&f);
}

static void probe_falls_and_rises(void **state)
{
    struct fixture f;
    start(&f, 1);
    next_result(&f);
    assert_string_equal(f.changes, "u");
    f.far[0].answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    next_result(&f);
    next_result(&f);
    assert_string_equal(f.changes, "u");
    assert_int_equal(pool_alive(&f.helper.pool), 1);
    next_result(&f);
    assert_string_equal(f.changes, "ud");
    assert_int_equal(f.cause.status, 500);
    assert_int_equal(pool_alive(&f.helper.pool), 0);
    assert_null(pool_at(&f.helper.pool, 0));
    f.far[0].answer = "HTTP/1.1 200 Yes\r\nContent-Length: 0\r\n\r\n";
    next_result(&f);
    assert_int_equal(pool_alive(&f.helper.pool), 0);
    next_result(&f);
    assert_string_equal(f.changes, "udu");
    assert_int_equal(stats_of(&f, 0).failures, 3);
    teardown(&f);
}

/* A paused worker is asked nothing and gets nothing; afterwards it starts anew. */
static void probe_pauses(void **state)
{
    struct fixture f;
    start(&f, 1);
    next_result(&f);
    prober_pause(f.prober, &f.helper.workers[0], true);
    prober_pause(f.prober, &f.helper.workers[0], true);
    assert_null(pool_at(&f.helper.pool, 0));
    io_sim_run(f.net, NULL, NULL, 10 * INTERVAL_MS);
    assert_int_equal(stats_of(&f, 0).probes, 1);
    prober_pause(f.prober, &f.helper.workers[0], false);
    next_result(&f);
    assert_string_equal(f.changes, "uu");
    assert_non_null(pool_at(&f.helper.pool, 0));
    next_result(&f);
    f.far[0].answer = NULL;
    io_sim_run(f.net, NULL, NULL, INTERVAL_MS + JITTER_MS + 100); /* a probe is under way */
    prober_pause(f.prober, &f.helper.workers[0], true);
    io_sim_run(f.net, NULL, NULL, 2 * TIMEOUT_MS);
    assert_int_equal(stats_of(&f, 0).failures, 0); /* it counts for nothing */
    teardown(&f);
}

/* What a worker may do instead of answering well. */
struct failure {
    const char *answer; /* NULL: nothing */
    bool close_after;
    bool refuse;
    int error;
};

static const struct failure failures[] = {
    {NULL, false, true, -ERR_CONNECT_REFUSED},
    {NULL, false, false, -ERR_ANSWER_TIMEOUT},
    {"HTTP/1.1 200 OK\r\nContent-Le", false, false, -ERR_ANSWER_TIMEOUT},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false, false, -ERR_ANSWER_TIMEOUT},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true, false, -ERR_ANSWER_CUT},
    {"HTTP/1.1 200 OK\r\nConte", true, false, -ERR_ANSWER_CUT},
    {"", true, false, -ERR_CONN_CLOSED},
    {"SSH-2.0-OpenSSH\r\n", false, false, -ERR_ANSWER_MALFORMED},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", false, false, -ERR_ANSWER_FRAMING},
    {"HTTP/1.1 101 Switching\r\n\r\n", false, false, -ERR_ANSWER_SWITCHED},
};

static void probe_names_each_failure(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        struct fixture f;
        setup(&f, 1);
        if (failures[i].refuse)
            scripted_worker_refuse(&f.far[0]);
        f.far[0].answer = failures[i].answer;
        f.far[0].close_after = failures[i].close_after;
        prober_start(f.prober);
        assert_true(io_sim_run(f.net, probed, &f, TIMEOUT_MS + 10));
        struct probe_result result = last_result(&f);
        if (result.error != failures[i].error)
            fail_msg("case %zu: %s, not %s", i, err_reason(result.error), err_reason(failures[i].error));
        assert_false(result.good);
        assert_int_equal(result.status, 0);
        teardown(&f);
    }
}

/* Nobody answers the connect: its time-out has a name of its own. */
static void probe_times_out_connecting(void **state)
{
    struct fixture f;
    setup(&f, 1);
    io_sim_limits(f.net)->delay_ns = INT64_C(3000) * 1000000;
    prober_start(f.prober);
    io_sim_run(f.net, NULL, NULL, TIMEOUT_MS - 5);
    assert_int_equal(stats_of(&f, 0).probes, 0);
    assert_true(io_sim_run(f.net, probed, &f, 10));
    assert_int_equal(last_result(&f).error, -ERR_CONNECT_TIMEOUT);
    assert_int_equal(last_result(&f).took_us, TIMEOUT_MS * 1000);
    teardown(&f);
}

/* The time-out is for the whole probe: a body that trickles in does not stretch it. */
static void probe_times_out_on_a_trickle(void **state)
{
    struct fixture f;
    setup(&f, 1);
    f.far[0].answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    prober_start(f.prober);
    for (int ms = 0; ms < TIMEOUT_MS - 10; ms += 10) {
        io_sim_run(f.net, NULL, NULL, 10);
        scripted_worker_send(&f.far[0], "x");
    }
    assert_int_equal(stats_of(&f, 0).probes, 0);
    assert_true(io_sim_run(f.net, probed, &f, 20));
    assert_int_equal(last_result(&f).error, -ERR_ANSWER_TIMEOUT);
    teardown(&f);
}

static bool asked_twice(void *context)
{
    return ((struct fixture *)context)->far[0].requests == 2;
}

/* An idle connection that the worker closed, seen or unseen, says nothing: the same probe asks again, afresh. */
static void probe_tries_a_stale_connection_afresh(void **state)
{
    struct fixture f;
    start(&f, 1);
    next_result(&f);
    assert_int_equal(f.far[0].accepted, 1);
    /* It dies only when it is asked: nothing is seen before. */
    f.far[0].answer = "";
    f.far[0].close_after = true;
    uint64_t before = stats_of(&f, 0).probes;
    io_sim_limits(f.net)->delay_ns = 1000000;
    assert_true(io_sim_run(f.net, asked_twice, &f, 5000));
    f.far[0].answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    f.far[0].close_after = false;
    io_sim_run(f.net, NULL, NULL, 50);
    assert_int_equal(stats_of(&f, 0).probes, before + 1);
    assert_int_equal(stats_of(&f, 0).failures, 0);
    assert_int_equal(f.far[0].accepted, 2);
    /* The worker closes it meanwhile. */
    scripted_worker_close(&f.far[0], 1, false);
    assert_true(next_result(&f).good);
    assert_int_equal(f.far[0].accepted, 3);
    assert_string_equal(f.changes, "u");
    teardown(&f);
}

/* But a fresh connection that is closed without an answer is a bad result. */
static void probe_takes_a_fresh_close_seriously(void **state)
{
    struct fixture f;
    start(&f, 1);
    next_result(&f);
    f.far[0].answer = "";
    f.far[0].close_after = true;
    struct probe_result result = next_result(&f);
    assert_int_equal(result.error, -ERR_CONN_CLOSED);
    assert_int_equal(f.far[0].accepted, 2); /* the stale one, then one try */
    teardown(&f);
}

/* Gaps between probes stay within jitter, differ, and are short in doubt. */
static void probe_spreads_by_jitter(void **state)
{
    struct fixture f;
    int64_t before = 0, least = INT64_MAX, most = 0;
    start(&f, 1);
    for (int i = 0; i < 200; i++) {
        next_result(&f);
        int64_t now = io_sim_now_ns(f.net) / 1000000;
        if (i > 1) { /* the second comes after any part of an interval */
            least = now - before < least ? now - before : least;
            most = now - before > most ? now - before : most;
        }
        before = now;
    }
    assert_in_range(least, INTERVAL_MS - JITTER_MS, INTERVAL_MS - JITTER_MS / 2);
    assert_in_range(most, INTERVAL_MS + JITTER_MS / 2, INTERVAL_MS + JITTER_MS + BATCH_MS + 2);
    f.far[0].answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    next_result(&f);
    before = io_sim_now_ns(f.net) / 1000000;
    next_result(&f);
    assert_in_range(io_sim_now_ns(f.net) / 1000000 - before, DOUBT_MS * 9 / 10, DOUBT_MS * 11 / 10 + BATCH_MS + 2);
    teardown(&f);
}

static void probe_says_when_the_next_comes(void **state)
{
    struct fixture f;
    start(&f, 2);
    scripted_worker_refuse(&f.far[0]);
    scripted_worker_refuse(&f.far[1]);
    for (int i = 0; i < 30; i++) {
        next_result(&f);
        io_sim_run(f.net, NULL, NULL, 5);
        int64_t wait = atomic_load(&f.helper.pool.next_probe_ms) - io_now_ms(f.io);
        assert_in_range(wait, 0, INTERVAL_MS + JITTER_MS);
    }
    teardown(&f);
}

static void probe_keeps_the_last_results(void **state)
{
    struct fixture f;
    start(&f, 1);
    for (int i = 0; i < PROBE_HISTORY + 3; i++) {
        char answer[64];
        snprintf(answer, sizeof(answer), "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", 200 + i);
        f.far[0].answer = answer;
        next_result(&f);
    }
    struct probe_stats stats = stats_of(&f, 0);
    for (uint64_t i = 0; i < PROBE_HISTORY; i++)
        assert_int_equal(stats.history[(stats.probes - 1 - i) % PROBE_HISTORY].status, 200 + stats.probes - 1 - i);
    teardown(&f);
}

/* Stopping in each moment of a probe: before, connecting, asking, inside the answer, between. */
static void probe_stops_in_flight(void **state)
{
    for (int64_t ms = 0; ms < 30; ms++) {
        struct fixture f;
        setup(&f, 2);
        io_sim_limits(f.net)->delay_ns = 5000000;
        io_sim_limits(f.net)->segment_bytes = 20;
        prober_start(f.prober);
        io_sim_run(f.net, NULL, NULL, ms);
        teardown(&f);
    }
}

static void probe_was_never_started(void **state)
{
    struct fixture f;
    setup(&f, 1);
    assert_true(prober_stopped(f.prober));
    teardown(&f);
}

/* Another configuration: who stays keeps state and results and is asked as before; who is new is asked at once; who was
 * removed is asked no more, and is remembered when it comes back. */
static void probe_adopts_another_configuration(void **state)
{
    struct fixture f;
    struct pool pool;
    struct worker *kept_and_new[2];
    static const uint32_t weights[2] = {1, 1};
    setup(&f, 2);
    prober_start(f.prober);
    io_sim_run(f.net, NULL, NULL, 50);
    assert_int_equal(stats_of(&f, 0).probes, 1);
    struct worker extra = f.helper.workers[1];
    extra.index = 2;
    atomic_store(&extra.alive, false);
    extra.pool = &pool;
    memset(&pool, 0, sizeof(pool));
    pool.health = f.helper.pool.health;
    pool.health_path = f.helper.pool.health_path;
    kept_and_new[0] = &f.helper.workers[0];
    kept_and_new[1] = &extra;
    assert_int_equal(pool_init(&pool, kept_and_new, weights, 2), 0);
    f.helper.workers[0].pool = &pool;
    f.helper.workers[1].pool = NULL;
    atomic_store(&f.helper.workers[1].removed, true);
    assert_int_equal(prober_grow(f.prober, 3, 1), 0);
    struct pool *next = &pool, *before = &f.helper.pool;
    prober_adopt(f.prober, &next, 1, 3);
    pool_publish(&pool);
    assert_int_equal(pool_alive(&pool), 1);
    io_sim_run(f.net, NULL, NULL, 50);
    assert_int_equal(pool_alive(&pool), 2); /* asked at once */
    assert_int_equal(stats_of(&f, 0).probes, 1);
    io_sim_run(f.net, NULL, NULL, 10000);
    assert_true(stats_of(&f, 0).probes > 3);
    assert_int_equal(stats_of(&f, 1).probes, 1);
    f.helper.workers[0].pool = before;
    f.helper.workers[1].pool = before;
    atomic_store(&f.helper.workers[1].removed, false);
    atomic_store(&extra.removed, true);
    assert_int_equal(prober_grow(f.prober, 3, 1), 0);
    prober_adopt(f.prober, &before, 1, 3);
    io_sim_run(f.net, NULL, NULL, 50);
    assert_int_equal(stats_of(&f, 1).probes, 2);
    pool_fini(&pool);
    teardown(&f);
}

/* What Ballast is short of says nothing of the worker: no result is entered, and the next probe comes. */
static void probe_survives_no_memory(void **state)
{
    struct prober *prober = NULL;
    struct prober_options options = {.worker_count = 1};
    for (unsigned n = 1; n <= 2; n++) {
        alloc_fail_at(n);
        assert_int_equal(prober_create(&options, &prober), -ERR_NO_MEMORY);
        assert_true(alloc_fail_stop());
        assert_null(prober);
    }
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct fixture f;
        setup(&f, 1);
        alloc_fail_at(n);
        prober_start(f.prober);
        io_sim_run(f.net, NULL, NULL, 10);
        failed = alloc_fail_stop();
        assert_true(failed || stats_of(&f, 0).probes == 1);
        assert_true(next_result(&f).good);
        assert_int_equal(stats_of(&f, 0).failures, 0);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_starts_at_once),
        cmocka_unit_test(probe_reuses_its_connection),
        cmocka_unit_test(probe_judges_by_status),
        cmocka_unit_test(probe_falls_and_rises),
        cmocka_unit_test(probe_pauses),
        cmocka_unit_test(probe_names_each_failure),
        cmocka_unit_test(probe_times_out_connecting),
        cmocka_unit_test(probe_times_out_on_a_trickle),
        cmocka_unit_test(probe_tries_a_stale_connection_afresh),
        cmocka_unit_test(probe_takes_a_fresh_close_seriously),
        cmocka_unit_test(probe_spreads_by_jitter),
        cmocka_unit_test(probe_says_when_the_next_comes),
        cmocka_unit_test(probe_keeps_the_last_results),
        cmocka_unit_test(probe_stops_in_flight),
        cmocka_unit_test(probe_was_never_started),
        cmocka_unit_test(probe_adopts_another_configuration),
        cmocka_unit_test(probe_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
