/* What both transports of the PROXY protocol end with. Never from inside a call of the conn's owner. */
#include "net/hand_over.h"

#include "net/conn.h"
#include "net/tls_conn.h"

void hand_over(struct conn *conn, struct tls_ctx *tls, struct tls_room *room, int error)
{
    conn->transport = &transport_plain; /* which holds nothing, whatever becomes of the other */
    if (tls && !error)
        error = transport_tls.init(conn, tls, room);
    if (error) {
        conn_note_ready(conn, error);
        return;
    }
    if (tls)
        conn->transport = &transport_tls;
    conn->transport->start(conn);
    if (conn->ready && bufq_bytes(&conn->in) > 0)
        conn_note_received(conn, (int)bufq_bytes(&conn->in));
}
