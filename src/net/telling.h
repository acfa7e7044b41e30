/* The transport of connections to workers that want the PROXY protocol: its header first, then plain bytes or TLS.
 *
 * A connection tells of one client for as long as it stands: `personal`, so that nobody else's request goes over it.
 */
#ifndef NET_TELLING_H
#define NET_TELLING_H

#include "net/tls_ctx.h"
#include "net/transport.h"

enum telling_version { TELLING_OFF, TELLING_V1, TELLING_V2 };

/* The settings of transport_telling. */
struct telling {
    enum telling_version version;
    struct tls_ctx *tls; /* of what follows the header; NULL: plain */
};

/* Its `room`: of whom a connection tells that begins now. NULL: of nobody, it is our own (a probe). */
struct telling_client {
    const struct conn *conn;
    struct str id; /* of the request that it is made for */
};

extern const struct transport transport_telling;

#endif
