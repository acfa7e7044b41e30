/* One process, one set of handlers: what they touch is static, atomic, and safe in a handler. */
#include "control/signal.h"

#include <signal.h>
#include <stdatomic.h>

static _Atomic unsigned pending;
static _Atomic unsigned stops;
static struct io *_Atomic to_wake;

static void on_signal(int number)
{
    unsigned word = 0;

    switch (number) {
    case SIGHUP: word = SIGNAL_RELOAD; break;
    case SIGUSR1: word = SIGNAL_REOPEN_LOGS; break;
    case SIGUSR2: word = SIGNAL_UPGRADE; break;
    default: word = atomic_fetch_add(&stops, 1) ? SIGNAL_STOP_AGAIN : SIGNAL_STOP; break;
    }
    atomic_fetch_or(&pending, word);
    struct io *io = atomic_load(&to_wake);
    if (io)
        io_wake(io);
}

void signal_install(struct io *io)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = on_signal};

    atomic_store(&to_wake, io);
    atomic_store(&stops, 0);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

unsigned signal_take(void)
{
    return atomic_exchange(&pending, 0);
}
