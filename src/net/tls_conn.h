/* TLS as a transport: a conn over it cannot tell the difference but by its scheme and its protocol.
 */
#ifndef NET_TLS_CONN_H
#define NET_TLS_CONN_H

#include "net/tls_ctx.h"
#include "net/tls_room.h"
#include "net/transport.h"

/* settings: a struct tls_ctx, of which each conn takes a reference. room: a struct tls_room for conns that are accepted
 * (-ERR_FULL when it is), NULL for those that connect. */
extern const struct transport transport_tls;

#endif
