/* How a conn's bytes get to the socket and back: plain now, TLS behind the same few functions.
 *
 * A transport works for one conn on its thread. It reports to conn.c by the conn_note_ functions, never to the conn's
 * owner.
 */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

struct conn;

struct transport {
    const char *name;
    /* The socket is connected or accepted: get ready (a handshake), then conn_note_ready, at once or later. */
    void (*start)(struct conn *conn);
    /* Get bytes into conn->in once; then conn_note_received. */
    void (*receive)(struct conn *conn);
    /* Take bytes from the front of conn->out, which is not empty, consume those that left; then conn_note_sent. */
    void (*send)(struct conn *conn);
    /* Everything was sent: say that no more will come. */
    void (*end)(struct conn *conn);
    /* The socket is closed: give back what the transport holds. */
    void (*fini)(struct conn *conn);
};

extern const struct transport transport_plain;

#endif
