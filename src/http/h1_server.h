/* HTTP/1 with Ballast as the server: the client side's session. RFC 9112.
 */
#ifndef HTTP_H1_SERVER_H
#define HTTP_H1_SERVER_H

#include "http/h1_body.h"

/* Shared by all sessions of a reactor; outlives them. */
struct h1_server_options {
    struct h1_limits limits;
    uint64_t body_bytes;     /* most in one request body; 0: no limit */
    int64_t request_head_ms; /* from a head's first byte to its end */
    int64_t client_idle_ms;  /* between requests */
};

struct h1_server {
    struct session session; /* first */
    struct session_owner *owner;
    const struct h1_server_options *options;
    struct stream *stream; /* the request being worked on, or NULL */
    struct h1_scan scan;
    struct h1_body_in in;
    struct h1_body_out out;
    uint64_t body_seen;
    int64_t began_ns;
    uint8_t state; /* enum of h1_server.c */
    uint8_t minor;
    uint8_t asked; /* enum msg_method */
    bool head_begun;
    bool peer_keeps; /* the client means to go on after this request */
    bool must_close; /* after the present answer, whatever the client wants */
    bool out_ended;
    bool wants_room;
    bool held;   /* a long body waits for whoever says where it shall go */
    bool tunnel; /* this was answered by 101 */
};

/* For an accepted descriptor, on a new seat, over the listener's transport (NULL: plain). 0, or a negative code: the
 * descriptor stays the caller's and the session holds nothing. */
MUST_CHECK int h1_server_start(struct h1_server *server, struct seat *seat, struct io *io, int fd,
                               const struct sockaddr_storage *peer, const struct transport_use *transport,
                               const struct h1_server_options *options, struct session_owner *owner);
/* Goes on where a session has rested: on its seat, which has bytes. */
void h1_server_resume(struct h1_server *server, struct seat *seat, const struct h1_server_options *options,
                      struct session_owner *owner);
/* Takes over a session whose conn is open; what it has received waits in conn->in and is looked at with the next event.
 * began_ns: when the first byte of a head came, if one has, in io_now_ns; else 0. */
void h1_server_begin(struct h1_server *server, const struct h1_server_options *options, struct session_owner *owner,
                     int64_t began_ns);

#endif
