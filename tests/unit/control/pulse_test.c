/* Rates, percentiles and samples from counters, in virtual time. */
#include "control/pulse.h"

#include "base/clock.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

enum { REACTORS = 2 };

struct fixture {
    struct config *config;
    struct roster roster;
    struct snapshot *snapshot, *newest;
    struct account accounts[REACTORS];
    const struct account *pointers[REACTORS];
    struct metric_sources sources;
    struct pulse *pulse;
};

static int64_t now_ns;

static int64_t test_clock(enum clock_kind kind)
{
    return now_ns;
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    now_ns = INT64_C(1000000000000);
    clock_set_source(test_clock);
    f->config = helper_load("pools: {web: {workers: [3001, 3002]}, api: {workers: [3003]}}\nroutes: [{pool: web}]\n");
    assert_int_equal(roster_init(&f->roster), 0);
    assert_int_equal(snapshot_create(f->config, &f->roster, NULL, &f->snapshot), 0);
    snapshot_enter(f->snapshot, &f->roster, &f->newest);
    for (int i = 0; i < REACTORS; i++) {
        assert_int_equal(account_init(&f->accounts[i], 3), 0);
        f->pointers[i] = &f->accounts[i];
    }
    f->sources = (struct metric_sources){
        .roster = &f->roster, .snapshot = f->snapshot, .accounts = f->pointers, .account_count = REACTORS};
}

static void teardown(struct fixture *f)
{
    pulse_destroy(&f->pulse);
    assert_null(f->pulse);
    for (int i = 0; i < REACTORS; i++)
        account_fini(&f->accounts[i]);
    snapshot_destroy(&f->snapshot);
    roster_fini(&f->roster);
    config_destroy(&f->config);
    clock_set_source(NULL);
}

static void answer(struct fixture *f, uint32_t worker, uint64_t us, bool good)
{
    struct account *account = &f->accounts[us % REACTORS];
    struct account_record record = {.outcome = good ? ACCOUNT_OK : ACCOUNT_FAILED,
                                    .error = good ? 0 : -ERR_ANSWER_CUT,
                                    .status = 200,
                                    .answered = f->snapshot->workers[worker],
                                    .duration_us = us};
    account_note_begun(account);
    account_note_dispatch(account, record.answered);
    account_note_ended(account, record.answered, &record);
}

static void beat(struct fixture *f, int64_t ms)
{
    now_ns += ms * 1000000;
    pulse_beat(f->pulse);
}

#define assert_near(a, b) assert_true((a) > (b)*0.87 && (a) < (b)*1.13)

static void pulse_tells_rates(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(pulse_create(&f.sources, &f.pulse), 0);
    beat(&f, 1000);
    assert_true(pulse_rates(f.pulse).requests == 0 && pulse_rates(f.pulse).p99_ms == 0);
    for (uint64_t i = 0; i < 100; i++)
        answer(&f, 0, i < 95 ? 2000 + i : 50000, i != 0);
    answer(&f, 2, 300, true);
    beat(&f, 2000);
    struct pulse_rates all = pulse_rates(f.pulse), worker = pulse_worker_rates(f.pulse, 0);
    struct pulse_rates web = pulse_pool_rates(f.pulse, f.snapshot->pools[0]);
    assert_true(all.requests == 50.5 && all.failures == 0.5);
    assert_true(worker.requests == 50 && worker.failures == 0.5);
    assert_true(web.requests == 50 && web.p50_ms == worker.p50_ms);
    assert_near(worker.p50_ms, 2.05);
    assert_near(worker.p99_ms, 50.0);
    assert_near(pulse_pool_rates(f.pulse, f.snapshot->pools[1]).p50_ms, 0.300);
    assert_true(pulse_worker_rates(f.pulse, 1).p50_ms == 0);
    assert_int_equal(pulse_totals(f.pulse)->total, 101);
    assert_int_equal(pulse_worker_counts(f.pulse, 2)->dispatches, 1);
    teardown(&f);
}

/* A latency stays when requests end, and gives way to newer ones. */
static void pulse_fades(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(pulse_create(&f.sources, &f.pulse), 0);
    for (int i = 0; i < 100; i++)
        answer(&f, 0, 100000, true);
    beat(&f, 1000);
    beat(&f, 1000);
    assert_true(pulse_rates(f.pulse).requests == 0);
    assert_near(pulse_rates(f.pulse).p50_ms, 100.0);
    for (int s = 0; s < 30; s++) {
        for (int i = 0; i < 100; i++)
            answer(&f, 0, 1000, true);
        beat(&f, 1000);
    }
    assert_near(pulse_rates(f.pulse).p50_ms, 1.0);
    for (int s = 0; s < 300; s++)
        beat(&f, 1000);
    assert_true(pulse_rates(f.pulse).p50_ms == 0);
    teardown(&f);
}

static void pulse_keeps_samples(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(pulse_create(&f.sources, &f.pulse), 0);
    assert_int_equal(pulse_sample_count(f.pulse), 0);
    for (int s = 0; s < PULSE_SAMPLES + 7; s++) {
        for (int i = 0; i < s; i++)
            answer(&f, 0, 1000, true);
        beat(&f, 1000);
    }
    assert_int_equal(pulse_sample_count(f.pulse), PULSE_SAMPLES);
    assert_true(pulse_sample(f.pulse, 0)->rates.requests == 7);
    assert_true(pulse_sample(f.pulse, PULSE_SAMPLES - 1)->rates.requests == PULSE_SAMPLES + 6);
    assert_int_equal(pulse_sample(f.pulse, PULSE_SAMPLES - 1)->at_s, now_ns / 1000000000);
    teardown(&f);
}

static void pulse_survives_no_memory(void **state)
{
    struct fixture f;
    setup(&f);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        int error = pulse_create(&f.sources, &f.pulse);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulse_tells_rates),
        cmocka_unit_test(pulse_fades),
        cmocka_unit_test(pulse_keeps_samples),
        cmocka_unit_test(pulse_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
