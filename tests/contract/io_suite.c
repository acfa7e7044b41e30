/* The suite's fixture and helpers, and what one turn of a loop promises: order, bounds, timers, tasks, reaps, wakes. */
#include "tests/contract/io_suite.h"

#include <string.h>

enum { TURNS_MAX = 400, TURN_WAIT_MS = 50, POOL_BYTES = 64 * 1024 * 1024 };

int probe_sequence;

void probe_done(struct io_op *op)
{
    struct probe *probe = CONTAINER_OF(op, struct probe, op);
    probe->calls++;
    probe->result = op->result;
    probe->order = ++probe_sequence;
}

void probe_init(struct probe *probe)
{
    memset(probe, 0, sizeof(*probe));
    probe->op.done = probe_done;
}

void turn_until(struct io_fixture *fixture, const struct probe *probe, int calls)
{
    for (int i = 0; i < TURNS_MAX && probe->calls < calls; i++)
        io_turn(fixture->io, TURN_WAIT_MS);
    assert_int_equal(probe->calls, calls);
}

void turn_some(struct io_fixture *fixture, int turns)
{
    for (int i = 0; i < turns; i++)
        io_turn(fixture->io, 2);
}

struct io_far *open_pair(struct io_fixture *fixture, struct io_sock *sock)
{
    int fd = -1;
    struct io_far *far = fixture->ops->pair(fixture, &fd);
    assert_int_equal(io_adopt(fixture->io, sock, fd), 0);
    return far;
}

void close_pair(struct io_fixture *fixture, struct io_sock *sock, struct io_far *far)
{
    struct probe closed;
    probe_init(&closed);
    io_close(sock, &closed.op, false);
    turn_until(fixture, &closed, 1);
    assert_int_equal(closed.result, 0);
    assert_false(io_is_open(sock));
    if (far != NULL)
        fixture->ops->far_close(fixture, far, false);
}

ssize_t far_wait(struct io_fixture *fixture, struct io_far *far, char *out, size_t n)
{
    size_t got = 0;
    char byte;
    for (int i = 0; i < TURNS_MAX; i++) {
        ssize_t r = fixture->ops->far_recv(fixture, far, n > 0 ? out + got : &byte, n > 0 ? n - got : 1);
        if (r > 0)
            got += (size_t)r;
        if (r == 0 || r == FAR_RESET || (n > 0 && got == n))
            return r > 0 ? (ssize_t)got : r;
        io_turn(fixture->io, 2);
    }
    return FAR_NOTHING;
}

void recv_once(struct io_fixture *fixture, struct io_sock *sock, struct probe *probe, struct buf *into)
{
    probe_init(probe);
    io_recv(sock, &probe->op, into);
    turn_until(fixture, probe, 1);
}

void fill_sending(struct io_fixture *fixture, struct io_sock *sock)
{
    static char block[65536];
    struct bufq queue;
    struct probe sent;
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, str_slice(block, sizeof(block))), 0);
    for (int i = 0; i < 10000; i++) {
        probe_init(&sent);
        io_send(sock, &sent.op, &queue);
        turn_some(fixture, 2);
        if (sent.calls == 0)
            break;
        assert_true(sent.result > 0);
    }
    assert_int_equal(sent.calls, 0);
    io_cancel(&sent.op);
    turn_until(fixture, &sent, 1);
    assert_int_equal(sent.result, -ERR_CANCELLED);
    bufq_clear(&queue);
}

static void on_wake(void *context)
{
    struct io_fixture *fixture = context;
    fixture->wakes++;
}

/* ---- Turns ---- */

struct tick {
    struct timer timer;
    struct io_fixture *fixture;
    int order;
    int64_t fired_ms;
    int64_t due_ms;
};

static void on_tick(struct timer *timer)
{
    struct tick *tick = CONTAINER_OF(timer, struct tick, timer);
    tick->order = ++probe_sequence;
    tick->fired_ms = io_now_ms(tick->fixture->io);
}

static void tick_start(struct io_fixture *fixture, struct tick *tick, int64_t after_ms)
{
    *tick = (struct tick){.fixture = fixture};
    timer_init(&tick->timer, on_tick);
    tick->due_ms = io_now_ms(fixture->io) + after_ms;
    io_timer_set(fixture->io, &tick->timer, tick->due_ms);
}

static void tick_wait(struct io_fixture *fixture, struct tick *tick)
{
    for (int i = 0; i < TURNS_MAX && tick->order == 0; i++)
        io_turn(fixture->io, TURN_WAIT_MS);
    assert_true(tick->order > 0);
    assert_true(tick->fired_ms >= tick->due_ms);
    io_timer_fini(fixture->io, &tick->timer);
}

static void test_timers_fire_in_order_and_never_early(void **state)
{
    struct io_fixture *fixture = *state;
    struct tick ticks[3];
    static const int64_t after[3] = {12, 3, 25};
    probe_sequence = 0;
    io_turn(fixture->io, 0);
    for (int i = 0; i < 3; i++)
        tick_start(fixture, &ticks[i], after[i]);
    for (int i = 0; i < 3; i++)
        tick_wait(fixture, &ticks[i]);
    assert_int_equal(ticks[1].order, 1);
    assert_int_equal(ticks[0].order, 2);
    assert_int_equal(ticks[2].order, 3);
}

static void test_a_turn_waits_no_longer_than_the_next_timer(void **state)
{
    struct io_fixture *fixture = *state;
    struct tick tick;
    io_turn(fixture->io, 0);
    tick_start(fixture, &tick, 5);
    for (int i = 0; i < 10 && tick.order == 0; i++)
        io_turn(fixture->io, -1);
    tick_wait(fixture, &tick);
    assert_true(tick.fired_ms - tick.due_ms < 5000);
}

struct work {
    struct io_task task;
    struct io *io;
    int runs;
    int order;
    int again; /* how often it queues itself */
};

static void on_work(struct io_task *task)
{
    struct work *work = CONTAINER_OF(task, struct work, task);
    work->order = ++probe_sequence;
    if (work->runs++ < work->again)
        io_task_queue(work->io, task);
}

static void work_init(struct io_fixture *fixture, struct work *work, int again)
{
    *work = (struct work){.io = fixture->io, .again = again};
    io_task_init(&work->task, on_work);
}

static void test_tasks_run_in_order_also_those_queued_by_tasks(void **state)
{
    struct io_fixture *fixture = *state;
    struct work first, second, dropped;
    probe_sequence = 0;
    work_init(fixture, &first, 2);
    work_init(fixture, &second, 0);
    work_init(fixture, &dropped, 0);
    io_task_queue(fixture->io, &first.task);
    io_task_queue(fixture->io, &dropped.task);
    io_task_queue(fixture->io, &second.task);
    io_task_queue(fixture->io, &first.task); /* queued already */
    io_task_cancel(&dropped.task);
    io_turn(fixture->io, -1);
    assert_int_equal(first.runs, 3);
    assert_int_equal(first.order, 4);
    assert_int_equal(second.order, 2);
    assert_int_equal(dropped.runs, 0);
}

static void test_a_task_without_end_does_not_hold_the_turn(void **state)
{
    struct io_fixture *fixture = *state;
    struct work endless;
    struct tick tick;
    io_turn(fixture->io, 0);
    work_init(fixture, &endless, INT32_MAX);
    io_task_queue(fixture->io, &endless.task);
    tick_start(fixture, &tick, 0);
    io_turn(fixture->io, -1);
    assert_in_range(endless.runs, 1, 2000);
    int before = endless.runs;
    io_turn(fixture->io, 0);
    assert_in_range(endless.runs, before + 1, before + 2000);
    io_task_cancel(&endless.task);
    tick_wait(fixture, &tick);
}

struct scrap {
    struct io_reap reap;
    int order;
};

static void on_scrap(struct io_reap *reap)
{
    CONTAINER_OF(reap, struct scrap, reap)->order = ++probe_sequence;
}

struct turn_order {
    struct probe sent;
    struct work work;
    struct scrap scrap;
    struct tick tick;
};

static void on_sent_queue_all(struct io_op *op)
{
    struct turn_order *all = CONTAINER_OF(op, struct turn_order, sent.op);
    probe_done(op);
    io_reap_queue(all->work.io, &all->scrap.reap);
    io_task_queue(all->work.io, &all->work.task);
    io_timer_set(all->work.io, &all->tick.timer, io_now_ms(all->work.io));
}

static void test_completions_then_timers_tasks_and_reaps(void **state)
{
    struct io_fixture *fixture = *state;
    struct turn_order all = {.scrap.reap.reap = on_scrap, .tick.fixture = fixture};
    struct io_sock sock;
    struct io_far *far = open_pair(fixture, &sock);
    struct bufq queue;
    probe_sequence = 0;
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("x")), 0);
    work_init(fixture, &all.work, 0);
    timer_init(&all.tick.timer, on_tick);
    all.sent.op.done = on_sent_queue_all;
    io_send(&sock, &all.sent.op, &queue);
    turn_until(fixture, &all.sent, 1);
    assert_int_equal(all.sent.order, 1);
    /* All of it in the same turn; the timer was set for a time that this turn may have passed already. */
    assert_true(all.work.order > all.sent.order);
    assert_true(all.scrap.order > all.work.order);
    for (int i = 0; i < 5 && all.tick.order == 0; i++)
        io_turn(fixture->io, TURN_WAIT_MS);
    assert_true(all.tick.order > 0);
    io_timer_fini(fixture->io, &all.tick.timer);
    bufq_clear(&queue);
    char byte;
    assert_int_equal(far_wait(fixture, far, &byte, 1), 1);
    close_pair(fixture, &sock, far);
}

struct sender {
    struct io_task task;
    struct probe sent;
    struct io_sock *sock;
    struct bufq *queue;
};

static void on_send_task(struct io_task *task)
{
    struct sender *sender = CONTAINER_OF(task, struct sender, task);
    io_send(sender->sock, &sender->sent.op, sender->queue);
}

static void test_what_a_task_sends_completes_in_its_turn(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct bufq queue;
    struct io_far *far = open_pair(fixture, &sock);
    struct sender sender = {.sock = &sock, .queue = &queue};
    bufq_init(&queue, &fixture->buffers);
    assert_int_equal(bufq_push_static(&queue, STR("x")), 0);
    probe_init(&sender.sent);
    io_task_init(&sender.task, on_send_task);
    io_task_queue(fixture->io, &sender.task);
    io_turn(fixture->io, 0);
    assert_int_equal(sender.sent.calls, 1);
    assert_int_equal(sender.sent.result, 1);
    bufq_clear(&queue);
    char byte;
    assert_int_equal(far_wait(fixture, far, &byte, 1), 1);
    close_pair(fixture, &sock, far);
}

static void on_recv_again(struct io_op *op)
{
    struct probe *probe = CONTAINER_OF(op, struct probe, op);
    probe_done(op);
    if (op->sock->closing == NULL && probe->calls < 100000)
        io_recv(op->sock, op, NULL);
}

/* Each receive behind the end completes at once, again and again. */
static struct io_far *open_endless(struct io_fixture *fixture, struct io_sock *sock, struct probe *endless)
{
    struct io_far *far = open_pair(fixture, sock);
    fixture->ops->far_shutdown(fixture, far);
    recv_once(fixture, sock, endless, NULL);
    assert_int_equal(endless->result, 0);
    probe_init(endless);
    endless->op.done = on_recv_again;
    io_recv(sock, &endless->op, NULL);
    return far;
}

static void test_completions_without_end_do_not_starve_timers(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe endless;
    struct tick tick;
    struct io_far *far = open_endless(fixture, &sock, &endless);
    tick_start(fixture, &tick, 0);
    io_turn(fixture->io, 0);
    assert_in_range(endless.calls, 1, 256);
    io_turn(fixture->io, 0);
    assert_in_range(endless.calls, 2, 512);
    tick_wait(fixture, &tick);
    assert_true(endless.calls < 100000);
    close_pair(fixture, &sock, far);
}

struct latecomer {
    struct probe received;
    struct work work;
};

static void on_recv_late(struct io_op *op)
{
    struct latecomer *both = CONTAINER_OF(op, struct latecomer, received.op);
    probe_done(op);
    io_task_queue_late(both->work.io, &both->work.task);
}

static void test_a_late_task_waits_for_a_turn_that_finds_nothing(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct latecomer both;
    struct io_far *far = open_pair(fixture, &sock);
    work_init(fixture, &both.work, 0);
    probe_init(&both.received);
    both.received.op.done = on_recv_late;
    io_recv(&sock, &both.received.op, NULL);
    fixture->ops->far_send(fixture, far, "x", 1);
    turn_until(fixture, &both.received, 1);
    assert_int_equal(both.work.runs, 0);
    io_task_queue(fixture->io, &both.work.task); /* queued already */
    io_turn(fixture->io, -1);
    assert_int_equal(both.work.runs, 1);
    buf_unref(both.received.op.buf);
    close_pair(fixture, &sock, far);
}

static void test_a_late_task_waits_for_so_many_turns_at_most(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct probe endless;
    struct work work;
    struct io_far *far = open_endless(fixture, &sock, &endless);
    work_init(fixture, &work, 0);
    for (int again = 1; again <= 2; again++) {
        io_task_queue_late(fixture->io, &work.task);
        for (int turns = 1; turns < IO_LATE_TURNS; turns++)
            io_turn(fixture->io, -1);
        assert_int_equal(work.runs, again - 1);
        io_turn(fixture->io, -1);
        assert_int_equal(work.runs, again);
    }
    close_pair(fixture, &sock, far);
}

static void test_wakes_are_merged(void **state)
{
    struct io_fixture *fixture = *state;
    fixture->wakes = 0;
    for (int i = 0; i < 3; i++)
        io_wake(fixture->io);
    io_turn(fixture->io, -1);
    assert_int_equal(fixture->wakes, 1);
    turn_some(fixture, 3);
    assert_int_equal(fixture->wakes, 1);
    io_wake(fixture->io);
    io_turn(fixture->io, -1);
    assert_int_equal(fixture->wakes, 2);
}

static void test_the_time_stands_still_within_a_turn(void **state)
{
    struct io_fixture *fixture = *state;
    io_turn(fixture->io, 0);
    int64_t before = io_now_ns(fixture->io);
    assert_int_equal(io_now_ns(fixture->io), before);
    assert_int_equal(io_now_ms(fixture->io), before / 1000000);
    io_turn(fixture->io, 3);
    assert_true(io_now_ns(fixture->io) > before);
}

static const struct CMUnitTest turn_tests[] = {
    cmocka_unit_test(test_timers_fire_in_order_and_never_early),
    cmocka_unit_test(test_a_turn_waits_no_longer_than_the_next_timer),
    cmocka_unit_test(test_tasks_run_in_order_also_those_queued_by_tasks),
    cmocka_unit_test(test_a_task_without_end_does_not_hold_the_turn),
    cmocka_unit_test(test_completions_then_timers_tasks_and_reaps),
    cmocka_unit_test(test_what_a_task_sends_completes_in_its_turn),
    cmocka_unit_test(test_a_late_task_waits_for_a_turn_that_finds_nothing),
    cmocka_unit_test(test_a_late_task_waits_for_so_many_turns_at_most),
    cmocka_unit_test(test_completions_without_end_do_not_starve_timers),
    cmocka_unit_test(test_wakes_are_merged),
    cmocka_unit_test(test_the_time_stands_still_within_a_turn),
};
const struct io_suite_part io_suite_turn_part = {turn_tests, ARRAY_SIZE(turn_tests)};

/* ---- Running ---- */

static int setup(void **state)
{
    static struct io_fixture fixture;
    fixture = (struct io_fixture){.ops = *state};
    buf_pool_init(&fixture.buffers, POOL_BYTES);
    fixture.ops->setup(&fixture);
    struct io_options options = {.backend = fixture.ops->backend,
                                 .buffers = &fixture.buffers,
                                 .pipes = IO_SUITE_PIPES,
                                 .max_sockets = 100,
                                 .on_wake = on_wake,
                                 .context = &fixture};
    *state = &fixture;
    return io_create(&options, &fixture.io);
}

static int teardown(void **state)
{
    struct io_fixture *fixture = *state;
    io_destroy(&fixture->io);
    assert_null(fixture->io);
    fixture->ops->teardown(fixture);
    assert_int_equal(fixture->buffers.chunks.used, 0);
    buf_pool_fini(&fixture->buffers);
    return 0;
}

int io_suite_run(const char *name, const struct io_fixture_ops *ops)
{
    static const struct io_suite_part *const parts[] = {&io_suite_turn_part, &io_suite_stream_part,
                                                        &io_suite_splice_part, &io_suite_accept_part};
    struct CMUnitTest tests[128];
    size_t count = 0;
    for (size_t p = 0; p < ARRAY_SIZE(parts); p++) {
        for (size_t i = 0; i < parts[p]->count; i++) {
            tests[count] = parts[p]->tests[i];
            tests[count].setup_func = setup;
            tests[count].teardown_func = teardown;
            memcpy(&tests[count].initial_state, &ops, sizeof(ops));
            count++;
        }
    }
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}
