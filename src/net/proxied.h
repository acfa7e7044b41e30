/* The transport of a listener behind other proxies: the PROXY protocol's header first, then plain bytes or TLS.
 *
 * From networks that are believed the header is asked for, and the client that it tells of becomes the conn's peer;
 * from elsewhere nobody may tell anything. Once that is settled the conn is handed over to the other transport, and
 * nothing of this one is left.
 */
#ifndef NET_PROXIED_H
#define NET_PROXIED_H

#include "net/network.h"
#include "net/tls_ctx.h"
#include "net/tls_room.h"
#include "net/transport.h"

/* What became of connections to such listeners. */
enum proxied_note {
    PROXIED_TAKEN,     /* a client was told of */
    PROXIED_LOCAL,     /* a header that tells of nobody */
    PROXIED_PLAIN,     /* from elsewhere, let in without a header */
    PROXIED_UNTRUSTED, /* from elsewhere, refused; all below are refused too */
    PROXIED_MISSING,
    PROXIED_MALFORMED,
    PROXIED_TOO_LARGE,
    PROXIED_TIMEOUT,
    PROXIED_NOTES
};

struct proxied_rules;

struct proxied_options {
    const struct network *from; /* copied */
    uint32_t count;
    bool others_plain;   /* whoever comes from elsewhere is an ordinary client; else it is refused */
    uint32_t header_ms;  /* to have sent it by */
    struct tls_ctx *tls; /* of what follows the header; NULL: plain */
};

/* The settings of transport_proxied: immutable, kept by reference, for any thread. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int proxied_create(const struct proxied_options *options, struct proxied_rules **ret_rules);
void proxied_unref(struct proxied_rules *rules); /* NULL is allowed */

/* The `room` of transport_proxied: a reactor's. */
struct proxied_room {
    struct tls_room *handshakes; /* of the TLS that may follow */
    /* The conn's peer is known for good: may it come in? Its session's owner is asked once a conn, before on_ready. */
    bool (*admit)(void *context, struct conn *conn);
    void (*note)(void *context, enum proxied_note note);
    void *context;
};

extern const struct transport transport_proxied;

#endif
