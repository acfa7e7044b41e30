/* Probes of large pools, in virtual time: no bursts, whether at the start or later, and schedules that are not
 * published more often than their length allows. */
#include <stdlib.h>

#include "balance/probe.h"
#include "balance_helper.h"
#include "scripted_worker.h"

enum { CROWD = 2000, INTERVAL_MS = 2000, DOUBT_MS = 500, HEAVY = 5 };

struct crowd {
    struct io_sim_net *net;
    struct buf_pool buffers;
    struct io *io;
    struct pool pool;
    struct pool *pools[1];
    struct worker *workers;
    struct worker **list;
    struct prober *prober;
    uint32_t changes;
    uint32_t behind; /* changes that were told before their schedule was published */
};

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
    struct crowd *crowd = context;
    uint32_t listed = 0, slots = pool_round(&crowd->pool);
    for (uint32_t k = 0; k < slots; k++)
        listed += pool_at(&crowd->pool, k) == worker;
    crowd->changes++;
    crowd->behind += (change == HEALTH_WENT_UP) != (listed > 0);
}

static void start(struct crowd *crowd, uint32_t count, const uint32_t *weights)
{
    *crowd = (struct crowd){.net = io_sim_net_create(1)};
    buf_pool_init(&crowd->buffers, 8 << 20);
    struct io_options io = {.backend = &io_sim_backend, .buffers = &crowd->buffers};
    assert_int_equal(io_create(&io, &crowd->io), 0);
    crowd->workers = calloc(count, sizeof(*crowd->workers));
    assert_non_null(crowd->workers);
    struct sockaddr_storage nobody = io_sim_address(crowd->net);
    for (uint32_t i = 0; i < count; i++) {
        crowd->workers[i] = (struct worker){.index = i, .weight = weights ? weights[i] : 1, .pool = &crowd->pool};
        crowd->workers[i].addr.storage = nobody; /* refused: a result like any other */
        crowd->workers[i].address = STR("worker.example:3001");
    }
    struct worker **list = crowd->list = calloc(count, sizeof(struct worker *));
    uint32_t *each = calloc(count, sizeof(*each));
    assert_true(list && each);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = &crowd->workers[i];
        each[i] = crowd->workers[i].weight;
    }
    assert_int_equal(pool_init(&crowd->pool, list, each, count), 0);
    free(each);
    crowd->pool.health_path = STR("/health");
    crowd->pool.health = (struct health_rules){.rise = 2,
                                               .fall = 3,
                                               .interval_ms = INTERVAL_MS,
                                               .doubt_ms = DOUBT_MS,
                                               .timeout_ms = 1000,
                                               .jitter_percent = 10,
                                               .status_min = 200,
                                               .status_max = 299};
    crowd->pools[0] = &crowd->pool;
    struct prober_options options = {.io = crowd->io,
                                     .pools = crowd->pools,
                                     .pool_count = 1,
                                     .worker_count = count,
                                     .seed = 11,
                                     .on_change = on_change,
                                     .context = crowd};
    assert_int_equal(prober_create(&options, &crowd->prober), 0);
}

static bool stopped(void *context)
{
    return prober_stopped(((struct crowd *)context)->prober);
}

static void end(struct crowd *crowd)
{
    prober_stop(crowd->prober);
    assert_true(io_sim_run(crowd->net, stopped, crowd, 1000));
    prober_destroy(&crowd->prober);
    pool_fini(&crowd->pool);
    free(crowd->list);
    free(crowd->workers);
    io_sim_run(crowd->net, NULL, NULL, 10);
    io_destroy(&crowd->io);
    buf_pool_fini(&crowd->buffers);
    io_sim_net_destroy(&crowd->net);
}

/* How many results the kept histories have in each of these slices of time from from_ns on. */
static void count_results(struct crowd *crowd, int64_t from_ns, int64_t slice_ns, uint32_t slices, uint32_t *counts)
{
    memset(counts, 0, slices * sizeof(*counts));
    for (uint32_t i = 0; i < CROWD; i++) {
        struct health health;
        struct probe_stats stats;
        prober_read(crowd->prober, &crowd->workers[i], &health, &stats);
        uint64_t kept = stats.probes < PROBE_HISTORY ? stats.probes : PROBE_HISTORY;
        for (uint64_t k = 0; k < kept; k++) {
            int64_t at = stats.history[(stats.probes - 1 - k) % PROBE_HISTORY].at_ns - from_ns;
            if (at >= 0 && at / slice_ns < slices)
                counts[at / slice_ns]++;
        }
    }
}

static int64_t result_ns(struct crowd *crowd, uint32_t worker, uint64_t index)
{
    struct health health;
    struct probe_stats stats;
    prober_read(crowd->prober, &crowd->workers[worker], &health, &stats);
    return stats.history[index % PROBE_HISTORY].at_ns;
}

static void crowd_is_asked_without_bursts(void **state)
{
    struct crowd crowd;
    uint32_t starts[CROWD / PROBE_STARTS_PER_MS], counts[INTERVAL_MS / 100];
    start(&crowd, CROWD, NULL);
    prober_start(crowd.prober);
    /* At the start a few in each millisecond, so that all have been asked when 200 have passed. */
    io_sim_run(crowd.net, NULL, NULL, 250);
    int64_t begun = result_ns(&crowd, 0, 0);
    count_results(&crowd, begun, 1000000, ARRAY_SIZE(starts), starts);
    for (uint32_t i = 0; i < ARRAY_SIZE(starts); i++)
        assert_in_range(starts[i], 1, 3 * PROBE_STARTS_PER_MS);
    assert_true(result_ns(&crowd, CROWD - 1, 0) > 0);
    /* Later as many in each tenth of a second, give or take what chance gives and takes. */
    for (int round = 0; round < 5; round++) {
        io_sim_run(crowd.net, NULL, NULL, round ? 3 * INTERVAL_MS : 2 * INTERVAL_MS);
        int64_t last = begun + (round ? 3 * INTERVAL_MS * round + 2 * INTERVAL_MS : 2 * INTERVAL_MS) * INT64_C(1000000);
        count_results(&crowd, last - INTERVAL_MS * INT64_C(1000000), 100000000, ARRAY_SIZE(counts), counts);
        for (uint32_t i = 0; i < ARRAY_SIZE(counts); i++)
            assert_in_range(counts[i], CROWD / ARRAY_SIZE(counts) / 2, CROWD / ARRAY_SIZE(counts) * 2);
    }
    end(&crowd);
}

static bool all_up(void *context)
{
    return pool_alive(&((struct crowd *)context)->pool) == HEAVY;
}

/* Five weights of a thousand slots and more together, going up one behind the other in one moment. */
static void crowd_has_its_schedule_published_in_its_own_time(void **state)
{
    static const uint32_t weights[HEAVY] = {256, 255, 254, 253, 251};
    struct scripted_worker far;
    struct crowd crowd;
    start(&crowd, HEAVY, weights);
    scripted_worker_start(&far, crowd.net);
    for (uint32_t i = 0; i < HEAVY; i++)
        crowd.workers[i].addr.storage = far.address;
    prober_start(crowd.prober);
    assert_true(io_sim_run(crowd.net, all_up, &crowd, 1000));
    assert_int_equal(crowd.changes, HEAVY);
    assert_int_equal(crowd.behind, 1); /* the fourth made the schedule long: the fifth waits */
    assert_int_equal(pool_publish_pause_ms(&crowd.pool), 1);
    io_sim_run(crowd.net, NULL, NULL, 2);
    assert_int_equal(pool_round(&crowd.pool), 256 + 255 + 254 + 253 + 251);
    scripted_worker_stop(&far);
    end(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowd_is_asked_without_bursts),
        cmocka_unit_test(crowd_has_its_schedule_published_in_its_own_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
