/* Each request to the next living worker in turn, weights respected: the pool's turn is one counter for all reactors,
 * so that the order is exact however many there are. A turn that falls on a worker already tried passes to the next. */
#include "balance/pick.h"

/* Looks along a whole round without taking turns. */
static struct worker *find_untried(struct pool *pool, uint64_t turn, uint32_t round, const struct pick_tried *tried)
{
    for (uint32_t i = 1; i < round; i++) {
        struct worker *worker = pool_at(pool, turn + i);
        if (worker && !pick_was_tried(tried, worker))
            return worker;
    }
    return NULL;
}

static struct worker *pick_next(struct pool *pool, const struct pick_tried *tried)
{
    uint64_t turn = atomic_fetch_add_explicit(pool->turn, 1, memory_order_relaxed);
    struct worker *worker = pool_at(pool, turn);

    if (!worker || !pick_was_tried(tried, worker))
        return worker;
    /* Weighted schedules name a worker more than once; a full round sees everybody, unless others take turns from it
     * meanwhile. */
    uint32_t round = pool_round(pool);
    for (uint32_t i = 1; i < round; i++) {
        turn = atomic_fetch_add_explicit(pool->turn, 1, memory_order_relaxed);
        worker = pool_at(pool, turn);
        if (!worker || !pick_was_tried(tried, worker))
            return worker;
    }
    return find_untried(pool, turn, round, tried);
}

/* The same, with nobody's turn taken. */
static struct worker *peek_next(struct pool *pool, const struct pick_tried *tried)
{
    uint64_t turn = atomic_load_explicit(pool->turn, memory_order_relaxed);
    struct worker *worker = pool_at(pool, turn);

    return !worker || !pick_was_tried(tried, worker) ? worker : find_untried(pool, turn, pool_round(pool), tried);
}

const struct pick_ops pick_round_robin = {.name = "round-robin", .pick = pick_next, .peek = peek_next};
