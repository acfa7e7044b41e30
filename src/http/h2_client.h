/* HTTP/2 with Ballast as the client: the worker side's session, whose streams many exchanges share. RFC 9113.
 */
#ifndef HTTP_H2_CLIENT_H
#define HTTP_H2_CLIENT_H

#include "http/h2_session.h"

enum {
    H2_CLIENT_WAITING_HEADS = 8, /* of one answer, while a 1xx has not been passed on */
    H2_CLIENT_DEAF_MS = 1000
};

/* Shared by all sessions of a book or a prober; outlives them. */
struct h2_client_options {
    uint32_t streams;           /* at once on one connection, if the worker does not want fewer */
    uint32_t floods[H2_FLOODS]; /* as for clients */
    int64_t idle_ms;            /* without a stream, before it is lost */
    struct h2_room *room;
};

struct h2_client {
    struct h2_session h2; /* first */
    struct session_user *user;
    const struct h2_client_options *options;
    int64_t heard_ms;  /* when the last bytes came */
    uint32_t promised; /* places, when no stream was to begin any more: these do */
    int end_error;     /* with which the connection ended */
    bool spent;        /* no stream begins any more */
    bool ready;        /* was told */
    bool closing;      /* session_close was called */
};

/* Takes over an open conn: session.conn is there. ready is told once the worker has said its SETTINGS: only then it is
 * known how many streams it wants, and that it speaks HTTP/2 at all. 0, or -ERR_NO_MEMORY: the conn stays the caller's
 * to close. */
MUST_CHECK int h2_client_begin(struct h2_client *client, const struct h2_client_options *options,
                               const struct h1_limits *limits, struct session_user *user);

#endif
