/* The word holds what is believed, the age of the last closing and when that was: two ages of 24 bits in milliseconds
 * (4.6 hours), and the time in steps of IDLE_AGE_APART_MS, of which 16 bits are enough to tell neighbours. */
#include "balance/idle_age.h"

#include <stdbool.h>

enum { AGE_BITS = 24, AGE_MAX = (1 << AGE_BITS) - 1, WHEN_MASK = 0xffff };

struct known {
    uint64_t learned_ms, last_ms;
    uint16_t when;
};

static struct known unpack(uint64_t word)
{
    return (struct known){
        .learned_ms = word >> (AGE_BITS + 16) & AGE_MAX, .last_ms = word >> 16 & AGE_MAX, .when = word & WHEN_MASK};
}

static uint64_t pack(struct known known)
{
    return known.learned_ms << (AGE_BITS + 16) | known.last_ms << 16 | known.when;
}

static bool is_same_event(const struct known *known, uint16_t when)
{
    return known->last_ms && (uint16_t)(when - known->when) <= 1;
}

static bool agree(uint64_t a, uint64_t b)
{
    uint64_t apart = a > b ? a - b : b - a;

    return apart <= IDLE_AGE_MARGIN_MS || apart <= a / 10;
}

void idle_age_note_closed(struct idle_age *age, int64_t idle_ms, int64_t now_ms)
{
    if (idle_ms < IDLE_AGE_LEAST_MS || idle_ms > AGE_MAX)
        return;
    uint64_t ms = (uint64_t)idle_ms, word = atomic_load(&age->word);
    uint16_t when = (uint16_t)(now_ms / IDLE_AGE_APART_MS);
    struct known known;
    do {
        known = unpack(word);
        if (is_same_event(&known, when))
            return;
        if (known.last_ms && agree(known.last_ms, ms))
            known.learned_ms = ms < known.last_ms ? ms : known.last_ms;
        known.last_ms = ms;
        known.when = when;
    } while (!atomic_compare_exchange_weak(&age->word, &word, pack(known)));
}

void idle_age_note_kept(struct idle_age *age)
{
    atomic_store(&age->word, 0);
}

int64_t idle_age_learned_ms(const struct idle_age *age)
{
    return (int64_t)unpack(atomic_load_explicit(&age->word, memory_order_relaxed)).learned_ms;
}

int64_t idle_age_retire_ms(const struct idle_age *age)
{
    int64_t learned_ms = idle_age_learned_ms(age);
    int64_t margin_ms = learned_ms / 10;

    if (margin_ms < IDLE_AGE_MARGIN_MS)
        margin_ms = IDLE_AGE_MARGIN_MS;
    return learned_ms ? learned_ms - margin_ms : INT64_MAX;
}
