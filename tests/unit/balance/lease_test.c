/* Idle worker connections over the simulated net: who is leased, how long they are kept, what ends them. */
#include "balance/lease.h"

#include "balance_helper.h"
#include "io/io_backend.h"
#include "scripted_worker.h"
#include "tests/unit/alloc_fail.h"

enum { WORKERS = 2, IDLE_MAX = 2, IDLE_TOTAL = 3, IDLE_MS = 4000, SESSIONS_MAX = 6 };

struct fixture {
    struct io_sim_net *net;
    struct buf_pool buffers;
    struct io *io;
    struct lease_book book;
    struct worker workers[WORKERS];
    struct scripted_worker far[WORKERS];
    struct session *session; /* what ready told last */
    int error;
    uint32_t told;
};

static uint32_t shelf_count(struct fixture *f, uint32_t index)
{
    return ((struct lease_shelf *)table_at(&f->book.shelves, index))->count;
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->net = io_sim_net_create(1);
    buf_pool_init(&f->buffers, 1 << 20);
    struct io_options io = {.backend = &io_sim_backend, .buffers = &f->buffers};
    assert_int_equal(io_create(&io, &f->io), 0);
    struct lease_options options = {
        .io = f->io,
        .door = {.limits = {.head_bytes = 16384, .fields = 100, .target_bytes = 8192}},
        .worker_idle_ms = IDLE_MS,
        .idle_max = IDLE_MAX,
        .idle_total = IDLE_TOTAL,
        .workers = WORKERS,
        .max_sessions = SESSIONS_MAX,
    };
    assert_int_equal(lease_book_init(&f->book, &options), 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        scripted_worker_start(&f->far[i], f->net);
        f->workers[i].index = i;
        f->workers[i].addr.storage = f->far[i].address;
    }
}

static bool all_closed(void *context)
{
    return ((struct fixture *)context)->book.open == 0;
}

static void teardown(struct fixture *f)
{
    lease_book_drain(&f->book);
    assert_true(io_sim_run(f->net, all_closed, f, 1000));
    assert_int_equal(f->book.idle, 0);
    lease_book_fini(&f->book);
    for (uint32_t i = 0; i < WORKERS; i++)
        scripted_worker_stop(&f->far[i]);
    io_sim_run(f->net, NULL, NULL, 10);
    assert_int_equal(io_sim_open_count(f->net), 0);
    io_destroy(&f->io);
    buf_pool_fini(&f->buffers);
    io_sim_net_destroy(&f->net);
}

static void on_ready(void *context, struct session *session, int error)
{
    struct fixture *f = context;
    f->session = session;
    f->error = error;
    f->told++;
}

static bool is_told(void *context)
{
    return ((struct fixture *)context)->told > 0;
}

static void on_stream(struct stream *stream, unsigned events)
{
}

static bool is_answered(void *context)
{
    return ((struct stream *)context)->ended;
}

/* One request and its answer: only then is a session returned. */
static void use(struct fixture *f, struct session *session)
{
    struct arena arena;
    struct stream stream;
    struct msg head = {.method = METHOD_GET, .method_text = STR("GET"), .target = STR("/"), .length = -1};
    arena_init(&arena, 1 << 16);
    stream_init(&stream, on_stream, &arena, &f->buffers);
    assert_int_equal(session_open(session, &stream), 0);
    assert_int_equal(session_send_head(&stream, &head), 0);
    assert_int_equal(session_send_end(&stream, NULL, 0), 0);
    assert_true(io_sim_run(f->net, is_answered, &stream, 1000));
    assert_true(session_finish(&stream));
    stream_fini(&stream);
    arena_fini(&arena);
}

/* A new session to this worker that has served a request, or NULL with f->error. */
static struct session *connect_to(struct fixture *f, uint32_t worker)
{
    struct lease_wait wait = {0};
    f->told = 0;
    assert_int_equal(lease_connect(&f->book, &f->workers[worker], NULL, on_ready, f, &wait), 0);
    assert_int_equal(f->told, 0);
    assert_true(io_sim_run(f->net, is_told, f, 1000));
    if (f->session)
        use(f, f->session);
    return f->session;
}

static void give_back(struct fixture *f, struct session *session)
{
    lease_return(&f->book, session, io_now_ms(f->io));
}

static void settle(struct fixture *f)
{
    io_sim_run(f->net, NULL, NULL, 10);
}

static void lease_takes_the_newest_first(void **state)
{
    struct fixture f;
    setup(&f);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    struct session *a = connect_to(&f, 0), *b = connect_to(&f, 0), *c = connect_to(&f, 1);
    assert_int_equal(f.book.open, 3);
    assert_int_equal(f.book.idle, 0);
    give_back(&f, a);
    give_back(&f, b);
    give_back(&f, c);
    assert_int_equal(f.book.idle, 3);
    assert_int_equal(shelf_count(&f, 0), 2);
    assert_int_equal(shelf_count(&f, 1), 1);
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), b);
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), a);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    assert_ptr_equal(lease_take(&f.book, &f.workers[1], false), c);
    assert_int_equal(f.book.idle, 0);
    assert_int_equal(shelf_count(&f, 0), 0);
    give_back(&f, a);
    give_back(&f, b);
    give_back(&f, c);
    teardown(&f);
}

static void lease_keeps_so_many(void **state)
{
    struct fixture f;
    struct session *sessions[IDLE_MAX + 1];
    setup(&f);
    for (int i = 0; i <= IDLE_MAX; i++)
        sessions[i] = connect_to(&f, 0);
    for (int i = 0; i <= IDLE_MAX; i++)
        give_back(&f, sessions[i]);
    assert_int_equal(shelf_count(&f, 0), IDLE_MAX);
    settle(&f);
    assert_int_equal(f.book.open, IDLE_MAX);
    assert_int_equal(f.book.idle, IDLE_MAX);
    assert_int_equal(scripted_worker_open(&f.far[0]), IDLE_MAX);
    teardown(&f);
}

static void lease_keeps_so_long(void **state)
{
    struct fixture f;
    setup(&f);
    struct session *session = connect_to(&f, 0);
    give_back(&f, session);
    io_sim_run(f.net, NULL, NULL, IDLE_MS - 10);
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), session);
    give_back(&f, session); /* the time begins anew */
    io_sim_run(f.net, NULL, NULL, IDLE_MS - 10);
    assert_int_equal(f.book.idle, 1);
    io_sim_run(f.net, NULL, NULL, 20);
    assert_int_equal(f.book.idle, 0);
    assert_int_equal(shelf_count(&f, 0), 0);
    assert_int_equal(f.book.open, 0);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    teardown(&f);
}

/* A worker that ends, resets or talks on an idle connection: it is never leased again. */
static void lease_drops_what_the_worker_ended(void **state)
{
    struct fixture f;
    setup(&f);
    for (int how = 0; how < 3; how++) {
        give_back(&f, connect_to(&f, 0));
        if (how < 2)
            scripted_worker_close(&f.far[0], (uint32_t)how, how == 1);
        else
            scripted_worker_send(&f.far[0], "HTTP/1.1 408 Request Timeout\r\n\r\n");
        settle(&f);
        assert_int_equal(f.book.idle, 0);
        assert_int_equal(shelf_count(&f, 0), 0);
        assert_null(lease_take(&f.book, &f.workers[0], false));
    }
    settle(&f);
    assert_int_equal(f.book.open, 0);
    teardown(&f);
}

/* The end is known to the socket and not yet told: seen when it is to be leased. */
static void lease_passes_over_the_ended(void **state)
{
    struct fixture f;
    setup(&f);
    struct session *good = connect_to(&f, 0), *ended = connect_to(&f, 0);
    give_back(&f, good);
    give_back(&f, ended);
    ended->conn.seat->sock.peer_ended = true;
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), good);
    assert_int_equal(f.book.idle, 0);
    settle(&f);
    assert_int_equal(f.book.open, 1);
    give_back(&f, good);
    teardown(&f);
}

/* The worker closes one that has been idle for so long. */
static void see_closed(struct fixture *f, int64_t ms)
{
    give_back(f, connect_to(f, 0));
    io_sim_run(f->net, NULL, NULL, ms);
    scripted_worker_close(&f->far[0], f->far[0].accepted - 1, false);
    settle(f);
    assert_int_equal(f->book.open, 0);
}

/* After two closings at 1 s none older than 0.9 s is used; one is kept to see when it is closed. */
static void lease_learns_how_long(void **state)
{
    struct fixture f;
    setup(&f);
    see_closed(&f, 1000);
    assert_int_equal(idle_age_learned_ms(&f.workers[0].idle_age), 0);
    see_closed(&f, 1000);
    assert_in_range(idle_age_learned_ms(&f.workers[0].idle_age), 1000, 1001);
    struct session *one = connect_to(&f, 0), *two = connect_to(&f, 0);
    give_back(&f, one);
    io_sim_run(f.net, NULL, NULL, 890);
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), one);
    give_back(&f, one);
    give_back(&f, two);
    io_sim_run(f.net, NULL, NULL, 910);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    assert_int_equal(f.book.open, 1); /* the scout */
    assert_int_equal(f.book.idle, 0);
    assert_non_null(((struct lease_shelf *)table_at(&f.book.shelves, 0))->scout);
    assert_int_equal(idle_age_learned_ms(&f.workers[1].idle_age), 0);
    teardown(&f);
}

/* The scout lives as long as we keep any: the worker has changed its mind. */
static void lease_forgets_what_is_no_more(void **state)
{
    struct fixture f;
    setup(&f);
    see_closed(&f, 1000);
    see_closed(&f, 1000);
    give_back(&f, connect_to(&f, 0));
    io_sim_run(f.net, NULL, NULL, IDLE_MS - 10);
    assert_int_equal(f.book.open, 1);
    assert_true(idle_age_learned_ms(&f.workers[0].idle_age) > 0);
    io_sim_run(f.net, NULL, NULL, 20);
    assert_int_equal(f.book.open, 0);
    assert_int_equal(idle_age_learned_ms(&f.workers[0].idle_age), 0);
    teardown(&f);
}

/* A client that took its time: the worker has counted since its answer was whole. */
static void lease_counts_from_the_answer(void **state)
{
    struct fixture f;
    setup(&f);
    see_closed(&f, 1000);
    see_closed(&f, 1000);
    struct session *session = connect_to(&f, 0);
    int64_t whole_ms = io_now_ms(f.io);
    io_sim_run(f.net, NULL, NULL, 950);
    lease_return(&f.book, session, whole_ms);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    settle(&f);
    assert_non_null(((struct lease_shelf *)table_at(&f.book.shelves, 0))->scout);
    teardown(&f);
}

/* Requests that ran into the end teach as well: where clients come at just that age there is nothing else. */
static void lease_learns_from_the_stale(void **state)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 2; i++) {
        struct session *session = connect_to(&f, 0);
        give_back(&f, session);
        io_sim_run(f.net, NULL, NULL, 1000);
        assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), session);
        lease_note_stale(session);
        give_back(&f, session);
    }
    assert_in_range(idle_age_learned_ms(&f.workers[0].idle_age), 1000, 1001);
    teardown(&f);
}

/* The end is known, and seen only when it is to be leased. */
static void lease_learns_as_it_looks(void **state)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 2; i++) {
        struct session *session = connect_to(&f, 0);
        give_back(&f, session);
        io_sim_run(f.net, NULL, NULL, 1000);
        session->conn.seat->sock.peer_ended = true;
        assert_null(lease_take(&f.book, &f.workers[0], false));
        settle(&f);
    }
    assert_in_range(idle_age_learned_ms(&f.workers[0].idle_age), 1000, 1001);
    teardown(&f);
}

static void lease_cancels(void **state)
{
    struct fixture f;
    struct lease_wait wait = {0};
    setup(&f);
    io_sim_limits(f.net)->delay_ns = 5000000;
    for (int turns = 0; turns < 3; turns++) {
        f.told = 0;
        assert_int_equal(lease_connect(&f.book, &f.workers[0], NULL, on_ready, &f, &wait), 0);
        for (int i = 0; i < turns; i++)
            io_sim_step(f.net);
        lease_cancel(&wait);
        assert_true(io_sim_run(f.net, all_closed, &f, 1000));
        assert_int_equal(f.told, 0);
    }
    teardown(&f);
}

static void lease_tells_of_a_refusal(void **state)
{
    struct fixture f;
    setup(&f);
    scripted_worker_refuse(&f.far[1]);
    assert_null(connect_to(&f, 1));
    assert_int_equal(f.error, -ERR_CONNECT_REFUSED);
    settle(&f);
    assert_int_equal(f.book.open, 0);
    teardown(&f);
}

static void lease_has_a_limit(void **state)
{
    struct fixture f;
    struct lease_wait waits[SESSIONS_MAX + 1] = {0};
    setup(&f);
    for (int i = 0; i < SESSIONS_MAX; i++)
        assert_int_equal(lease_connect(&f.book, &f.workers[0], NULL, on_ready, &f, &waits[i]), 0);
    assert_int_equal(lease_connect(&f.book, &f.workers[0], NULL, on_ready, &f, &waits[SESSIONS_MAX]), -ERR_FULL);
    assert_null(waits[SESSIONS_MAX].lease);
    for (int i = 0; i < SESSIONS_MAX; i++)
        lease_cancel(&waits[i]);
    assert_true(io_sim_run(f.net, all_closed, &f, 1000));
    give_back(&f, connect_to(&f, 0));
    teardown(&f);
}

/* What goes for one client is closed when it is returned, and what idles from before is nobody's. */
static void lease_of_one_client_is_not_shared(void **state)
{
    struct fixture f;
    struct lease_wait wait = {0};
    setup(&f);
    give_back(&f, connect_to(&f, 0));
    assert_int_equal(f.book.idle, 1);
    atomic_store(&f.workers[0].transport, helper_personal());
    assert_null(lease_take(&f.book, &f.workers[0], false));
    f.told = 0;
    helper_told_of = NULL;
    assert_int_equal(lease_connect(&f.book, &f.workers[0], &f, on_ready, &f, &wait), 0);
    assert_ptr_equal(helper_told_of, &f);
    assert_true(io_sim_run(f.net, is_told, &f, 1000));
    use(&f, f.session);
    atomic_store(&f.workers[0].transport, NULL); /* a reload: it stays what it was */
    give_back(&f, f.session);
    settle(&f);
    assert_int_equal(f.book.idle, 1);
    assert_int_equal(f.book.open, 1);
    struct session *shared = lease_take(&f.book, &f.workers[0], false);
    assert_non_null(shared);
    give_back(&f, shared);
    teardown(&f);
}

/* Draining ends the idle at once, the leased when they are returned, and lets those that connect be used. */
static void lease_drains(void **state)
{
    struct fixture f;
    struct lease_wait wait = {0};
    setup(&f);
    struct session *idle = connect_to(&f, 0), *leased = connect_to(&f, 1);
    give_back(&f, idle);
    f.told = 0;
    assert_int_equal(lease_connect(&f.book, &f.workers[1], NULL, on_ready, &f, &wait), 0);
    lease_book_drain(&f.book);
    assert_int_equal(f.book.idle, 0);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    assert_true(io_sim_run(f.net, is_told, &f, 1000));
    assert_non_null(f.session);
    settle(&f);
    assert_int_equal(f.book.open, 2);
    use(&f, f.session);
    give_back(&f, leased);
    give_back(&f, f.session);
    assert_int_equal(f.book.idle, 0);
    settle(&f);
    assert_int_equal(f.book.open, 0);
    teardown(&f);
}

static void lease_survives_no_memory(void **state)
{
    struct fixture f;
    struct lease_book book;
    struct lease_wait wait = {0};
    struct lease_options options = {.workers = 1, .max_sessions = 1};
    alloc_fail_at(1);
    assert_int_equal(lease_book_init(&book, &options), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    setup(&f);
    alloc_fail_at(1);
    assert_true(lease_connect(&f.book, &f.workers[0], NULL, on_ready, &f, &wait) < 0);
    assert_true(alloc_fail_stop());
    assert_null(wait.lease);
    assert_int_equal(f.book.open, 0);
    assert_int_equal(f.book.leases.used, 0);
    give_back(&f, connect_to(&f, 0));
    teardown(&f);
}

/* Of a session that has idled for a while its connection remains; it is whole again when it is leased. */
static void lease_rests(void **state)
{
    struct fixture f;
    setup(&f);
    for (int round = 0; round < 3; round++) {
        struct session *session = round == 0 ? connect_to(&f, 0) : lease_take(&f.book, &f.workers[0], false);
        assert_non_null(session);
        assert_int_equal(f.book.sessions.used, 1);
        if (round > 0)
            use(&f, session);
        give_back(&f, session);
        io_sim_run(f.net, NULL, NULL, REST_AFTER_MS - 1);
        lease_book_rest(&f.book);
        assert_int_equal(f.book.sessions.used, 1);
        io_sim_run(f.net, NULL, NULL, 2);
        lease_book_rest(&f.book);
        settle(&f);
        assert_int_equal(f.book.sessions.used, 0);
        assert_int_equal(f.book.idle, 1);
    }
    assert_int_equal(f.book.open, 1);
    teardown(&f);
}

static void rest(struct fixture *f)
{
    give_back(f, connect_to(f, 0));
    io_sim_run(f->net, NULL, NULL, REST_AFTER_MS + 1);
    lease_book_rest(&f->book);
    settle(f);
    assert_int_equal(f->book.sessions.used, 0);
}

/* What ends it from outside is seen while it rests, and is learned from. */
static void lease_ends_at_rest(void **state)
{
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 2; i++) {
        rest(&f);
        scripted_worker_close(&f.far[0], i, i == 1);
        settle(&f);
        assert_int_equal(f.book.open, 0);
        assert_null(lease_take(&f.book, &f.workers[0], false));
    }
    assert_in_range(idle_age_learned_ms(&f.workers[0].idle_age), REST_AFTER_MS, REST_AFTER_MS + 20);
    teardown(&f);
}

static void lease_times_out_at_rest(void **state)
{
    struct fixture f;
    setup(&f);
    rest(&f);
    io_sim_run(f.net, NULL, NULL, IDLE_MS);
    assert_int_equal(f.book.open, 0);
    rest(&f);
    slab_fini(&f.book.sessions); /* so that none is kept */
    alloc_fail_at(1);            /* not even what it would be leased with */
    assert_null(lease_take(&f.book, &f.workers[0], false));
    assert_true(alloc_fail_stop());
    assert_int_equal(f.book.idle, 1);
    lease_book_drain(&f.book);
    settle(&f);
    assert_int_equal(f.book.open, 0);
    teardown(&f);
}

/* When descriptors are short the one that has idled for longest goes, whichever worker it leads to. */
static void lease_yields_the_oldest(void **state)
{
    struct fixture f;
    setup(&f);
    struct session *a = connect_to(&f, 0), *b = connect_to(&f, 1), *c = connect_to(&f, 0);
    give_back(&f, a);
    io_sim_run(f.net, NULL, NULL, REST_AFTER_MS + 1);
    lease_book_rest(&f.book); /* one of them rests */
    settle(&f);
    give_back(&f, b);
    give_back(&f, c);
    assert_int_equal(lease_book_yield(&f.book, 1), 1);
    assert_int_equal(f.book.idle, 2);
    assert_int_equal(lease_book_yield(&f.book, 1), 1);
    assert_null(lease_take(&f.book, &f.workers[1], false));
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), c);
    assert_int_equal(lease_book_yield(&f.book, 5), 0); /* a leased one stays */
    settle(&f);
    assert_int_equal(f.book.open, 1);
    give_back(&f, c);
    assert_int_equal(lease_book_yield(&f.book, 5), 1);
    settle(&f);
    assert_int_equal(f.book.open, 0);
    teardown(&f);
}

/* Of more than so many, over all workers, the oldest goes by itself. */
static void lease_keeps_so_many_in_all(void **state)
{
    struct fixture f;
    setup(&f);
    struct session *sessions[] = {connect_to(&f, 0), connect_to(&f, 1), connect_to(&f, 1), connect_to(&f, 0)};
    for (size_t i = 0; i < ARRAY_SIZE(sessions); i++)
        give_back(&f, sessions[i]);
    settle(&f);
    assert_int_equal(f.book.open, IDLE_TOTAL);
    assert_int_equal(f.book.idle, IDLE_TOTAL);
    assert_ptr_equal(lease_take(&f.book, &f.workers[0], false), sessions[3]);
    assert_null(lease_take(&f.book, &f.workers[0], false));
    give_back(&f, sessions[3]);
    teardown(&f);
}

static int open_none(struct io *io, struct io_sock *sock, int family)
{
    return -ERR_NO_DESCRIPTORS;
}

static void lease_yields_to_a_connect(void **state)
{
    struct fixture f;
    struct io_backend poor = io_sim_backend;
    struct lease_wait wait = {0};
    setup(&f);
    give_back(&f, connect_to(&f, 0));
    poor.open = open_none;
    f.io->backend = &poor;
    assert_int_equal(lease_connect(&f.book, &f.workers[1], NULL, on_ready, &f, &wait), -ERR_NO_DESCRIPTORS);
    assert_int_equal(f.book.idle, 0);
    f.io->backend = &io_sim_backend;
    settle(&f);
    assert_int_equal(f.book.open, 0);
    give_back(&f, connect_to(&f, 1));
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_takes_the_newest_first),
        cmocka_unit_test(lease_keeps_so_many),
        cmocka_unit_test(lease_keeps_so_long),
        cmocka_unit_test(lease_drops_what_the_worker_ended),
        cmocka_unit_test(lease_passes_over_the_ended),
        cmocka_unit_test(lease_learns_how_long),
        cmocka_unit_test(lease_forgets_what_is_no_more),
        cmocka_unit_test(lease_counts_from_the_answer),
        cmocka_unit_test(lease_learns_from_the_stale),
        cmocka_unit_test(lease_learns_as_it_looks),
        cmocka_unit_test(lease_cancels),
        cmocka_unit_test(lease_tells_of_a_refusal),
        cmocka_unit_test(lease_has_a_limit),
        cmocka_unit_test(lease_of_one_client_is_not_shared),
        cmocka_unit_test(lease_drains),
        cmocka_unit_test(lease_yields_the_oldest),
        cmocka_unit_test(lease_keeps_so_many_in_all),
        cmocka_unit_test(lease_yields_to_a_connect),
        cmocka_unit_test(lease_rests),
        cmocka_unit_test(lease_ends_at_rest),
        cmocka_unit_test(lease_times_out_at_rest),
        cmocka_unit_test(lease_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
