/* HTTP/1 with Ballast as the client: the worker side's session. RFC 9112.
 */
#ifndef HTTP_H1_CLIENT_H
#define HTTP_H1_CLIENT_H

#include "http/h1_body.h"

struct h1_client {
    struct session session; /* first */
    struct session_user *user;
    const struct h1_limits *limits;
    struct stream *stream;
    struct h1_scan scan;
    struct h1_body_in in;
    struct h1_body_out out;
    int end_error;      /* with which the worker's side ended */
    uint32_t served;    /* answers that were complete */
    uint8_t state;      /* enum of h1_client.c */
    uint8_t asked;      /* enum msg_method */
    bool answer_begun;  /* some byte of an answer to this request was there */
    bool upgrading;     /* the request asked for a tunnel */
    bool tunnel;        /* and got it */
    bool interim_waits; /* stream->head is a 1xx not yet consumed */
    bool keep_alive;
    bool held;     /* a long body waits for whoever says where it shall go */
    bool draining; /* no request after the present one */
    bool out_ended;
    bool wants_room;
};

/* Starts to connect, on a new seat, over the worker's transport (NULL: plain); *to is kept by the caller until ready. A
 * negative code: nothing was started. limits outlive it. */
MUST_CHECK int h1_client_start(struct h1_client *client, struct seat *seat, struct io *io, struct sockaddr_storage *to,
                               const struct transport_use *transport, const struct h1_limits *limits,
                               struct session_user *user);
/* Takes over an open conn: session.conn is there. ready is the caller's to tell. */
void h1_client_begin(struct h1_client *client, const struct h1_limits *limits, struct session_user *user);
/* An idle session once more, on the seat from which one has risen. */
void h1_client_resume(struct h1_client *client, struct seat *seat, const struct h1_limits *limits,
                      struct session_user *user);

#endif
