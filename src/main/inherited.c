/* Called by the keeper. What it opens for itself is closed on exec, and what it has inherited is not: so a descriptor
 * of its own that happens to have the number is not taken for one that was handed over. */
#include "main/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 3 /* SD_LISTEN_FDS_START */ };

static int say(char why[INHERITED_WHY_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int say(char why[INHERITED_WHY_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, INHERITED_WHY_MAX, format, arguments);
    va_end(arguments);
    return -ERR_CONFIG;
}

/* ---- which descriptor ---- */

static bool number_in(const char *name, uint64_t *ret_number)
{
    const char *text = getenv(name);

    return text && str_parse_u64(str_of(text), INT32_MAX, ret_number) == 0;
}

/* The first of that name; *ret_others: how many more have it. -1: none. */
static int find_name(struct str name, uint64_t count, unsigned *ret_others)
{
    const char *text = getenv("LISTEN_FDNAMES");
    struct str rest = str_of(text ? text : ""), one;
    int found = -1;

    *ret_others = 0;
    for (uint64_t i = 0; i < count && str_cut(&rest, ':', &one); i++) {
        if (!str_eq(one, name))
            continue;
        if (found < 0)
            found = FIRST + (int)i;
        else
            ++*ret_others;
    }
    return found;
}

static int look_up(struct str name, int *ret_fd, char why[INHERITED_WHY_MAX])
{
    uint64_t count = 0, pid = 0;
    unsigned others;

    if (!number_in("LISTEN_FDS", &count) || !number_in("LISTEN_PID", &pid))
        return say(why, "no sockets were handed over (LISTEN_FDS and LISTEN_PID are not set): start it by its socket "
                        "unit, or name an address");
    if (pid != (uint64_t)getpid() && pid != (uint64_t)getppid()) /* the keeper's child tries an upgrade */
        return say(
            why,
            "the sockets are for process %llu (LISTEN_PID), and this is %d: what stands between them must `exec` "
            "Ballast",
            (unsigned long long)pid, (int)getpid());
    int fd = find_name(name, count, &others);
    if (fd < 0)
        return say(why,
                   "none of the %llu sockets handed over has that name: set FileDescriptorName= in the socket unit",
                   (unsigned long long)count);
    if (others > 0)
        return say(why,
                   "%u sockets have that name: write fd:%d and so on, or give each a socket unit with a "
                   "FileDescriptorName= of its own",
                   others + 1, fd);
    *ret_fd = fd;
    return 0;
}

static int find(struct str name, int *ret_fd, char why[INHERITED_WHY_MAX])
{
    uint64_t number;

    if (str_parse_u64(name, INT32_MAX, &number) != 0)
        return look_up(name, ret_fd, why);
    *ret_fd = (int)number;
    return 0;
}

/* ---- what it is ---- */

static int option(int fd, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

static int check(int fd, char why[INHERITED_WHY_MAX])
{
    int flags = fcntl(fd, F_GETFD);
    int domain = option(fd, SO_DOMAIN);

    if (flags < 0 || (flags & FD_CLOEXEC))
        return say(why, "descriptor %d was not handed over: whoever starts Ballast must leave it open over exec", fd);
    if (option(fd, SO_TYPE) != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
        return say(why, "descriptor %d is no stream socket of IP or Unix: use ListenStream= in the socket unit", fd);
    if (option(fd, SO_ACCEPTCONN) != 1)
        return say(why,
                   "the socket of descriptor %d does not listen: use Accept=no in the socket unit, or call listen() "
                   "before exec",
                   fd);
    return 0;
}

int inherited_open(const struct config_address *address, char why[INHERITED_WHY_MAX])
{
    int fd = -1, on = 1;
    int error = find(address->inherited, &fd, why);

    if (!error)
        error = check(fd, why);
    if (error)
        return error;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0 || fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK) < 0) {
        error = err_from_errno(errno);
        (void)say(why, "%s", err_sentence(error));
        if (own >= 0)
            close(own);
        return error;
    }
    (void)setsockopt(own, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* for what is accepted; not on Unix sockets */
    return own;
}

bool inherited_same(int a, int b)
{
    struct stat one, other;

    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}
