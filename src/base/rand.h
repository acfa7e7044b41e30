/* Random numbers for jitter and request ids: fast, seeded from the system, not for secrets.
 *
 * Each user owns a generator: no lock, and the simulation gives each a seed of its own.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

struct rand_gen {
    uint64_t state[4];
};

/* Seeds from getrandom(2). */
void rand_init(struct rand_gen *gen);
/* The same seed gives the same numbers. */
void rand_seed(struct rand_gen *gen, uint64_t seed);
uint64_t rand_u64(struct rand_gen *gen);
/* Evenly from 0 to below - 1; below > 0. */
uint64_t rand_below(struct rand_gen *gen, uint64_t below);

#endif
