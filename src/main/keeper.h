/* The keeper: binds the listeners, keeps a server running on them, and does nothing with traffic.
 *
 * It passes signals on and starts the server again if it dies: at once, then with back-off. The sockets stay open here,
 * so that a crash costs the exchanges in flight and no refused connection. Told to reload (HUP, or by its server), it
 * has a child of its own load the configuration into memory that the server reads, binds what is new, and hands both
 * over.
 */
#ifndef MAIN_KEEPER_H
#define MAIN_KEEPER_H

#include "control/config_slot.h"
#include "control/link.h"
#include "control/server.h"
#include "main/keeper_sockets.h"
#include "main/priv.h"

/* What becomes of another configuration, one at a time. */
enum keeper_step {
    KEEPER_IDLE,
    KEEPER_LOADS,  /* a child loads it into the slot `next` */
    KEEPER_OFFERS, /* the server has it, and will say what became of it */
};

struct keeper {
    const char *path; /* of the configuration; NULL: the layout built in */
    const struct config_flags *flags;
    struct config_slot slots[CONFIG_SLOTS];
    uint32_t current, previous; /* the same: there is no previous one */
    uint32_t connections, reactors;
    struct keeper_sockets sockets;
    int admin_fd;     /* -1: no administration API */
    struct priv priv; /* as found; each server has a copy of its own, by its fork */
    /* while a server runs */
    int server; /* its process */
    int link;   /* to it; -1: it is gone */
    /* another configuration */
    enum keeper_step step;
    int loader; /* the child's process */
    uint32_t next;
    enum link_purpose purpose;
    struct keeper_sockets next_sockets;
    bool again; /* asked for meanwhile */
};

/* Descriptors that a server with this configuration may open. */
uint64_t keeper_descriptors(const struct config *config);
/* Loads the configuration, sets up logging, descriptors, sockets, the user to become: all that a server needs before it
 * starts. path and flags are kept, for reloads. 0, or a code that was said. */
MUST_CHECK int keeper_prepare(const char *path, const struct config_flags *flags, struct keeper *ret_keeper);
/* Gives back what it holds. */
void keeper_release(struct keeper *keeper);
/* Runs the server in a child for as long as it is wanted; returns the exit code. */
int keeper_run(struct keeper *keeper);
/* Runs it in this process, for a debugger. */
int keeper_run_alone(struct keeper *keeper);

#endif
