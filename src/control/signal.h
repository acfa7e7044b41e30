/* Signals as words for a loop: a handler notes them and wakes it.
 */
#ifndef CONTROL_SIGNAL_H
#define CONTROL_SIGNAL_H

#include "io/io.h"

enum signal_word {
    SIGNAL_STOP = 1,        /* TERM, INT, QUIT: drain and exit */
    SIGNAL_STOP_AGAIN = 2,  /* one more of them: at once */
    SIGNAL_RELOAD = 4,      /* HUP */
    SIGNAL_REOPEN_LOGS = 8, /* USR1 */
    SIGNAL_UPGRADE = 16,    /* USR2 */
};

/* Handlers for all of them (and PIPE ignored); io may be NULL for a process without a loop, whose system calls are then
 * interrupted instead. Before threads start. */
void signal_install(struct io *io);
/* What has come since the last call: bits of enum signal_word. */
unsigned signal_take(void);

#endif
