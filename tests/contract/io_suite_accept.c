/* What accepts and connects promise. */
#include <netinet/in.h>
#include <string.h>

#include "tests/contract/io_suite.h"

enum { CROWD = 40 };

/* A listener that keeps what it accepts. */
struct door {
    struct io_sock sock;
    struct io_op op;
    struct sockaddr_storage peer;
    int fds[CROWD];
    int accepted;
    int ends;
    int end_order;
    int in_flight_calls; /* calls with op->kind still ACCEPT */
    int close_after;     /* closes itself from inside done after so many; 0: never */
    struct probe closed;
};

static void on_connection(struct io_op *op)
{
    struct door *door = CONTAINER_OF(op, struct door, op);
    if (op->kind == IO_OP_ACCEPT)
        door->in_flight_calls++;
    if (op->result == -ERR_CANCELLED) {
        assert_int_equal(op->kind, IO_OP_NONE);
        door->ends++;
        door->end_order = ++probe_sequence;
        return;
    }
    assert_true(op->result >= 0);
    assert_true(door->accepted < CROWD);
    assert_int_equal(door->peer.ss_family, AF_INET);
    door->fds[door->accepted++] = op->result;
    if (door->accepted == door->close_after)
        io_close(&door->sock, &door->closed.op, false);
}

static struct sockaddr_storage door_open(struct io_fixture *fixture, struct door *door)
{
    struct sockaddr_storage address;
    memset(door, 0, sizeof(*door));
    probe_init(&door->closed);
    int fd = fixture->ops->listen(fixture, &address);
    assert_int_equal(io_adopt(fixture->io, &door->sock, fd), 0);
    door->op.done = on_connection;
    io_accept(&door->sock, &door->op, &door->peer);
    return address;
}

static void door_wait(struct io_fixture *fixture, const struct door *door, int count)
{
    for (int i = 0; i < 400 && door->accepted < count; i++)
        io_turn(fixture->io, 10);
    assert_int_equal(door->accepted, count);
}

static void test_a_crowd_is_accepted_in_bounded_bites(void **state)
{
    struct io_fixture *fixture = *state;
    struct door door;
    struct io_far *fars[CROWD];
    struct sockaddr_storage address = door_open(fixture, &door);
    turn_some(fixture, 2);
    for (int i = 0; i < CROWD; i++)
        fars[i] = fixture->ops->far_connect(fixture, &address);
    for (int i = 0; i < 20 && door.accepted < CROWD; i++) {
        int before = door.accepted;
        io_turn(fixture->io, before == 0 ? 10 : -1); /* while more stand there no turn waits */
        assert_in_range(door.accepted - before, before == 0 ? 0 : 1, 16);
    }
    assert_int_equal(door.accepted, CROWD);
    assert_int_equal(door.in_flight_calls, CROWD);
    assert_int_equal(door.ends, 0);
    close_pair(fixture, &door.sock, NULL);
    assert_int_equal(door.ends, 1);
    for (int i = 0; i < CROWD; i++) {
        io_discard(fixture->io, door.fds[i]);
        turn_some(fixture, 1);
        char none;
        assert_int_equal(far_wait(fixture, fars[i], &none, 0), 0);
        fixture->ops->far_close(fixture, fars[i], false);
    }
}

static void test_connections_one_by_one(void **state)
{
    struct io_fixture *fixture = *state;
    struct door door;
    struct sockaddr_storage address = door_open(fixture, &door);
    for (int i = 1; i <= 30; i++) {
        struct io_far *far = fixture->ops->far_connect(fixture, &address);
        door_wait(fixture, &door, i);
        struct io_sock sock;
        struct probe recv;
        assert_int_equal(io_adopt(fixture->io, &sock, door.fds[i - 1]), 0);
        fixture->ops->far_send(fixture, far, "hi", 2);
        recv_once(fixture, &sock, &recv, NULL);
        assert_int_equal(recv.result, 2);
        buf_unref(recv.op.buf);
        close_pair(fixture, &sock, far);
    }
    close_pair(fixture, &door.sock, NULL);
    assert_int_equal(door.ends, 1);
}

static void test_a_cancelled_accept_ends_once_and_can_start_again(void **state)
{
    struct io_fixture *fixture = *state;
    struct door door;
    struct sockaddr_storage address = door_open(fixture, &door);
    io_cancel(&door.op);
    io_cancel(&door.op);
    assert_int_equal(door.ends, 0);
    turn_some(fixture, 3);
    assert_int_equal(door.ends, 1);
    struct io_far *far = fixture->ops->far_connect(fixture, &address);
    turn_some(fixture, 3);
    assert_int_equal(door.accepted, 0);
    io_accept(&door.sock, &door.op, &door.peer);
    door_wait(fixture, &door, 1);
    io_discard(fixture->io, door.fds[0]);
    fixture->ops->far_close(fixture, far, false);
    close_pair(fixture, &door.sock, NULL);
    assert_int_equal(door.ends, 2);
}

static void test_a_listener_closed_from_its_own_done(void **state)
{
    struct io_fixture *fixture = *state;
    struct door door;
    struct io_far *fars[5];
    struct sockaddr_storage address = door_open(fixture, &door);
    door.close_after = 2;
    for (int i = 0; i < 5; i++)
        fars[i] = fixture->ops->far_connect(fixture, &address);
    turn_until(fixture, &door.closed, 1);
    turn_some(fixture, 2);
    assert_int_equal(door.accepted, 2);
    assert_int_equal(door.ends, 1);
    assert_false(io_is_open(&door.sock));
    for (int i = 0; i < 2; i++)
        io_discard(fixture->io, door.fds[i]);
    for (int i = 0; i < 5; i++)
        fixture->ops->far_close(fixture, fars[i], false);
}

/* A connection is accepted but not yet told when the close comes: it is told, then the end, then the close. */
static void test_a_connection_on_its_way_is_not_lost_by_close(void **state)
{
    struct io_fixture *fixture = *state;
    struct door door;
    struct sockaddr_storage address = door_open(fixture, &door);
    io_cancel(&door.op);
    turn_some(fixture, 2);
    struct io_far *far = fixture->ops->far_connect(fixture, &address);
    turn_some(fixture, 3);
    io_accept(&door.sock, &door.op, &door.peer);
    bool tried_at_once = door.op.completed;
    io_close(&door.sock, &door.closed.op, false);
    turn_until(fixture, &door.closed, 1);
    assert_true(door.closed.order > door.end_order);
    assert_int_equal(door.accepted, tried_at_once ? 1 : 0);
    assert_int_equal(door.ends, 2);
    for (int i = 0; i < door.accepted; i++)
        io_discard(fixture->io, door.fds[i]);
    fixture->ops->far_close(fixture, far, false);
}

static void test_connect_and_talk(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe probe;
    struct bufq queue;
    struct sockaddr_storage to;
    char got[2];
    int listener = fixture->ops->far_listen(fixture, &to);
    assert_int_equal(io_open(fixture->io, &sock, AF_INET), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &to);
    assert_int_equal(probe.calls, 0);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, 0);
    assert_false(sock.peer_ended);
    struct io_far *far = NULL;
    for (int i = 0; i < 100 && far == NULL; i++) {
        far = fixture->ops->far_accept(fixture, listener);
        io_turn(fixture->io, 1);
    }
    assert_non_null(far);
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("hi")), 0);
    probe_init(&probe);
    io_send(&sock, &probe.op, &queue);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, 2);
    bufq_clear(&queue);
    assert_int_equal(far_wait(fixture, far, got, 2), 2);
    fixture->ops->far_send(fixture, far, "yes", 3);
    recv_once(fixture, &sock, &probe, NULL);
    assert_int_equal(probe.result, 3);
    buf_unref(probe.op.buf);
    close_pair(fixture, &sock, far);
    fixture->ops->far_unlisten(fixture, listener);
}

static void test_connect_refused(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe probe;
    struct sockaddr_storage to;
    int listener = fixture->ops->far_listen(fixture, &to);
    fixture->ops->far_unlisten(fixture, listener);
    assert_int_equal(io_open(fixture->io, &sock, AF_INET), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &to);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, -ERR_CONNECT_REFUSED);
    close_pair(fixture, &sock, NULL);
}

static void test_a_cancelled_connect(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe probe;
    struct sockaddr_storage to;
    int listener = fixture->ops->far_listen(fixture, &to);
    assert_int_equal(io_open(fixture->io, &sock, AF_INET), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &to);
    io_cancel(&probe.op);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, -ERR_CANCELLED);
    turn_some(fixture, 2);
    assert_int_equal(probe.calls, 1);
    close_pair(fixture, &sock, NULL);
    fixture->ops->far_unlisten(fixture, listener);
}

static void test_a_socket_that_never_connected_closes(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    io_sock_init(&sock);
    assert_false(io_is_open(&sock));
    assert_int_equal(io_open(fixture->io, &sock, AF_INET), 0);
    assert_true(io_is_open(&sock));
    turn_some(fixture, 2);
    close_pair(fixture, &sock, NULL);
}

static const struct CMUnitTest accept_tests[] = {
    cmocka_unit_test(test_a_crowd_is_accepted_in_bounded_bites),
    cmocka_unit_test(test_connections_one_by_one),
    cmocka_unit_test(test_a_cancelled_accept_ends_once_and_can_start_again),
    cmocka_unit_test(test_a_listener_closed_from_its_own_done),
    cmocka_unit_test(test_a_connection_on_its_way_is_not_lost_by_close),
    cmocka_unit_test(test_connect_and_talk),
    cmocka_unit_test(test_connect_refused),
    cmocka_unit_test(test_a_cancelled_connect),
    cmocka_unit_test(test_a_socket_that_never_connected_closes),
};
const struct io_suite_part io_suite_accept_part = {accept_tests, ARRAY_SIZE(accept_tests)};
