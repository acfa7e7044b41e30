/* Which descriptor a name stands for, and what is said of one that cannot be used. */
#include "main/inherited.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { FAR = 200 }; /* a number that is free here */

/* As it is handed over: open over exec. */
static void hand_over(int number, int domain, int type, bool listening)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_true(fd >= 0);
    if (listening) {
        assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
        assert_int_equal(listen(fd, 8), 0);
    }
    assert_int_equal(dup2(fd, number), number);
    close(fd);
}

static int open_named(const char *name, char why[INHERITED_WHY_MAX])
{
    struct config_address address = {.inherited = str_of(name)};

    why[0] = '\0';
    return inherited_open(&address, why);
}

static void said(const char *name, const char *what)
{
    char why[INHERITED_WHY_MAX];

    assert_int_equal(open_named(name, why), -ERR_CONFIG);
    if (!strstr(why, what))
        fail_msg("fd:%s: \"%s\" does not say \"%s\"", name, why, what);
}

static void inherited_by_number(void **state)
{
    char why[INHERITED_WHY_MAX];
    int on = 0;
    socklen_t length = sizeof(on);

    hand_over(FAR, AF_INET, SOCK_STREAM, true);
    int fd = open_named("200", why);
    assert_true(fd >= 0 && fd != FAR);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    assert_int_equal(on, 1);
    assert_true(inherited_same(fd, FAR));
    close(fd);
    fd = open_named("200", why); /* a later configuration names it again */
    assert_true(fd >= 0);
    hand_over(FAR + 1, AF_INET, SOCK_STREAM, true);
    assert_false(inherited_same(fd, FAR + 1));
    close(fd);
    close(FAR);
    close(FAR + 1);
}

static void inherited_refusals(void **state)
{
    said("200", "descriptor 200 was not handed over");
    hand_over(FAR, AF_INET, SOCK_STREAM, false);
    said("200", "does not listen");
    hand_over(FAR, AF_INET, SOCK_DGRAM, false);
    said("200", "no stream socket");
    assert_int_equal(dup2(STDIN_FILENO, FAR), FAR);
    said("200", "no stream socket");
    hand_over(FAR, AF_INET, SOCK_STREAM, true);
    assert_int_equal(fcntl(FAR, F_SETFD, FD_CLOEXEC), 0); /* one of our own */
    said("200", "descriptor 200 was not handed over");
    close(FAR);
}

static void set_environment(const char *fds, const char *names, long pid)
{
    char number[32];

    (void)snprintf(number, sizeof(number), "%ld", pid);
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", fds, 1);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
    else
        unsetenv("LISTEN_FDNAMES");
}

static void inherited_by_name(void **state)
{
    unsetenv("LISTEN_FDS");
    said("web", "no sockets were handed over");
    set_environment("2", "web:api", (long)getpid() + 1);
    said("web", "must `exec` Ballast");
    set_environment("2", "web:api", getppid()); /* of the keeper, whose child tries an upgrade */
    said("elsewhere", "none of the 2 sockets");
    set_environment("2", NULL, getpid());
    said("web", "none of the 2 sockets");
    set_environment("2", "web:api:beyond", getpid());
    said("beyond", "none of the 2 sockets");
    said("we", "none of the 2 sockets");
    set_environment("3", "web:web:api", getpid());
    said("web", "2 sockets have that name: write fd:3");
    set_environment("many", "web", getpid());
    said("web", "no sockets were handed over");
    set_environment("400", "a:b:c", getpid());
    said("d", "none of the 400 sockets");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inherited_by_number),
        cmocka_unit_test(inherited_refusals),
        cmocka_unit_test(inherited_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
