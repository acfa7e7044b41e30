/* What an open connection holds on to while nobody speaks: its socket, the receive that waits, its deadline, its peer.
 *
 * Of many thousand client connections few speak at a time. What is needed for that alone is in struct conn and in the
 * session around it: they sit down when a byte comes (conn_sit) and rise when nothing is left to do (conn_rise). A seat
 * is embedded in whatever lives as long as the socket does, and does not move. One thread owns it.
 */
#ifndef NET_SEAT_H
#define NET_SEAT_H

#include <netinet/in.h>

#include "io/io.h"

/* Well below the least that anybody gives a balancer to stop in: whoever keeps idle connections and looks at them only
 * when it needs one does not notice the end. */
enum { SEAT_LINGER_MS = 1000, SEAT_LINGER_RECEIVES = 64 };

struct conn;
struct seat;

/* What the owner is told while no conn sits here; all but on_closed may call seat_close. */
struct seat_events {
    /* Bytes have come (result > 0), or the end (0, or a code). Returns the conn that sits here now, which takes the
     * bytes; or NULL: nobody wants them, and the seat is being closed. */
    struct conn *(*on_stir)(struct seat *seat, int result);
    void (*on_timeout)(struct seat *seat); /* the deadline has passed */
    void (*on_closed)(struct seat *seat);  /* after seat_close: memory may go (through io_reap) */
};

struct seat {
    const struct seat_events *events; /* NULL where a conn sits from conn_init to its end */
    struct conn *conn;                /* sits here, or NULL */
    struct io_sock sock;
    struct io_op rx;
    struct timer timer;
    uint64_t sent; /* bytes that left: progress, for whoever is about to lose patience */
    uint32_t magic;
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } peer; /* AF_UNSPEC when it has no address worth keeping (Unix sockets) */
    bool closing : 1;
    bool lingering : 1; /* its end is said, the peer's is awaited */
    bool leaving : 1;   /* it is to end with its next answer: the owner's word to whatever sits down here */
    bool mark : 1;      /* the owner's, like the tag: there is room */
    uint8_t dropped;    /* receives while lingering */
    uint32_t tag;
};

/* Fills in; no socket yet. events may be NULL where conns never rise. */
void seat_init(struct seat *seat, const struct seat_events *events);
/* Takes over an accepted descriptor, to be spoken on as it is (transport_plain): on_stir follows. On failure (a
 * negative code) the descriptor stays the caller's. */
MUST_CHECK int seat_accept(struct seat *seat, struct io *io, int fd, const struct sockaddr_storage *peer);
void seat_keep_peer(struct seat *seat, const struct sockaddr_storage *peer);
/* No conn sits here: closes it, without anything to say; on_closed follows. Harmless while closing. */
void seat_close(struct seat *seat);
/* No conn sits here, nor will one any more: says the end, and closes when the peer has said its own or after
 * SEAT_LINGER_MS. What was on its way meanwhile is read and dropped, where a close would answer it by a reset (RFC 9112
 * section 9.6). Harmless while closing. */
void seat_linger(struct seat *seat);
/* For transports: a receive has ended where no conn sits. The conn that is to have it, or NULL. */
struct conn *seat_stir(struct seat *seat, int result);
/* The peer's end or reset is known, read or not. */
bool seat_peer_ended(const struct seat *seat);
/* Nothing has come that was not looked at, and no end is known. */
bool seat_quiet(const struct seat *seat);
/* The peer's address for people, without the port. out has room for SOCK_TEXT_MAX. */
struct str seat_peer_host(const struct seat *seat, char *out);

#endif
