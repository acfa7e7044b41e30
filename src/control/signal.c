/* One process, one set of handlers: what they touch is static, atomic, and safe in a handler. */
#include "control/signal.h"

#include <signal.h>
#include <stdatomic.h>

enum { AGAIN = 1 }; /* the value that a keeper's second stop carries */

static _Atomic unsigned pending;
static _Atomic unsigned stops;
static _Atomic int role_now;
static struct io *_Atomic to_wake;

static unsigned stop_word(const siginfo_t *info)
{
    bool again = atomic_fetch_add(&stops, 1) > 0;

    if (atomic_load(&role_now) == SIGNAL_KEPT)
        again = info->si_code == SI_QUEUE && info->si_value.sival_int == AGAIN;
    return again ? SIGNAL_STOP | SIGNAL_STOP_AGAIN : SIGNAL_STOP;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    unsigned word = 0;

    switch (number) {
    case SIGHUP: word = SIGNAL_RELOAD; break;
    case SIGUSR1: word = SIGNAL_REOPEN_LOGS; break;
    case SIGUSR2: word = SIGNAL_UPGRADE; break;
    default: word = stop_word(info); break;
    }
    atomic_fetch_or(&pending, word);
    struct io *io = atomic_load(&to_wake);
    if (io)
        io_wake(io);
}

void signal_install(struct io *io, enum signal_role role)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    struct sigaction ignored = {.sa_handler = SIG_IGN};

    atomic_store(&role_now, (int)role);
    atomic_store(&to_wake, io);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    sigaction(SIGPIPE, &ignored, NULL);
    if (io && atomic_load(&pending))
        io_wake(io);
}

/* Not by TERM: one that still waits there would swallow it. */
void signal_pass_stop_again(int process)
{
    sigqueue(process, SIGQUIT, (union sigval){.sival_int = AGAIN});
}

unsigned signal_take(void)
{
    return atomic_exchange(&pending, 0);
}
