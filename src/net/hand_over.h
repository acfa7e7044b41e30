/* From the transport that began a conn to the one that it goes on with.
 */
#ifndef NET_HAND_OVER_H
#define NET_HAND_OVER_H

#include "net/tls_ctx.h"
#include "net/tls_room.h"

struct conn;

/* For a transport that is through with a connected conn and holds nothing of it any more: TLS starts (tls NULL: plain),
 * with what is in conn->in as its first bytes. error: there is nothing to hand over, which the conn is told. */
void hand_over(struct conn *conn, struct tls_ctx *tls, struct tls_room *room, int error);

#endif
