/* The difference of two readings a second apart. Owned by control/admin, on the control thread.
 *
 * Latencies are kept as histograms that fade: each beat takes a tenth off what was there and adds what is new, so that
 * a quiet worker's number does not vanish with the second in which it was last asked. */
#include "control/pulse.h"

#include <stdlib.h>

#include "base/clock.h"

#define FADE 0.9F

struct seen {
    uint64_t requests, failures;
    double requests_per_s, failures_per_s;
};

struct histogram {
    float counts[ACCOUNT_LATENCIES];
};

struct pulse {
    const struct metric_sources *sources;
    uint32_t count; /* rows of the tables below */
    struct account_totals totals;
    struct account_worker *workers, *scratch; /* by worker index, as the others */
    uint32_t *latencies;                      /* as last read, over all reactors */
    struct histogram *faded;
    struct seen *seen;
    struct seen all;
    struct histogram all_faded;
    int64_t beat_ns;
    uint64_t beats;
    struct pulse_sample samples[PULSE_SAMPLES]; /* ring */
};

/* not per request: a table gets more rows, all zero. */
static int grow(void *table, size_t row_bytes, uint32_t from, uint32_t to)
{
    char **at = table;
    char *grown = reallocarray(*at, to, row_bytes);

    if (!grown)
        return -ERR_NO_MEMORY;
    memset(grown + from * row_bytes, 0, (to - from) * row_bytes);
    *at = grown;
    return 0;
}

int pulse_grow(struct pulse *pulse, uint32_t workers)
{
    uint32_t from = pulse->count;

    if (workers <= from)
        return 0;
    int error = grow(&pulse->workers, sizeof(*pulse->workers), from, workers);
    if (!error)
        error = grow(&pulse->scratch, sizeof(*pulse->scratch), from, workers);
    if (!error)
        error = grow(&pulse->latencies, ACCOUNT_LATENCIES * sizeof(*pulse->latencies), from, workers);
    if (!error)
        error = grow(&pulse->faded, sizeof(*pulse->faded), from, workers);
    if (!error)
        error = grow(&pulse->seen, sizeof(*pulse->seen), from, workers);
    if (!error)
        pulse->count = workers;
    return error;
}

/* start-up only: tables with a row for each worker. */
int pulse_create(const struct metric_sources *sources, struct pulse **ret_pulse)
{
    struct pulse *pulse = calloc(1, sizeof(*pulse));

    if (!pulse)
        return -ERR_NO_MEMORY;
    pulse->sources = sources;
    if (pulse_grow(pulse, roster_count(sources->roster))) {
        pulse_destroy(&pulse);
        return -ERR_NO_MEMORY;
    }
    pulse->beat_ns = clock_steady_ns();
    pulse_read(pulse);
    *ret_pulse = pulse;
    return 0;
}

/* start-up only: the other end of pulse_create. */
void pulse_destroy(struct pulse **destroyed)
{
    struct pulse *pulse = *destroyed;

    *destroyed = NULL;
    if (!pulse)
        return;
    free(pulse->workers);
    free(pulse->scratch);
    free(pulse->latencies);
    free(pulse->faded);
    free(pulse->seen);
    free(pulse);
}

void pulse_read(struct pulse *pulse)
{
    const struct metric_sources *sources = pulse->sources;

    memset(&pulse->totals, 0, sizeof(pulse->totals));
    memset(pulse->workers, 0, pulse->count * sizeof(*pulse->workers));
    for (uint32_t i = 0; i < sources->account_count; i++)
        account_add_to(sources->accounts[i], &pulse->totals, pulse->workers, pulse->scratch, pulse->count);
}

/* ---- beats ---- */

static void note_seen(struct seen *seen, uint64_t requests, uint64_t failures, double seconds)
{
    seen->requests_per_s = (double)(requests - seen->requests) / seconds;
    seen->failures_per_s = (double)(failures - seen->failures) / seconds;
    seen->requests = requests;
    seen->failures = failures;
}

static void fade_worker(struct pulse *pulse, uint32_t worker)
{
    const struct metric_sources *sources = pulse->sources;
    size_t first = (size_t)worker * ACCOUNT_LATENCIES;
    struct histogram *faded = &pulse->faded[worker];

    for (uint32_t b = 0; b < ACCOUNT_LATENCIES; b++) {
        uint32_t now = 0;
        for (uint32_t i = 0; i < sources->account_count; i++) {
            _Atomic uint32_t *buckets = table_at(&sources->accounts[i]->latencies, worker);
            now += atomic_load_explicit(&buckets[b], memory_order_relaxed);
        }
        faded->counts[b] = FADE * faded->counts[b] + (float)(now - pulse->latencies[first + b]);
        pulse->latencies[first + b] = now;
        pulse->all_faded.counts[b] += faded->counts[b];
    }
}

static void keep_sample(struct pulse *pulse)
{
    pulse->samples[pulse->beats++ % PULSE_SAMPLES] = (struct pulse_sample){
        .at_s = clock_wall_ns() / 1000000000,
        .rates = pulse_rates(pulse),
        .active = pulse->totals.active,
    };
}

void pulse_beat(struct pulse *pulse)
{
    int64_t now_ns = clock_steady_ns();
    double seconds = (double)(now_ns - pulse->beat_ns) / 1e9;

    if (seconds <= 0)
        return;
    pulse->beat_ns = now_ns;
    pulse_read(pulse);
    note_seen(&pulse->all, pulse->totals.total, pulse->totals.failed, seconds);
    memset(&pulse->all_faded, 0, sizeof(pulse->all_faded));
    for (uint32_t i = 0; i < pulse->count; i++) {
        note_seen(&pulse->seen[i], pulse->workers[i].dispatches, pulse->workers[i].broken, seconds);
        fade_worker(pulse, i);
    }
    keep_sample(pulse);
}

void pulse_settle(struct pulse *pulse)
{
    pulse_read(pulse);
    pulse->all = (struct seen){.requests = pulse->totals.total, .failures = pulse->totals.failed};
    for (uint32_t i = 0; i < pulse->count; i++)
        pulse->seen[i] = (struct seen){.requests = pulse->workers[i].dispatches, .failures = pulse->workers[i].broken};
}

/* ---- readings ---- */

/* Below which `share` of the answers were, in milliseconds: inside a bucket as if they were spread evenly. */
static double percentile(const struct histogram *histogram, double share)
{
    double total = 0, below = 0;

    for (uint32_t b = 0; b < ACCOUNT_LATENCIES; b++)
        total += (double)histogram->counts[b];
    if (total < 0.01) /* what has faded to nothing */
        return 0;
    for (uint32_t b = 0; b < ACCOUNT_LATENCIES; b++) {
        double count = (double)histogram->counts[b];
        double from = (double)account_latency_us(b);
        double to = b + 1 < ACCOUNT_LATENCIES ? (double)account_latency_us(b + 1) : from;
        if (count > 0 && below + count >= share * total)
            return (from + (to - from) * (share * total - below) / count) / 1000;
        below += count;
    }
    return (double)account_latency_us(ACCOUNT_LATENCIES - 1) / 1000;
}

static struct pulse_rates rates_of(const struct seen *seen, const struct histogram *histogram)
{
    return (struct pulse_rates){
        .requests = seen->requests_per_s,
        .failures = seen->failures_per_s,
        .p50_ms = percentile(histogram, 0.50),
        .p99_ms = percentile(histogram, 0.99),
    };
}

struct pulse_rates pulse_rates(const struct pulse *pulse)
{
    return rates_of(&pulse->all, &pulse->all_faded);
}

struct pulse_rates pulse_worker_rates(const struct pulse *pulse, uint32_t worker)
{
    return rates_of(&pulse->seen[worker], &pulse->faded[worker]);
}

struct pulse_rates pulse_pool_rates(const struct pulse *pulse, const struct pool *pool)
{
    struct seen seen = {0};
    struct histogram sum = {{0}};

    for (uint32_t i = 0; i < pool->count; i++) {
        uint32_t index = pool->workers[i]->index;
        seen.requests_per_s += pulse->seen[index].requests_per_s;
        seen.failures_per_s += pulse->seen[index].failures_per_s;
        for (uint32_t b = 0; b < ACCOUNT_LATENCIES; b++)
            sum.counts[b] += pulse->faded[index].counts[b];
    }
    return rates_of(&seen, &sum);
}

const struct account_totals *pulse_totals(const struct pulse *pulse)
{
    return &pulse->totals;
}

const struct account_worker *pulse_worker_counts(const struct pulse *pulse, uint32_t worker)
{
    return &pulse->workers[worker];
}

uint32_t pulse_sample_count(const struct pulse *pulse)
{
    return pulse->beats < PULSE_SAMPLES ? (uint32_t)pulse->beats : PULSE_SAMPLES;
}

const struct pulse_sample *pulse_sample(const struct pulse *pulse, uint32_t index)
{
    return &pulse->samples[(pulse->beats - pulse_sample_count(pulse) + index) % PULSE_SAMPLES];
}
