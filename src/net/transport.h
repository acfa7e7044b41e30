/* How a conn's bytes get to the socket and back: plain now, TLS behind the same few functions.
 *
 * A transport works for one conn on its thread. It reports to conn.c by the conn_note_ functions, never to the conn's
 * owner.
 */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct conn;
struct seat;

enum transport_word {
    TRANSPORT_ALPN,         /* the protocol that both sides agreed on ("h2") */
    TRANSPORT_TLS_VERSION,  /* "TLSv1.3" */
    TRANSPORT_TLS_RESUMED,  /* "resumed", where it is a session that began on another connection */
    TRANSPORT_PEER_SUBJECT, /* of the certificate that the peer has shown and that is believed, as RFC 4514 writes it */
    TRANSPORT_HSTS,         /* what answers to clients shall say of it (RFC 6797), by the listener's settings */
};

enum { TRANSPORT_REFUSAL_MAX = 240 };

struct transport {
    const char *name;
    struct str scheme; /* of what is asked over it: "http" or "https" */
    bool says_end;     /* closing without its word of an end looks like a cut: `end` comes before the socket's */
    bool rises;        /* it keeps nothing for a conn, which may go while nobody speaks */
    bool personal;     /* what is sent goes for one client: the conn is never used for another one */
    /* The conn is to use it: get what that needs, by settings that may go once this has returned. `room` is the
     * reactor's, or NULL. 0, or a code with nothing held. */
    int (*init)(struct conn *conn, const void *settings, void *room);
    /* The socket is connected or accepted: get ready (a handshake), then conn_note_ready, at once or later. */
    void (*start)(struct conn *conn);
    /* Get bytes into conn->in once; then conn_note_received. */
    void (*receive)(struct conn *conn);
    /* Take bytes from the front of conn->out, which is not empty, consume those that left; then conn_note_sent. */
    void (*send)(struct conn *conn);
    /* Get bytes into conn->in_pipe, which is empty, at most conn->in_left; then conn_note_spliced. Send from
     * conn->out_pipe; then conn_note_sent. Both NULL where bytes must pass through this process. */
    void (*splice_in)(struct conn *conn);
    void (*splice_out)(struct conn *conn);
    /* Everything was sent: say that no more will come. Where says_end, conn_note_sent follows once that has left. */
    void (*end)(struct conn *conn);
    /* What is known since it has started; empty when it is not. */
    struct str (*word)(const struct conn *conn, enum transport_word word);
    /* Of all conns with these settings: why a peer's certificate was last not believed, in words for people without
     * control bytes. Into out, with room for TRANSPORT_REFUSAL_MAX; returns how many bytes, 0: it never was refused.
     * Any thread. NULL: there are no certificates. */
    size_t (*refusal)(const void *settings, char *out);
    /* The socket is closed, or was never open: give back what init took. */
    void (*fini)(struct conn *conn);
};

/* The transport of a listener's or a worker's conns, with what they go by; whoever hands it on keeps both alive. */
struct transport_use {
    const struct transport *transport; /* NULL: plain */
    const void *settings;              /* the transport's own; immutable */
    void *room;                        /* what the conns of one reactor share; NULL: nothing */
};

/* By its transport; 0 too where that has no certificates. */
static inline size_t transport_refusal(const struct transport_use *use, char *out)
{
    return use->transport && use->transport->refusal ? use->transport->refusal(use->settings, out) : 0;
}

extern const struct transport transport_plain;
/* A receive on an open seat where no conn sits. */
void transport_plain_await(struct seat *seat);

#endif
