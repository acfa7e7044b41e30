/* The buckets of a session's guard. A bucket and not a count a second, so that an honest burst (a browser that leaves a
 * page) is no flood and a slow flood is one. */
#include "http/h2_guard.h"

bool h2_bucket_note(struct h2_bucket *bucket, uint32_t most, int64_t now_ms)
{
    uint64_t leaked = (uint64_t)(now_ms - bucket->at_ms) * most;

    bucket->at_ms = now_ms;
    bucket->level = bucket->level > leaked ? bucket->level - leaked : 0;
    bucket->level += H2_GUARD_WINDOW_MS;
    return bucket->level <= (uint64_t)most * H2_GUARD_WINDOW_MS;
}

void h2_bucket_credit(struct h2_bucket *bucket, uint32_t events)
{
    uint64_t credit = (uint64_t)events * H2_GUARD_WINDOW_MS;

    bucket->level = bucket->level > credit ? bucket->level - credit : 0;
}
