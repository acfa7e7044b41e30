/* What the keeper and its server tell each other: messages over a pair of sockets, some with descriptors.
 *
 * The keeper loads configurations and binds sockets, since the server may do neither; the server puts them into use and
 * says how that went. One request is under way at a time. In an upgrade the keeper speaks to two servers, the one that
 * is to go and the one that takes its place.
 */
#ifndef CONTROL_LINK_H
#define CONTROL_LINK_H

#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

enum { LINK_TEXT_MAX = 4000, LINK_FDS_MAX = 250 };

enum link_kind {
    /* from the keeper */
    LINK_SOCKETS, /* of a listener that is new, one for each reactor at most; number: its place in the LINK_CONFIG to
                     come. Several, where they are more than fit into one */
    LINK_CONFIG,  /* one was loaded; number: in which slot */
    LINK_FAILED,  /* none was; text: why */
    LINK_TELL,    /* write all that you know into this file of memory; the answer is LINK_TOLD */
    LINK_RETIRE, /* the next server is ready: accept no more, write there what you know, again now and then, and at your
                    end; each time LINK_TOLD */
    LINK_INHERIT, /* the server before has written into this file what it knows (none: it told nothing); number: 1 if it
                     has ended. The first one after LINK_READY lets the server begin */
    LINK_UPGRADING,  /* an upgrade begins; number: the how manieth it is */
    LINK_NO_UPGRADE, /* it came to nothing, you go on; text: why */
    /* from the server */
    LINK_RELOAD,   /* load one; the answer is LINK_CONFIG or LINK_FAILED */
    LINK_ROLLBACK, /* the one before this once more */
    LINK_APPLIED,  /* what LINK_CONFIG brought is in use */
    LINK_REFUSED,  /* it is not, and will not be; text: why */
    LINK_UPGRADE, /* put the program that is now installed in my place; the answer is LINK_NO_UPGRADE, or LINK_RETIRE */
    LINK_TOLD,    /* what was to be written is */
    LINK_READY,   /* all is made ready to take over */
};

/* What is to become of a configuration; goes with LINK_RELOAD and comes back with its answer. */
enum link_purpose { LINK_TO_APPLY, LINK_TO_PLAN, LINK_TO_ROLL_BACK };

struct link_message {
    enum link_kind kind;
    enum link_purpose purpose;
    uint32_t number;
    uint32_t fd_count;
    int fds[LINK_FDS_MAX];    /* the receiver's to close */
    char text[LINK_TEXT_MAX]; /* with a NUL */
};

/* Both ends, closed on exec; neither blocks. 0 or a negative code. */
MUST_CHECK int link_create(int ret_ends[2]);
/* 0; a negative code when it could not be sent: the other end is gone. Descriptors stay the caller's. */
MUST_CHECK int link_send(int end, const struct link_message *message);
/* 1 with *ret_message, 0 when none is there, or a negative code: the other end is gone. */
MUST_CHECK int link_receive(int end, struct link_message *ret_message);

#endif
