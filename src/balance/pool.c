/* The schedule: smooth weighted order over the living workers. Built by the control thread, read by reactors without a
 * lock: two tables take turns, and a reader that was overtaken twice reads again. */
#include "balance/pool.h"

#include <stdlib.h>
#include <string.h>

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
static uint64_t weigh(const struct pool *pool, bool taking_only, uint32_t *ret_divisor)
{
    uint32_t divisor = 0;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < pool->count; i++) {
        if (taking_only && !worker_takes(pool->workers[i]))
            continue;
        divisor = greatest_common_divisor(divisor, worker_weight(pool->workers[i]));
        sum += worker_weight(pool->workers[i]);
    }
    *ret_divisor = divisor ? divisor : 1;
    return sum / *ret_divisor;
}

/* The m workers of weight w take the places (k + (r + 1/2) / m) / w of the round, for each k < w and their rank r among
 * themselves: a smooth order, in which workers of one weight keep their own. Each weight's places come in order by
 * themselves, so that a merge of them is all there is to sort. */
struct strand {
    uint64_t at;       /* the next place, of 2^32 in a round */
    uint32_t *workers; /* those of this weight that take requests */
    uint32_t count, weight;
    uint32_t rank, lap; /* r and k of the next place */
};

struct merge {
    uint32_t count;
    struct strand *heap[POOL_WEIGHT_MAX];
    struct strand strands[POOL_WEIGHT_MAX + 1]; /* by weight */
};

/* Any subset may take requests, with a smaller common divisor's worth of slots: room for the undivided sum, unless all
 * are equal. */
static uint64_t slots_needed(const struct pool *pool)
{
    uint32_t divisor;
    uint64_t most = 0;

    if (weigh(pool, false, &divisor) == pool->count)
        return pool->count;
    for (uint32_t i = 0; i < pool->count; i++)
        most += worker_weight(pool->workers[i]);
    return most;
}

/* start-up only: and when an operator gives a worker a greater weight. */
static int make_schedule(struct pool_schedule *before, uint64_t room, struct pool_schedule **ret_schedule)
{
    struct pool_schedule *schedule = calloc(1, sizeof(*schedule) + room * sizeof(schedule->slots[0]));

    if (!schedule)
        return -ERR_NO_MEMORY;
    schedule->before = before;
    schedule->room = (uint32_t)room;
    *ret_schedule = schedule;
    return 0;
}

/* Room to sort workers by weight, where weights differ. start-up only: as the schedules. */
static int make_scratch(struct pool *pool, uint64_t room)
{
    if (room == pool->count || pool->scratch)
        return 0;
    pool->scratch = calloc(pool->count, sizeof(*pool->scratch));
    return pool->scratch ? 0 : -ERR_NO_MEMORY;
}

/* The same for weights that workers are going to have. */
static uint64_t slots_for(const uint32_t *weights, uint32_t count)
{
    uint64_t most = 0;
    bool equal = true;

    for (uint32_t i = 0; i < count; i++) {
        ASSERT(weights[i] >= 1 && weights[i] <= POOL_WEIGHT_MAX);
        equal &= weights[i] == weights[0];
        most += weights[i];
    }
    return equal ? count : most;
}

int pool_init(struct pool *pool, struct worker **workers, const uint32_t *weights, uint32_t count)
{
    ASSERT(count > 0);
    pool->workers = workers;
    pool->count = count;
    uint64_t room = slots_for(weights, count);
    if (room > POOL_SLOTS_MAX)
        return -ERR_FULL;
    int error = make_scratch(pool, room);
    for (int i = 0; i < 2 && !error; i++) {
        struct pool_schedule *schedule;
        error = make_schedule(NULL, room, &schedule);
        if (!error)
            atomic_store(&pool->schedules[i], schedule);
    }
    if (error)
        pool_fini(pool);
    return error;
}

/* start-up only: the other end of pool_init. */
void pool_fini(struct pool *pool)
{
    free(pool->scratch);
    pool->scratch = NULL;
    for (int i = 0; i < 2; i++) {
        struct pool_schedule *schedule = atomic_load(&pool->schedules[i]);
        while (schedule) {
            struct pool_schedule *before = schedule->before;
            free(schedule);
            schedule = before;
        }
        atomic_store(&pool->schedules[i], NULL);
    }
}

static void strand_place(struct strand *strand)
{
    uint64_t parts = 2 * (uint64_t)strand->count;

    strand->at = ((strand->lap * parts + 2 * (uint64_t)strand->rank + 1) << 32) / (parts * strand->weight);
}

/* False: that was the last place. */
static bool strand_advance(struct strand *strand)
{
    if (++strand->rank == strand->count) {
        strand->rank = 0;
        if (++strand->lap == strand->weight)
            return false;
    }
    strand_place(strand);
    return true;
}

static bool strand_before(const struct strand *a, const struct strand *b)
{
    return a->at != b->at ? a->at < b->at : a->workers[a->rank] < b->workers[b->rank];
}

static void merge_sink(struct merge *merge, uint32_t i)
{
    struct strand *sunk = merge->heap[i];

    for (uint32_t child = 2 * i + 1; child < merge->count; child = 2 * i + 1) {
        if (child + 1 < merge->count && strand_before(merge->heap[child + 1], merge->heap[child]))
            child++;
        if (!strand_before(merge->heap[child], sunk))
            break;
        merge->heap[i] = merge->heap[child];
        i = child;
    }
    merge->heap[i] = sunk;
}

/* Sorts the workers that take requests by weight into the pool's scratch, and makes a strand of each weight. */
static void merge_init(struct merge *merge, const struct pool *pool, uint32_t divisor)
{
    uint32_t *sorted = pool->scratch;

    ASSERT(sorted);
    memset(merge, 0, sizeof(*merge));
    for (uint32_t i = 0; i < pool->count; i++)
        merge->strands[worker_weight(pool->workers[i])].rank += worker_takes(pool->workers[i]);
    for (uint32_t weight = 1; weight <= POOL_WEIGHT_MAX; weight++) {
        struct strand *strand = &merge->strands[weight];
        strand->workers = sorted;
        strand->weight = weight / divisor;
        sorted += strand->rank;
        strand->rank = 0;
    }
    for (uint32_t i = 0; i < pool->count; i++) {
        struct strand *strand = &merge->strands[worker_weight(pool->workers[i])];
        if (worker_takes(pool->workers[i]))
            strand->workers[strand->count++] = i;
    }
    for (uint32_t weight = 1; weight <= POOL_WEIGHT_MAX; weight++)
        if (merge->strands[weight].count > 0) {
            strand_place(&merge->strands[weight]);
            merge->heap[merge->count++] = &merge->strands[weight];
        }
    for (uint32_t i = merge->count / 2; i-- > 0;)
        merge_sink(merge, i);
}

static uint32_t fill_weighted(const struct pool *pool, struct pool_schedule *schedule, uint32_t divisor, uint32_t total)
{
    struct merge merge;
    uint32_t n = 0;

    merge_init(&merge, pool, divisor);
    while (merge.count > 0) {
        struct strand *next = merge.heap[0];
        atomic_store_explicit(&schedule->slots[n++], next->workers[next->rank], memory_order_relaxed);
        if (!strand_advance(next))
            merge.heap[0] = merge.heap[--merge.count];
        merge_sink(&merge, 0);
    }
    ASSERT(n == total);
    return n;
}

static uint32_t fill_equal(const struct pool *pool, struct pool_schedule *schedule)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        if (worker_takes(pool->workers[i]))
            atomic_store_explicit(&schedule->slots[n++], i, memory_order_relaxed);
    return n;
}

static void publish_one(struct pool *pool)
{
    uint32_t divisor;
    uint32_t version = atomic_load_explicit(&pool->version, memory_order_relaxed) + 1;
    struct pool_schedule *schedule = atomic_load_explicit(&pool->schedules[version & 1], memory_order_relaxed);
    uint64_t total = weigh(pool, true, &divisor);
    uint32_t taking = 0;

    /* The version before is seen no later than what is written now over the table before it. */
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = 0; i < pool->count; i++)
        taking += worker_takes(pool->workers[i]);
    bool equal = total == taking || total > schedule->room || !pool->scratch;
    uint32_t count = equal ? fill_equal(pool, schedule) : fill_weighted(pool, schedule, divisor, (uint32_t)total);

    atomic_store_explicit(&schedule->count, count, memory_order_relaxed);
    atomic_store_explicit(&pool->version, version, memory_order_release);
}

static void tell_alive(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        struct worker *worker = pool->workers[i];
        atomic_store_explicit(&worker->told_alive, atomic_load(&worker->alive), memory_order_release);
    }
}

/* Told once every reactor gives requests out by it, also one that goes by an older configuration still. */
void pool_publish(struct pool *pool)
{
    for (struct pool *each = pool; each; each = each->older)
        publish_one(each);
    for (struct pool *each = pool; each; each = each->older)
        tell_alive(each);
}

int64_t pool_publish_pause_ms(const struct pool *pool)
{
    return pool_round(pool) / POOL_SLOTS_PER_MS;
}

int pool_set_weight(struct pool *pool, struct worker *worker, uint32_t weight)
{
    uint32_t old = atomic_load(&worker->weight_change), standby = (atomic_load(&pool->version) + 1) & 1;
    struct pool_schedule *grown[2] = {NULL, NULL}; /* what is published now is replaced once it is not */

    ASSERT(worker->pool == pool && weight >= 1 && weight <= POOL_WEIGHT_MAX);
    atomic_store(&worker->weight_change, weight);
    uint64_t room = slots_needed(pool);
    int error = room > POOL_SLOTS_MAX ? -ERR_FULL : make_scratch(pool, room);
    for (int i = 0; i < 2 && !error; i++)
        if (atomic_load(&pool->schedules[i])->room < room)
            error = make_schedule(atomic_load(&pool->schedules[i]), 2 * room, &grown[i]);
    if (error) {
        free(grown[0]); /* not per request: an operator's order that cannot be had */
        atomic_store(&worker->weight_change, old);
        return error;
    }
    if (grown[standby])
        atomic_store(&pool->schedules[standby], grown[standby]);
    pool_publish(pool);
    if (grown[!standby])
        atomic_store(&pool->schedules[!standby], grown[!standby]);
    return 0;
}

void pool_set_mode(struct pool *pool, struct worker *worker, enum worker_mode mode)
{
    ASSERT(worker->pool == pool);
    atomic_store(&worker->mode, (uint8_t)mode);
    pool_publish(pool);
}

uint32_t pool_alive(const struct pool *pool)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        alive += atomic_load_explicit(&pool->workers[i]->alive, memory_order_relaxed);
    return alive;
}

uint32_t pool_round(const struct pool *pool)
{
    uint32_t version = atomic_load(&pool->version);

    return atomic_load(&atomic_load(&pool->schedules[version & 1])->count);
}

struct worker *pool_at(const struct pool *pool, uint64_t position)
{
    for (;;) {
        uint32_t version = atomic_load_explicit(&pool->version, memory_order_acquire);
        const struct pool_schedule *schedule =
            atomic_load_explicit(&pool->schedules[version & 1], memory_order_acquire);
        uint32_t count = atomic_load_explicit(&schedule->count, memory_order_relaxed);
        uint32_t slot = count ? atomic_load_explicit(&schedule->slots[position % count], memory_order_relaxed) : 0;
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&pool->version, memory_order_relaxed) == version)
            return count ? pool->workers[slot] : NULL;
    }
}
