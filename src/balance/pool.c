/* The schedule: smooth weighted order over the living workers. Built by the control thread, read by reactors without a
 * lock: two tables take turns, and a reader that was overtaken twice reads again. */
#include "balance/pool.h"

#include <stdlib.h>

static uint32_t greatest_common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The weights' common divisor and sum: equal weights give one slot a worker. */
static uint64_t weigh(const struct pool *pool, bool living_only, uint32_t *ret_divisor)
{
    uint32_t divisor = 0;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < pool->count; i++) {
        if (living_only && !atomic_load(&pool->workers[i].alive))
            continue;
        divisor = greatest_common_divisor(divisor, pool->workers[i].weight);
        sum += pool->workers[i].weight;
    }
    *ret_divisor = divisor ? divisor : 1;
    return sum / *ret_divisor;
}

/* The m workers of weight w take the places (k + (r + 1/2) / m) / w of the round, for each k < w and their rank r among
 * themselves. A sort of all places gives a smooth order, in which workers of one weight keep their own. */
struct place {
    uint64_t at;
    uint32_t worker;
};

int pool_init(struct pool *pool, struct worker *workers, uint32_t count)
{
    uint32_t divisor;
    uint64_t most = 0;

    ASSERT(count > 0);
    pool->workers = workers;
    pool->count = count;
    /* Any subset may be alive, with a smaller common divisor's worth of slots: room for the undivided sum, unless all
     * are equal. */
    uint64_t slots = weigh(pool, false, &divisor);
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(workers[i].weight >= 1 && workers[i].weight <= POOL_WEIGHT_MAX);
        most += workers[i].weight;
    }
    if (slots == count)
        most = count;
    if (most > POOL_SLOTS_MAX)
        return -ERR_FULL;
    pool->scratch = slots == count ? NULL : calloc(most, sizeof(struct place)); /* start-up only: as the schedules */
    if (slots != count && !pool->scratch)
        return -ERR_NO_MEMORY;
    for (int i = 0; i < 2; i++) {
        pool->schedules[i].slots =
            calloc(most, sizeof(_Atomic uint32_t)); /* start-up only: lives as long as the pool */
        if (!pool->schedules[i].slots) {
            pool_fini(pool);
            return -ERR_NO_MEMORY;
        }
    }
    return 0;
}

void pool_fini(struct pool *pool)
{
    free(pool->scratch); /* start-up only: see pool_init */
    pool->scratch = NULL;
    for (int i = 0; i < 2; i++) {
        free(pool->schedules[i].slots); /* start-up only: see pool_init */
        pool->schedules[i].slots = NULL;
        atomic_store(&pool->schedules[i].count, 0);
    }
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->worker < y->worker ? -1 : x->worker > y->worker;
}

static uint32_t fill_weighted(const struct pool *pool, struct pool_schedule *schedule, uint32_t divisor, uint32_t total)
{
    struct place *places = pool->scratch;
    uint64_t alike[POOL_WEIGHT_MAX + 1] = {0}, rank[POOL_WEIGHT_MAX + 1] = {0};
    uint32_t n = 0;

    ASSERT(places);
    for (uint32_t i = 0; i < pool->count; i++)
        alike[pool->workers[i].weight] += atomic_load(&pool->workers[i].alive);
    for (uint32_t i = 0; i < pool->count; i++) {
        uint32_t weight = pool->workers[i].weight;
        if (!atomic_load(&pool->workers[i].alive))
            continue;
        uint64_t parts = 2 * alike[weight], offset = 2 * rank[weight]++ + 1;
        weight /= divisor;
        for (uint32_t k = 0; k < weight; k++)
            places[n++] = (struct place){((k * parts + offset) << 32) / (parts * weight), i};
    }
    ASSERT(n == total);
    qsort(places, n, sizeof(*places), compare_places);
    for (uint32_t k = 0; k < n; k++)
        atomic_store_explicit(&schedule->slots[k], places[k].worker, memory_order_relaxed);
    return n;
}

static uint32_t fill_equal(const struct pool *pool, struct pool_schedule *schedule)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        if (atomic_load(&pool->workers[i].alive))
            atomic_store_explicit(&schedule->slots[n++], i, memory_order_relaxed);
    return n;
}

void pool_publish(struct pool *pool)
{
    uint32_t divisor;
    uint32_t version = atomic_load_explicit(&pool->version, memory_order_relaxed) + 1;
    struct pool_schedule *schedule = &pool->schedules[version & 1];
    uint64_t total = weigh(pool, true, &divisor);
    uint32_t alive = pool_alive(pool);

    /* The version before is seen no later than what is written now over the table before it. */
    atomic_thread_fence(memory_order_release);
    uint32_t count =
        total == alive ? fill_equal(pool, schedule) : fill_weighted(pool, schedule, divisor, (uint32_t)total);

    atomic_store_explicit(&schedule->count, count, memory_order_relaxed);
    atomic_store_explicit(&pool->version, version, memory_order_release);
}

uint32_t pool_alive(const struct pool *pool)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        alive += atomic_load_explicit(&pool->workers[i].alive, memory_order_relaxed);
    return alive;
}

struct worker *pool_at(const struct pool *pool, uint64_t position)
{
    for (;;) {
        uint32_t version = atomic_load_explicit(&pool->version, memory_order_acquire);
        const struct pool_schedule *schedule = &pool->schedules[version & 1];
        uint32_t count = atomic_load_explicit(&schedule->count, memory_order_relaxed);
        uint32_t slot = count ? atomic_load_explicit(&schedule->slots[position % count], memory_order_relaxed) : 0;
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&pool->version, memory_order_relaxed) == version)
            return count ? &pool->workers[slot] : NULL;
    }
}
