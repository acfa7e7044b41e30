/* The keeper: binds the listeners, keeps a server running on them, and does nothing with traffic.
 *
 * It passes signals on and starts the server again if it dies: at once, then with back-off. The sockets stay open here,
 * so that a crash costs the exchanges in flight and no refused connection. Told to reload (HUP, or by its server), it
 * has a child of its own load the configuration into memory that the server reads, binds what is new, and hands both
 * over. Told to upgrade (USR2), it becomes the program that is installed now, by exec: the same process with the same
 * children and sockets.
 */
#ifndef MAIN_KEEPER_H
#define MAIN_KEEPER_H

#include <limits.h>
#include <signal.h>

#include "control/config_slot.h"
#include "control/link.h"
#include "control/server.h"
#include "main/keeper_sockets.h"
#include "main/priv.h"
#include "main/succession.h"

/* What becomes of another configuration, one at a time. */
enum keeper_step {
    KEEPER_IDLE,
    KEEPER_LOADS,  /* a child loads it into the slot `next` */
    KEEPER_OFFERS, /* the server has it, and will say what became of it */
};

/* How far an upgrade is. */
enum keeper_upgrade_step {
    KEEPER_SETTLED,
    KEEPER_REHEARSES, /* a child of the new program says whether it can */
    KEEPER_ASKS,      /* this is the new program; the server, the old one's, is to tell what it knows */
    KEEPER_STARTS,    /* the next server makes all ready */
    KEEPER_SWAPS,     /* the server stops accepting */
    KEEPER_DRAINS,    /* the next one is the server; the one before serves its last clients */
};

struct keeper_server {
    pid_t process; /* 0: none */
    int link;      /* -1: none */
};

struct keeper_upgrade {
    enum keeper_upgrade_step step;
    int64_t deadline_ms;                 /* steady, of a step that may not last; 0: none */
    bool again;                          /* asked for when it could not begin */
    pid_t rehearsal;                     /* 0: none */
    int said, complained;                /* its output, in files of memory */
    int told;                            /* what a server knew, in a file of memory; -1: nothing */
    struct keeper_server next, old;      /* one that is not yet, one that is no longer the server */
    bool foreign;                        /* the server is the program before's, and cannot reload */
    struct succession inherited;         /* foreign: what the program before left; else nothing */
    char before[SUCCESSION_VERSION_MAX]; /* its version */
    uint32_t number;                     /* of upgrades, those that failed too */
};

struct keeper {
    char *const *arguments;   /* of the process, for the program that it becomes */
    char program[PATH_MAX];   /* where that is */
    bool rehearses;           /* this process only says whether it could take over */
    bool loaded;              /* slots, sockets and all are of this program; else only the server before is kept */
    const sigset_t *open;     /* the signals that are let in while it waits */
    _Atomic bool *ever_ready; /* shared with the servers: whether one was */
    const char *path;         /* of the configuration; NULL: the layout built in */
    const struct config_flags *flags;
    struct config_slot slots[CONFIG_SLOTS];
    struct changes_memory *memory; /* of what is changed at run time, for a server whose predecessor died */
    uint32_t current, previous;    /* the same: there is no previous one */
    uint32_t connections, reactors;
    struct keeper_sockets sockets;
    int admin_fd;                /* -1: no administration API */
    struct sock_addr admin_addr; /* where that is; the configuration in use may name another place by now */
    struct priv priv;            /* as found; each server has a copy of its own, by its fork */
    pid_t server;                /* its process; 0: none runs */
    int link;                    /* to it; -1: it is gone */
    uint32_t deaths;             /* in a row, each soon after a start */
    /* another configuration */
    enum keeper_step step;
    int loader; /* the child's process */
    uint32_t next;
    enum link_purpose purpose;
    struct keeper_sockets next_sockets;
    bool again; /* asked for meanwhile */
    struct keeper_upgrade upgrade;
};

/* Descriptors that a server with this configuration may open. */
uint64_t keeper_descriptors(const struct config *config);
/* Loads the configuration, sets up logging, descriptors, sockets, the user to become: all that a server needs before it
 * starts. path, flags and arguments (argv; NULL: it is never upgraded) are kept. In a process that was another program
 * before, an error only means that the server before is kept. 0, or a code that was said. */
MUST_CHECK int keeper_prepare(const char *path, const struct config_flags *flags, char *const *arguments,
                              struct keeper *ret_keeper);
/* Gives back what it holds. */
void keeper_release(struct keeper *keeper);
/* Runs the server in a child for as long as it is wanted; returns the exit code. */
int keeper_run(struct keeper *keeper);
/* Runs it in this process, for a debugger. */
int keeper_run_alone(struct keeper *keeper);

/* For the keeper's own files. Forks a server; one that takes over from another waits until it may begin. False: it
 * cannot be forked, which was said. */
bool keeper_start(struct keeper *keeper, bool takes_over, struct keeper_server *ret_server);
/* A message, and a signal since its loop looks for messages when it is signalled. A server that is gone hears nothing.
 */
void keeper_tell(const struct keeper_server *server, const struct link_message *message);

#endif
