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

int admin_socket_open(const struct config_address *address, int *ret_fd)
{
    make_directory(address->path);
    mode_t before = umask(0177);
    int fd = sock_listen(&address->addr, BACKLOG, false);
    umask(before);
    if (fd < 0) {
        fprintf(stderr, "ballast: the administration API cannot listen on %.*s: %s\n", STR_ARG(address->text),
                err_sentence(fd));
        return fd;
    }
    *ret_fd = fd;
    return 0;
}

bool admin_socket_needs_token(int fd)
{
    int domain = AF_UNIX;
    socklen_t length = sizeof(domain);

    return fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX);
}
