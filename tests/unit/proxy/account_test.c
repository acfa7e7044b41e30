/* The counters: each note's effect, and readers that never see half of one. */
#include "proxy/account.h"

#include <pthread.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

enum { WORKERS = 3 };

static struct worker workers[WORKERS] = {{.index = 0}, {.index = 1}, {.index = 2}};

static struct account_totals totals;
static struct account_worker sums[WORKERS], scratch[WORKERS];

static void read_again(const struct account *account)
{
    memset(&totals, 0, sizeof(totals));
    memset(sums, 0, sizeof(sums));
    account_add_to(account, &totals, sums, scratch, WORKERS);
}

static void account_counts_lives(void **state)
{
    struct account account;
    assert_int_equal(account_init(&account, WORKERS), 0);
    account_note_begun(&account);
    account_note_dispatch(&account, &workers[0]);
    account_note_retry(&account, &workers[0], -ERR_CONN_CLOSED);
    account_note_dispatch(&account, &workers[2]);
    read_again(&account);
    assert_int_equal(totals.total, 1);
    assert_int_equal(totals.active, 1);
    assert_int_equal(totals.dispatches, 2);
    assert_int_equal(totals.retries[ERR_CONN_CLOSED], 1);
    assert_int_equal(sums[0].dispatches, 1);
    assert_int_equal(sums[0].broken, 1);
    struct account_record record = {.outcome = ACCOUNT_OK,
                                    .status = 302,
                                    .answered = &workers[2],
                                    .duration_us = 500,
                                    .request_bytes = 10,
                                    .answer_bytes = 20};
    account_note_ended(&account, &workers[2], &record);
    read_again(&account);
    assert_int_equal(totals.active, 0);
    assert_int_equal(totals.ok, 1);
    assert_int_equal(totals.bytes_from_clients, 10);
    assert_int_equal(totals.bytes_from_workers, 20);
    assert_int_equal(totals.duration_us_sum, 500);
    assert_int_equal(totals.duration_buckets[0], 1); /* bounds belong to their bucket */
    assert_int_equal(sums[2].answers[2], 1);
    assert_int_equal(sums[2].broken, 0);
    account_fini(&account);
}

/* Open until it ends, and why if that was our doing. */
static void account_counts_tunnels(void **state)
{
    static const int errors[] = {0, -ERR_TUNNEL_IDLE, -ERR_TUNNEL_DRAINED, -ERR_CLIENT_GONE};
    struct account account;
    assert_int_equal(account_init(&account, WORKERS), 0);
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        account_note_begun(&account);
        account_note_tunnel(&account);
    }
    read_again(&account);
    assert_int_equal(totals.tunnels_open, ARRAY_SIZE(errors));
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct account_record record = {.tunnel = true,
                                        .error = errors[i],
                                        .status = 101,
                                        .answered = &workers[0],
                                        .outcome = i == 3 ? ACCOUNT_ABORTED : ACCOUNT_OK};
        account_note_ended(&account, &workers[0], &record);
    }
    read_again(&account);
    assert_int_equal(totals.tunnels, ARRAY_SIZE(errors));
    assert_int_equal(totals.tunnels_open, 0);
    assert_int_equal(totals.tunnels_idle, 1);
    assert_int_equal(totals.tunnels_drained, 1);
    assert_int_equal(totals.duration_count, 0);
    account_fini(&account);
}

/* What became of it, and what each end counts. */
static const struct {
    enum account_outcome outcome;
    int error, status;
    int answered, last; /* worker index, -1: none */
    int own_class;      /* of the status Ballast made itself, -1: none */
    bool broken;
} ends[] = {
    {ACCOUNT_OK, 0, 100, 1, 1, -1, false},
    {ACCOUNT_OK, 0, 599, 1, 1, -1, false},
    {ACCOUNT_OK, 0, 200, -1, -1, 1, false}, /* TRACE answered by us */
    {ACCOUNT_FAILED, -ERR_NO_WORKER, 503, -1, -1, 4, false},
    {ACCOUNT_FAILED, -ERR_ANSWER_TIMEOUT, 504, -1, 1, 4, true},
    {ACCOUNT_FAILED, -ERR_ANSWER_CUT, 200, 1, 1, -1, true},
    {ACCOUNT_ABORTED, -ERR_CLIENT_GONE, 0, -1, 1, -1, true},
    {ACCOUNT_ABORTED, -ERR_CLIENT_STALLED, 200, 1, 1, -1, true},
    {ACCOUNT_ABORTED, -ERR_CLIENT_GONE, 0, -1, -1, -1, false},
    {ACCOUNT_FAILED, -ERR_REQUEST_LINE, 400, -1, -1, 3, false},
};

static const struct worker *worker_of(int index)
{
    return index < 0 ? NULL : &workers[index];
}

static void account_counts_ends(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct account account;
        struct account_record record = {.outcome = ends[i].outcome,
                                        .error = ends[i].error,
                                        .status = ends[i].status,
                                        .answered = worker_of(ends[i].answered)};
        assert_int_equal(account_init(&account, WORKERS), 0);
        account_note_begun(&account);
        account_note_ended(&account, worker_of(ends[i].last), &record);
        read_again(&account);
        assert_int_equal(totals.total, 1);
        assert_int_equal(totals.active, 0);
        assert_int_equal(totals.ok, ends[i].outcome == ACCOUNT_OK);
        assert_int_equal(totals.failed, ends[i].outcome == ACCOUNT_FAILED);
        assert_int_equal(totals.aborted, ends[i].outcome == ACCOUNT_ABORTED);
        if (ends[i].error)
            assert_int_equal(totals.by_reason[-ends[i].error], 1);
        assert_int_equal(sums[1].broken, ends[i].broken);
        bool answered = ends[i].answered >= 0 && ends[i].outcome == ACCOUNT_OK;
        assert_int_equal(sums[1].answers[ends[i].status < 100 ? 0 : ends[i].status / 100 - 1], answered);
        for (int c = 0; c < ACCOUNT_CLASSES; c++)
            assert_int_equal(totals.own_answers[c], c == ends[i].own_class);
        account_fini(&account);
    }
}

static void account_sorts_durations(void **state)
{
    struct account account;
    struct account_record record = {.outcome = ACCOUNT_OK, .status = 200, .answered = &workers[0]};
    assert_int_equal(account_init(&account, WORKERS), 0);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
        assert_true(i == 0 || account_bucket_us[i] > account_bucket_us[i - 1]);
        account_note_begun(&account);
        record.duration_us = account_bucket_us[i];
        account_note_ended(&account, NULL, &record);
        account_note_begun(&account);
        record.duration_us = account_bucket_us[i] + 1;
        account_note_ended(&account, NULL, &record);
    }
    read_again(&account);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++)
        assert_int_equal(totals.duration_buckets[i], i == 0 ? 1 : 2);
    assert_int_equal(totals.duration_count, 2 * ACCOUNT_BUCKETS); /* one was above the last */
    account_fini(&account);
}

static void account_adds_up_several(void **state)
{
    struct account a, b;
    assert_int_equal(account_init(&a, WORKERS), 0);
    assert_int_equal(account_init(&b, WORKERS), 0);
    for (int i = 0; i < 3; i++)
        account_note_begun(&a);
    account_note_begun(&b);
    account_note_dispatch(&a, &workers[1]);
    account_note_dispatch(&b, &workers[1]);
    read_again(&a);
    account_add_to(&b, &totals, sums, scratch, WORKERS);
    assert_int_equal(totals.total, 4);
    assert_int_equal(sums[1].dispatches, 2);
    account_fini(&a);
    account_fini(&b);
}

static void account_survives_no_memory(void **state)
{
    struct account account;
    alloc_fail_at(1);
    assert_int_equal(account_init(&account, WORKERS), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    account_fini(&account);
}

/* ---- readers beside the writer ---- */

enum { READERS = 3, ROUNDS = 30000 };

static struct account shared;
static _Atomic bool done;

static bool is_whole(const struct account_totals *seen, const struct account_worker *each)
{
    uint64_t dispatches = 0, answers = 0, reasons = 0;
    for (int i = 0; i < WORKERS; i++) {
        dispatches += each[i].dispatches;
        answers += each[i].answers[1];
    }
    for (int i = 0; i < ERR_COUNT; i++)
        reasons += seen->by_reason[i];
    return seen->total == seen->ok + seen->failed + seen->aborted + seen->active && dispatches == seen->dispatches &&
           answers == seen->ok && reasons == seen->failed + seen->aborted && seen->active <= 1 &&
           seen->duration_count == seen->total - seen->active;
}

static void *read_on(void *context)
{
    uint64_t *broken = context, before = 0;
    while (!atomic_load(&done)) {
        struct account_totals seen = {0};
        struct account_worker each[WORKERS] = {0}, copies[WORKERS];
        account_add_to(&shared, &seen, each, copies, WORKERS);
        *broken += !is_whole(&seen, each) || seen.total < before;
        before = seen.total;
    }
    return NULL;
}

static void account_is_read_whole(void **state)
{
    pthread_t readers[READERS];
    uint64_t broken[READERS] = {0};
    assert_int_equal(account_init(&shared, WORKERS), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &broken[i]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        const struct worker *worker = &workers[i % WORKERS];
        struct account_record record = {.outcome = ACCOUNT_OK, .status = 200, .answered = worker};
        if (i % 5 == 0)
            record = (struct account_record){.outcome = ACCOUNT_FAILED, .error = -ERR_CONN_RESET, .status = 502};
        if (i % 7 == 0)
            record = (struct account_record){.outcome = ACCOUNT_ABORTED, .error = -ERR_CLIENT_GONE};
        account_note_begun(&shared);
        account_note_dispatch(&shared, worker);
        account_note_ended(&shared, worker, &record);
    }
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        assert_int_equal(broken[i], 0);
    }
    read_again(&shared);
    assert_int_equal(totals.total, ROUNDS);
    assert_true(is_whole(&totals, sums));
    account_fini(&shared);
}

/* Every duration is in one bucket, which begins at or below it and ends above it. */
static void account_has_latency_buckets(void **state)
{
    assert_int_equal(account_latency_of(0), 0);
    assert_int_equal(account_latency_of(63), 0);
    assert_int_equal(account_latency_of(64), 1);
    assert_int_equal(account_latency_of(UINT64_MAX), ACCOUNT_LATENCIES - 1);
    for (uint64_t us = 64; us < (UINT64_C(1) << 26); us += 1 + us / 37) {
        uint32_t bucket = account_latency_of(us);
        assert_true(account_latency_us(bucket) <= us);
        if (bucket + 1 < ACCOUNT_LATENCIES)
            assert_true(us < account_latency_us(bucket + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_has_latency_buckets), cmocka_unit_test(account_counts_lives),
        cmocka_unit_test(account_counts_ends),         cmocka_unit_test(account_sorts_durations),
        cmocka_unit_test(account_adds_up_several),     cmocka_unit_test(account_survives_no_memory),
        cmocka_unit_test(account_is_read_whole),       cmocka_unit_test(account_counts_tunnels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
