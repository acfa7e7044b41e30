/* HTTP/2 with Ballast as the server: the client side's session. RFC 9113.
 */
#ifndef HTTP_H2_SERVER_H
#define HTTP_H2_SERVER_H

#include "http/h1_server.h"
#include "http/h2_session.h"

/* Shared by all sessions of a reactor; outlives them. */
struct h2_server_options {
    bool enabled;               /* spoken to whoever begins with the preface */
    bool tunnels;               /* extended CONNECT for WebSocket (RFC 8441) */
    uint32_t streams;           /* at once on one connection */
    uint32_t floods[H2_FLOODS]; /* events in H2_GUARD_WINDOW_MS; HEADS is the library's */
};

struct h2_server {
    struct h2_session h2; /* first */
    struct session_owner *owner;
    const struct h1_server_options *common; /* limits and times that hold for every version */
    int64_t silent_at_ms;                   /* who is awaited until then has been silent for too long; or TIMER_NEVER */
    bool stops;                             /* told to end: its tunnels too, which a retired one keeps */
};

/* Takes over an open conn: session.conn is there, with what it received so far. 0 or -ERR_NO_MEMORY: the caller's to
 * close. */
MUST_CHECK int h2_server_begin(struct h2_server *server, const struct h2_server_options *options,
                               const struct h1_server_options *common, struct h2_room *room,
                               struct session_owner *owner);

#endif
