/* For tests of what a process gives up for good: it is tried in a child, which says how it went by its exit code. */
#ifndef UNIT_MAIN_CHILD_H
#define UNIT_MAIN_CHILD_H

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_GOOD = 42, CHILD_SKIPPED = 43, CHILD_BAD = 44 };

/* In the child: ends it unless the condition holds. */
#define CHILD_CHECK(condition)                                                                \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            _exit(CHILD_BAD);                                                                 \
        }                                                                                     \
    } while (0)
/* The call fails with this errno. */
#define CHILD_FAILS(call, code) CHILD_CHECK((call) < 0 && errno == (code))

/* The status, as waitpid gives it, of a child that did this. */
static inline int child_status(void (*act)(void))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        act();
        _exit(CHILD_GOOD);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static inline int child_exit(void (*act)(void))
{
    int status = child_status(act);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
