/* HTTP spoken on a conn, the same for every version and for both sides: what floors 4 and 5 see of it.
 *
 * A session carries streams; a stream is one request and its answer. What the peer sends becomes stream->head, ->body
 * and ->trailers; what is to be sent goes through the session_ functions. Events only set bits: notify is called with
 * what is new and must not call back into the session; the owner acts later in the same turn, from its own task.
 *
 * Back-pressure lives in stream->body: a session stops reading when STREAM_BODY_HIGH bytes wait there, and goes on
 * when session_consumed says that some were taken. The other way session_room says how much may be sent now. One thread
 * owns all of it.
 *
 * A tunnel (RFC 9110 section 7.8): a request whose head names an upgrade and has no body may be answered by 101. Such
 * an answer comes with STREAM_HEAD, not as an interim one, and is sent with session_send_head as any other. Both
 * messages go on from there, on each side: bytes of open end in both directions, until STREAM_END and session_send_end.
 * The client's stream, whose request was whole, has not ended any more. Neither session takes another request.
 */
#ifndef HTTP_SESSION_H
#define HTTP_SESSION_H

#include "base/arena.h"
#include "base/bufq.h"
#include "base/err.h"
#include "base/list.h"
#include "http/msg.h"
#include "net/conn.h"

enum { STREAM_BODY_HIGH = 65536, SESSION_OUT_HIGH = 65536, SESSION_OUT_LOW = 32768 };
enum {
    SESSION_SPLICE_MIN = 32768
}; /* so many bytes of a body still to come are better spliced than copied (ADR 0013) */

enum stream_event {
    STREAM_HEAD = 1,         /* head is there; the answer's final one on the worker side */
    STREAM_INTERIM = 2,      /* worker side: head is a 1xx; session_consumed lets the next head come */
    STREAM_BODY = 4,         /* body has grown */
    STREAM_END = 8,          /* the peer's message is complete, trailers too */
    STREAM_ROOM = 16,        /* session_room was too little and has grown; in a tunnel over HTTP/2 also: what waits to
                                leave may go on, since the peer has given credit */
    STREAM_SENT = 32,        /* client side, after session_send_end: everything has left for the socket;
                                worker side, where tell_sent is set: sent_bytes is; in a tunnel: unsent is no more */
    STREAM_FAILED = 64,      /* no more will come from the peer: error says why */
    STREAM_PEER_ENDED = 128, /* client side: its request is whole, and it has ended its sending: gone, or half-closed */
    STREAM_DRAIN = 256       /* client side, in a tunnel: the session is to end, and the tunnel does not by itself */
};

struct session;
struct stream;
typedef void (*stream_notify_fn)(struct stream *stream, unsigned events);

struct stream {
    uint32_t magic;
    bool ended;              /* STREAM_END was told */
    bool failed;             /* STREAM_FAILED was told */
    bool reused;             /* worker side: not the first request on its connection */
    bool sent_bytes;         /* worker side: some byte of the request may have left */
    bool tell_sent;          /* the owner wants STREAM_SENT for it */
    bool unsent;             /* worker side, in a tunnel: its end waits to leave, and a finish would cut it off */
    int error;               /* a code of err.h, with failed, or of a head that was refused */
    void *of_session;        /* what the session keeps for it, where it has many */
    struct session *session; /* NULL before session_open and after session_finish */
    stream_notify_fn notify;
    struct arena *arena;   /* the owner's: fields and trailers are taken from it */
    uint32_t spare_fields; /* how much room msg.fields shall have for the owner's additions */
    struct buf *head_buf;  /* keeps the bytes of head; stream_fini gives it back */
    struct msg head;
    struct bufq body;
    struct field *trailers;
    uint32_t trailer_count;
    int64_t began_ns; /* client side: io_now_ns when the head's first byte was there */
};

/* Whoever makes client-side sessions (a reactor). */
struct session_owner {
    /* A request begins: a stream set up by stream_init, or NULL (no memory: the connection is closed). Called before
     * the head is parsed; STREAM_HEAD or STREAM_FAILED follows in the same turn. */
    struct stream *(*open)(struct session_owner *owner, struct session *session);
    /* The session is over and its memory may go (through io_reap). */
    void (*closed)(struct session_owner *owner, struct session *session);
    /* A connection ended or was refused without a whole head: told for the counters. code < 0. */
    void (*head_lost)(struct session_owner *owner, int code);
    /* A request is over and the next has not begun: from now on, but not from inside, session_rest may be tried. NULL:
     * not told. */
    void (*idles)(struct session_owner *owner, struct session *session);
    /* Connections are to end, each with its next answer: an idle one waits for one more request, which may be on its
     * way. HTTP/2 is told by session_retire. */
    bool retiring;
};

/* Whoever makes worker-side sessions: a lease book, a prober. Events come from the loop, never from inside a call. */
struct session_user {
    /* The connection is there (0), or will not be (a code; close it). */
    void (*ready)(struct session_user *user, struct session *session, int error);
    /* A session without a stream was ended by the worker, got bytes nobody asked for, or passed its deadline: close
     * it. */
    void (*lost)(struct session_user *user, struct session *session);
    /* The last event: the memory may go (through io_reap). */
    void (*closed)(struct session_user *user, struct session *session);
};

/* A body may go around this process, from the sender's session into a pipe and from there to the other's session. The
 * stream that it comes from and the stream that it goes to must both be able to: a session that cannot (its version
 * frames bodies, its transport encrypts) has NULL here, and the body is copied. */
struct session_splice {
    uint64_t (*left)(struct stream *stream);
    void (*from)(struct stream *stream, struct io_pipe *pipe);
    bool (*takes)(struct stream *stream);
    int (*to)(struct stream *stream, struct io_pipe *pipe);
};

struct session_ops {
    const char *name; /* "HTTP/1.1", for access lines */
    struct str via;   /* received-protocol of Via ("1.1"); of the session, not the message */
    int (*open)(struct session *session, struct stream *stream);
    int (*send_head)(struct stream *stream, const struct msg *msg);
    int (*send_body)(struct stream *stream, struct bufq *from, size_t n);
    int (*send_end)(struct stream *stream, const struct field *trailers, uint32_t count);
    size_t (*room)(struct stream *stream);
    uint64_t (*taken)(struct stream *stream, bool settled);
    void (*consumed)(struct stream *stream);
    bool (*finish)(struct stream *stream);
    void (*abort)(struct stream *stream);
    void (*drain)(struct session *session);
    void (*retire)(struct session *session); /* client side; NULL: its owner's word is looked at with each answer */
    bool (*idle)(struct session *session);
    bool (*rest)(struct session *session);
    void (*close)(struct session *session);
    uint32_t (*slots)(struct session *session); /* NULL: one stream at a time */
    const struct session_splice *splice;        /* NULL: bodies are copied */
};

struct session {
    uint32_t magic;
    const struct session_ops *ops;
    struct conn conn;
    struct list link; /* of those that idle (http/rest), or the owner's */
    int64_t idle_since_ms;
    uint32_t claimed; /* worker side: places of streams that will be opened in this turn */
    bool unheard;     /* worker side: it idled until now, and no answer has begun on it since */
};

enum { STREAM_MAGIC = 0x7374726d, SESSION_MAGIC = 0x73657373 };

void stream_init(struct stream *stream, stream_notify_fn notify, struct arena *arena, struct buf_pool *pool);
/* Gives back head_buf and waiting bytes; the stream belongs to no session then (asserted). */
void stream_fini(struct stream *stream);
/* Forgets what the peer sent, to be opened again on another session; same condition. */
void stream_reset(struct stream *stream);

/* Worker side: the session (ready, and idle or with a slot) takes this stream's request. 0 or a code. */
MUST_CHECK static inline int session_open(struct session *session, struct stream *stream)
{
    session->claimed -= session->claimed > 0;
    return session->ops->open(session, stream);
}

/* Sends a head: the request, an interim answer (1xx), or the final answer. msg->body and length say what follows; a
 * body of open end is framed as the version can. 0, -ERR_NO_MEMORY. Nothing follows a final head with MSG_BODY_NONE but
 * session_send_end. */
MUST_CHECK static inline int session_send_head(struct stream *stream, const struct msg *msg)
{
    return stream->session->ops->send_head(stream, msg);
}

/* Moves the first n bytes (n <= from->bytes) from a queue to the peer; n over session_room is allowed but not polite.
 * 0, -ERR_NO_MEMORY, or -ERR_INTERNAL: more than the head promised. */
MUST_CHECK static inline int session_send_body(struct stream *stream, struct bufq *from, size_t n)
{
    return stream->session->ops->send_body(stream, from, n);
}

/* The message is complete. 0, -ERR_NO_MEMORY, or -ERR_INTERNAL: less than the head promised. */
MUST_CHECK static inline int session_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    return stream->session->ops->send_end(stream, trailers, count);
}

/* Bytes that session_send_body should be given now; 0 arms STREAM_ROOM. None while a pipe leaves. */
static inline size_t session_room(struct stream *stream)
{
    return stream->session->ops->room(stream);
}

/* Progress of the peer in reading: bytes it has taken so far, of this stream or of its connection, whichever it is that
 * it holds up. `settled`: what fills the system's buffers is not taken, though no send waits for them. */
static inline uint64_t session_taken(struct stream *stream, bool settled)
{
    return stream->session->ops->taken(stream, settled);
}

/* Bytes were taken from stream->body, or the interim head was: the session may read on. */
static inline void session_consumed(struct stream *stream)
{
    stream->session->ops->consumed(stream);
}

/* For a long body a session may stop reading behind the head until the first session_consumed: that nothing of it is
 * received which could have been spliced.
 *
 * Bytes of the peer's body that are still to come, behind stream->body, and that a pipe could take; UINT64_MAX: all
 * until its end; 0: none can. */
static inline uint64_t session_splice_left(struct stream *stream)
{
    const struct session_splice *splice = stream->session->ops->splice;
    return splice ? splice->left(stream) : 0;
}

/* From now on the body goes into this pipe whenever it is empty, told by STREAM_BODY; session_consumed, when it was
 * emptied. Only where session_splice_left is not 0. The session holds a reference as long as it needs one. */
static inline void session_splice_from(struct stream *stream, struct io_pipe *pipe)
{
    stream->session->ops->splice->from(stream, pipe);
}

/* Can the body that is being sent leave by a pipe? */
static inline bool session_splice_takes(struct stream *stream)
{
    const struct session_splice *splice = stream->session->ops->splice;
    return splice && splice->takes(stream);
}

/* All that the pipe holds (something) is the next part of the body; until it is empty, told by STREAM_ROOM, nothing
 * else is sent but the end. 0, or -ERR_INTERNAL: more than the head promised. */
MUST_CHECK static inline int session_splice_to(struct stream *stream, struct io_pipe *pipe)
{
    return stream->session->ops->splice->to(stream, pipe);
}

/* The pipe between these two is the caller's again at the end of this turn: bytes on their way into it come as others
 * do, and those that it holds leave as others do. Only after session_splice_from. */
static inline void session_splice_stop(struct stream *from, struct stream *to)
{
    conn_splice_in_stop(&from->session->conn);
    conn_splice_out_stop(&to->session->conn);
}

/* Both messages are complete, or as complete as they will be: the stream leaves the session. Client side: the next
 * request may come, or the connection ends politely where it must. Worker side: true when the session can take another
 * request (one stream at a time: it is idle then and the caller's to keep or close); false when it cannot any more. */
static inline bool session_finish(struct stream *stream)
{
    return stream->session->ops->finish(stream);
}

/* The stream leaves the session at once and what was sent is not to look complete (HTTP/1: the connection is reset). */
static inline void session_abort(struct stream *stream)
{
    stream->session->ops->abort(stream);
}

/* No request after the present one; an idle session closes. */
static inline void session_drain(struct session *session)
{
    session->ops->drain(session);
}

/* Client side: its owner is retiring. What is under way goes on, tunnels too. */
static inline void session_retire(struct session *session)
{
    if (session->ops->retire)
        session->ops->retire(session);
}

/* Worker side: ends a session that has no stream; closed follows. Harmless while closing. */
static inline void session_close(struct session *session)
{
    session->ops->close(session);
}

/* Worker side: many streams at a time. */
static inline bool session_is_shared(const struct session *session)
{
    return session->ops->slots != NULL;
}

/* Worker side, shared: how many streams more it could take now. */
static inline uint32_t session_slots(struct session *session)
{
    uint32_t slots = session->ops->slots(session);

    return slots > session->claimed ? slots - session->claimed : 0;
}

/* Open and without a stream. */
static inline bool session_idle(struct session *session)
{
    return session->ops->idle(session);
}

/* The session's conn rises from its seat, if nothing would be forgotten: its memory may go, and the seat's owner makes
 * the next session when a byte comes. */
static inline bool session_rest(struct session *session)
{
    return session->ops->rest && session->ops->rest(session);
}

#endif
