/* Called by the keeper, which keeps the socket open over a server's death. */
#include "main/admin_socket.h"

#include <libgen.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "io/sock.h"

enum { BACKLOG = 64, PATH_ROOM = 256 };

static void make_directory(struct str path)
{
    char copy[PATH_ROOM];

    if (path.n == 0 || path.n >= sizeof(copy))
        return;
    memcpy(copy, path.p, path.n);
    copy[path.n] = '\0';
    (void)mkdir(dirname(copy), 0755); /* what is wrong with it, binding will say */
}

static const char *why_and_what_to_do(int error)
{
    switch (-error) {
    case ERR_ADDRESS_IN_USE:
        return "the address is already in use: stop the program that listens there, or name another (admin.address)";
    case ERR_NO_PERMISSION:
        return "permission was denied: name a path or a port that this user may use (admin.address)";
    case ERR_BAD_ADDRESS: return "this machine has no such address or directory (admin.address)";
    default: return err_sentence(error);
    }
}

static int listen_there(const struct config_address *address, char why[ADMIN_SOCKET_WHY_MAX])
{
    make_directory(address->path);
    mode_t before = umask(0177);
    int fd = sock_listen(&address->addr, BACKLOG, false);
    umask(before);
    if (fd < 0)
        (void)snprintf(why, ADMIN_SOCKET_WHY_MAX, "%s", why_and_what_to_do(fd));
    return fd;
}

int admin_socket_open(const struct config_address *address, int *ret_fd, char why[ADMIN_SOCKET_WHY_MAX])
{
    int fd = address->inherited.n > 0 ? inherited_open(address, why) : listen_there(address, why);

    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

bool admin_socket_needs_token(int fd)
{
    int domain = AF_UNIX;
    socklen_t length = sizeof(domain);

    return fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX);
}
