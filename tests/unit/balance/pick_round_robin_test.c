/* Round robin: exact over all threads, fair to weights, never blind to a living worker. */
#include <pthread.h>

#include "balance/pick.h"
#include "balance_helper.h"
#include "base/rand.h"

static const struct pick_tried nobody;

static struct worker *pick(struct helper_pool *helper, const struct pick_tried *tried)
{
    return pick_round_robin.pick(&helper->pool, tried);
}

static void pick_goes_round(void **state)
{
    struct helper_pool helper;
    helper_pool_init(&helper, 3, NULL);
    assert_null(pick(&helper, &nobody));
    helper_set_alive(&helper, 7);
    atomic_store(&helper.turn, 0);
    for (uint32_t i = 0; i < 9; i++)
        assert_ptr_equal(pick(&helper, &nobody), &helper.workers[i % 3]);
    helper_set_alive(&helper, 5);
    for (uint32_t i = 0; i < 8; i++)
        assert_ptr_not_equal(pick(&helper, &nobody), &helper.workers[1]);
    helper_set_alive(&helper, 0);
    assert_null(pick(&helper, &nobody));
    pool_fini(&helper.pool);
}

static void pick_skips_the_tried(void **state)
{
    static const uint32_t weights[] = {1, 6, 1, 3};
    struct helper_pool helper;
    helper_pool_init(&helper, 4, weights);
    for (uint32_t alive = 0; alive < 16; alive++) {
        helper_set_alive(&helper, alive);
        for (uint32_t skip = 0; skip < 16; skip++) {
            struct pick_tried tried = {0};
            for (uint32_t i = 0; i < 4; i++)
                if ((skip >> i) & 1)
                    tried.workers[tried.count++] = &helper.workers[i];
            for (int turn = 0; turn < 15; turn++) {
                const struct worker *worker = pick(&helper, &tried);
                assert_int_equal(worker != NULL, (alive & ~skip) != 0);
                if (worker)
                    assert_true(((alive & ~skip) >> worker->index) & 1);
            }
        }
    }
    pool_fini(&helper.pool);
}

/* ---- many threads ---- */

enum { THREADS = 8, CHECKS = 6, PICKS_MAX = 400 };

static struct helper_pool shared;
static _Atomic uint64_t counts[HELPER_WORKERS];
static pthread_barrier_t barrier;
static _Atomic uint64_t misses;
static _Atomic bool done;

static void *pick_and_count(void *context)
{
    struct rand_gen rand;
    rand_seed(&rand, *(uint64_t *)context);
    for (int check = 0; check < CHECKS; check++) {
        pthread_barrier_wait(&barrier);
        for (uint64_t n = rand_below(&rand, PICKS_MAX); n > 0; n--)
            atomic_fetch_add(&counts[pick(&shared, &nobody)->index], 1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void check_counts(uint32_t workers)
{
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    for (uint32_t i = 0; i < workers; i++) {
        uint64_t count = atomic_load(&counts[i]);
        least = count < least ? count : least;
        most = count > most ? count : most;
        sum += count;
    }
    assert_true(most - least <= 1);
    assert_int_equal(sum, atomic_load(&shared.turn));
}

static void pick_is_exact_over_threads(void **state)
{
    for (uint32_t workers = 1; workers <= 16; workers++) {
        pthread_t threads[THREADS];
        uint64_t seeds[THREADS];
        memset(counts, 0, sizeof(counts));
        helper_pool_init(&shared, workers, NULL);
        helper_set_alive(&shared, UINT32_MAX);
        pthread_barrier_init(&barrier, NULL, THREADS + 1);
        for (uint32_t i = 0; i < THREADS; i++) {
            seeds[i] = workers * 100 + i;
            assert_int_equal(pthread_create(&threads[i], NULL, pick_and_count, &seeds[i]), 0);
        }
        for (int check = 0; check < CHECKS; check++) {
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);
            check_counts(workers);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
        pool_fini(&shared.pool);
    }
}

/* Everybody has tried all but one worker, which lives: each must find it, whoever else takes turns meanwhile. */
static void *pick_the_untried(void *context)
{
    struct pick_tried tried = {0};
    uint32_t wanted = *(uint32_t *)context;
    for (uint32_t i = 0; i < shared.pool.count; i++)
        if (i != wanted)
            tried.workers[tried.count++] = &shared.workers[i];
    for (int i = 0; i < 20000; i++)
        if (pick(&shared, &tried) != &shared.workers[wanted])
            atomic_fetch_add(&misses, 1);
    return NULL;
}

static void pick_finds_the_untried_in_a_crowd(void **state)
{
    pthread_t threads[THREADS];
    uint32_t wanted[THREADS];
    helper_pool_init(&shared, 2, NULL);
    helper_set_alive(&shared, 3);
    for (uint32_t i = 0; i < THREADS; i++) {
        wanted[i] = i % 2;
        assert_int_equal(pthread_create(&threads[i], NULL, pick_the_untried, &wanted[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&misses), 0);
    pool_fini(&shared.pool);
}

static void *pick_while_changing(void *context)
{
    while (!atomic_load(&done))
        if (!pick(&shared, &nobody))
            atomic_fetch_add(&misses, 1);
    return NULL;
}

static void pick_while_published(void **state)
{
    static const uint32_t weights[] = {1, 2, 3, 4};
    pthread_t threads[THREADS];
    helper_pool_init(&shared, ARRAY_SIZE(weights), weights);
    helper_set_alive(&shared, 15);
    atomic_store(&misses, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pick_while_changing, NULL), 0);
    for (uint32_t i = 0; i < 5000; i++)
        helper_set_alive(&shared, 1 + i % 15);
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&misses), 0);
    helper_set_alive(&shared, 4);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(pick(&shared, &nobody), &shared.workers[2]);
    pool_fini(&shared.pool);
}

/* Asking who is next takes nobody's turn, and is what the next request gets. */
static void pick_is_peeked_at(void **state)
{
    struct helper_pool helper;
    static const uint32_t weights[] = {3, 1, 2};
    helper_pool_init(&helper, 3, weights);
    struct pick_tried tried = {0};
    assert_null(pick_round_robin.peek(&helper.pool, &tried));
    helper_set_alive(&helper, 7);
    for (int i = 0; i < 12; i++) {
        struct worker *next = pick_round_robin.peek(&helper.pool, &tried);
        assert_ptr_equal(pick_round_robin.peek(&helper.pool, &tried), next);
        assert_ptr_equal(pick_round_robin.pick(&helper.pool, &tried), next);
    }
    tried = (struct pick_tried){2, {&helper.workers[0], &helper.workers[2]}};
    assert_ptr_equal(pick_round_robin.peek(&helper.pool, &tried), &helper.workers[1]);
    tried = (struct pick_tried){3, {&helper.workers[0], &helper.workers[2], &helper.workers[1]}};
    assert_null(pick_round_robin.peek(&helper.pool, &tried));
    pool_fini(&helper.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pick_is_peeked_at),
        cmocka_unit_test(pick_goes_round),
        cmocka_unit_test(pick_skips_the_tried),
        cmocka_unit_test(pick_is_exact_over_threads),
        cmocka_unit_test(pick_finds_the_untried_in_a_crowd),
        cmocka_unit_test(pick_while_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
