/* Called by an exchange, on its reactor's thread, when limits.min_rate is set. A worker's pauses are nobody's fault:
 * they stop the clock, and what moves meanwhile counts for the client. */
#include "proxy/pace.h"

#include "base/assert.h"

static int64_t waited_ms(const struct pace *pace, int64_t now_ms)
{
    return pace->waited_ms + (pace->what ? now_ms - pace->since_ms : 0);
}

int64_t pace_wait(struct pace *pace, int what, int64_t now_ms)
{
    pace->waited_ms = waited_ms(pace, now_ms);
    pace->what = what;
    pace->since_ms = now_ms;
    if (!what)
        return INT64_MAX;
    return pace->waited_ms < PACE_WINDOW_MS ? PACE_WINDOW_MS - pace->waited_ms : 0;
}

bool pace_is_due(const struct pace *pace, int64_t now_ms)
{
    return pace->what && waited_ms(pace, now_ms) >= PACE_WINDOW_MS;
}

bool pace_is_slow(struct pace *pace, uint64_t bytes, uint64_t bytes_per_s, int64_t now_ms)
{
    ASSERT(pace_is_due(pace, now_ms));
    uint64_t least = bytes_per_s * (uint64_t)waited_ms(pace, now_ms) / 1000;
    bool slow = pace->counted == pace->what && bytes - pace->bytes < least;

    pace->counted = pace->what;
    pace->bytes = bytes;
    pace->waited_ms = 0;
    pace->since_ms = now_ms;
    return slow;
}
