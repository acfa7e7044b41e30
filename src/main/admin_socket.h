/* The administration API's listening socket.
 */
#ifndef MAIN_ADMIN_SOCKET_H
#define MAIN_ADMIN_SOCKET_H

#include "control/config.h"
#include "main/inherited.h"

enum { ADMIN_SOCKET_WHY_MAX = INHERITED_WHY_MAX };

/* Before anything forks or runs in threads. A Unix socket is its owner's alone (mode 0600); its directory is made where
 * only that is missing. One that is inherited is as it is. 0, or a code with a sentence in why. */
MUST_CHECK int admin_socket_open(const struct config_address *address, int *ret_fd, char why[ADMIN_SOCKET_WHY_MAX]);
/* Can others than this machine's users connect to it? fd -1: nobody can. */
bool admin_socket_needs_token(int fd);

#endif
