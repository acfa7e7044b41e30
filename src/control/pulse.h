/* How it goes: rates of the last second and latencies of the last ten, of everything, of each pool and of each worker;
 * and a sample a second of the last minutes. Read from the reactors' counters, on the control thread.
 */
#ifndef CONTROL_PULSE_H
#define CONTROL_PULSE_H

#include "control/metric_text.h"

enum { PULSE_MS = 1000, PULSE_SAMPLES = 300 };

struct pulse_rates {
    double requests, failures; /* a second */
    double p50_ms, p99_ms;     /* of workers' answers, the older ones weighing less; 0 without any */
};

struct pulse_sample {
    int64_t at_s; /* wall clock */
    struct pulse_rates rates;
    uint64_t active;
};

struct pulse;

/* start-up only. sources outlive it. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int pulse_create(const struct metric_sources *sources, struct pulse **ret_pulse);
/* Before accounts count for workers with an index up to `workers`. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int pulse_grow(struct pulse *pulse, uint32_t workers);
/* NULL is harmless. */
void pulse_destroy(struct pulse **pulse);

/* Once every PULSE_MS: a sample. */
void pulse_beat(struct pulse *pulse);
/* What is counted now is no rate: another server has counted it. */
void pulse_settle(struct pulse *pulse);
/* Adds the counters up anew; what pulse_totals and pulse_worker_counts point to is as of the last time. */
void pulse_read(struct pulse *pulse);
const struct account_totals *pulse_totals(const struct pulse *pulse);
const struct account_worker *pulse_worker_counts(const struct pulse *pulse, uint32_t worker);

/* As of the last beat. */
struct pulse_rates pulse_rates(const struct pulse *pulse);
struct pulse_rates pulse_pool_rates(const struct pulse *pulse, const struct pool *pool);
struct pulse_rates pulse_worker_rates(const struct pulse *pulse, uint32_t worker);
/* Samples kept, and one of them: 0 is the oldest. */
uint32_t pulse_sample_count(const struct pulse *pulse);
const struct pulse_sample *pulse_sample(const struct pulse *pulse, uint32_t index);

#endif
