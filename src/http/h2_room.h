/* What all HTTP/2 sessions of one reactor share: the memory they may use, and what is counted of them.
 *
 * One for each reactor, on its thread.
 */
#ifndef HTTP_H2_ROOM_H
#define HTTP_H2_ROOM_H

#include "base/slab.h"
#include "http/h2_guard.h"

/* What the library keeps: of a session its tables, both HPACK ones full, and what waits to be sent; of a stream its
 * state and the heads in its queue. */
enum { H2_LIBRARY_SESSION_BYTES = 64 << 10, H2_LIBRARY_STREAM_BYTES = 16 << 10 };

/* Of its short pieces, by their sizes in steps, some are kept for the next streams. */
enum { H2_PIECE_STEP = 64, H2_PIECE_SIZES = 16, H2_PIECES_KEPT_BYTES = 32 << 10 };

struct h2_counts {
    uint64_t sessions;          /* begun */
    uint64_t streams;           /* begun */
    uint64_t streams_refused;   /* REFUSED_STREAM: by us, no room; by workers, or above their GOAWAY's last */
    uint64_t streams_reset;     /* by the peer, or malformed, before the answer was whole */
    uint64_t goaways;           /* sessions whose peer said GOAWAY */
    uint64_t errors;            /* sessions ended for breaking the rules */
    uint64_t floods[H2_FLOODS]; /* sessions ended by the guard */
};

struct h2_library; /* the library's tables, made once */

struct h2_room {
    struct slab streams;
    struct slab pieces[H2_PIECE_SIZES];      /* the library's */
    size_t library_bytes, library_bytes_max; /* what the library holds, and may */
    struct h2_counts counts;
    struct h2_library *library; /* NULL until the first session */
};

/* Takes no memory yet. streams: of all sessions at once. library_bytes: above it sessions end for want of memory. */
void h2_room_init(struct h2_room *room, size_t streams, size_t library_bytes);
/* No session may exist. */
void h2_room_fini(struct h2_room *room);

#endif
