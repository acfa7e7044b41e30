/* Health probes: asks each worker's health path at its interval and enters the results.
 *
 * Runs on the control thread, on its own loop and connections: traffic cannot delay a probe, nor a probe traffic. The
 * answer's body is read to its end so that the connection serves the next probe. Probes start at once, though no more
 * than PROBE_STARTS_PER_MS together; the probe after a change of health comes after a random part of the interval, so
 * that a pool's probes are spread evenly over it, and jitter keeps them so.
 */
#ifndef BALANCE_PROBE_H
#define BALANCE_PROBE_H

#include "balance/pool.h"
#include "base/rand.h"
#include "http/h1_client.h"

enum { PROBE_HISTORY = 8, PROBE_STARTS_PER_MS = 10 };

struct probe_result {
    int64_t at_ns; /* wall clock */
    uint32_t took_us;
    uint16_t status; /* of the answer; 0 without one */
    int error;       /* a code of err.h; 0 with an answer */
    bool good;
};

struct probe_stats {
    uint64_t probes;
    uint64_t failures;
    uint64_t took_us_sum;
    struct probe_result history[PROBE_HISTORY]; /* ring: the newest at (probes - 1) % PROBE_HISTORY */
};

struct prober;

struct prober_options {
    struct io *io;
    struct pool *const *pools;
    uint32_t pool_count;
    uint32_t worker_count; /* worker->index is below it */
    uint64_t seed;         /* of the jitter; 0: from the system */
    /* Told of each transition after the pool's schedule was published (or, where that has a pause to keep, before);
     * change is HEALTH_WENT_UP or _WENT_DOWN. */
    void (*on_change)(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result);
    void *context;
};

/* 0, or a code with nothing started. */
MUST_CHECK int prober_create(const struct prober_options *options, struct prober **ret_prober);
/* Before prober_start: what was known of a worker elsewhere. Whether it is alive follows from that; its pool is not yet
 * published. */
void prober_restore(struct prober *prober, struct worker *worker, const struct health *health,
                    const struct probe_stats *stats);
/* Starts probing all workers. */
void prober_start(struct prober *prober);
/* An operator wants this worker asked no more, or again. Meanwhile nothing is known of it: its state is unknown, and it
 * gets requests again after a good probe, as at the start. */
void prober_pause(struct prober *prober, struct worker *worker, bool paused);
/* Room for workers with an index below `workers` and for so many pools, before anybody reads of them and before
 * prober_adopt. 0, -ERR_NO_MEMORY, -ERR_FULL. */
MUST_CHECK int prober_grow(struct prober *prober, uint32_t workers, uint32_t pools);
/* Another configuration's pools, with worker->pool and ->removed set accordingly; it has grown to `workers`. New
 * workers are asked at once, kept ones keep state, results and schedule, removed ones are asked no more. */
void prober_adopt(struct prober *prober, struct pool *const *pools, uint32_t pool_count, uint32_t workers);
/* Closes everything; prober_stopped says when it is done. */
void prober_stop(struct prober *prober);
bool prober_stopped(const struct prober *prober);
/* Stopped, or never started. Nulls. */
void prober_destroy(struct prober **prober);

/* A worker's state and last results. Safe from any thread: copied under the prober's lock. */
void prober_read(struct prober *prober, const struct worker *worker, struct health *ret_health,
                 struct probe_stats *ret_stats);

/* Its last result, of what prober_read told; back: so many before that, fewer than there were. NULL: there was none. */
static inline const struct probe_result *probe_result_back(const struct probe_stats *stats, uint64_t back)
{
    return stats->probes > back ? &stats->history[(stats->probes - 1 - back) % PROBE_HISTORY] : NULL;
}

/* More of why it is bad, in words for people: of a certificate that is not believed, what is wrong with it now. Empty:
 * its error says it all. out has room for TRANSPORT_REFUSAL_MAX. */
struct str probe_detail(const struct worker *worker, const struct probe_result *result, char *out);

#endif
