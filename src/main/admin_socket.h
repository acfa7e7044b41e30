/* The administration API's listening socket.
 */
#ifndef MAIN_ADMIN_SOCKET_H
#define MAIN_ADMIN_SOCKET_H

#include "control/config.h"

/* Before anything forks or runs in threads. A Unix socket is its owner's alone (mode 0600); its directory is made where
 * only that is missing. 0, or a code that was said on standard error. */
MUST_CHECK int admin_socket_open(const struct config_address *address, int *ret_fd);
/* Can others than this machine's users connect to it? fd -1: nobody can. */
bool admin_socket_needs_token(int fd);

#endif
