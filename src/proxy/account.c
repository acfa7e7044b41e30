/* The counters' sequence lock: one writer, the reactor, which never waits; readers that were overtaken read again. The
 * data under it is copied word by word with relaxed atomics, which cost what plain moves cost and keep the race
 * defined. */
#include "proxy/account.h"

#include "balance/pool.h"

const uint32_t account_bucket_us[ACCOUNT_BUCKETS] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
                                                     100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

int account_init(struct account *account, uint32_t workers)
{
    memset(account, 0, sizeof(*account));
    table_init(&account->workers, sizeof(struct account_worker));
    table_init(&account->latencies, ACCOUNT_LATENCIES * sizeof(_Atomic uint32_t));
    int error = account_grow(account, workers);
    if (error)
        account_fini(account);
    return error;
}

int account_grow(struct account *account, uint32_t workers)
{
    int error = table_grow(&account->workers, workers);

    if (!error)
        error = table_grow(&account->latencies, workers);
    if (!error && workers > atomic_load(&account->worker_count))
        atomic_store(&account->worker_count, workers);
    return error;
}

void account_fini(struct account *account)
{
    table_fini(&account->workers);
    table_fini(&account->latencies);
}

static struct account_worker *counters_of(const struct account *account, const struct worker *worker)
{
    return table_at(&account->workers, worker->index);
}

uint32_t account_latency_of(uint64_t us)
{
    if (us < ACCOUNT_LATENCY_FIRST_US)
        return 0;
    uint32_t doublings = 63 - (uint32_t)__builtin_clzll(us);
    uint32_t bucket = 1 + 4 * (doublings - 6) + (uint32_t)((us >> (doublings - 2)) & 3);
    return bucket < ACCOUNT_LATENCIES ? bucket : ACCOUNT_LATENCIES - 1;
}

uint64_t account_latency_us(uint32_t bucket)
{
    return bucket == 0 ? 0 : (uint64_t)(4 + (bucket - 1) % 4) << (4 + (bucket - 1) / 4);
}

void account_begin(struct account *account)
{
    uint32_t sequence = atomic_load_explicit(&account->sequence, memory_order_relaxed);

    ASSERT((sequence & 1) == 0);
    atomic_store_explicit(&account->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

void account_end(struct account *account)
{
    uint32_t sequence = atomic_load_explicit(&account->sequence, memory_order_relaxed);

    ASSERT((sequence & 1) == 1);
    atomic_store_explicit(&account->sequence, sequence + 1, memory_order_release);
}

static void bump(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

static void copy_words(void *to, const void *from, size_t bytes)
{
    uint64_t *out = to;
    const uint64_t *in = from;

    for (size_t i = 0; i < bytes / sizeof(*in); i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}

static void set_words(void *to, const void *from, size_t bytes)
{
    uint64_t *out = to;
    const uint64_t *in = from;

    for (size_t i = 0; i < bytes / sizeof(*in); i++)
        __atomic_store_n(&out[i], in[i], __ATOMIC_RELAXED);
}

static void add_words(void *to, const void *what, size_t bytes)
{
    uint64_t *sum = to;
    const uint64_t *in = what;

    for (size_t i = 0; i < bytes / sizeof(*in); i++)
        sum[i] += in[i];
}

static bool try_copy(const struct account *account, struct account_totals *totals, struct account_worker *workers,
                     uint32_t count)
{
    uint32_t sequence = atomic_load_explicit(&account->sequence, memory_order_acquire);

    if (sequence & 1)
        return false;
    copy_words(totals, &account->totals, sizeof(*totals));
    for (uint32_t i = 0; i < count; i++)
        copy_words(&workers[i], table_at(&account->workers, i), sizeof(*workers));
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&account->sequence, memory_order_relaxed) == sequence;
}

void account_add_to(const struct account *account, struct account_totals *totals, struct account_worker *workers,
                    struct account_worker *scratch, uint32_t count)
{
    struct account_totals copy;

    ASSERT(count <= atomic_load(&account->worker_count));
    while (!try_copy(account, &copy, scratch, count))
        ;
    add_words(totals, &copy, sizeof(copy));
    add_words(workers, scratch, count * sizeof(*workers));
}

void account_set_totals(struct account *account, const struct account_totals *totals)
{
    set_words(&account->totals, totals, sizeof(*totals));
}

void account_set_worker(struct account *account, const struct worker *worker, const struct account_worker *counted)
{
    set_words(counters_of(account, worker), counted, sizeof(*counted));
}

void account_note_begun(struct account *account)
{
    account_begin(account);
    bump(&account->totals.total, 1);
    bump(&account->totals.active, 1);
    account_end(account);
}

void account_note_dispatch(struct account *account, const struct worker *worker)
{
    account_begin(account);
    bump(&account->totals.dispatches, 1);
    bump(&counters_of(account, worker)->dispatches, 1);
    account_end(account);
}

void account_note_retry(struct account *account, const struct worker *worker, int error)
{
    account_begin(account);
    bump(&account->totals.retries[-error], 1);
    bump(&counters_of(account, worker)->broken, 1);
    account_end(account);
}

void account_note_tunnel(struct account *account)
{
    account_begin(account);
    bump(&account->totals.tunnels, 1);
    bump(&account->totals.tunnels_open, 1);
    account_end(account);
}

void account_note_retry_refused(struct account *account, enum retry_refusal why)
{
    account_begin(account);
    bump(&account->totals.retries_refused[why], 1);
    account_end(account);
}

void account_note_retry_waits(struct account *account)
{
    account_begin(account);
    bump(&account->totals.retries_waited, 1);
    account_end(account);
}

static void note_duration(struct account_totals *totals, uint64_t us)
{
    bump(&totals->duration_us_sum, us);
    bump(&totals->duration_count, 1);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
        if (us > account_bucket_us[i])
            continue;
        bump(&totals->duration_buckets[i], 1);
        return;
    }
}

static void note_outcome(struct account_totals *totals, const struct account_record *record)
{
    bump(&totals->active, (uint64_t)-1);
    switch (record->outcome) {
    case ACCOUNT_OK: bump(&totals->ok, 1); break;
    case ACCOUNT_FAILED: bump(&totals->failed, 1); break;
    case ACCOUNT_ABORTED: bump(&totals->aborted, 1); break;
    }
    if (record->outcome != ACCOUNT_OK)
        bump(&totals->by_reason[-record->error], 1);
}

static size_t class_of(int status)
{
    ASSERT(status >= 100 && status < 600);
    return (size_t)status / 100 - 1;
}

static void note_latency(struct account *account, const struct account_record *record)
{
    _Atomic uint32_t *buckets = table_at(&account->latencies, record->answered->index);
    _Atomic uint32_t *bucket = &buckets[account_latency_of(record->duration_us)];

    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void note_tunnel_ended(struct account_totals *totals, int error)
{
    bump(&totals->tunnels_open, (uint64_t)-1);
    bump(&totals->tunnels_idle, error == -ERR_TUNNEL_IDLE);
    bump(&totals->tunnels_drained, error == -ERR_TUNNEL_DRAINED);
}

void account_note_ended(struct account *account, const struct worker *last, const struct account_record *record)
{
    struct account_totals *totals = &account->totals;

    if (record->answered)
        note_latency(account, record);
    account_begin(account);
    note_outcome(totals, record);
    if (record->tunnel)
        note_tunnel_ended(totals, record->error);
    else
        note_duration(totals, record->duration_us);
    bump(&totals->bytes_from_clients, record->request_bytes);
    bump(&totals->bytes_from_workers, record->answer_bytes);
    if (record->answered && record->outcome == ACCOUNT_OK)
        bump(&counters_of(account, record->answered)->answers[class_of(record->status)], 1);
    else if (last)
        bump(&counters_of(account, last)->broken, 1);
    if (!record->answered && record->status)
        bump(&totals->own_answers[class_of(record->status)], 1);
    account_end(account);
}
