/* What RFC 9113 asks of a peer's frames, and the library does not look at.
 *
 * Pure. Of a session, on its thread.
 */
#ifndef HTTP_H2_RULES_H
#define HTTP_H2_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum { H2_FRAME_MOST = 1 << 14 /* we never ask for more */, H2_SKIPPED_MOST = 8 };

/* A frame's head, as in RFC 9113 section 4.1. */
struct h2_frame {
    uint8_t type;
    uint32_t length, id;
};

/* 0, or the code with which the frame ends its connection. */
uint32_t h2_frame_error(struct h2_frame frame);

struct h2_skipped {
    uint32_t first, last;
};

/* The numbers of the streams that a client opens. */
struct h2_numbers {
    uint32_t highest;
    uint32_t gaps;                              /* so far; the last few of them: */
    struct h2_skipped skipped[H2_SKIPPED_MOST]; /* a ring */
};

/* HEADERS came with this number. False: it was skipped before, and must not be opened any more. Known of the last
 * H2_SKIPPED_MOST gaps; what lies before them is taken for a stream that was. */
bool h2_numbers_note(struct h2_numbers *numbers, uint32_t id);

/* Whether a stream's window fits its bounds, once the peer has said how large streams' windows are at first.
 * granted: by WINDOW_UPDATE; used: what was sent. */
bool h2_window_fits(uint32_t initial, uint64_t granted, uint64_t used);

#endif
