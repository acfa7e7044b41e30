/* The worker side's session before anybody knows which version of HTTP it will speak.
 *
 * What is spoken to a worker is configured, or agreed on in the handshake (ALPN). One thread owns it, as it owns the
 * session that comes of it.
 */
#ifndef HTTP_WORKER_DOOR_H
#define HTTP_WORKER_DOOR_H

#include "http/h1_client.h"
#include "http/h2_client.h"

enum worker_protocol {
    WORKER_HTTP1,
    WORKER_H2C,  /* HTTP/2 at once, over whatever transport */
    WORKER_H2,   /* HTTP/2, which ALPN must have agreed on */
    WORKER_AUTO, /* HTTP/2 where ALPN says so, else HTTP/1 */
};

/* Shared by all sessions of a book or a prober; outlives them. */
struct worker_door_options {
    struct h1_limits limits;
    struct h2_client_options h2;
};

/* Begins as `undecided`, which is a session without streams, and becomes one of the others in place. */
struct worker_undecided {
    struct session session; /* first, as in all of them */
    const struct worker_door_options *options;
    struct session_user *user;
    enum worker_protocol protocol;
};

union worker_door {
    struct session session;
    struct worker_undecided undecided;
    struct h1_client h1;
    struct h2_client h2;
};

/* Starts to connect, on a new seat, over the worker's transport (NULL: plain); *to is kept by the caller until ready. A
 * negative code: nothing was started. */
MUST_CHECK int worker_door_open(union worker_door *door, struct seat *seat, struct io *io, struct sockaddr_storage *to,
                                const struct transport_use *transport, enum worker_protocol protocol,
                                const struct worker_door_options *options, struct session_user *user);

#endif
