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

/* Who sends the stops that count as "again". */
enum signal_role {
    SIGNAL_ALONE, /* anybody: the second one is */
    SIGNAL_KEPT   /* a server under a keeper: only what signal_pass_stop_again sent is, because a stop of the whole
                     process   group reaches the server twice */
};

/* Handlers for all of them (and PIPE ignored); io may be NULL for a process without a loop, whose system calls are then
 * interrupted instead. What came before and was not taken is not lost. Before threads start. */
void signal_install(struct io *io, enum signal_role role);
/* For a keeper: tells a SIGNAL_KEPT process to stop at once. */
void signal_pass_stop_again(int process);
/* What has come since the last call: bits of enum signal_word. */
unsigned signal_take(void);

#endif
