/* What splices through pipes promise: the same bytes in the same order, waiting, ends, cancels, and pipes that never
 * carry one connection's bytes into another. */
#include <stdlib.h>
#include <string.h>

#include "io/io_pipe.h"
#include "tests/contract/io_suite.h"

static void far_say(struct io_fixture *fixture, struct io_far *far, const char *text)
{
    fixture->ops->far_send(fixture, far, text, strlen(text));
}

static void test_what_comes_in_leaves_on_the_other_side(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock from, to;
    struct probe in, out;
    char got[8];
    struct io_far *sender = open_pair(fixture, &from);
    struct io_far *reader = open_pair(fixture, &to);
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    assert_non_null(pipe);
    probe_init(&in);
    probe_init(&out);
    io_splice_in(&from, &in.op, pipe, 4);
    turn_some(fixture, 3);
    assert_int_equal(in.calls, 0);
    far_say(fixture, sender, "abcdef");
    turn_until(fixture, &in, 1);
    assert_int_equal(in.result, 4); /* no more than asked for */
    assert_int_equal(pipe->held, 4);
    assert_int_equal(fixture->buffers.chunks.used, 0);
    io_splice_out(&to, &out.op, pipe);
    turn_until(fixture, &out, 1);
    assert_int_equal(out.result, 4);
    assert_int_equal(pipe->held, 0);
    assert_int_equal(far_wait(fixture, reader, got, 4), 4);
    assert_memory_equal(got, "abcd", 4);
    recv_once(fixture, &from, &in, NULL); /* what was left there comes by a receive */
    assert_int_equal(in.result, 2);
    assert_memory_equal(in.op.buf->data, "ef", 2);
    buf_unref(in.op.buf);
    io_pipe_unref(pipe);
    close_pair(fixture, &from, sender);
    close_pair(fixture, &to, reader);
}

static void test_the_end_and_a_reset_are_seen_through_a_pipe(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    for (int reset = 0; reset < 2; reset++) {
        struct io_sock sock;
        struct probe in;
        struct io_far *far = open_pair(fixture, &sock);
        probe_init(&in);
        io_splice_in(&sock, &in.op, pipe, 100);
        turn_some(fixture, 2);
        fixture->ops->far_close(fixture, far, reset);
        turn_until(fixture, &in, 1);
        assert_int_equal(in.result, reset ? -ERR_CONN_RESET : 0);
        assert_int_equal(pipe->held, 0);
        assert_true(sock.peer_ended);
        close_pair(fixture, &sock, NULL);
    }
    io_pipe_unref(pipe);
}

static void test_a_cancelled_splice_leaves_the_bytes_to_a_receive(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe in;
    struct io_far *far = open_pair(fixture, &sock);
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    probe_init(&in);
    io_splice_in(&sock, &in.op, pipe, 100);
    turn_some(fixture, 2);
    io_cancel(&in.op);
    assert_int_equal(in.calls, 0);
    turn_until(fixture, &in, 1);
    assert_int_equal(in.result, -ERR_CANCELLED);
    far_say(fixture, far, "later");
    recv_once(fixture, &sock, &in, NULL);
    assert_int_equal(in.result, 5);
    buf_unref(in.op.buf);
    io_pipe_unref(pipe);
    close_pair(fixture, &sock, far);
}

/* And the other way round: a receive that waits makes way for a pipe. */
static void test_a_cancelled_receive_leaves_the_bytes_to_a_pipe(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe in;
    struct io_far *far = open_pair(fixture, &sock);
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    probe_init(&in);
    io_recv(&sock, &in.op, NULL);
    turn_some(fixture, 2);
    io_cancel(&in.op);
    turn_until(fixture, &in, 1);
    assert_int_equal(in.result, -ERR_CANCELLED);
    probe_init(&in);
    far_say(fixture, far, "later");
    io_splice_in(&sock, &in.op, pipe, 100);
    turn_until(fixture, &in, 1);
    assert_int_equal(in.result, 5);
    assert_int_equal(pipe->held, 5);
    io_pipe_unref(pipe);
    close_pair(fixture, &sock, far);
}

static void fill_pipe(struct io_fixture *fixture, struct io_pipe *pipe, const char *text)
{
    struct io_sock sock;
    struct probe in;
    struct io_far *far = open_pair(fixture, &sock);
    far_say(fixture, far, text);
    probe_init(&in);
    io_splice_in(&sock, &in.op, pipe, IO_PIPE_BYTES);
    turn_until(fixture, &in, 1);
    assert_int_equal(in.result, strlen(text));
    close_pair(fixture, &sock, far);
}

/* The owner lets go while the op is in flight: the pipe lives until it has completed, and goes with what it holds. */
static void test_a_full_connection_makes_a_pipe_wait(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe out;
    struct io_far *far = open_pair(fixture, &sock);
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    fill_pipe(fixture, pipe, "patient");
    fill_sending(fixture, &sock);
    probe_init(&out);
    io_splice_out(&sock, &out.op, pipe);
    turn_some(fixture, 3);
    assert_int_equal(out.calls, 0);
    io_pipe_unref(pipe);
    assert_int_equal(io_pipes_taken(fixture->io), 1);
    close_pair(fixture, &sock, far);
    assert_int_equal(out.calls, 1);
    assert_int_equal(out.result, -ERR_CANCELLED);
    assert_int_equal(io_pipes_taken(fixture->io), 0);
    assert_int_equal(io_pipes_kept(fixture->io), 0);
}

static void test_a_send_from_a_pipe_fails_behind_a_reset(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe probe;
    struct io_far *far = open_pair(fixture, &sock);
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    fill_pipe(fixture, pipe, "lost");
    fixture->ops->far_close(fixture, far, true);
    recv_once(fixture, &sock, &probe, NULL);
    assert_int_equal(probe.result, -ERR_CONN_RESET);
    probe_init(&probe);
    io_splice_out(&sock, &probe.op, pipe);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, -ERR_CONN_RESET);
    assert_int_equal(pipe->held, 4);
    io_pipe_unref(pipe);
    close_pair(fixture, &sock, NULL);
}

static void test_pipes_are_counted_kept_and_never_dirty(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_pipe *pipes[IO_SUITE_PIPES];
    for (int i = 0; i < IO_SUITE_PIPES; i++) {
        pipes[i] = io_pipe_take(fixture->io);
        assert_non_null(pipes[i]);
        assert_int_equal(pipes[i]->held, 0);
    }
    assert_null(io_pipe_take(fixture->io));
    fill_pipe(fixture, pipes[0], "of somebody else");
    for (int i = 0; i < IO_SUITE_PIPES; i++)
        io_pipe_unref(pipes[i]);
    assert_int_equal(io_pipes_taken(fixture->io), 0);
    assert_int_equal(io_pipes_kept(fixture->io), IO_SUITE_PIPES - 1); /* the one with bytes is not used again */
    pipes[0] = io_pipe_take(fixture->io);
    assert_non_null(pipes[0]);
    assert_int_equal(io_pipes_kept(fixture->io), IO_SUITE_PIPES - 2);
    io_pipe_unref(pipes[0]);
}

/* Behind what waits already; and what finds no memory is still in the pipe. */
static void test_a_drained_pipe_is_as_new(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_pipe *pipe = io_pipe_take(fixture->io);
    struct bufq queue;
    bufq_init(&queue, &fixture->buffers);
    fill_pipe(fixture, pipe, "behind");
    size_t most = fixture->buffers.chunks.max_objects;
    fixture->buffers.chunks.max_objects = fixture->buffers.chunks.used;
    assert_int_equal(io_pipe_drain(pipe, &queue), -ERR_NO_MEMORY);
    assert_int_equal(pipe->held, 6);
    fixture->buffers.chunks.max_objects = most;
    assert_int_equal(bufq_append(&queue, "before", 6), 0);
    assert_int_equal(io_pipe_drain(pipe, &queue), 0);
    assert_int_equal(pipe->held, 0);
    assert_int_equal(bufq_bytes(&queue), 12);
    assert_int_equal(bufq_gather(&queue, 12, BUF_CHUNK_CAP), 0);
    assert_memory_equal(bufq_front(&queue).p, "beforebehind", 12);
    bufq_clear(&queue);
    fill_pipe(fixture, pipe, "more");
    assert_int_equal(pipe->held, 4);
    assert_int_equal(io_pipe_drain(pipe, &queue), 0);
    assert_int_equal(bufq_bytes(&queue), 4);
    bufq_clear(&queue);
    io_pipe_unref(pipe);
}

struct relay {
    struct io_sock from, to;
    struct probe in, out;
    struct io_pipe *pipe;
    uint64_t total;
    uint32_t most;
};

static void on_relay_out(struct io_op *op)
{
    struct relay *relay = CONTAINER_OF(op, struct relay, out.op);
    probe_done(op);
    assert_true(op->result > 0);
    relay->total += (uint64_t)op->result;
    if (relay->pipe->held > 0)
        io_splice_out(&relay->to, op, relay->pipe);
    else
        io_splice_in(&relay->from, &relay->in.op, relay->pipe, IO_PIPE_BYTES);
}

static void on_relay_in(struct io_op *op)
{
    struct relay *relay = CONTAINER_OF(op, struct relay, in.op);
    probe_done(op);
    if (op->result <= 0)
        return;
    if (relay->pipe->held > relay->most)
        relay->most = relay->pipe->held;
    io_splice_out(&relay->to, &relay->out.op, relay->pipe);
}

static void test_eight_mebibytes_through_a_pipe(void **state)
{
    enum { BYTES = 8 << 20 };
    struct io_fixture *fixture = *state;
    struct relay relay = {.in.op.done = on_relay_in, .out.op.done = on_relay_out};
    struct io_far *sender = open_pair(fixture, &relay.from);
    struct io_far *reader = open_pair(fixture, &relay.to);
    char *pattern = malloc(BYTES);
    char *got = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        pattern[i] = (char)(i * 31 + (i >> 12));
    relay.pipe = io_pipe_take(fixture->io);
    io_splice_in(&relay.from, &relay.in.op, relay.pipe, IO_PIPE_BYTES);
    size_t said = 0;
    size_t n = 0;
    for (int i = 0; i < 200000 && n < BYTES; i++) {
        if (said < BYTES && said - n < 200000) {
            size_t part = BYTES - said < 50000 ? BYTES - said : 50000;
            fixture->ops->far_send(fixture, sender, pattern + said, part);
            said += part;
        }
        ssize_t r = fixture->ops->far_recv(fixture, reader, got + n, BYTES - n < 50000 ? BYTES - n : 50000);
        if (r > 0)
            n += (size_t)r;
        io_turn(fixture->io, r > 0 ? 0 : 1);
    }
    assert_int_equal(n, BYTES);
    assert_memory_equal(got, pattern, BYTES);
    assert_int_equal(relay.total, BYTES);
    assert_in_range(relay.most, 1, IO_PIPE_BYTES);
    fixture->ops->far_shutdown(fixture, sender);
    turn_until(fixture, &relay.in, relay.in.calls + 1);
    assert_int_equal(relay.in.result, 0);
    io_pipe_unref(relay.pipe);
    free(pattern);
    free(got);
    close_pair(fixture, &relay.from, sender);
    close_pair(fixture, &relay.to, reader);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_comes_in_leaves_on_the_other_side),
    cmocka_unit_test(test_the_end_and_a_reset_are_seen_through_a_pipe),
    cmocka_unit_test(test_a_cancelled_splice_leaves_the_bytes_to_a_receive),
    cmocka_unit_test(test_a_cancelled_receive_leaves_the_bytes_to_a_pipe),
    cmocka_unit_test(test_a_full_connection_makes_a_pipe_wait),
    cmocka_unit_test(test_a_send_from_a_pipe_fails_behind_a_reset),
    cmocka_unit_test(test_pipes_are_counted_kept_and_never_dirty),
    cmocka_unit_test(test_a_drained_pipe_is_as_new),
    cmocka_unit_test(test_eight_mebibytes_through_a_pipe),
};

const struct io_suite_part io_suite_splice_part = {tests, ARRAY_SIZE(tests)};
