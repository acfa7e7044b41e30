/* Bound by the keeper, since it alone may be allowed to, and kept while servers come and go. */
#include "main/keeper_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static const char *why_and_what_to_do(int error)
{
    switch (-error) {
    case ERR_ADDRESS_IN_USE:
        return "the address is already in use: stop the program that listens there, or listen elsewhere (--listen)";
    case ERR_NO_PERMISSION:
        return "permission was denied: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE (setcap "
               "cap_net_bind_service=+ep), so give it, or listen on a higher port (--listen 8080)";
    case ERR_BAD_ADDRESS: return "this machine has no such address: see `ip address` for those it has";
    case ERR_NO_DESCRIPTORS: return "too many files are open: raise the limit (ulimit -n)";
    default: return err_sentence(error);
    }
}

enum { WHY_MAX = INHERITED_WHY_MAX };
_Static_assert((int)WHY_MAX >= (int)UNIX_FILE_WHY_MAX, "a sentence of either");

/* Those that are there, in turn, for the reactors that have none of their own. */
static int share(uint32_t reactors, int *fds)
{
    uint32_t own = 0;

    while (own < reactors && fds[own] >= 0)
        own++;
    for (uint32_t i = own; i < reactors; i++) {
        fds[i] = fcntl(fds[i - own], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0)
            return err_from_errno(errno);
    }
    return 0;
}

/* With several sockets on one address the system would let a second program join them unseen: an exclusive bind asks
 * first. */
static int bind_shared(const struct sock_addr *addr, uint32_t reactors, int *fds)
{
    int error = reactors > 1 ? sock_check_free(addr) : 0;

    for (uint32_t i = 0; i < reactors && !error; i++) {
        fds[i] = sock_listen(addr, BACKLOG, reactors > 1);
        error = fds[i] < 0 ? fds[i] : 0;
    }
    return error;
}

/* fds[0..reactors), -1 before; what was opened stays there on failure. */
static int bind_one(const struct config_listener *listener, uint32_t reactors, int *fds, struct unix_file *file,
                    char why[WHY_MAX])
{
    const struct config_address *address = &listener->address;

    if (address->path.n == 0 && address->inherited.n == 0) {
        int error = bind_shared(&address->addr, reactors, fds);
        if (error)
            return error;
    } else {
        fds[0] = address->path.n > 0 ? unix_file_listen(listener, BACKLOG, file, why) : inherited_open(address, why);
        if (fds[0] < 0)
            return fds[0];
    }
    for (uint32_t i = 0; i < reactors && fds[i] >= 0; i++)
        sock_defer_accept(fds[i]);
    return share(reactors, fds);
}

static int *set_of(const struct keeper_sockets *sockets, uint32_t listener)
{
    return sockets->fds + (size_t)listener * sockets->width;
}

/* Which of them has the address; their count: none. `sockets` NULL has none. */
static uint32_t find(const struct keeper_sockets *sockets, const struct sock_addr *addr)
{
    uint32_t i = 0;

    while (sockets && i < sockets->listeners && !sock_addr_equal(&sockets->addrs[i].storage, &addr->storage))
        i++;
    return i;
}

static bool has(const struct keeper_sockets *sockets, const struct sock_addr *addr)
{
    return sockets && find(sockets, addr) < sockets->listeners;
}

static int open_one(const struct config_listener *listener, const struct keeper_sockets *before, uint32_t reactors,
                    struct keeper_sockets *sockets, uint32_t index, char why[WHY_MAX])
{
    const struct sock_addr *addr = &listener->address.addr;
    uint32_t at = find(before, addr);
    bool kept = has(before, addr);
    int *fds = set_of(sockets, index);

    sockets->addrs[index] = *addr;
    for (uint32_t i = 0; i < sockets->width; i++)
        fds[i] = kept && i < before->width ? set_of(before, at)[i] : -1;
    if (!kept)
        return bind_one(listener, reactors, fds, &sockets->files[index], why);
    sockets->files[index] = before->files[at];
    return share(reactors, fds);
}

/* Two names may stand for one socket, and one name for another's copy. */
static int check_apart(const struct config *config, const struct keeper_sockets *sockets, uint32_t index, int admin_fd,
                       char why[WHY_MAX])
{
    int fd = set_of(sockets, index)[0];
    struct str other = STR("");

    if (config->listeners.items[index].address.inherited.n == 0)
        return 0;
    for (uint32_t i = 0; i < index && other.n == 0; i++)
        if (inherited_same(set_of(sockets, i)[0], fd))
            other = config_shown(config->listeners.items[i].address.text);
    if (admin_fd >= 0 && inherited_same(admin_fd, fd))
        other = STR("the administration API");
    if (other.n == 0)
        return 0;
    (void)snprintf(why, WHY_MAX, "it is the socket of %.*s: name it once", STR_ARG(other));
    return -ERR_CONFIG;
}

/* start-up only: and once a reload; short tables. */
int keeper_sockets_create(uint32_t listeners, uint32_t width, struct keeper_sockets *ret_sockets)
{
    *ret_sockets = (struct keeper_sockets){.fds = calloc((size_t)width * listeners, sizeof(int)),
                                           .addrs = calloc(listeners, sizeof(struct sock_addr)),
                                           .files = calloc(listeners, sizeof(struct unix_file)),
                                           .width = width};
    if (ret_sockets->fds && ret_sockets->addrs && ret_sockets->files)
        return 0;
    keeper_sockets_free(ret_sockets);
    return -ERR_NO_MEMORY;
}

void keeper_sockets_free(struct keeper_sockets *sockets)
{
    free(sockets->fds);   /* start-up only: see keeper_sockets_create */
    free(sockets->addrs); /* start-up only: see keeper_sockets_create */
    free(sockets->files); /* start-up only: see keeper_sockets_create */
    *sockets = (struct keeper_sockets){.fds = NULL};
}

int keeper_sockets_open(const struct config *config, uint32_t reactors, int admin_fd,
                        const struct keeper_sockets *before, struct keeper_sockets *ret_sockets,
                        char why[KEEPER_WHY_MAX])
{
    uint32_t count = (uint32_t)config->listeners.count;
    uint32_t width = before && before->width > reactors ? before->width : reactors;
    struct keeper_sockets sockets;
    char place[CONFIG_PLACE_MAX], reason[WHY_MAX] = "";
    int error = keeper_sockets_create(count, width, &sockets);

    if (error)
        (void)snprintf(why, KEEPER_WHY_MAX, "%s", err_sentence(error));
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct config_listener *listener = &config->listeners.items[i];
        sockets.listeners = i + 1;
        error = open_one(listener, before, reactors, &sockets, i, reason);
        if (!error)
            error = check_apart(config, &sockets, i, admin_fd, reason);
        if (error)
            (void)snprintf(why, KEEPER_WHY_MAX, "%s: cannot listen on %.*s: %s",
                           config_place_print(place, &listener->place), STR_ARG(listener->address.text),
                           reason[0] ? reason : why_and_what_to_do(error));
    }
    if (error)
        keeper_sockets_close(&sockets, before);
    else
        *ret_sockets = sockets;
    return error;
}

bool keeper_sockets_is_new(const struct keeper_sockets *sockets, uint32_t listener, const struct keeper_sockets *before)
{
    return !has(before, &sockets->addrs[listener]);
}

void keeper_sockets_disown(struct keeper_sockets *sockets)
{
    for (uint32_t i = 0; i < sockets->listeners; i++)
        sockets->files[i].path[0] = '\0';
}

void keeper_sockets_close(struct keeper_sockets *sockets, const struct keeper_sockets *kept)
{
    for (uint32_t i = 0; i < sockets->listeners; i++) {
        if (has(kept, &sockets->addrs[i]))
            continue;
        for (uint32_t k = 0; k < sockets->width; k++)
            if (set_of(sockets, i)[k] >= 0)
                close(set_of(sockets, i)[k]);
        unix_file_remove(&sockets->files[i]);
    }
    keeper_sockets_free(sockets);
}
