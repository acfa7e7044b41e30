/* How much of what costs a peer little and us much it may send over one HTTP/2 connection: leaky buckets.
 *
 * Pure: time comes in. Of a session, on its thread.
 */
#ifndef HTTP_H2_GUARD_H
#define HTTP_H2_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum { H2_GUARD_WINDOW_MS = 10000 };

enum h2_flood {
    H2_FLOOD_RESETS,  /* streams that the peer begins and gives up, or makes us give up (CVE-2023-44487) */
    H2_FLOOD_CONTROL, /* SETTINGS, PING, PRIORITY, WINDOW_UPDATE, GOAWAY, unknown frames, and what comes too late */
    H2_FLOOD_EMPTY,   /* frames that carry nothing, or padding alone, and end nothing */
    H2_FLOOD_HEADS,   /* a head in too many pieces, or far too long once unpacked */
    H2_FLOODS
};

struct h2_bucket {
    uint64_t level; /* in events times H2_GUARD_WINDOW_MS */
    int64_t at_ms;
};

/* One more event; `most` of them in each H2_GUARD_WINDOW_MS are allowed, all at once too. False: that was too many. */
bool h2_bucket_note(struct h2_bucket *bucket, uint32_t most, int64_t now_ms);
/* So many events were called for by what we sent. */
void h2_bucket_credit(struct h2_bucket *bucket, uint32_t events);

#endif
