/* Rules that a session asks about as frames come. Which streams were open once is told from gaps, because nearly no
 * client leaves any: there is nothing to keep for the streams themselves. */
#include "http/h2_rules.h"

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
