/* The keeper: binds the listeners, keeps a server running on them, and does nothing with traffic.
 *
 * It passes signals on and starts the server again if it dies: at once, then with back-off. The sockets stay open here,
 * so that a crash costs the exchanges in flight and no refused connection.
 */
#ifndef MAIN_KEEPER_H
#define MAIN_KEEPER_H

#include "control/config.h"
#include "control/server.h"
#include "main/priv.h"
#include "main/unix_file.h"

/* The configuration's listening sockets, one set for each reactor: fds[reactor * listeners + listener]. */
struct keeper_sockets {
    int *fds;
    uint32_t reactors;
    uint32_t listeners;
    struct unix_file *files; /* of each listener; removed as listening ends */
};

/* What a server is started with. */
struct keeper_plan {
    struct config *config; /* owned */
    uint32_t connections;
    struct keeper_sockets sockets;
    int admin_fd;     /* -1: no administration API */
    struct priv priv; /* as found; each server has a copy of its own, by its fork */
};

/* Descriptors that a server with this configuration may open. */
uint64_t keeper_descriptors(const struct config *config);
/* Logging as configured, descriptors, sockets, the user to become: all that a server needs before it starts. Takes the
 * configuration over in any case. 0, or a code that was said. */
MUST_CHECK int keeper_prepare(struct config *config, struct keeper_plan *ret_plan);
/* Gives back what the plan holds. */
void keeper_release(struct keeper_plan *plan);
/* Runs the server in a child for as long as it is wanted; returns the exit code. */
int keeper_run(struct keeper_plan *plan);
/* Runs it in this process, for a debugger. */
int keeper_run_alone(struct keeper_plan *plan);

#endif
