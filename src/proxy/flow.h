/* One direction of an exchange's bodies: from one stream to another, as fast as the slower side. Used twice.
 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include "http/session.h"

enum {
    FLOW_REPLAY_MAX = 65536, /* body bytes kept so that a request can be sent again */
    /* A flow that borrows (ADR 0032): when it has filled four chunks in a row, a pipe is its own for a MiB, or 100 ms.
     */
    FLOW_BULK_BYTES = 4 * BUF_CHUNK_CAP,
    FLOW_LOAN_BYTES = 1 << 20,
    FLOW_LOAN_MS = 100,
};

struct flow {
    struct stream *from;
    struct stream *to;
    uint64_t bytes;       /* moved so far */
    bool done;            /* the end was passed on too */
    bool blocked;         /* only `to` is waited for */
    bool keeping;         /* what is moved is also kept for a replay */
    bool once;            /* ... until a byte has left: after that the request is not sent again */
    bool holding;         /* the rest is not received yet: once a byte has left, a pipe may take it */
    bool handed;          /* what the pipe holds is the other side's to send */
    bool borrows;         /* has no length and may be silent for hours: pipes are lent to it, for bulk */
    struct io_pipe *pipe; /* the rest of the body goes through it; NULL: is copied */
    size_t row;           /* borrows: bytes copied in steps of a chunk or more, one after the other */
    uint64_t loan_until;  /* `bytes` at which the loan is through */
    int64_t loan_ends_ms; /* ... and when at the latest: flow_step is to be called then. 0: nothing is lent */
    struct bufq replay;
    struct str withheld; /* a field that does not go on in trailers; empty: none */
};

void flow_init(struct flow *flow, struct stream *from, struct stream *to, bool keeping, struct buf_pool *pool);
void flow_fini(struct flow *flow);
/* Moves what can be moved, and the end when it has come. 0, or a code of session_send_. `to` has a session and was sent
 * its head. */
MUST_CHECK int flow_step(struct flow *flow);
/* Gives a pipe back that was lent, by the end of this turn: what it holds is copied. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int flow_give_back(struct flow *flow);
/* Everything moved so far is kept: flow_rewind can be. */
bool flow_rewindable(const struct flow *flow);
/* As if nothing had been moved: kept bytes wait in from->body again. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int flow_rewind(struct flow *flow);
/* No replay will be needed any more. */
void flow_forget(struct flow *flow);

#endif
