/* What a proxy adds to and takes from heads: Via, forwarding fields, request ids, Max-Forwards, Date.
 * RFC 9110 sections 6.6.1, 7.6.2, 7.6.3; RFC 7239.
 */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "base/arena.h"
#include "base/rand.h"
#include "http/msg.h"
#include "net/conn.h"
#include "net/network.h"

enum rewrite_upgrade { REWRITE_UPGRADE_OFF, REWRITE_UPGRADE_WEBSOCKET, REWRITE_UPGRADE_ANY };

struct rewrite_options {
    enum rewrite_upgrade upgrade; /* which are passed on, to become tunnels */
    bool via;
    bool x_forwarded;
    bool forwarded;
    bool request_id;
    const struct network *trusted; /* whose forwarding fields are believed */
    uint32_t trusted_count;
    struct str client_subject; /* the field that tells whose certificate a client has shown; empty: none does */
};

/* What the request came with, beside its head. */
struct rewrite_client {
    const struct conn *conn;
    struct str host; /* the peer's address as text */
};

enum { REWRITE_REQUEST_FIELDS = 10, REWRITE_ANSWER_FIELDS = 4 }; /* room they need in msg->fields */
enum { REWRITE_ID_BYTES = 32 };

/* The request's id: its own X-Request-ID if that is 1 to 128 of [A-Za-z0-9._-], else a new one from the arena; {NULL,
 * 0} without memory. */
struct str rewrite_request_id(const struct msg *msg, struct arena *arena, struct rand_gen *rand);
/* The client asked by https: over this connection, or by the word of a trusted proxy (X-Forwarded-Proto). */
bool rewrite_is_https(const struct msg *msg, const struct conn *conn, const struct rewrite_options *options);
/* It asks for an upgrade that is passed on. */
bool rewrite_upgrades(const struct msg *msg, const struct rewrite_options *options);
/* Makes the head ready for a worker. Once for each request. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int rewrite_request(struct msg *msg, const struct rewrite_client *client, struct str id,
                               const struct rewrite_options *options, struct arena *arena);
/* Makes a worker's final or interim head ready for the client: Date (29 bytes, for a final one that has none) and Via
 * (via says the worker's protocol; both texts outlive the exchange). */
void rewrite_answer(struct msg *msg, struct str via, struct str date, const struct rewrite_options *options);
/* RFC 6797: a final head gets Strict-Transport-Security where the client's connection has it to tell; a worker's own
 * stays. */
void rewrite_secure(struct msg *msg, const struct conn *conn);
/* Max-Forwards of a TRACE or OPTIONS request: 0 or more, or -1 if there is none (or it is no number: then it is
 * ignored). */
int64_t rewrite_max_forwards(const struct msg *msg);

#endif
