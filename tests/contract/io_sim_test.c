/* The contract suite over the simulated backend, and what the simulated net promises beyond it. */
#include <string.h>

#include "base/clock.h"
#include "tests/contract/io_suite.h"
#include "tests/sim/io_sim.h"

static struct io_far *far_of(struct io_sim_peer *peer)
{
    return (struct io_far *)(void *)peer;
}

static struct io_sim_peer *peer_of(struct io_far *far)
{
    return (struct io_sim_peer *)(void *)far;
}

static void sim_setup(struct io_fixture *fixture)
{
    fixture->state = io_sim_net_create(1);
}

static void sim_teardown(struct io_fixture *fixture)
{
    struct io_sim_net *net = fixture->state;
    assert_int_equal(io_sim_open_count(net), 0);
    io_sim_net_destroy(&net);
}

static struct io_far *sim_pair(struct io_fixture *fixture, int *ret_fd)
{
    return far_of(io_sim_peer_pair(fixture->state, ret_fd));
}

static int sim_listen(struct io_fixture *fixture, struct sockaddr_storage *ret_address)
{
    *ret_address = io_sim_address(fixture->state);
    return io_sim_listen(fixture->state, ret_address);
}

static int sim_far_listen(struct io_fixture *fixture, struct sockaddr_storage *ret_address)
{
    *ret_address = io_sim_address(fixture->state);
    return io_sim_peer_listen(fixture->state, ret_address, NULL, NULL);
}

static void sim_far_unlisten(struct io_fixture *fixture, int listener)
{
    io_sim_peer_unlisten(fixture->state, listener);
}

static struct io_far *sim_far_accept(struct io_fixture *fixture, int listener)
{
    return far_of(io_sim_peer_accept(fixture->state, listener));
}

static struct io_far *sim_far_connect(struct io_fixture *fixture, const struct sockaddr_storage *to)
{
    struct io_sim_peer *peer = io_sim_peer_connect(fixture->state, to);
    io_sim_peer_pause(peer, true);
    return far_of(peer);
}

static void sim_far_send(struct io_fixture *fixture, struct io_far *far, const void *bytes, size_t n)
{
    io_sim_peer_send(peer_of(far), bytes, n);
}

/* Reads only when asked, as a real socket is read: a full connection stays full. */
static ssize_t sim_far_recv(struct io_fixture *fixture, struct io_far *far, void *out, size_t n)
{
    struct io_sim_peer *peer = peer_of(far);
    io_sim_peer_pause(peer, false);
    struct str received = io_sim_peer_received(peer);
    io_sim_peer_pause(peer, true);
    if (received.n == 0) {
        enum io_sim_peer_state state = io_sim_peer_state(peer);
        return state == IO_SIM_PEER_ENDED ? 0 : state == IO_SIM_PEER_RESET ? FAR_RESET : FAR_NOTHING;
    }
    if (n > received.n)
        n = received.n;
    memcpy(out, received.p, n);
    io_sim_peer_take(peer, n);
    return (ssize_t)n;
}

static void sim_far_shutdown(struct io_fixture *fixture, struct io_far *far)
{
    io_sim_peer_shutdown(peer_of(far));
}

static void sim_far_close(struct io_fixture *fixture, struct io_far *far, bool reset)
{
    struct io_sim_peer *peer = peer_of(far);
    io_sim_peer_close(&peer, reset);
}

static struct io_far *sim_pair_paused(struct io_fixture *fixture, int *ret_fd)
{
    struct io_far *far = sim_pair(fixture, ret_fd);
    io_sim_peer_pause(peer_of(far), true);
    return far;
}

static const struct io_fixture_ops sim_ops = {
    .backend = &io_sim_backend,
    .setup = sim_setup,
    .teardown = sim_teardown,
    .pair = sim_pair_paused,
    .listen = sim_listen,
    .far_listen = sim_far_listen,
    .far_unlisten = sim_far_unlisten,
    .far_accept = sim_far_accept,
    .far_connect = sim_far_connect,
    .far_send = sim_far_send,
    .far_recv = sim_far_recv,
    .far_shutdown = sim_far_shutdown,
    .far_close = sim_far_close,
};

static void slow_setup(struct io_fixture *fixture)
{
    sim_setup(fixture);
    struct io_sim_limits *limits = io_sim_limits(fixture->state);
    limits->segment_bytes = 1000;
    limits->buffer_bytes = 7000;
}

/* ---- Beyond the contract ---- */

/* A loop that listens and answers everything with the same bytes: the smallest reactor. */
struct echo {
    struct io *io;
    struct io_sock door, sock;
    struct io_op accept, rx, tx, close_door, close_sock;
    struct sockaddr_storage peer;
    struct bufq queue;
    int64_t heard_ms;
};

static void echo_on_recv(struct io_op *op)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, rx);
    echo->heard_ms = io_now_ms(echo->io);
    if (op->result <= 0)
        return;
    assert_int_equal(bufq_push(&echo->queue, op->buf, op->buf->used - (uint32_t)op->result, (size_t)op->result), 0);
    buf_unref(op->buf);
    io_send(&echo->sock, &echo->tx, &echo->queue);
}

static void echo_on_sent(struct io_op *op)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, tx);
    assert_true(op->result > 0);
    bufq_consume(&echo->queue, (size_t)op->result);
    if (bufq_bytes(&echo->queue) > 0)
        io_send(&echo->sock, op, &echo->queue);
    else
        io_recv(&echo->sock, &echo->rx, NULL);
}

static void echo_on_accept(struct io_op *op)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, accept);
    if (op->result < 0)
        return;
    assert_int_equal(io_adopt(echo->io, &echo->sock, op->result), 0);
    io_recv(&echo->sock, &echo->rx, NULL);
}

static void echo_on_closed(struct io_op *op)
{
}

static struct io *loop_create(struct buf_pool *buffers)
{
    struct io_options options = {.backend = &io_sim_backend, .buffers = buffers};
    struct io *io = NULL;
    assert_int_equal(io_create(&options, &io), 0);
    return io;
}

static struct sockaddr_storage echo_open(struct io_sim_net *net, struct echo *echo, struct buf_pool *buffers)
{
    struct sockaddr_storage address = io_sim_address(net);
    *echo = (struct echo){.io = loop_create(buffers),
                          .accept.done = echo_on_accept,
                          .rx.done = echo_on_recv,
                          .tx.done = echo_on_sent,
                          .close_door.done = echo_on_closed,
                          .close_sock.done = echo_on_closed};
    io_sock_init(&echo->sock);
    bufq_init(&echo->queue, buffers);
    assert_int_equal(io_adopt(echo->io, &echo->door, io_sim_listen(net, &address)), 0);
    io_accept(&echo->door, &echo->accept, &echo->peer);
    return address;
}

static void echo_close(struct io_sim_net *net, struct echo *echo)
{
    io_close(&echo->door, &echo->close_door, false);
    if (io_is_open(&echo->sock))
        io_close(&echo->sock, &echo->close_sock, false);
    io_sim_run(net, NULL, NULL, 10);
    bufq_clear(&echo->queue);
    io_destroy(&echo->io);
}

static void test_virtual_time_is_exact(void **state)
{
    struct io_sim_net *net = io_sim_net_create(7);
    struct buf_pool buffers;
    struct echo echo;
    buf_pool_init(&buffers, 1024 * 1024);
    io_sim_limits(net)->delay_ns = INT64_C(30000000000); /* half a minute one way */
    struct sockaddr_storage address = echo_open(net, &echo, &buffers);
    int64_t start_ns = io_sim_now_ns(net);
    struct io_sim_peer *peer = io_sim_peer_connect(net, &address);
    io_sim_peer_send(peer, "ping", 4);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_CONNECTING);
    assert_false(io_sim_peer_expect(peer, STR("ping"), 119999));
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_OPEN);
    assert_true(io_sim_peer_expect(peer, STR("ping"), 1)); /* there, back, there with the bytes, and back */
    assert_int_equal(io_sim_now_ns(net) - start_ns, INT64_C(120000000000));
    assert_int_equal(echo.heard_ms, start_ns / 1000000 + 90000);
    assert_int_equal(clock_steady_ns(), io_sim_now_ns(net));
    assert_false(io_sim_peer_expect(peer, STR("more"), 3600 * 1000));
    io_sim_peer_close(&peer, false);
    io_sim_run(net, NULL, NULL, 60000);
    echo_close(net, &echo);
    assert_int_equal(io_sim_open_count(net), 0);
    io_sim_net_destroy(&net);
    buf_pool_fini(&buffers);
}

static void answer_backwards(struct io_sim_peer *peer, void *context)
{
    struct str got = io_sim_peer_received(peer);
    for (size_t i = got.n; i > 0; i--)
        io_sim_peer_send(peer, got.p + i - 1, 1);
    io_sim_peer_take(peer, got.n);
}

static void on_worker_accept(struct io_sim_peer *peer, void *context)
{
    *(struct io_sim_peer **)context = peer;
    io_sim_peer_on_event(peer, answer_backwards, NULL);
}

static bool probe_called(void *context)
{
    return ((struct probe *)context)->calls > 0;
}

static void test_a_scripted_worker_answers_a_loop(void **state)
{
    struct io_sim_net *net = io_sim_net_create(3);
    struct buf_pool buffers;
    struct io_sim_peer *worker = NULL;
    struct sockaddr_storage to = io_sim_address(net);
    struct io_sock sock;
    struct probe probe;
    struct bufq queue;
    buf_pool_init(&buffers, 1024 * 1024);
    struct io *io = loop_create(&buffers);
    int listener = io_sim_peer_listen(net, &to, on_worker_accept, &worker);
    assert_int_equal(io_open(io, &sock, AF_INET), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &to);
    assert_true(io_sim_run(net, probe_called, &probe, 10));
    assert_int_equal(probe.result, 0);
    assert_non_null(worker);
    bufq_init(&queue, &buffers);
    assert_int_equal(bufq_push_static(&queue, STR("abc")), 0);
    probe_init(&probe);
    io_send(&sock, &probe.op, &queue);
    assert_true(io_sim_run(net, probe_called, &probe, 10));
    bufq_clear(&queue);
    probe_init(&probe);
    io_recv(&sock, &probe.op, NULL);
    assert_true(io_sim_run(net, probe_called, &probe, 10));
    assert_int_equal(probe.result, 3);
    assert_memory_equal(probe.op.buf->data, "cba", 3);
    buf_unref(probe.op.buf);
    probe_init(&probe);
    io_close(&sock, &probe.op, false);
    assert_true(io_sim_run(net, probe_called, &probe, 10));
    io_sim_run(net, NULL, NULL, 1);
    assert_int_equal(io_sim_peer_state(worker), IO_SIM_PEER_ENDED);
    io_sim_peer_close(&worker, false);
    io_sim_peer_unlisten(net, listener);
    io_destroy(&io);
    io_sim_net_destroy(&net);
    buf_pool_fini(&buffers);
}

/* A talk over a net with jitter; the time at which it was over. */
static int64_t jittered_talk(uint64_t seed)
{
    struct io_sim_net *net = io_sim_net_create(seed);
    struct buf_pool buffers;
    struct echo echo;
    buf_pool_init(&buffers, 1024 * 1024);
    *io_sim_limits(net) = (struct io_sim_limits){
        .buffer_bytes = 500, .segment_bytes = 7, .delay_ns = 1000, .jitter_ns = 5000000, .backlog = 1};
    struct sockaddr_storage address = echo_open(net, &echo, &buffers);
    struct io_sim_peer *peer = io_sim_peer_connect(net, &address);
    static char text[2000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    io_sim_peer_send(peer, text, sizeof(text));
    assert_true(io_sim_peer_unsent(peer) > 0);
    assert_true(io_sim_peer_expect(peer, str_slice(text, sizeof(text)), 60000));
    int64_t over_ns = io_sim_now_ns(net);
    io_sim_peer_close(&peer, true);
    io_sim_run(net, NULL, NULL, 100);
    assert_int_equal(echo.rx.result, -ERR_CONN_RESET);
    echo_close(net, &echo);
    io_sim_net_destroy(&net);
    buf_pool_fini(&buffers);
    return over_ns;
}

static void test_a_seed_replays_exactly(void **state)
{
    int64_t first = jittered_talk(11);
    assert_int_equal(jittered_talk(11), first);
    assert_int_not_equal(jittered_talk(12), first);
}

static void test_peers_learn_of_refusals_and_full_backlogs(void **state)
{
    struct io_sim_net *net = io_sim_net_create(1);
    struct sockaddr_storage address = io_sim_address(net);
    struct io_sim_peer *peers[3];
    io_sim_limits(net)->backlog = 2;
    struct io_sim_peer *lost = io_sim_peer_connect(net, &address);
    io_sim_run(net, NULL, NULL, 1);
    assert_int_equal(io_sim_peer_state(lost), IO_SIM_PEER_REFUSED);
    int listener = io_sim_peer_listen(net, &address, NULL, NULL);
    for (int i = 0; i < 3; i++)
        peers[i] = io_sim_peer_connect(net, &address);
    io_sim_run(net, NULL, NULL, 1);
    assert_int_equal(io_sim_peer_state(peers[1]), IO_SIM_PEER_OPEN);
    assert_int_equal(io_sim_peer_state(peers[2]), IO_SIM_PEER_REFUSED);
    struct io_sim_peer *taken = io_sim_peer_accept(net, listener);
    io_sim_peer_unlisten(net, listener); /* who still waits there is reset */
    io_sim_run(net, NULL, NULL, 1);
    assert_int_equal(io_sim_peer_state(peers[0]), IO_SIM_PEER_OPEN);
    assert_int_equal(io_sim_peer_state(peers[1]), IO_SIM_PEER_RESET);
    io_sim_peer_close(&taken, false);
    io_sim_peer_close(&lost, false);
    for (int i = 0; i < 3; i++)
        io_sim_peer_close(&peers[i], false);
    assert_int_equal(io_sim_open_count(net), 0);
    io_sim_net_destroy(&net);
}

int main(void)
{
    static const struct CMUnitTest own_tests[] = {
        cmocka_unit_test(test_virtual_time_is_exact),
        cmocka_unit_test(test_a_scripted_worker_answers_a_loop),
        cmocka_unit_test(test_a_seed_replays_exactly),
        cmocka_unit_test(test_peers_learn_of_refusals_and_full_backlogs),
    };
    /* The same contract over a net that cuts everything into small pieces. */
    struct io_fixture_ops slow_ops = sim_ops;
    slow_ops.setup = slow_setup;
    int failed = io_suite_run("io contract: simulation", &sim_ops);
    failed += io_suite_run("io contract: simulation in small pieces", &slow_ops);
    return failed + _cmocka_run_group_tests("io simulation", own_tests, ARRAY_SIZE(own_tests), NULL, NULL);
}
