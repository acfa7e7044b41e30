/* HTTP/2 on a conn: what both sides of it share. RFC 9113, with the frames and HPACK left to the library.
 *
 * One thread owns a session. Bytes go from conn->in to the library and its frames to conn->out, both in memory; bodies
 * do not pass through it but go by slices. Frames of one turn leave together. Credit is tied to stream->body: what the
 * exchange takes from there is what the peer may send anew, of the stream and of the connection.
 */
#ifndef HTTP_H2_SESSION_H
#define HTTP_H2_SESSION_H

#include "http/h2_block.h"
#include "http/h2_room.h"
#include "http/h2_rules.h"
#include "http/session.h"

enum { H2_STREAM_WINDOW = STREAM_BODY_HIGH, H2_SESSION_WINDOW = 16 * H2_STREAM_WINDOW, H2_PREFACE_BYTES = 24 };
/* For the answer to the PING behind the notice of an end: an orderly end is not waited for any longer, and what a
 * client asks after it knows that it is not served. */
enum { H2_NOTICE_MS = SEAT_LINGER_MS };
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 section 3.4 */

struct nghttp2_session;
struct h2_session;
struct h2_waiting_head;

struct h2_stream {
    uint32_t magic;
    int32_t id;
    struct h2_session *h2;
    struct stream *stream;
    struct list link;    /* of h2->streams */
    struct list leaving; /* of h2->leaving, once its last frame is in conn->out */
    struct bufq out;     /* body that waits for credit or for room in conn->out */
    const struct field *trailers;
    uint32_t trailer_count;
    uint64_t received, credited; /* body bytes from the peer, and those it may send anew */
    uint64_t framed;             /* body bytes that went to conn->out */
    uint64_t granted;            /* by the peer's WINDOW_UPDATE */
    uint64_t leaves_at;          /* h2->queued, when its last frame was in */
    int64_t out_left;            /* of the length the head promised; -1: any */
    int64_t promised;            /* by the peer's head, where the last of its body is to wait for the end; -1: any */
    struct bufq last;            /* which does */
    bool whole;                  /* the peer's message is complete */
    bool headed;                 /* our final head was given to the library */
    bool bodiless;               /* and ended the message */
    bool out_ended, out_framed;
    bool deferred; /* the library waits for body */
    bool wants_room;
    bool closed;     /* the library has let it go */
    bool peer_reset; /* RST_STREAM came */
    bool upgrading;  /* its request asks for a tunnel: extended CONNECT */
    bool tunnel;     /* and it is one */
    /* worker side (h2_client.c) */
    bool begun;     /* some head of the answer came */
    bool final;     /* and the final one */
    bool interim;   /* a 1xx was told and is not consumed: other heads wait */
    bool end_waits; /* as the end does, behind them */
    uint8_t asked;  /* enum msg_method */
    uint8_t waiting_count;
    struct h2_waiting_head *waiting; /* oldest first */
    struct str websocket_key;        /* what whoever asked waits for is made of it; upgrading */
    int64_t opened_ms;
};

/* What one side does in its own way. */
struct h2_role {
    /* A header block is whole in h2->block; h2s NULL: of a stream that is new. */
    void (*on_head)(struct h2_session *h2, int32_t id, struct h2_stream *h2s, bool ended);
    /* Body bytes came: 0, or a code with which the stream fails. */
    int (*on_body)(struct h2_session *h2, struct h2_stream *h2s);
    /* A stream has left, or a head has begun or ended: how long may the peer be silent now? */
    void (*set_deadline)(struct h2_session *h2);
    /* The library has nothing to say or hear any more and all streams have left: conn is the role's to close. */
    void (*on_over)(struct h2_session *h2);
    /* What became of a stream that was ended with this code, by the peer or by the library, or with its connection
     * (H2_LOST, H2_BROKEN): the code with which it fails, or 0 if nothing is missing. */
    int (*end_error)(const struct h2_stream *h2s, uint32_t h2_code);
    int gone_error; /* told even after another failure; 0: none is */
    bool tells_sent;
};

struct h2_session {
    struct session session; /* first */
    const struct h2_role *role;
    struct h2_room *room;
    const struct h1_limits *limits;
    struct nghttp2_session *library;
    struct list pieces; /* the library's memory */
    struct list streams, leaving;
    uint32_t stream_count;
    struct io_task pump;
    struct h2_block block;
    int32_t block_of;  /* the stream whose block it is; 0: none */
    int32_t reset_of;  /* the stream of the last RST_STREAM that came */
    uint64_t queued;   /* bytes that went to conn->out so far */
    uint64_t framed;   /* of these, body */
    struct str taking; /* what the library is reading just now */
    const uint32_t *floods_most;
    struct h2_bucket floods[H2_FLOODS];
    struct h2_numbers numbers; /* of the streams that a client opens */
    uint32_t begun;
    int64_t notice_ends_ms; /* draining: the last stream is named then, whether the notice was seen or not */
    bool draining, drained; /* told to end; the last stream was named */
    bool ending;            /* no stream begins any more; over when those there have left */
    bool peer_left;         /* it has said GOAWAY */
    bool greeted;           /* its first SETTINGS came */
    bool held_back;         /* the library may have frames that found no room in conn->out */
    bool starved;           /* the library was refused memory */
    bool dead;              /* the connection is gone, or the library's state is lost */
};

enum { H2_STREAM_MAGIC = 0x68327374 };

/* The session's conn is open (whatever it received waits in conn->in). server: which side we are; streams_max: at once;
 * tunnels: a server that takes extended CONNECT (RFC 8441). Sends the first SETTINGS. 0 or -ERR_NO_MEMORY with nothing
 * held. */
MUST_CHECK int h2_session_init(struct h2_session *h2, const struct h2_role *role, struct h2_room *room,
                               const struct h1_limits *limits, const uint32_t floods_most[H2_FLOODS], bool server,
                               uint32_t streams_max, bool tunnels);
/* At conn's on_closed. No stream may be there. */
void h2_session_fini(struct h2_session *h2);
/* What waits in the library becomes frames in conn->out; they leave with late work. */
void h2_session_frame(struct h2_session *h2);
/* Hands what waits in conn->in to the library. */
void h2_session_take(struct h2_session *h2);
/* conn->out has shrunk. */
void h2_session_note_sent(struct h2_session *h2);
/* The connection is gone: every stream fails; over when they have left. */
void h2_session_die(struct h2_session *h2);
/* GOAWAY with an error: every stream fails. */
void h2_session_punish(struct h2_session *h2, uint32_t h2_code);
/* No new streams; those there go on. First a notice, then, when the peer has seen it or H2_NOTICE_MS are over, the last
 * stream's number: what is on its way by then is served too. The role sets its deadline anew. */
void h2_session_retire(struct h2_session *h2);
/* The same, but at once where nothing is in flight, though something may be on its way. */
void h2_session_drain(struct h2_session *h2);
/* When h2_session_note_unseen is to be called; TIMER_NEVER: no notice waits for its answer. */
int64_t h2_session_notice_ends_ms(const struct h2_session *h2);
/* The clock has come so far: names the last stream, if that is due. With no stream it is the end. */
void h2_session_note_unseen(struct h2_session *h2);
/* At once: nothing is in flight, or its time is up. */
void h2_session_goodbye(struct h2_session *h2);
/* Something was told or received, and frames may have come to be sent: done late (io_task_queue_late), together with
 * what the turns that follow at once bring. At its end the session waits for no more. */
void h2_session_flush(struct h2_session *h2);

/* A place that was taken from the room's slab becomes the stream of this number; 0: it gets one when it is asked for.
 */
void h2_stream_begin(struct h2_stream *h2s, struct h2_session *h2, int32_t id, struct stream *stream);
/* Ends it on the peer's side if it is not over (h2_code says why), and gives it back. */
void h2_stream_release(struct h2_stream *h2s, uint32_t h2_code);
void h2_stream_fail(struct h2_stream *h2s, int error);
/* The message is complete: END is told with `events`, or once the heads before it are. */
void h2_stream_note_whole(struct h2_stream *h2s, unsigned events);

/* Whether all may have the window that the peer has just told. */
bool h2_stream_windows_fit(const struct h2_session *h2);

/* session_ops that are the same on both sides. */
int h2_stream_send_body(struct stream *stream, struct bufq *from, size_t n);
int h2_stream_send_end(struct stream *stream, const struct field *trailers, uint32_t count);
size_t h2_stream_room(struct stream *stream);
uint64_t h2_stream_taken(struct stream *stream, bool settled);
void h2_stream_consumed(struct stream *stream);

static inline struct h2_stream *h2_stream_of(struct stream *stream)
{
    struct h2_stream *h2s = stream->of_session;
    ASSERT_MAGIC(h2s, H2_STREAM_MAGIC);
    return h2s;
}

/* Error codes of RFC 9113 section 7 that are ours to give. */
enum {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_FLOW_CONTROL_ERROR = 3,
    H2_FRAME_SIZE_ERROR = 6,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
};
/* None of them, but for h2_role.end_error: the connection has gone; its peer broke the rules. */
#define H2_LOST   UINT32_MAX
#define H2_BROKEN (UINT32_MAX - 1)

#endif
