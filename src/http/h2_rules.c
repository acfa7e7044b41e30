/* Rules that a session asks about as frames come. Which streams were open once is told from gaps, because nearly no
 * client leaves any: there is nothing to keep for the streams themselves. */
#include "http/h2_rules.h"

#include <nghttp2/nghttp2.h>

/* Sections 4.2, 6.6 (we have said that we want no promises) and 6.3 (not read any more, but it still says where it may
 * stand). */
uint32_t h2_frame_error(struct h2_frame frame)
{
    switch (frame.type) {
    case NGHTTP2_CONTINUATION: return frame.length > H2_FRAME_MOST ? NGHTTP2_FRAME_SIZE_ERROR : 0;
    case NGHTTP2_PUSH_PROMISE: return NGHTTP2_PROTOCOL_ERROR;
    case NGHTTP2_PRIORITY:
        if (frame.id == 0)
            return NGHTTP2_PROTOCOL_ERROR;
        return frame.length == 5 ? 0 : NGHTTP2_FRAME_SIZE_ERROR;
    default: return 0;
    }
}

static void note_gap(struct h2_numbers *numbers, uint32_t first, uint32_t last)
{
    numbers->skipped[numbers->gaps++ % H2_SKIPPED_MOST] = (struct h2_skipped){first, last};
}

bool h2_numbers_note(struct h2_numbers *numbers, uint32_t id)
{
    if (id > numbers->highest) {
        if (id > numbers->highest + 2)
            note_gap(numbers, numbers->highest + 1, id - 1);
        numbers->highest = id;
        return true;
    }
    for (uint32_t i = 0; i < numbers->gaps && i < H2_SKIPPED_MOST; i++)
        if (id >= numbers->skipped[i].first && id <= numbers->skipped[i].last)
            return false;
    return true;
}

/* RFC 9113 section 6.9.1: never above 2^31-1; below zero it may be (section 6.9.2). */
bool h2_window_fits(uint32_t initial, uint64_t granted, uint64_t used)
{
    return initial + granted <= INT32_MAX + used;
}
