/* What drawing a scenario takes: shared by plan.c and plan_tunnel.c.
 */
#ifndef TESTS_SIM_PLAN_DRAW_H
#define TESTS_SIM_PLAN_DRAW_H

#include "base/rand.h"
#include "tests/sim/plan.h"

/* Each part of a plan draws from a stream of its own. */
static inline struct rand_gen stream(uint64_t seed, uint32_t what, uint32_t which)
{
    struct rand_gen gen;
    rand_seed(&gen, seed * UINT64_C(0x9e3779b97f4a7c15) + ((uint64_t)what << 32) + which);
    return gen;
}

static inline uint32_t between(struct rand_gen *gen, uint32_t low, uint32_t high)
{
    return low + (uint32_t)rand_below(gen, (uint64_t)high - low + 1);
}

static inline bool chance(struct rand_gen *gen, uint32_t percent)
{
    return rand_below(gen, 100) < percent;
}

static inline uint32_t one_of(struct rand_gen *gen, const uint32_t *values, size_t count)
{
    return values[rand_below(gen, count)];
}

/* Byte by byte, a long body is a million events that show nothing new. */
static inline uint32_t fitting_body(const struct plan *plan, uint32_t bytes)
{
    if (plan->net.segment_bytes < 50)
        return bytes % 1500;
    return plan->net.segment_bytes < 1000 ? bytes % 20000 : bytes;
}

/* plan_tunnel.c. How long tunnels may be silent, in any scenario; those of a client, over HTTP/1 alone; and, last of
 * all, those with HTTP/2 on either side. */
void plan_draw_tunnel_timeouts(struct plan *plan);
void plan_draw_tunnels(struct plan *plan, uint32_t client);
void plan_draw_h2_tunnels(struct plan *plan);

#endif
