/* Latencies in 1.6 % steps, from a microsecond to over an hour: counting costs one increment, whatever the value.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_SIZE = 28 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t slots[HISTOGRAM_SIZE];
};

/* Values below 64 have a slot each; above, each power of two is cut into 64. */
static inline uint32_t histogram_slot(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (uint32_t)value;
    uint32_t shift = 57 - (uint32_t)__builtin_clzll(value);
    uint32_t slot = (shift + 1) * HISTOGRAM_STEPS + (uint32_t)((value >> shift) & (HISTOGRAM_STEPS - 1));
    return slot < HISTOGRAM_SIZE ? slot : HISTOGRAM_SIZE - 1;
}

/* The largest value of a slot. */
static inline uint64_t histogram_top(uint32_t slot)
{
    if (slot < HISTOGRAM_STEPS)
        return slot;
    uint32_t shift = slot / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(HISTOGRAM_STEPS + slot % HISTOGRAM_STEPS + 1) << shift) - 1;
}

static inline void histogram_note(struct histogram *histogram, uint64_t value)
{
    histogram->slots[histogram_slot(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

/* The value that this many per mille of all are at or below. */
static inline uint64_t histogram_at(const struct histogram *histogram, uint32_t per_mille)
{
    uint64_t wanted = (histogram->count * per_mille + 999) / 1000, seen = 0;

    for (uint32_t slot = 0; slot < HISTOGRAM_SIZE; slot++) {
        seen += histogram->slots[slot];
        if (seen >= wanted && seen > 0)
            return histogram_top(slot) < histogram->max ? histogram_top(slot) : histogram->max;
    }
    return histogram->max;
}

#endif
