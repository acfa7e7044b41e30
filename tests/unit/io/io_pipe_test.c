/* Pipes of a loop: counted, kept up to a limit, and refused in order when there are none. What goes through them is the
 * contract suite's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "io/io.h"
#include "io/io_epoll.h"
#include "io/io_pipe.h"

static struct io *make_io(struct buf_pool *buffers, uint32_t pipes)
{
    struct io *io = NULL;
    buf_pool_init(buffers, 1 << 20);
    struct io_options options = {.backend = &io_epoll_backend, .buffers = buffers, .pipes = pipes};
    assert_int_equal(io_create(&options, &io), 0);
    return io;
}

static void test_none_unless_asked_for(void **state)
{
    struct buf_pool buffers;
    struct io *io = make_io(&buffers, 0);
    assert_null(io_pipe_take(io));
    io_destroy(&io);
    buf_pool_fini(&buffers);
}

static void test_a_burst_is_given_back(void **state)
{
    enum { BURST = IO_PIPES_KEPT + 10 };
    struct buf_pool buffers;
    struct io *io = make_io(&buffers, BURST);
    struct io_pipe *pipes[BURST];
    for (int i = 0; i < BURST; i++) {
        pipes[i] = io_pipe_take(io);
        assert_non_null(pipes[i]);
    }
    assert_null(io_pipe_take(io));
    for (int i = 0; i < BURST; i++)
        io_pipe_unref(pipes[i]);
    assert_int_equal(io_pipes_taken(io), 0);
    assert_int_equal(io_pipes_kept(io), IO_PIPES_KEPT);
    io_destroy(&io);
    buf_pool_fini(&buffers);
}

static void test_the_last_reference_counts(void **state)
{
    struct buf_pool buffers;
    struct io *io = make_io(&buffers, 1);
    struct io_pipe *pipe = io_pipe_take(io);
    assert_ptr_equal(io_pipe_ref(pipe), pipe);
    io_pipe_unref(pipe);
    assert_null(io_pipe_take(io));
    io_pipe_unref(pipe);
    io_pipe_unref(NULL);
    assert_ptr_equal(io_pipe_take(io), pipe); /* the kept one */
    io_pipe_unref(pipe);
    io_destroy(&io);
    buf_pool_fini(&buffers);
}

static void test_no_descriptors_left(void **state)
{
    struct buf_pool buffers;
    struct rlimit before;
    struct io *io = make_io(&buffers, 4);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct io_pipe *pipe = io_pipe_take(io);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(pipe);
    assert_int_equal(io_pipes_taken(io), 0);
    pipe = io_pipe_take(io);
    assert_non_null(pipe);
    io_pipe_unref(pipe);
    io_destroy(&io);
    buf_pool_fini(&buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_unless_asked_for),
        cmocka_unit_test(test_a_burst_is_given_back),
        cmocka_unit_test(test_the_last_reference_counts),
        cmocka_unit_test(test_no_descriptors_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
