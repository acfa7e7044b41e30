/* What receives, sends, cancels and closes promise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/contract/io_suite.h"

static void far_say(struct io_fixture *fixture, struct io_far *far, const char *text)
{
    fixture->ops->far_send(fixture, far, text, strlen(text));
}

static void expect_bytes(const struct probe *probe, const char *text)
{
    assert_int_equal(probe->result, strlen(text));
    assert_memory_equal(probe->op.buf->data + probe->op.buf->used - probe->result, text, strlen(text));
}

static void test_a_receive_takes_its_chunk_when_bytes_come(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 3);
    assert_int_equal(recv.calls, 0);
    assert_int_equal(fixture->buffers.chunks.used, 0);
    far_say(fixture, far, "hello");
    turn_until(fixture, &recv, 1);
    expect_bytes(&recv, "hello");
    assert_int_equal(recv.op.buf->used, 5);
    assert_int_equal(recv.op.buf->refs, 1);
    assert_false(recv.op.buf->lent);
    buf_unref(recv.op.buf);
    turn_some(fixture, 3);
    assert_int_equal(recv.calls, 1);
    close_pair(fixture, &sock, far);
}

static void test_fifty_idle_connections_hold_no_chunk(void **state)
{
    enum { COUNT = 50 };
    struct io_fixture *fixture = *state;
    struct io_sock socks[COUNT];
    struct probe recvs[COUNT];
    struct io_far *fars[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fars[i] = open_pair(fixture, &socks[i]);
        probe_init(&recvs[i]);
        io_recv(&socks[i], &recvs[i].op, NULL);
    }
    turn_some(fixture, 4);
    assert_int_equal(fixture->buffers.chunks.used, 0);
    for (int i = 0; i < COUNT; i++) {
        close_pair(fixture, &socks[i], fars[i]);
        assert_int_equal(recvs[i].calls, 1);
        assert_int_equal(recvs[i].result, -ERR_CANCELLED);
    }
}

static void test_a_receive_into_a_partly_filled_chunk(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    struct buf *buf = buf_take(&fixture->buffers);
    memcpy(buf->data, "ab", 2);
    buf->used = 2;
    probe_init(&recv);
    io_recv(&sock, &recv.op, buf);
    assert_true(buf->lent);
    assert_int_equal(buf_room(buf), 0);
    far_say(fixture, far, "cde");
    turn_until(fixture, &recv, 1);
    expect_bytes(&recv, "cde");
    assert_ptr_equal(recv.op.buf, buf);
    assert_int_equal(buf->used, 5);
    assert_int_equal(buf->refs, 1);
    assert_memory_equal(buf->data, "abcde", 5);
    assert_false(buf->lent);
    buf_unref(buf);
    close_pair(fixture, &sock, far);
}

static void test_a_cancelled_receive_gives_the_chunk_back(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    struct buf *buf = buf_take(&fixture->buffers);
    probe_init(&recv);
    io_recv(&sock, &recv.op, buf);
    io_cancel(&recv.op);
    assert_int_equal(recv.calls, 0);
    turn_until(fixture, &recv, 1);
    assert_int_equal(recv.result, -ERR_CANCELLED);
    assert_int_equal(buf->used, 0);
    assert_false(buf->lent);
    buf_unref(buf);
    io_cancel(&recv.op); /* long completed: harmless */
    far_say(fixture, far, "later");
    recv_once(fixture, &sock, &recv, NULL);
    expect_bytes(&recv, "later");
    buf_unref(recv.op.buf);
    close_pair(fixture, &sock, far);
}

static void test_bytes_beyond_the_room_wait_for_the_next_receive(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    char got[16];
    size_t n = 0;
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, "0123456789");
    while (n < 10) {
        struct buf *buf = buf_take(&fixture->buffers);
        buf->used = buf->cap - 5;
        recv_once(fixture, &sock, &recv, buf);
        assert_in_range(recv.result, 1, 5);
        memcpy(got + n, buf->data + buf->cap - 5, (size_t)recv.result);
        n += (size_t)recv.result;
        buf_unref(buf);
    }
    assert_memory_equal(got, "0123456789", 10);
    probe_init(&recv); /* exactly full rooms say nothing about what is left: there is nothing */
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 3);
    assert_int_equal(recv.calls, 0);
    far_say(fixture, far, "x");
    turn_until(fixture, &recv, 1);
    expect_bytes(&recv, "x");
    buf_unref(recv.op.buf);
    close_pair(fixture, &sock, far);
}

static void test_the_end_comes_behind_the_bytes_and_stays(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct bufq queue;
    char answer[4];
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, "last");
    fixture->ops->far_shutdown(fixture, far);
    recv_once(fixture, &sock, &recv, NULL);
    expect_bytes(&recv, "last");
    buf_unref(recv.op.buf);
    for (int i = 0; i < 2; i++) {
        recv_once(fixture, &sock, &recv, NULL);
        assert_int_equal(recv.result, 0);
        assert_null(recv.op.buf);
    }
    assert_true(sock.peer_ended);
    /* Half-closed: the other direction still works. */
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("done")), 0);
    probe_init(&recv);
    io_send(&sock, &recv.op, &queue);
    turn_until(fixture, &recv, 1);
    assert_int_equal(recv.result, 4);
    bufq_clear(&queue);
    assert_int_equal(far_wait(fixture, far, answer, 4), 4);
    assert_memory_equal(answer, "done", 4);
    close_pair(fixture, &sock, far);
}

static void test_an_end_that_comes_while_waiting(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 2);
    fixture->ops->far_close(fixture, far, false);
    turn_until(fixture, &recv, 1);
    assert_int_equal(recv.result, 0);
    assert_int_equal(fixture->buffers.chunks.used, 0);
    close_pair(fixture, &sock, NULL);
}

/* Bytes and end are known by one event: the receive that empties the socket must not forget the end. */
static void test_bytes_and_the_end_in_one_event(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 3);
    far_say(fixture, far, "last");
    fixture->ops->far_shutdown(fixture, far);
    turn_until(fixture, &recv, 1);
    expect_bytes(&recv, "last");
    buf_unref(recv.op.buf);
    turn_some(fixture, 3);
    assert_true(sock.peer_ended);
    recv_once(fixture, &sock, &recv, NULL);
    assert_int_equal(recv.result, 0);
    close_pair(fixture, &sock, far);
}

static void test_a_reset_fails_receives_and_sends(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, sent;
    struct bufq queue;
    struct io_far *far = open_pair(fixture, &sock);
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 2);
    fixture->ops->far_close(fixture, far, true);
    turn_until(fixture, &recv, 1);
    assert_int_equal(recv.result, -ERR_CONN_RESET);
    assert_true(sock.peer_ended);
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("x")), 0);
    probe_init(&sent);
    io_send(&sock, &sent.op, &queue);
    turn_until(fixture, &sent, 1);
    assert_int_equal(sent.result, -ERR_CONN_RESET);
    bufq_clear(&queue);
    close_pair(fixture, &sock, NULL);
}

static int told_broken;

static void on_broken(struct io_task *task)
{
    told_broken++;
}

static void test_a_peers_end_is_known_without_an_op(void **state)
{
    struct io_fixture *fixture = *state;
    for (int reset = 0; reset <= 1; reset++) {
        struct io_sock sock;
        struct io_task broken;
        struct io_far *far = open_pair(fixture, &sock);
        told_broken = 0;
        io_task_init(&broken, on_broken);
        sock.on_broken = &broken;
        turn_some(fixture, 2);
        assert_false(sock.peer_ended);
        fixture->ops->far_close(fixture, far, reset != 0);
        turn_some(fixture, 3);
        assert_true(sock.peer_ended);
        assert_int_equal(sock.broken, reset);
        assert_int_equal(told_broken, reset);
        close_pair(fixture, &sock, NULL);
    }
}

static void test_our_end_leaves_the_other_direction_open(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    char none;
    struct io_far *far = open_pair(fixture, &sock);
    io_shutdown_send(&sock);
    assert_int_equal(far_wait(fixture, far, &none, 0), 0);
    far_say(fixture, far, "still");
    recv_once(fixture, &sock, &recv, NULL);
    expect_bytes(&recv, "still");
    buf_unref(recv.op.buf);
    close_pair(fixture, &sock, far);
}

static void test_our_close_is_an_end_or_a_reset(void **state)
{
    struct io_fixture *fixture = *state;
    for (int reset = 0; reset <= 1; reset++) {
        struct io_sock sock;
        struct probe closed;
        char none;
        struct io_far *far = open_pair(fixture, &sock);
        probe_init(&closed);
        io_close(&sock, &closed.op, reset != 0);
        assert_int_equal(closed.calls, 0);
        turn_until(fixture, &closed, 1);
        assert_int_equal(far_wait(fixture, far, &none, 0), reset != 0 ? FAR_RESET : 0);
        fixture->ops->far_close(fixture, far, false);
    }
}

/* Whatever the system holds back for more leaves with the end, whichever way it is said. */
static void test_an_end_takes_along_what_waits_for_more(void **state)
{
    struct io_fixture *fixture = *state;
    for (int closes = 0; closes <= 1; closes++) {
        struct io_sock sock;
        struct probe sent, closed;
        struct bufq queue;
        char got[5];
        struct io_far *far = open_pair(fixture, &sock);
        bufq_init(&queue, &fixture->buffers);
        assert_int_equal(bufq_append(&queue, "hello", 5), 0);
        probe_init(&sent);
        sock.more = true;
        io_send(&sock, &sent.op, &queue);
        turn_until(fixture, &sent, 1);
        assert_int_equal(sent.result, 5);
        bufq_clear(&queue);
        probe_init(&closed);
        if (closes)
            io_close(&sock, &closed.op, false);
        else
            io_shutdown_send(&sock);
        assert_int_equal(far_wait(fixture, far, got, 5), 5);
        assert_memory_equal(got, "hello", 5);
        assert_int_equal(far_wait(fixture, far, got, 0), 0);
        if (!closes) {
            close_pair(fixture, &sock, far);
            continue;
        }
        turn_until(fixture, &closed, 1);
        fixture->ops->far_close(fixture, far, false);
    }
}

static void test_done_is_never_called_from_a_submit(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, sent;
    struct bufq queue;
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, "waiting");
    turn_some(fixture, 3);
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("x")), 0);
    probe_init(&recv);
    probe_init(&sent);
    io_recv(&sock, &recv.op, NULL);
    io_send(&sock, &sent.op, &queue);
    assert_int_equal(recv.calls + sent.calls, 0);
    io_turn(fixture->io, 0);
    assert_int_equal(recv.calls, 1);
    assert_int_equal(sent.calls, 1);
    io_turn(fixture->io, 0);
    assert_int_equal(recv.calls + sent.calls, 2);
    buf_unref(recv.op.buf);
    bufq_clear(&queue);
    char byte;
    assert_int_equal(far_wait(fixture, far, &byte, 1), 1);
    close_pair(fixture, &sock, far);
}

static void test_a_cancel_too_late_changes_nothing(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, "here");
    turn_some(fixture, 3);
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    io_cancel(&recv.op);
    io_cancel(&recv.op);
    turn_until(fixture, &recv, 1);
    expect_bytes(&recv, "here");
    buf_unref(recv.op.buf);
    turn_some(fixture, 2);
    assert_int_equal(recv.calls, 1);
    close_pair(fixture, &sock, far);
}

static void test_a_full_connection_cancels_and_goes_on(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe sent;
    struct bufq queue;
    static char waste[65536];
    struct io_far *far = open_pair(fixture, &sock);
    fill_sending(fixture, &sock);
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("behind")), 0);
    probe_init(&sent);
    io_send(&sock, &sent.op, &queue);
    for (int i = 0; i < 10000 && sent.calls == 0; i++) {
        (void)fixture->ops->far_recv(fixture, far, waste, sizeof(waste));
        io_turn(fixture->io, 1);
    }
    assert_in_range(sent.result, 1, 6);
    bufq_clear(&queue);
    close_pair(fixture, &sock, far);
}

static void test_room_is_awaited(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe room;
    static char waste[65536];
    struct io_far *far = open_pair(fixture, &sock);
    probe_init(&room);
    io_await_room(&sock, &room.op);
    assert_int_equal(room.calls, 0);
    turn_until(fixture, &room, 1);
    assert_int_equal(room.result, 0);
    fill_sending(fixture, &sock);
    probe_init(&room);
    io_await_room(&sock, &room.op);
    turn_some(fixture, 3);
    assert_int_equal(room.calls, 0);
    io_cancel(&room.op);
    turn_until(fixture, &room, 1);
    assert_int_equal(room.result, -ERR_CANCELLED);
    probe_init(&room);
    io_await_room(&sock, &room.op);
    for (int i = 0; i < 10000 && room.calls == 0; i++) {
        (void)fixture->ops->far_recv(fixture, far, waste, sizeof(waste));
        io_turn(fixture->io, 1);
    }
    assert_int_equal(room.calls, 1);
    assert_int_equal(room.result, 0);
    close_pair(fixture, &sock, far);
}

static void test_close_completes_after_all_others(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, sent, closed;
    struct bufq queue;
    struct io_far *far = open_pair(fixture, &sock);
    fill_sending(fixture, &sock);
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("x")), 0);
    probe_sequence = 0;
    probe_init(&recv);
    probe_init(&sent);
    probe_init(&closed);
    io_recv(&sock, &recv.op, NULL);
    io_send(&sock, &sent.op, &queue);
    io_close(&sock, &closed.op, false);
    assert_int_equal(recv.calls + sent.calls + closed.calls, 0);
    turn_until(fixture, &closed, 1);
    turn_some(fixture, 2);
    assert_int_equal(recv.calls, 1);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(recv.result, -ERR_CANCELLED);
    assert_int_equal(sent.result, -ERR_CANCELLED);
    assert_int_equal(closed.order, 3);
    assert_int_equal(sock.fd, -1);
    bufq_clear(&queue);
    fixture->ops->far_close(fixture, far, false);
}

static void test_close_lets_a_completed_receive_through(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, closed;
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, "kept");
    turn_some(fixture, 3);
    probe_sequence = 0;
    probe_init(&recv);
    probe_init(&closed);
    io_recv(&sock, &recv.op, NULL);
    io_close(&sock, &closed.op, false);
    turn_until(fixture, &closed, 1);
    expect_bytes(&recv, "kept");
    assert_int_equal(recv.order, 1);
    buf_unref(recv.op.buf);
    fixture->ops->far_close(fixture, far, false);
}

static void test_a_socket_opened_again_gets_only_its_own_events(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, closed;
    for (int i = 0; i < 20; i++) {
        struct io_far *old = open_pair(fixture, &sock);
        far_say(fixture, old, "old");
        probe_init(&closed);
        io_close(&sock, &closed.op, false);
        turn_until(fixture, &closed, 1);
        struct io_far *far = open_pair(fixture, &sock);
        fixture->ops->far_close(fixture, old, true);
        probe_init(&recv);
        io_recv(&sock, &recv.op, NULL);
        turn_some(fixture, 2);
        assert_int_equal(recv.calls, 0);
        assert_false(sock.peer_ended);
        far_say(fixture, far, "new");
        turn_until(fixture, &recv, 1);
        expect_bytes(&recv, "new");
        buf_unref(recv.op.buf);
        close_pair(fixture, &sock, far);
    }
}

static void test_out_of_chunks_and_back(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv;
    size_t most = fixture->buffers.chunks.max_objects;
    struct io_far *far = open_pair(fixture, &sock);
    fixture->buffers.chunks.max_objects = 0;
    probe_init(&recv);
    io_recv(&sock, &recv.op, NULL);
    turn_some(fixture, 2);
    far_say(fixture, far, "patient");
    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            probe_init(&recv);
            io_recv(&sock, &recv.op, NULL);
        }
        turn_until(fixture, &recv, 1);
        assert_int_equal(recv.result, -ERR_NO_MEMORY);
        assert_null(recv.op.buf);
    }
    fixture->buffers.chunks.max_objects = most;
    recv_once(fixture, &sock, &recv, NULL);
    expect_bytes(&recv, "patient");
    buf_unref(recv.op.buf);
    close_pair(fixture, &sock, far);
}

struct pump {
    struct probe sent;
    struct bufq queue;
    uint64_t total;
    int shorts;
};

static void on_pumped(struct io_op *op)
{
    struct pump *pump = CONTAINER_OF(op, struct pump, sent.op);
    probe_done(op);
    assert_true(op->result > 0);
    pump->total += (uint64_t)op->result;
    if ((size_t)op->result < bufq_bytes(&pump->queue))
        pump->shorts++;
    bufq_consume(&pump->queue, (size_t)op->result);
    if (bufq_bytes(&pump->queue) > 0)
        io_send(op->sock, op, &pump->queue);
}

static void test_eight_mebibytes_through_short_sends(void **state)
{
    enum { BYTES = 8 * 1024 * 1024 };
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct pump pump = {.sent.op.done = on_pumped};
    struct io_far *far = open_pair(fixture, &sock);
    char *pattern = malloc(BYTES);
    char *got = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        pattern[i] = (char)(i * 31 + (i >> 12));
    bufq_init(&pump.queue, &fixture->buffers);
    for (size_t at = 0; at < BYTES; at += 10007) {
        size_t n = BYTES - at < 10007 ? BYTES - at : 10007;
        assert_int_equal(bufq_push_static(&pump.queue, str_slice(pattern + at, n)), 0);
    }
    io_send(&sock, &pump.sent.op, &pump.queue);
    size_t n = 0;
    for (int i = 0; i < 100000 && n < BYTES; i++) {
        ssize_t r = fixture->ops->far_recv(fixture, far, got + n, BYTES - n < 50000 ? BYTES - n : 50000);
        assert_true(r > 0 || r == FAR_NOTHING);
        n += r > 0 ? (size_t)r : 0;
        io_turn(fixture->io, r > 0 ? 0 : 1);
    }
    assert_int_equal(n, BYTES);
    assert_int_equal(pump.total, BYTES);
    assert_true(pump.shorts > 0);
    assert_memory_equal(got, pattern, BYTES);
    free(pattern);
    free(got);
    bufq_clear(&pump.queue);
    close_pair(fixture, &sock, far);
}

static void test_a_hundred_pings(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe recv, sent;
    struct bufq queue;
    char pong[16];
    struct io_far *far = open_pair(fixture, &sock);
    bufq_init(&queue, &fixture->buffers);
    for (int i = 0; i < 100; i++) {
        char ping[16];
        int n = snprintf(ping, sizeof(ping), "ping %d", i);
        far_say(fixture, far, ping);
        recv_once(fixture, &sock, &recv, NULL);
        expect_bytes(&recv, ping);
        assert_int_equal(bufq_push(&queue, recv.op.buf, 0, (size_t)recv.result), 0);
        buf_unref(recv.op.buf);
        probe_init(&sent);
        io_send(&sock, &sent.op, &queue);
        turn_until(fixture, &sent, 1);
        assert_int_equal(sent.result, n);
        bufq_consume(&queue, (size_t)n);
        assert_int_equal(far_wait(fixture, far, pong, (size_t)n), n);
        assert_memory_equal(pong, ping, (size_t)n);
    }
    close_pair(fixture, &sock, far);
}

static const struct CMUnitTest stream_tests[] = {
    cmocka_unit_test(test_a_receive_takes_its_chunk_when_bytes_come),
    cmocka_unit_test(test_fifty_idle_connections_hold_no_chunk),
    cmocka_unit_test(test_a_receive_into_a_partly_filled_chunk),
    cmocka_unit_test(test_a_cancelled_receive_gives_the_chunk_back),
    cmocka_unit_test(test_bytes_beyond_the_room_wait_for_the_next_receive),
    cmocka_unit_test(test_the_end_comes_behind_the_bytes_and_stays),
    cmocka_unit_test(test_an_end_that_comes_while_waiting),
    cmocka_unit_test(test_bytes_and_the_end_in_one_event),
    cmocka_unit_test(test_a_reset_fails_receives_and_sends),
    cmocka_unit_test(test_a_peers_end_is_known_without_an_op),
    cmocka_unit_test(test_our_end_leaves_the_other_direction_open),
    cmocka_unit_test(test_our_close_is_an_end_or_a_reset),
    cmocka_unit_test(test_an_end_takes_along_what_waits_for_more),
    cmocka_unit_test(test_done_is_never_called_from_a_submit),
    cmocka_unit_test(test_a_cancel_too_late_changes_nothing),
    cmocka_unit_test(test_a_full_connection_cancels_and_goes_on),
    cmocka_unit_test(test_room_is_awaited),
    cmocka_unit_test(test_close_completes_after_all_others),
    cmocka_unit_test(test_close_lets_a_completed_receive_through),
    cmocka_unit_test(test_a_socket_opened_again_gets_only_its_own_events),
    cmocka_unit_test(test_out_of_chunks_and_back),
    cmocka_unit_test(test_eight_mebibytes_through_short_sends),
    cmocka_unit_test(test_a_hundred_pings),
};
const struct io_suite_part io_suite_stream_part = {stream_tests, ARRAY_SIZE(stream_tests)};
