/* A socket with its transport: bytes in, bytes out, an end. The same for both sides and for every protocol above.
 *
 * Received bytes wait in `in` until the owner takes them; bytes put into `out` leave at the end of the turn, so that a
 * head and the body that follows it go in one send. One thread owns a conn. The owner (a session) embeds it and is told
 * of events, never from inside a call it makes; only conn_accept may call on_ready itself.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "io/io.h"
#include "io/io_pipe.h"
#include "io/sock.h"
#include "net/seat.h"
#include "net/transport.h"

struct conn;

/* What the owner is told. Each may call any conn function, conn_close too. */
struct conn_events {
    void (*on_ready)(struct conn *conn);    /* after conn_connect or conn_accept: bytes may flow */
    void (*on_received)(struct conn *conn); /* conn->in has grown */
    void (*on_sent)(struct conn *conn);     /* some has left: what is unsent has shrunk, or will */
    /* So many bytes came into the pipe of conn_splice_in. NULL for an owner that never calls it. */
    void (*on_spliced)(struct conn *conn, size_t n);
    /* No byte will come any more: 0 at the peer's orderly end, or a code (a failed connect too). Told once. Sending may
     * still work after an orderly end. */
    void (*on_ended)(struct conn *conn, int error);
    void (*on_send_failed)(struct conn *conn, int error); /* out was emptied; what is sent from now on is dropped */
    /* The connection is broken, though bytes that came before may still wait to be read. NULL: not told. */
    void (*on_broken)(struct conn *conn);
    void (*on_timeout)(struct conn *conn); /* the deadline has passed */
    void (*on_closed)(struct conn *conn);  /* the last event: memory may go (through io_reap) */
};

enum conn_close_how {
    CONN_CLOSE_NOW,    /* at once; unsent bytes are lost */
    CONN_CLOSE_RESET,  /* at once, and the peer is told by a reset: what it got is not whole */
    CONN_CLOSE_LINGER, /* send what waits, say the end, then read until the peer's end (RFC 9112 section 9.6); bounded
                          in bytes, and in time: from when the end was said, if it has been */
    CONN_CLOSE_IDLE,   /* the same where nobody is owed an answer: no longer than a seat lingers */
};

enum { CONN_LINGER_MS = 2000, CONN_LINGER_BYTES = 1 << 20 };

struct conn {
    uint32_t magic;
    uint8_t state; /* enum conn_state of conn.c */
    bool ready;    /* the transport has started */
    bool reading;  /* the owner wants bytes */
    bool ended;    /* on_ended was called */
    bool send_failed;
    bool end_when_sent; /* conn_end_sending was called */
    bool end_said;
    int64_t end_said_ms; /* when */
    bool without_h2;     /* TLS does not offer it to the peer, whatever the settings say; set before conn_use */
    struct io *io;
    const struct conn_events *events;
    const struct transport *transport;
    void *transport_state; /* the transport's */
    struct seat *seat;     /* the socket and what else stays when this goes */
    struct io_op tx, closer;
    struct buf *lent; /* kept while a receive goes into its tail */
    struct bufq in, out;
    struct io_pipe *in_pipe;  /* what comes goes there, behind what is in `in`, as long as in_left is not 0 */
    struct io_pipe *out_pipe; /* what it holds leaves behind what is in `out`; dropped when it is empty */
    uint64_t in_left;
    struct io_task flush;
    uint32_t lingered; /* bytes read and dropped while lingering */
};

/* Sits down on a seat that was just initialised; no socket yet. The transport is plain unless conn_use says otherwise.
 */
void conn_init(struct conn *conn, struct seat *seat, struct io *io, const struct conn_events *events);
/* Sits down on a free seat that is open, from inside on_stir or out of it: bytes are wanted, the deadline is as it was.
 */
void conn_sit(struct conn *conn, struct seat *seat, const struct conn_events *events);
/* Rises, if nothing is left to do until bytes come: its memory may go, and the seat's owner is told of what comes. Not
 * where the transport keeps something of its own. Not from inside an event. */
MUST_CHECK bool conn_rise(struct conn *conn);
/* Before conn_accept or conn_connect. 0, or a negative code and the conn holds nothing. */
MUST_CHECK int conn_use(struct conn *conn, const struct transport_use *use);
/* Takes over an accepted descriptor; on_ready follows. On failure (a negative code) the descriptor stays the caller's
 * and the conn has no socket and holds nothing. */
MUST_CHECK int conn_accept(struct conn *conn, int fd, const struct sockaddr_storage *peer);
/* Starts to connect; *to is kept by the caller until on_ready or on_ended. A negative code: nothing was started and no
 * event comes. */
MUST_CHECK int conn_connect(struct conn *conn, struct sockaddr_storage *to);
/* Bytes are wanted, or not for now: one receive may still complete. */
void conn_read(struct conn *conn, bool wanted);
/* Bytes were put into conn->out: send them at the end of this turn. */
void conn_flush(struct conn *conn);
/* Once what is in out has left the conn is closed, in the same turn: both may travel together. */
void conn_note_last(struct conn *conn);
/* Nothing more will be put into out: when all of it has left, the peer is told. Receiving goes on. */
void conn_end_sending(struct conn *conn);
/* The transport can splice. */
bool conn_splices(const struct conn *conn);
/* From now on at most n bytes that come go into this pipe, whenever it is empty and bytes are wanted; behind what is in
 * conn->in or on its way there, for which the owner lowers conn->in_left. NULL: into conn->in again. */
void conn_splice_in(struct conn *conn, struct io_pipe *pipe, uint64_t n);
/* Bytes that come go into conn->in again, copied there from the pipe if they were on their way into it. */
void conn_splice_in_stop(struct conn *conn);
/* Sends what the pipe holds behind what is in conn->out, at the end of this turn; until then nothing may be put there.
 * Harmless with an empty one. */
void conn_splice_out(struct conn *conn, struct io_pipe *pipe);
/* What that pipe still holds is copied to conn->out, in this turn; until out_pipe is NULL nothing may be put there. */
void conn_splice_out_stop(struct conn *conn);
/* Bytes that have not left: in conn->out and in the pipe. */
size_t conn_unsent(const struct conn *conn);
/* The owner's one deadline, in io_now_ms; TIMER_NEVER for none. */
void conn_set_deadline(struct conn *conn, int64_t due_ms);
/* Ends it; of the events only on_closed follows. Further calls may only make it quicker. */
void conn_close(struct conn *conn, enum conn_close_how how);
bool conn_closing(const struct conn *conn);
/* Bytes that have left and that the peer's system has taken. While a send waits (or always: settled), what fills the
 * system's buffers is not taken either: they make room for more only when a good part of them is, which takes a slow
 * reader long. */
uint64_t conn_taken(const struct conn *conn, bool settled);
/* The peer's end or reset is known, read or not: an idle connection like that must not be used. */
bool conn_peer_ended(const struct conn *conn);
/* Nothing has come that was not looked at, and no end is known: what an idle connection must be to be used again. */
bool conn_quiet(const struct conn *conn);
/* From on_ready on: the protocol that both sides agreed on ("h2", "http/1.1"); empty when the transport knows none. */
struct str conn_alpn(const struct conn *conn);
/* The same for all that its transport knows of the connection; good as long as the conn. */
struct str conn_word(const struct conn *conn, enum transport_word word);
/* "http" or "https", by the transport. */
struct str conn_scheme(const struct conn *conn);
/* The peer's address for people, without the port. out has room for SOCK_TEXT_MAX. */
struct str conn_peer_host(const struct conn *conn, char *out);

/* For seats. */
void conn_note_timeout(struct conn *conn);

/* For transports. */
void conn_note_ready(struct conn *conn, int error);
void conn_note_received(struct conn *conn, int result);
void conn_note_spliced(struct conn *conn, int result);
void conn_note_sent(struct conn *conn, int result);
/* Some of conn->out may have left, though all of it stands there until conn_note_sent. */
void conn_note_leaving(struct conn *conn);

#endif
