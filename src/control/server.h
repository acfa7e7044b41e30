/* The server process: reactors for traffic, and this thread for everything else.
 *
 * Runs until it is told to stop by a signal. The caller's thread becomes the control thread: probes, signals, later
 * configuration and administration.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "control/changes_memory.h"
#include "control/config_slot.h"
#include "control/signal.h"

enum server_exit { SERVER_EXIT_STOPPED = 0, SERVER_EXIT_NOT_STARTED = 1, SERVER_EXIT_FORCED = 2 };

struct server_options {
    const struct config *config;
    enum signal_role role;
    _Atomic bool *ready;  /* set once the server is */
    uint32_t connections; /* client connections at most, over all reactors */
    uint32_t reactors;
    /* fds[listener * width + i], each listening already, or -1: the i-th of a listener is for reactor i modulo their
     * number, who has at least one. Closed with the process. */
    const int *listen_fds;
    uint32_t listeners, listen_width;
    int link;                        /* to the keeper; -1: there is none */
    const struct config_slot *slots; /* where the keeper puts configurations */
    struct changes_memory *memory; /* what was changed of workers at run time, over the death of a server; NULL: none */
    bool forgets;                  /* begins without what is there, which may be why others died */
    int admin_fd;                  /* the administration API's socket, as these; -1: none */
    /* In an upgrade. NULL: no server is replaced; else its version. */
    const char *before;
    int told;         /* the file of memory where the one before has told what it knows; -1: none */
    uint32_t upgrade; /* how many there were, this one included */
    /* Sockets and logs are open, and no reactor runs yet: the process gives up what it needs no more. 0, or a code and
     * the server does not start; what went wrong was logged. NULL: nothing to give up. */
    int (*confine)(void *context);
    void *confine_context;
};

/* Returns how the process should exit. What went wrong was logged. Anything but SERVER_EXIT_STOPPED leaves threads and
 * memory as they are: the process is to _exit. */
enum server_exit server_run(const struct server_options *options);

#endif
