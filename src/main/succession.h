/* What a keeper leaves to the program that it becomes: exec keeps the process, its children and its descriptors, and
 * forgets everything else.
 *
 * Lines of text in a file of memory, whose descriptor an environment variable names.
 */
#ifndef MAIN_SUCCESSION_H
#define MAIN_SUCCESSION_H

#include <sys/types.h>

#include "control/config.h"
#include "main/keeper_sockets.h"

enum { SUCCESSION_VERSION_MAX = 64 };

/* What session tickets of one listener are sealed with. */
struct succession_keys {
    struct sock_addr addr;
    char bytes[TLS_TICKET_KEY_BYTES];
};

struct succession {
    char version[SUCCESSION_VERSION_MAX]; /* of the program before */
    uint32_t number;                      /* of upgrades, this one included */
    pid_t server;                         /* its process, a child of this one */
    int link;                             /* to it */
    int admin_fd;                         /* -1: there is none */
    struct sock_addr admin_addr;
    struct keeper_sockets sockets;
    struct succession_keys *keys; /* of listeners that have none of their own */
    uint32_t key_count;
};

/* Its keys are those of the configuration in use (NULL: none). 0, or -ERR_NO_MEMORY. */
MUST_CHECK int succession_note_keys(struct succession *succession, const struct config *config);
/* A file of memory with all of it, or a negative code. */
MUST_CHECK int succession_write(const struct succession *succession);
/* Whether exec keeps its descriptors. */
void succession_keep(const struct succession *succession, bool kept);
/* 0, -ERR_NO_MEMORY, or -ERR_CONFIG: another version's, or no such file. Descriptors are closed on exec again. */
MUST_CHECK int succession_read(int fd, struct succession *ret_succession);
/* Gives listeners of the configuration the keys that those of the same address had. */
void succession_give_keys(const struct succession *succession, struct config *config);
/* Memory only; sockets are somebody's by then. */
void succession_free(struct succession *succession);

#endif
