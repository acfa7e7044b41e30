/* Signals as words: which says what, and that nothing is lost or told twice. */
#include "control/signal.h"

#include <signal.h>
#include <unistd.h>

#include "control_helper.h"
#include "io/io_epoll.h"

/* Runs first: how many stops have come is never forgotten. */
static void signal_stops_twice(void **state)
{
    signal_install(NULL, SIGNAL_ALONE);
    assert_int_equal(signal_take(), 0);
    raise(SIGTERM);
    assert_int_equal(signal_take(), SIGNAL_STOP);
    raise(SIGINT);
    assert_int_equal(signal_take(), SIGNAL_STOP | SIGNAL_STOP_AGAIN);
    raise(SIGQUIT);
    raise(SIGHUP);
    assert_int_equal(signal_take(), SIGNAL_STOP | SIGNAL_STOP_AGAIN | SIGNAL_RELOAD);
    assert_int_equal(signal_take(), 0);
}

/* Under a keeper a second stop is only what the keeper sends as such. */
static void signal_says_words(void **state)
{
    static const struct {
        int number;
        unsigned word;
    } words[] = {
        {SIGTERM, SIGNAL_STOP},  {SIGINT, SIGNAL_STOP},         {SIGQUIT, SIGNAL_STOP},
        {SIGHUP, SIGNAL_RELOAD}, {SIGUSR1, SIGNAL_REOPEN_LOGS}, {SIGUSR2, SIGNAL_UPGRADE},
    };
    signal_install(NULL, SIGNAL_KEPT);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
            raise(words[i].number);
            assert_int_equal(signal_take(), words[i].word);
            assert_int_equal(signal_take(), 0);
        }
    signal_pass_stop_again(getpid());
    assert_int_equal(signal_take(), SIGNAL_STOP | SIGNAL_STOP_AGAIN);
}

static void signal_survives_a_broken_pipe(void **state)
{
    signal_install(NULL, SIGNAL_ALONE);
    raise(SIGPIPE);
    assert_int_equal(signal_take(), 0);
}

static void on_wake(void *context)
{
    *(unsigned *)context |= signal_take();
}

static void signal_wakes_its_loop(void **state)
{
    struct buf_pool buffers;
    struct io *io;
    unsigned heard = 0;
    buf_pool_init(&buffers, 1 << 16);
    struct io_options options = {
        .backend = &io_epoll_backend, .buffers = &buffers, .on_wake = on_wake, .context = &heard};
    assert_int_equal(io_create(&options, &io), 0);
    signal_install(NULL, SIGNAL_ALONE);
    raise(SIGHUP); /* before the loop is known: not lost */
    signal_install(io, SIGNAL_ALONE);
    io_turn(io, 5000);
    assert_int_equal(heard, SIGNAL_RELOAD);
    raise(SIGUSR1);
    io_turn(io, 5000);
    assert_int_equal(heard, SIGNAL_RELOAD | SIGNAL_REOPEN_LOGS);
    signal_install(NULL, SIGNAL_ALONE);
    io_destroy(&io);
    buf_pool_fini(&buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_stops_twice),
        cmocka_unit_test(signal_says_words),
        cmocka_unit_test(signal_survives_a_broken_pipe),
        cmocka_unit_test(signal_wakes_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
