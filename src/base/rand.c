/* xoshiro256++ (Blackman and Vigna), its state filled by splitmix64. Whoever needs numbers owns a generator.
 */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

/* A step of splitmix64: spreads any seed, 0 too, over the whole state. */
static uint64_t rand_spread(uint64_t *seed)
{
    uint64_t mixed = *seed += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

void rand_seed(struct rand_gen *gen, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        gen->state[i] = rand_spread(&seed);
}

void rand_init(struct rand_gen *gen)
{
    uint64_t seed = 0;
    ssize_t n;
    do
        n = getrandom(&seed, sizeof(seed), 0);
    while (n < 0 && errno == EINTR);
    ASSERT(n == sizeof(seed));
    rand_seed(gen, seed);
}

static uint64_t rand_rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t rand_u64(struct rand_gen *gen)
{
    uint64_t *s = gen->state;
    uint64_t result = rand_rotate(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rand_rotate(s[3], 45);
    return result;
}

uint64_t rand_below(struct rand_gen *gen, uint64_t below)
{
    ASSERT(below > 0);
    /* The lowest 2^64 mod below values would be drawn once more often than the others: they are drawn again. */
    uint64_t uneven = (0 - below) % below;
    uint64_t value;
    do
        value = rand_u64(gen);
    while (value < uneven);
    return value % below;
}
