/* The file of a Unix socket that clients connect to: whose it is, who may use it, and its end.
 */
#ifndef MAIN_UNIX_FILE_H
#define MAIN_UNIX_FILE_H

#include <sys/types.h>
#include <sys/un.h>

#include "control/config.h"

/* The file as it was made; an empty path is none. */
struct unix_file {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    dev_t device;
    ino_t inode;
};

enum { UNIX_FILE_WHY_MAX = 160 };

/* Listens at the listener's path with its mode, owner and group: nobody can connect before they are set. A descriptor
 * with *ret_file, or a code, with *why a sentence where the code's own says too little (else empty). */
MUST_CHECK int unix_file_listen(const struct config_listener *listener, int backlog, struct unix_file *ret_file,
                                char why[UNIX_FILE_WHY_MAX]);
/* Removes it, if it is still the one that was made; harmless with none. Another program's stays. */
void unix_file_remove(struct unix_file *file);

#endif
