/* What the server gives up before it serves: whom it runs as, new privileges, and what the sandbox takes.
 *
 * The keeper keeps all of it: it binds ports, and starts the next server.
 */
#ifndef MAIN_PRIV_H
#define MAIN_PRIV_H

#include <sys/types.h>

#include "control/config.h"

struct priv {
    const struct config *config; /* borrowed */
    bool switches;               /* to another user */
    uid_t uid;
    gid_t gid;
    /* set by priv_begin and priv_finish: NULL where it is on, else why it is not */
    const char *new_privileges, *files, *calls;
    int landlock; /* its version */
};

/* The keeper, before it forks: looks the configured user and group up. 0, or a code with a sentence in
 * why[0..PRIV_WHY_MAX): -ERR_CONFIG, nobody of that name; -ERR_NO_PERMISSION, only root can become another. */
enum { PRIV_WHY_MAX = 256 };
MUST_CHECK int priv_find(const struct config *config, struct priv *ret_priv, char why[PRIV_WHY_MAX]);
/* The server's process, before it starts any thread: no new privileges, and no files but the access log's. */
void priv_begin(struct priv *priv);
/* The same, its sockets and logs open and no reactor running: becomes the user, gives up system calls, and logs one
 * line that says what is on. 0, or -ERR_NO_PERMISSION: could not become the user, said in the log. */
MUST_CHECK int priv_finish(struct priv *priv);

#endif
