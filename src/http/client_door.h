/* The client side's session before anybody knows which version of HTTP it will speak.
 *
 * Over TLS the handshake says it; on a plain conn the first bytes do (RFC 9113 section 3.3: prior knowledge). One
 * thread owns it, as it owns the session that comes of it.
 */
#ifndef HTTP_CLIENT_DOOR_H
#define HTTP_CLIENT_DOOR_H

#include "http/h2_server.h"

/* Shared by all sessions of a reactor; outlives them. */
struct client_door_options {
    const struct h1_server_options *h1;
    const struct h2_server_options *h2;
    struct h2_room *room;
};

/* Begins as `undecided`, which is a session without streams, and becomes one of the others in place. */
struct client_undecided {
    struct session session; /* first, as in all of them */
    const struct client_door_options *options;
    struct session_owner *owner;
    int64_t began_ns; /* when the first byte came that could be the preface or a head; 0: none has */
};

union client_door {
    struct session session;
    struct client_undecided undecided;
    struct h1_server h1;
    struct h2_server h2;
};

/* For an accepted descriptor, on a new seat, over the listener's transport (NULL: plain). 0, or a negative code: the
 * descriptor stays the caller's and the session holds nothing. */
MUST_CHECK int client_door_open(union client_door *door, struct seat *seat, struct io *io, int fd,
                                const struct sockaddr_storage *peer, const struct transport_use *transport,
                                const struct client_door_options *options, struct session_owner *owner);
/* On an open seat that has bytes: the first ones, or those behind a session that has rested. */
void client_door_sit(union client_door *door, struct seat *seat, const struct client_door_options *options,
                     struct session_owner *owner);

#endif
