/* One listening socket on one loop: accepted connections, and waiting when there is no room for more.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "io/io.h"

struct listener;

struct listener_events {
    /* The descriptor is the callee's. */
    void (*on_accepted)(struct listener *listener, int fd, const struct sockaddr_storage *peer);
    /* A connection could not be had; accepting goes on by itself. */
    void (*on_refused)(struct listener *listener, int error);
    void (*on_closed)(struct listener *listener);
};

struct listener {
    uint32_t magic;
    bool wanted; /* accepting, but for the moment between a cancel and its completion */
    bool closing;
    const struct listener_events *events;
    struct io_sock sock;
    struct io_op accept, closer;
    struct sockaddr_storage peer;
    void *owner;
};

/* Takes over a listening descriptor; not accepting yet. A negative code leaves it the caller's. */
MUST_CHECK int listener_start(struct listener *listener, struct io *io, int fd, const struct listener_events *events,
                              void *owner);
/* Accept, or let connections wait in the system's queue. */
void listener_accept(struct listener *listener, bool wanted);
/* Closes the descriptor; on_closed comes in a later turn. */
void listener_stop(struct listener *listener);

#endif
