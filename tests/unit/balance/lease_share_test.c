/* Worker connections of HTTP/2 over the simulated net: many exchanges on one, as many of them as it takes, and who gets
 * which. */
#include "balance/lease.h"

#include "balance_helper.h"
#include "tests/sim/io_sim.h"
#include "tests/unit/http/h2_wire.h"

enum { STREAMS = 4, WAITS = 6, SESSIONS_MAX = 6, PEERS = 4 };

/* Who asks for a connection, and then has a stream on it. */
struct asker {
    struct lease_wait wait;
    struct stream stream;
    struct arena arena;
    struct session *session;
    int error;
    bool told;
};

struct fixture {
    struct io_sim_net *net;
    struct buf_pool buffers;
    struct io *io;
    struct h2_room room;
    struct lease_book book;
    struct worker worker;
    struct asker askers[WAITS];
    struct io_sim_peer *peers[PEERS];
    uint32_t accepted;
    int listener;
};

static struct h2_wire wire;

static void on_stream(struct stream *stream, unsigned events)
{
}

static void setup(struct fixture *f, enum worker_protocol protocol)
{
    memset(f, 0, sizeof(*f));
    f->net = io_sim_net_create(1);
    buf_pool_init(&f->buffers, 4 << 20);
    h2_room_init(&f->room, SESSIONS_MAX * STREAMS, 4 << 20);
    struct io_options io = {.backend = &io_sim_backend, .buffers = &f->buffers};
    assert_int_equal(io_create(&io, &f->io), 0);
    struct lease_options options = {
        .io = f->io,
        .door = {.limits = {.head_bytes = 16384, .fields = 100, .target_bytes = 8192},
                 .h2 = {.streams = STREAMS, .floods = {50, 50, 50}, .idle_ms = 4000, .room = &f->room}},
        .worker_idle_ms = 4000,
        .idle_max = 2,
        .idle_total = 4,
        .workers = 1,
        .max_sessions = SESSIONS_MAX,
    };
    assert_int_equal(lease_book_init(&f->book, &options), 0);
    f->worker.addr.storage = io_sim_address(f->net);
    f->listener = io_sim_peer_listen(f->net, &f->worker.addr.storage, NULL, NULL);
    atomic_store(&f->worker.protocol, (uint8_t)protocol);
    for (int i = 0; i < WAITS; i++) {
        arena_init(&f->askers[i].arena, 1 << 16);
        stream_init(&f->askers[i].stream, on_stream, &f->askers[i].arena, &f->buffers);
    }
}

static void settle(struct fixture *f)
{
    io_sim_run(f->net, NULL, NULL, 10);
}

static bool all_closed(void *context)
{
    return ((struct fixture *)context)->book.open == 0;
}

static void teardown(struct fixture *f)
{
    for (int i = 0; i < WAITS; i++) {
        if (f->askers[i].stream.session)
            session_abort(&f->askers[i].stream);
        stream_fini(&f->askers[i].stream);
        arena_fini(&f->askers[i].arena);
    }
    lease_book_drain(&f->book);
    settle(f);
    for (uint32_t i = 0; i < f->accepted; i++)
        if (f->peers[i])
            io_sim_peer_close(&f->peers[i], false);
    assert_true(io_sim_run(f->net, all_closed, f, 5000));
    lease_book_fini(&f->book);
    if (f->listener >= 0)
        io_sim_peer_unlisten(f->net, f->listener);
    io_sim_run(f->net, NULL, NULL, 10);
    assert_int_equal(io_sim_open_count(f->net), 0);
    io_destroy(&f->io);
    h2_room_fini(&f->room);
    buf_pool_fini(&f->buffers);
    io_sim_net_destroy(&f->net);
}

/* Whoever gets a place takes it in the same turn, as an exchange does. */
static void take_place(struct asker *asker, struct session *session)
{
    asker->session = session;
    assert_int_equal(session_open(session, &asker->stream), 0);
}

static void on_ready(void *context, struct session *session, int error)
{
    struct asker *asker = context;
    assert_false(asker->told);
    asker->told = true;
    asker->error = error;
    if (session)
        take_place(asker, session);
}

static void connect_for(struct fixture *f, int who)
{
    struct asker *asker = &f->askers[who];
    assert_int_equal(lease_connect(&f->book, &f->worker, NULL, on_ready, asker, &asker->wait), 0);
    assert_false(asker->told);
}

/* The worker accepts what has come and says its SETTINGS: how many streams it wants, or nothing of that (-1). */
static void greet(struct fixture *f, int most)
{
    const char value[] = {0, 3, 0, 0, 0, (char)most};

    settle(f);
    struct io_sim_peer *peer = io_sim_peer_accept(f->net, f->listener);
    assert_non_null(peer);
    f->peers[f->accepted++] = peer;
    wire.n = 0;
    h2_wire_frame(&wire, H2_SETTINGS, 0, 0, value, most < 0 ? 0 : sizeof(value));
    io_sim_peer_send(peer, wire.bytes, wire.n);
    settle(f);
}

static void finish(struct fixture *f, int who)
{
    struct asker *asker = &f->askers[who];
    if (session_finish(&asker->stream))
        lease_return(&f->book, asker->session, io_now_ms(f->io));
    asker->session = NULL;
    settle(f);
}

/* A place, or NULL. */
static struct session *take(struct fixture *f, int who)
{
    struct session *session = lease_take(&f->book, &f->worker, false);
    if (session)
        take_place(&f->askers[who], session);
    return session;
}

/* Who asks while one is connecting waits for it; each has a stream on it, and so have those who come later. */
static void lease_share_waits_together(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    for (int i = 0; i < 3; i++)
        connect_for(&f, i);
    greet(&f, -1);
    for (int i = 0; i < 3; i++) {
        assert_true(f.askers[i].told);
        assert_non_null(f.askers[i].session);
        assert_ptr_equal(f.askers[i].session, f.askers[0].session);
    }
    assert_int_equal(f.book.open, 1);
    assert_ptr_equal(take(&f, 3), f.askers[0].session);
    assert_null(take(&f, 4)); /* STREAMS are there */
    finish(&f, 1);
    assert_ptr_equal(take(&f, 4), f.askers[0].session);
    teardown(&f);
}

/* A place that was given and is not yet opened is nobody else's. */
static void lease_share_claims(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    greet(&f, -1);
    for (int i = 1; i < STREAMS; i++)
        assert_non_null(lease_take(&f.book, &f.worker, false));
    assert_null(lease_take(&f.book, &f.worker, false));
    take_place(&f.askers[1], f.askers[0].session);
    assert_null(lease_take(&f.book, &f.worker, false)); /* opened instead of claimed */
    f.askers[0].session->claimed = 0;
    teardown(&f);
}

/* When all are full there is another; the one that was used last is asked first. */
static void lease_share_goes_on_another(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    for (int i = 0; i < STREAMS; i++)
        connect_for(&f, i);
    greet(&f, -1);
    assert_null(take(&f, 4));
    connect_for(&f, 4);
    greet(&f, -1);
    assert_int_equal(f.book.open, 2);
    struct session *first = f.askers[0].session, *second = f.askers[4].session;
    assert_ptr_not_equal(first, second);
    finish(&f, 0);
    assert_ptr_equal(take(&f, 5), second);
    finish(&f, 4);
    finish(&f, 5);
    assert_ptr_equal(take(&f, 0), second);
    finish(&f, 0);
    teardown(&f);
}

/* No more wait for one connection than it may have streams. */
static void lease_share_bounds_those_who_wait(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    for (int i = 0; i <= STREAMS; i++)
        connect_for(&f, i);
    assert_int_equal(f.book.open, 2);
    greet(&f, -1);
    greet(&f, -1);
    assert_ptr_equal(f.askers[STREAMS - 1].session, f.askers[0].session);
    assert_ptr_not_equal(f.askers[STREAMS].session, f.askers[0].session);
    teardown(&f);
}

/* The worker wants fewer than have waited: the others connect again. */
static void lease_share_connects_again(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    for (int i = 0; i < 3; i++)
        connect_for(&f, i);
    greet(&f, 2);
    assert_true(f.askers[0].told && f.askers[1].told);
    assert_false(f.askers[2].told);
    assert_int_equal(f.book.open, 2);
    greet(&f, 2);
    assert_non_null(f.askers[2].session);
    assert_ptr_not_equal(f.askers[2].session, f.askers[0].session);
    teardown(&f);
}

static void lease_share_with_a_worker_that_wants_none(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    connect_for(&f, 1);
    greet(&f, 0);
    for (int i = 0; i < 2; i++) {
        assert_true(f.askers[i].told);
        assert_int_equal(f.askers[i].error, -ERR_STREAM_REFUSED);
    }
    teardown(&f);
}

static void lease_share_fails_for_all(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    io_sim_peer_unlisten(f.net, f.listener);
    f.listener = -1;
    for (int i = 0; i < 3; i++)
        connect_for(&f, i);
    settle(&f);
    for (int i = 0; i < 3; i++) {
        assert_true(f.askers[i].told);
        assert_int_equal(f.askers[i].error, -ERR_CONNECT_REFUSED);
        assert_null(f.askers[i].session);
    }
    assert_true(io_sim_run(f.net, all_closed, &f, 1000));
    teardown(&f);
}

/* One that leaves leaves the connection to the others; with the last it closes. */
static void lease_share_cancels(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    connect_for(&f, 1);
    lease_cancel(&f.askers[0].wait);
    greet(&f, -1);
    assert_false(f.askers[0].told);
    assert_non_null(f.askers[1].session);
    take(&f, 2);
    take(&f, 3);
    take(&f, 4);
    assert_null(take(&f, 0));
    connect_for(&f, 0);
    lease_cancel(&f.askers[0].wait);
    settle(&f);
    assert_int_equal(f.book.open, 1);
    teardown(&f);
}

/* RFC 9113 section 6.8: who has said GOAWAY gets no more streams, and is closed when the last has ended. */
static void lease_share_after_goaway(void **state)
{
    static const char last[8] = {0, 0, 0, 7};
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    greet(&f, -1);
    wire.n = 0;
    h2_wire_frame(&wire, H2_GOAWAY, 0, 0, last, sizeof(last));
    io_sim_peer_send(f.peers[0], wire.bytes, wire.n);
    settle(&f);
    assert_null(take(&f, 1));
    assert_int_equal(f.book.open, 1);
    finish(&f, 0);
    io_sim_peer_close(&f.peers[0], false);
    assert_true(io_sim_run(f.net, all_closed, &f, 5000));
    teardown(&f);
}

/* What asks for an upgrade joins nobody where HTTP/1 is spoken too, is joined by nobody, and is not kept. */
static void lease_share_not_with_upgrades(void **state)
{
    struct fixture f;
    setup(&f, WORKER_AUTO);
    atomic_store(&f.worker.speaks_h2, true);
    connect_for(&f, 0);
    f.askers[1].wait.switches = true;
    connect_for(&f, 1);
    assert_int_equal(f.book.open, 2);
    connect_for(&f, 2);
    assert_int_equal(f.book.open, 2);
    settle(&f);
    assert_false(session_is_shared(f.askers[1].session));
    assert_true(atomic_load(&f.worker.protocol) == WORKER_AUTO);
    session_abort(&f.askers[1].stream);
    settle(&f);
    assert_null(lease_take(&f.book, &f.worker, true));
    teardown(&f);
}

/* After a reload that has connections tell of their client, nobody joins one that was begun without. */
static void lease_share_not_what_tells_of_nobody(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    atomic_store(&f.worker.transport, helper_personal());
    helper_told_of = NULL;
    struct asker *asker = &f.askers[1];
    assert_int_equal(lease_connect(&f.book, &f.worker, asker, on_ready, asker, &asker->wait), 0);
    assert_ptr_equal(helper_told_of, asker);
    assert_int_equal(f.book.open, 2);
    atomic_store(&f.worker.transport, NULL);
    connect_for(&f, 2); /* joins the first again: it tells of nobody */
    assert_int_equal(f.book.open, 2);
    greet(&f, -1);
    greet(&f, -1);
    assert_ptr_equal(f.askers[2].session, f.askers[0].session);
    assert_true(f.askers[1].session && f.askers[1].session != f.askers[0].session);
    teardown(&f);
}

/* Nor is one made that would tell of nobody, for those who find no place on the one that they have waited for. */
static void lease_share_does_not_connect_again_for_nobody(void **state)
{
    struct fixture f;
    setup(&f, WORKER_H2C);
    connect_for(&f, 0);
    connect_for(&f, 1);
    atomic_store(&f.worker.transport, helper_personal());
    helper_told_of = &f;
    greet(&f, 1);
    assert_non_null(f.askers[0].session);
    assert_true(f.askers[1].told);
    assert_int_equal(f.askers[1].error, -ERR_STREAM_REFUSED); /* to be tried again, with its client */
    assert_ptr_equal(helper_told_of, &f);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_share_waits_together),
        cmocka_unit_test(lease_share_claims),
        cmocka_unit_test(lease_share_goes_on_another),
        cmocka_unit_test(lease_share_bounds_those_who_wait),
        cmocka_unit_test(lease_share_connects_again),
        cmocka_unit_test(lease_share_with_a_worker_that_wants_none),
        cmocka_unit_test(lease_share_fails_for_all),
        cmocka_unit_test(lease_share_cancels),
        cmocka_unit_test(lease_share_after_goaway),
        cmocka_unit_test(lease_share_not_with_upgrades),
        cmocka_unit_test(lease_share_not_what_tells_of_nobody),
        cmocka_unit_test(lease_share_does_not_connect_again_for_nobody),
    };
    return cmocka_run_group_tests_name("lease_share", tests, NULL, NULL);
}
