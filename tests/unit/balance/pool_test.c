/* The schedule: who is on it, how often and how evenly, with readers while it changes. */
#include "balance/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "balance_helper.h"
#include "tests/unit/alloc_fail.h"

static void pool_begins_with_nobody(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 3, NULL);
    assert_int_equal(pool_alive(&helper.pool), 0);
    for (uint64_t i = 0; i < 5; i++)
        assert_null(pool_at(&helper.pool, i));
    helper_set_alive(&helper, 0);
    assert_null(pool_at(&helper.pool, 7));
    pool_fini(&helper.pool);
}

static void pool_equal_weights_keep_the_order(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 5, NULL);
    for (uint32_t alive = 1; alive < 32; alive++) {
        uint32_t living[5], count = 0;
        helper_set_alive(&helper, alive);
        for (uint32_t i = 0; i < 5; i++)
            if ((alive >> i) & 1)
                living[count++] = i;
        assert_int_equal(pool_alive(&helper.pool), count);
        for (uint64_t position = 0; position < 12; position++)
            assert_ptr_equal(pool_at(&helper.pool, position), &helper.workers[living[position % count]]);
        assert_ptr_equal(pool_at(&helper.pool, UINT64_MAX), &helper.workers[living[UINT64_MAX % count]]);
    }
    pool_fini(&helper.pool);
}

static const struct {
    uint32_t weights[HELPER_WORKERS]; /* up to the first 0 */
    uint32_t alive;
    uint32_t round; /* slots in the schedule */
} weighted[] = {
    {{1, 2, 3}, 7, 6},
    {{5, 1, 1}, 7, 7},
    {{5, 1, 1}, 6, 2},
    {{4, 2}, 3, 3},
    {{100, 100}, 3, 2},
    {{256, 1}, 3, 257},
    {{256, 256, 128}, 7, 5},
    {{7}, 1, 1},
    {{10, 20, 30, 40}, 0xd, 8},
    {{16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0x1ffff, 32},
    {{3, 3, 3, 1, 1, 1, 9}, 0x7f, 21},
};

static uint32_t count_weights(const uint32_t *weights)
{
    uint32_t count = 0;
    while (count < HELPER_WORKERS && weights[count])
        count++;
    return count;
}

/* Over a round each living worker has exactly its share, and at every place in it no worker is more than two turns away
 * from what it should have had by then. */
static void check_round(struct helper_pool *helper, uint32_t round, uint64_t sum)
{
    uint32_t had[HELPER_WORKERS] = {0};
    for (uint32_t position = 0; position < round; position++) {
        const struct worker *worker = pool_at(&helper->pool, position);
        assert_non_null(worker);
        assert_true(atomic_load(&worker->alive));
        had[worker->index]++;
        for (uint32_t i = 0; i < helper->pool.count; i++) {
            double share = helper->workers[i].alive ? (double)helper->workers[i].weight / (double)sum : 0;
            double off = had[i] - share * (position + 1);
            if (off > 2 || off < -2)
                fail_msg("worker %u of weight %u is %g off after %u turns", i, helper->workers[i].weight, off,
                         position + 1);
        }
    }
    for (uint32_t i = 0; i < helper->pool.count; i++)
        assert_int_equal((uint64_t)had[i] * sum,
                         helper->workers[i].alive ? (uint64_t)round * helper->workers[i].weight : 0);
    assert_ptr_equal(pool_at(&helper->pool, 0), pool_at(&helper->pool, round));
}

static void pool_weights_are_exact_and_smooth(void **state)
{
    for (size_t c = 0; c < ARRAY_SIZE(weighted); c++) {
        struct helper_pool helper;
        uint64_t sum = 0;
        helper_pool_init(&helper, count_weights(weighted[c].weights), weighted[c].weights);
        helper_set_alive(&helper, weighted[c].alive);
        for (uint32_t i = 0; i < helper.pool.count; i++)
            sum += helper.workers[i].alive ? helper.workers[i].weight : 0;
        assert_int_equal(pool_round(&helper.pool), weighted[c].round);
        check_round(&helper, weighted[c].round, sum);
        pool_fini(&helper.pool);
    }
}

/* Seen as the endless row it is, a heavy worker's turns have the light ones' between them. */
static void pool_weights_make_no_bursts(void **state)
{
    static const struct {
        uint32_t weights[HELPER_WORKERS];
        uint32_t longest; /* turns in a row of one worker */
    } cases[] = {
        {{5, 1, 1}, 3}, {{2, 1, 1}, 1}, {{4, 4, 1}, 1}, {{16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1},
        {{3, 1}, 3},
    };
    for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
        struct helper_pool helper;
        uint32_t longest = 0, run = 0;
        const struct worker *before = NULL;
        helper_pool_init(&helper, count_weights(cases[c].weights), cases[c].weights);
        helper_set_alive(&helper, UINT32_MAX);
        for (uint64_t position = 0; position < 200; position++) {
            const struct worker *worker = pool_at(&helper.pool, position);
            run = worker == before ? run + 1 : 1;
            before = worker;
            longest = run > longest ? run : longest;
        }
        if (longest > cases[c].longest)
            fail_msg("case %zu: %u turns in a row", c, longest);
        pool_fini(&helper.pool);
    }
}

enum { MANY = POOL_SLOTS_MAX / POOL_WEIGHT_MAX + 1 };
static struct worker many[MANY];
static struct worker *many_list[MANY];
static uint32_t many_weights[MANY];

struct place {
    uint64_t at;
    uint32_t worker;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->worker < y->worker ? -1 : x->worker > y->worker;
}

/* The places as pool.c's comment defines them, sorted one and all. */
static uint32_t places_of(struct helper_pool *helper, uint32_t alive, struct place *places)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < HELPER_WORKERS; i++) {
        uint64_t weight = helper->workers[i].weight, m = 0, rank = 0;
        for (uint32_t j = 0; j < HELPER_WORKERS; j++)
            if (((alive >> j) & 1) && helper->workers[j].weight == weight) {
                m++;
                rank += j < i;
            }
        for (uint64_t k = 0; ((alive >> i) & 1) && k < weight; k++)
            places[n++] = (struct place){((k * 2 * m + 2 * rank + 1) << 32) / (2 * m * weight), i};
    }
    qsort(places, n, sizeof(*places), compare_places);
    return n;
}

static void pool_merges_to_what_a_sort_would_give(void **state)
{
    static struct place places[HELPER_WORKERS * 16];
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct helper_pool helper;
        uint32_t weights[HELPER_WORKERS], alive = seed * 2654435761U | 3;
        for (uint32_t i = 0; i < HELPER_WORKERS; i++)
            weights[i] = 1 + (seed * (i + 7) * 40503U >> 5) % (1 + seed % 16);
        weights[0] = 1; /* two weights without a common divisor: nothing is reduced */
        weights[1] = 2;
        helper_pool_init(&helper, HELPER_WORKERS, weights);
        helper_set_alive(&helper, alive);
        uint32_t n = places_of(&helper, alive, places);
        for (uint32_t k = 0; k < n; k++)
            assert_int_equal(pool_at(&helper.pool, k)->index, places[k].worker);
        assert_int_equal(pool_round(&helper.pool), n);
        pool_fini(&helper.pool);
    }
}

static void pool_refuses_too_long_a_schedule(void **state)
{
    static struct pool pool;
    for (uint32_t i = 0; i < MANY; i++) {
        many[i] = (struct worker){.index = i, .pool = &pool};
        many_list[i] = &many[i];
        many_weights[i] = POOL_WEIGHT_MAX;
    }
    assert_int_equal(pool_init(&pool, many_list, many_weights, MANY), 0); /* equal ones need a slot each */
    pool_fini(&pool);
    many_weights[0] = POOL_WEIGHT_MAX - 1;
    assert_int_equal(pool_init(&pool, many_list, many_weights, MANY), -ERR_FULL);
    assert_int_equal(pool_init(&pool, many_list, many_weights, MANY - 1), 0);
    pool_fini(&pool);
}

static void pool_survives_no_memory(void **state)
{
    static struct pool pool;
    struct worker workers[2] = {{.pool = &pool}, {.pool = &pool, .index = 1}};
    struct worker *list[2] = {&workers[0], &workers[1]};
    static const uint32_t weights[2] = {1, 2};
    for (unsigned n = 1; n <= 3; n++) {
        alloc_fail_at(n);
        assert_int_equal(pool_init(&pool, list, weights, 2), -ERR_NO_MEMORY);
        assert_true(alloc_fail_stop());
        assert_null(pool.schedules[0]);
    }
    assert_int_equal(pool_init(&pool, list, weights, 2), 0);
    pool_fini(&pool);
}

/* Health stays what it is; only who gets turns changes. */
static void pool_modes_keep_requests_away(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 3, NULL);
    helper_set_alive(&helper, 7);
    pool_set_mode(&helper.pool, &helper.workers[1], WORKER_DRAIN);
    for (uint64_t position = 0; position < 6; position++)
        assert_ptr_not_equal(pool_at(&helper.pool, position), &helper.workers[1]);
    assert_int_equal(pool_round(&helper.pool), 2);
    assert_int_equal(pool_alive(&helper.pool), 3);
    assert_false(worker_takes(&helper.workers[1]));
    pool_set_mode(&helper.pool, &helper.workers[0], WORKER_DISABLED);
    pool_set_mode(&helper.pool, &helper.workers[2], WORKER_DRAIN);
    assert_null(pool_at(&helper.pool, 0));
    pool_set_mode(&helper.pool, &helper.workers[1], WORKER_READY);
    assert_ptr_equal(pool_at(&helper.pool, 5), &helper.workers[1]);
    helper_set_alive(&helper, 5); /* ready, and down */
    assert_null(pool_at(&helper.pool, 0));
    pool_fini(&helper.pool);
}

static void pool_weight_changes(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 3, NULL);
    helper_set_alive(&helper, 7);
    for (uint32_t weight = 2; weight <= POOL_WEIGHT_MAX; weight += 127) {
        uint32_t turns = 0;
        assert_int_equal(pool_set_weight(&helper.pool, &helper.workers[1], weight), 0);
        assert_int_equal(pool_round(&helper.pool), weight + 2);
        for (uint64_t position = 0; position < weight + 2; position++)
            turns += pool_at(&helper.pool, position) == &helper.workers[1];
        assert_int_equal(turns, weight);
    }
    pool_publish(&helper.pool); /* both tables have the room */
    assert_int_equal(pool_set_weight(&helper.pool, &helper.workers[1], 1), 0);
    assert_int_equal(pool_round(&helper.pool), 3);
    assert_int_equal(helper.workers[1].weight, 1); /* what is configured stays known */
    pool_fini(&helper.pool);
}

static void pool_weight_survives_no_memory(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 2, NULL);
    helper_set_alive(&helper, 3);
    static const unsigned fails[] = {1, 2, 2}; /* the room to sort in stays from the second on */
    for (size_t i = 0; i < ARRAY_SIZE(fails); i++) {
        alloc_fail_at(fails[i]);
        assert_int_equal(pool_set_weight(&helper.pool, &helper.workers[0], 5), -ERR_NO_MEMORY);
        assert_true(alloc_fail_stop());
        assert_int_equal(worker_weight(&helper.workers[0]), 1);
        assert_int_equal(pool_round(&helper.pool), 2);
    }
    pool_fini(&helper.pool);
}

/* A heavier worker of a newer configuration does not fit into the pool of the one before: turns are equal there. */
static void pool_publishes_the_older_too(void **state)
{
    static const uint32_t weights[2] = {1, 1}, heavier[2] = {3, 1};
    struct helper_pool helper;
    struct pool newer = {.older = &helper.pool};
    uint64_t firsts = 0;
    helper_pool_init(&helper, 2, weights);
    assert_int_equal(pool_init(&newer, helper.list, heavier, 2), 0);
    helper.workers[0].weight = 3;
    atomic_store(&helper.workers[0].alive, true);
    atomic_store(&helper.workers[1].alive, true);
    pool_publish(&newer);
    for (uint64_t at = 0; at < 4; at++) {
        firsts += pool_at(&newer, at) == &helper.workers[0];
        assert_ptr_equal(pool_at(&helper.pool, at), &helper.workers[at % 2]);
    }
    assert_int_equal(firsts, 3);
    pool_fini(&newer);
    pool_fini(&helper.pool);
}

/* ---- readers while it changes ---- */

enum { READERS = 4, CHANGES = 20000 };

static struct helper_pool shared;
static _Atomic bool done;

static void *read_on(void *context)
{
    uint64_t position = 0, strangers = 0;
    while (!atomic_load(&done)) {
        const struct worker *worker = pool_at(&shared.pool, position++);
        strangers += !worker || worker < shared.workers || worker >= shared.workers + shared.pool.count;
    }
    *(uint64_t *)context = strangers;
    return NULL;
}

static void pool_is_read_while_published(void **state)
{
    static const uint32_t weights[] = {1, 3, 2, 5, 1, 1};
    pthread_t readers[READERS];
    uint64_t strangers[READERS] = {0};
    helper_pool_init(&shared, ARRAY_SIZE(weights), weights);
    helper_set_alive(&shared, 1);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &strangers[i]), 0);
    for (uint32_t i = 0; i < CHANGES; i++)
        helper_set_alive(&shared, 1 | (i * 2654435761U >> 16));
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        assert_int_equal(strangers[i], 0);
    }
    pool_fini(&shared.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_begins_with_nobody),
        cmocka_unit_test(pool_equal_weights_keep_the_order),
        cmocka_unit_test(pool_weights_are_exact_and_smooth),
        cmocka_unit_test(pool_weights_make_no_bursts),
        cmocka_unit_test(pool_merges_to_what_a_sort_would_give),
        cmocka_unit_test(pool_refuses_too_long_a_schedule),
        cmocka_unit_test(pool_survives_no_memory),
        cmocka_unit_test(pool_modes_keep_requests_away),
        cmocka_unit_test(pool_weight_changes),
        cmocka_unit_test(pool_weight_survives_no_memory),
        cmocka_unit_test(pool_publishes_the_older_too),
        cmocka_unit_test(pool_is_read_while_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
