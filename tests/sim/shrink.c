/* One thing at a time, again and again until nothing more can go: scenarios are small, and a run takes a millisecond.
 * Called by ballast-sim after a failure. */
#include "tests/sim/shrink.h"

struct shrinking {
    struct plan_cuts *cuts;
    shrink_fn fails;
    void *context;
    unsigned runs;
};

static bool keep_if_fails(struct shrinking *shrinking, const struct plan_cuts *tried)
{
    shrinking->runs++;
    if (!shrinking->fails(tried, shrinking->context))
        return false;
    *shrinking->cuts = *tried;
    return true;
}

static bool drop_clients(struct shrinking *shrinking, const struct plan *plan)
{
    bool smaller = false;
    for (uint32_t c = 0; c < plan->clients; c++) {
        struct plan_cuts tried = *shrinking->cuts;
        if (tried.clients & 1u << c)
            continue;
        tried.clients |= 1u << c;
        smaller |= keep_if_fails(shrinking, &tried);
    }
    return smaller;
}

static bool drop_families(struct shrinking *shrinking, const struct plan *plan)
{
    bool smaller = false;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++) {
        struct plan_cuts tried = *shrinking->cuts;
        if (!plan_has(plan, (enum plan_family)f) || tried.families & plan_bit((enum plan_family)f))
            continue;
        tried.families |= plan_bit((enum plan_family)f);
        smaller |= keep_if_fails(shrinking, &tried);
    }
    return smaller;
}

static bool drop_requests(struct shrinking *shrinking, const struct plan *plan)
{
    bool smaller = false;
    for (uint32_t c = 0; c < plan->clients; c++) {
        struct plan_cuts tried = *shrinking->cuts;
        if (tried.clients & 1u << c || tried.requests[c] + 1u >= plan->client[c].count)
            continue;
        tried.requests[c]++;
        smaller |= keep_if_fails(shrinking, &tried);
    }
    return smaller;
}

unsigned shrink(struct plan_cuts *cuts, uint64_t seed, shrink_fn fails, void *context)
{
    struct shrinking shrinking = {cuts, fails, context, 0};
    struct plan_cuts none = {0};
    static struct plan plan;
    plan_make(&plan, seed, &none);
    bool smaller = true;
    while (smaller) {
        smaller = drop_clients(&shrinking, &plan);
        smaller |= drop_families(&shrinking, &plan);
        smaller |= drop_requests(&shrinking, &plan);
    }
    return shrinking.runs;
}
