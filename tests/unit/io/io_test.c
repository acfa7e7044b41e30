/* io.c over a backend of this test's own: the errors of a backend, memory that runs out, and the assertions that guard
 * the contract. What a turn does is tested by the contract suite over the real backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "io/io_backend.h"
#include "io/io_epoll.h"
#include "tests/unit/alloc_fail.h"

static int init_code;
static int open_code;
static int waits;
static int64_t last_timeout_ns;
static int64_t fake_now_ns = 5000000;

static int fake_init(struct io *io)
{
    return init_code;
}

static void fake_fini(struct io *io)
{
}

static int fake_open(struct io *io, struct io_sock *sock, int family)
{
    sock->fd = open_code == 0 ? 100 : -1;
    return open_code;
}

static int fake_adopt(struct io *io, struct io_sock *sock, int fd)
{
    return open_code;
}

static void fake_discard(struct io *io, int fd)
{
}

static void fake_submit(struct io *io, struct io_op *op)
{
}

static void fake_cancel(struct io *io, struct io_op *op)
{
    io_complete(op, -ERR_CANCELLED);
}

static void fake_shutdown_send(struct io *io, struct io_sock *sock)
{
}

static void fake_close(struct io *io, struct io_sock *sock, bool reset)
{
    io_complete(sock->closing, 0);
}

static void fake_wait(struct io *io, int64_t timeout_ns)
{
    waits++;
    last_timeout_ns = timeout_ns;
}

static void fake_wake(struct io *io)
{
}

static int64_t fake_now(struct io *io)
{
    return fake_now_ns;
}

static const struct io_backend fake_backend = {
    .name = "fake",
    .init = fake_init,
    .fini = fake_fini,
    .open = fake_open,
    .adopt = fake_adopt,
    .discard = fake_discard,
    .submit = fake_submit,
    .cancel = fake_cancel,
    .shutdown_send = fake_shutdown_send,
    .close = fake_close,
    .wait = fake_wait,
    .wake = fake_wake,
    .now_ns = fake_now,
};

static struct buf_pool buffers;
static struct io *io;

static struct io *create(const struct io_backend *backend)
{
    struct io_options options = {.backend = backend, .buffers = &buffers};
    struct io *made = NULL;
    assert_int_equal(io_create(&options, &made), 0);
    return made;
}

static int setup(void **state)
{
    init_code = 0;
    open_code = 0;
    buf_pool_init(&buffers, 1024 * 1024);
    io = create(&fake_backend);
    return 0;
}

static int teardown(void **state)
{
    io_destroy(&io);
    buf_pool_fini(&buffers);
    return 0;
}

static void test_a_backend_that_cannot_start(void **state)
{
    struct io_options options = {.backend = &fake_backend, .buffers = &buffers};
    struct io *made = (struct io *)(void *)state;
    init_code = -ERR_NO_DESCRIPTORS;
    assert_int_equal(io_create(&options, &made), -ERR_NO_DESCRIPTORS);
    assert_ptr_equal(made, state);
}

static void test_no_memory_for_a_loop(void **state)
{
    struct io_options options = {.backend = &io_epoll_backend, .buffers = &buffers};
    struct io *made = NULL;
    unsigned failed = 0;
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        int code = io_create(&options, &made);
        if (!alloc_fail_stop()) {
            assert_int_equal(code, 0);
            break;
        }
        assert_int_equal(code, -ERR_NO_MEMORY);
        assert_null(made);
        failed++;
    }
    assert_int_equal(failed, 2);
    io_destroy(&made);
}

static void test_a_socket_that_cannot_be_had_is_closed(void **state)
{
    struct io_sock sock;
    open_code = -ERR_SYSTEM;
    assert_int_equal(io_open(io, &sock, AF_INET), -ERR_SYSTEM);
    assert_false(io_is_open(&sock));
    assert_int_equal(io_adopt(io, &sock, 7), -ERR_SYSTEM);
    assert_false(io_is_open(&sock));
}

static void on_nothing(struct timer *timer)
{
}

static void on_task(struct io_task *task)
{
}

static void test_how_long_a_turn_may_wait(void **state)
{
    static const struct {
        int64_t timer_ms; /* from now; -1: no timer */
        int64_t max_wait_ms;
        bool task;
        int64_t at_most_ns;
        int64_t at_least_ns;
    } cases[] = {
        {-1, -1, false, -1, -1},
        {-1, 0, false, 0, 0},
        {-1, 30, false, 30000000, 30000000},
        {-1, INT64_MAX, false, INT64_C(1000000000000000), INT64_C(1000000000000000)},
        {7, -1, false, 7000000, 0},
        {7, 3, false, 3000000, 0},
        {0, -1, false, 1000000, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct timer timer;
        timer_init(&timer, on_nothing);
        if (cases[i].timer_ms >= 0)
            io_timer_set(io, &timer, io_now_ms(io) + cases[i].timer_ms);
        io_turn(io, cases[i].max_wait_ms);
        assert_true(last_timeout_ns <= cases[i].at_most_ns);
        assert_true(last_timeout_ns >= cases[i].at_least_ns);
        io_timer_fini(io, &timer);
    }
}

static void test_a_queued_task_skips_every_other_wait_only(void **state)
{
    struct io_task task;
    io_task_init(&task, on_task);
    io_turn(io, 0);
    waits = 0;
    for (int i = 0; i < 10; i++) {
        io_task_queue(io, &task);
        io_turn(io, -1);
        assert_false(list_linked(&task.link));
    }
    assert_int_equal(waits, 5);
    assert_int_equal(last_timeout_ns, 0);
}

/* ---- Assertions ---- */

static void on_done(struct io_op *op)
{
}

static struct io_sock sock;
static struct io_op first, second;
static struct bufq queue;

static void violate_double_submit(void)
{
    io_recv(&sock, &first, NULL);
    io_recv(&sock, &first, NULL);
}

static void violate_two_in_a_direction(void)
{
    io_recv(&sock, &first, NULL);
    io_recv(&sock, &second, NULL);
}

static void violate_no_done(void)
{
    first.done = NULL;
    io_recv(&sock, &first, NULL);
}

static void violate_empty_send(void)
{
    io_send(&sock, &first, &queue);
}

static void violate_submit_while_closing(void)
{
    io_close(&sock, &first, false);
    io_recv(&sock, &second, NULL);
}

static void violate_shutdown_while_sending(void)
{
    assert_int_equal(bufq_append(&queue, "x", 1), 0);
    io_send(&sock, &first, &queue);
    io_shutdown_send(&sock);
}

static void violate_full_buffer(void)
{
    struct buf *buf = buf_take(&buffers);
    buf->used = buf->cap;
    io_recv(&sock, &first, buf);
}

static void violate_lent_buffer(void)
{
    struct buf *buf = buf_take(&buffers);
    struct io_sock other;
    assert_int_equal(io_adopt(io, &other, 101), 0);
    io_recv(&sock, &first, buf);
    io_recv(&other, &second, buf);
}

static void violate_destroy_with_socket(void)
{
    io_destroy(&io);
}

static void violate_completes_twice(void)
{
    io_recv(&sock, &first, NULL);
    io_complete(&first, 0);
    io_complete(&first, 0);
}

static void turn_in_task(struct io_task *task)
{
    io_turn(io, 0);
}

static void violate_turn_within_turn(void)
{
    struct io_task task;
    io_task_init(&task, turn_in_task);
    io_task_queue(io, &task);
    io_turn(io, 0);
}

static void keep_the_contract(void)
{
    io_recv(&sock, &first, NULL);
    io_close(&sock, &second, false);
    io_turn(io, 0);
    io_turn(io, 0);
    io_destroy(&io);
}

static bool aborts(void (*violate)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        memset(&first, 0, sizeof(first));
        memset(&second, 0, sizeof(second));
        first.done = on_done;
        second.done = on_done;
        bufq_init(&queue, &buffers);
        if (io_adopt(io, &sock, 100) != 0)
            _exit(2);
        violate();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_breaking_the_contract_aborts(void **state)
{
    static void (*const violations[])(void) = {
        violate_double_submit,        violate_two_in_a_direction,     violate_no_done,          violate_empty_send,
        violate_submit_while_closing, violate_shutdown_while_sending, violate_full_buffer,      violate_lent_buffer,
        violate_destroy_with_socket,  violate_completes_twice,        violate_turn_within_turn,
    };
    for (size_t i = 0; i < ARRAY_SIZE(violations); i++)
        assert_true(aborts(violations[i]));
    assert_false(aborts(keep_the_contract));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_backend_that_cannot_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_for_a_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_socket_that_cannot_be_had_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_how_long_a_turn_may_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_queued_task_skips_every_other_wait_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_breaking_the_contract_aborts, setup, teardown),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
