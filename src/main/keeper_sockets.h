/* The listening sockets of a configuration, which the keeper holds as long as they are listened on.
 */
#ifndef MAIN_KEEPER_SOCKETS_H
#define MAIN_KEEPER_SOCKETS_H

#include "control/config.h"
#include "main/inherited.h"
#include "main/unix_file.h"

enum { KEEPER_WHY_MAX = 1024 };

/* One set for each listener, in the configuration's order: fds[listener * width + i], the first of them one for each
 * reactor, then -1 or further ones: a server before had more reactors, and clients wait at each of its sockets. */
struct keeper_sockets {
    int *fds;
    struct sock_addr *addrs; /* of listeners */
    struct unix_file *files; /* of listeners; removed as listening ends */
    uint32_t width, listeners;
};

/* Tables without a socket, for at most so many listeners: `listeners` is 0. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int keeper_sockets_create(uint32_t listeners, uint32_t width, struct keeper_sockets *ret_sockets);
/* Frees the tables and closes nothing. */
void keeper_sockets_free(struct keeper_sockets *sockets);
/* Those of the configuration: the same sockets where `before` (NULL: none) has the address, which reactors share where
 * it has too few: nobody would accept from further ones until they have a server. Else new ones. admin_fd: the
 * administration API's, which is no listener's; -1: none. 0, or a code with a sentence in why and no listener open that
 * was not before. */
MUST_CHECK int keeper_sockets_open(const struct config *config, uint32_t reactors, int admin_fd,
                                   const struct keeper_sockets *before, struct keeper_sockets *ret_sockets,
                                   char why[KEEPER_WHY_MAX]);
/* Were the listener's sockets made for these, and not before? */
bool keeper_sockets_is_new(const struct keeper_sockets *sockets, uint32_t listener,
                           const struct keeper_sockets *before);
/* In a process that was forked: the files of Unix sockets are not its own to remove. */
void keeper_sockets_disown(struct keeper_sockets *sockets);
/* Closes those that `kept` (NULL: none) does not have, and frees the tables. */
void keeper_sockets_close(struct keeper_sockets *sockets, const struct keeper_sockets *kept);

#endif
