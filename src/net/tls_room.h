/* The handshakes of one reactor: how many at once, and how many steps of them in one turn.
 *
 * A step of a handshake may cost as much processor time as a hundred requests: whoever floods a listener with new
 * connections is to wait himself, and not those that are established. Owned by a reactor, on its thread; knows nothing
 * of the library.
 */
#ifndef NET_TLS_ROOM_H
#define NET_TLS_ROOM_H

#include "io/io.h"

enum { TLS_ROOM_STEPS = 8 }; /* in one turn */

enum tls_note {
    TLS_NOTE_FULL, /* how a handshake ended */
    TLS_NOTE_RESUMED,
    TLS_NOTE_FAILED,
    TLS_NOTE_REFUSED, /* it never began */
    TLS_RESULTS,
    TLS_NOTE_STEP = TLS_RESULTS, /* one was taken */
    TLS_NOTE_PUT_OFF,            /* a turn had all its steps, and more are left */
    TLS_NOTE_KERNEL,             /* the kernel encrypts what is sent on a connection */
    TLS_NOTES
};

/* Something that waits for its turn; embedded in a connection. */
struct tls_step {
    struct list link;
    void (*run)(struct tls_step *step);
};

struct tls_room {
    struct io *io;
    uint32_t most; /* handshakes in flight */
    uint32_t in_flight;
    struct list waiting; /* tls_step.link */
    struct io_task task;
    struct timer timer; /* the rest of the queue, in the next turn */
    uint64_t turn;
    uint32_t steps; /* taken in that turn */
    /* Told of whatever has such a name. NULL: nobody asks. */
    void (*note)(void *context, enum tls_note note);
    void *context;
};

void tls_room_init(struct tls_room *room, struct io *io, uint32_t most);
/* No handshake is in flight. */
void tls_room_fini(struct tls_room *room);
/* A handshake begins; false: there are too many, which was noted. */
bool tls_room_enter(struct tls_room *room);
/* It ended in this way. */
void tls_room_leave(struct tls_room *room, enum tls_note note);
/* One that ended has this too. */
void tls_room_note(struct tls_room *room, enum tls_note what);
/* Runs the step in this turn or in a later one, never from inside. */
void tls_room_queue(struct tls_room *room, struct tls_step *step);
void tls_step_init(struct tls_step *step, void (*run)(struct tls_step *step));
void tls_step_cancel(struct tls_step *step);

#endif
