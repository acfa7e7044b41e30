/* Everything that the metrics page tells of a server is told of the one that takes its place too. */
#include "control/admin_handover.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/overlay.h"
#include "control/snapshot.h"
#include "control_helper.h"
#include "io/io_epoll.h"

static const char three[] =
    "pools: {web: {workers: [127.0.0.1:3001, 127.0.0.1:3002, {address: 127.0.0.1:3003, name: blue}]}}\n";
static const char two[] = "pools: {web: {workers: [127.0.0.1:3002, 127.0.0.1:3004]}}\n";

/* A server with one account. */
struct world {
    struct config *config;
    struct overlay overlay;
    struct roster roster;
    struct snapshot *snapshot, *newest;
    struct buf_pool buffers;
    struct io *io;
    struct prober *prober;
    struct account account;
    const struct account *accounts[1];
    struct metric_sources sources;
};

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
}

static void begin(struct world *w, const char *config, const struct handover *before)
{
    struct carried carried = {.ends = NULL};
    memset(w, 0, sizeof(*w));
    w->config = helper_load(config);
    assert_int_equal(roster_init(&w->roster), 0);
    if (before) {
        assert_int_equal(handover_enter(before, &w->roster), 0);
        assert_int_equal(handover_changes(before, &carried.changes), 0);
    }
    assert_int_equal(overlay_carry(w->config, &carried, false, &w->overlay), 0);
    carried_fini(&carried);
    assert_int_equal(snapshot_create(w->overlay.config, &w->roster, NULL, &w->snapshot), 0);
    snapshot_enter(w->snapshot, &w->roster, &w->newest);
    buf_pool_init(&w->buffers, 16 << 20);
    struct io_options io = {.backend = &io_epoll_backend, .buffers = &w->buffers};
    assert_int_equal(io_create(&io, &w->io), 0);
    struct prober_options prober = {.io = w->io,
                                    .pools = w->snapshot->pools,
                                    .pool_count = w->snapshot->pool_count,
                                    .worker_count = w->snapshot->index_end,
                                    .on_change = on_change};
    assert_int_equal(prober_create(&prober, &w->prober), 0);
    assert_int_equal(account_init(&w->account, w->snapshot->index_end), 0);
    w->accounts[0] = &w->account;
    w->sources = (struct metric_sources){.roster = &w->roster,
                                         .snapshot = w->snapshot,
                                         .accounts = w->accounts,
                                         .account_count = 1,
                                         .prober = w->prober,
                                         .started_s = 1767225600};
}

static void end(struct world *w)
{
    account_fini(&w->account);
    prober_destroy(&w->prober);
    io_destroy(&w->io);
    buf_pool_fini(&w->buffers);
    snapshot_destroy(&w->snapshot);
    roster_fini(&w->roster);
    overlay_fini(&w->overlay);
    config_destroy(&w->config);
}

/* The caller's to free. */
static char *page_of(struct world *w)
{
    struct bufq out;
    struct metric_page *page = NULL;
    bufq_init(&out, &w->buffers);
    assert_int_equal(metric_page_write(&w->sources, w->snapshot, &page, &out), 0);
    size_t n = bufq_bytes(&out), at = 0;
    char *text = calloc(1, n + 1);
    assert_non_null(text);
    while (at < n) {
        struct str front = bufq_front(&out);
        memcpy(text + at, front.p, front.n);
        at += front.n;
        bufq_consume(&out, front.n);
    }
    return text;
}

/* Every word another number. */
static void count_something(struct world *w)
{
    struct account_totals totals;
    struct account_worker counted;
    uint64_t *words = (uint64_t *)(void *)&totals, number = 1000;

    for (size_t i = 0; i < sizeof(totals) / sizeof(*words); i++)
        words[i] = number++;
    account_begin(&w->account);
    account_set_totals(&w->account, &totals);
    for (uint32_t k = 0; k < roster_count(&w->roster); k++) {
        words = (uint64_t *)(void *)&counted;
        for (size_t i = 0; i < sizeof(counted) / sizeof(*words); i++)
            words[i] = number++;
        account_set_worker(&w->account, roster_at(&w->roster, k), &counted);
    }
    account_end(&w->account);
}

/* One is up, one is down, of the third nothing is known; the first is drained and weighs 3. */
static void learn_something(struct world *w)
{
    struct worker **workers = w->snapshot->workers;
    struct probe_stats stats = {.probes = 12, .failures = 5, .took_us_sum = 12345};

    for (uint32_t i = 4; i < 12; i++)
        stats.history[i % PROBE_HISTORY] = (struct probe_result){.at_ns = 1700000000000000000 + i,
                                                                 .took_us = 100 + i,
                                                                 .status = i % 2 ? 200 : 0,
                                                                 .error = i % 2 ? 0 : -ERR_CONNECT_REFUSED,
                                                                 .good = i % 2};
    prober_restore(w->prober, workers[0], &(struct health){HEALTH_UP, 1}, &stats);
    prober_restore(w->prober, workers[1], &(struct health){HEALTH_DOWN, 0}, &stats);
    pool_publish(w->snapshot->pools[0]);
    assert_int_equal(pool_set_weight(w->snapshot->pools[0], workers[0], 3), 0);
    pool_set_mode(w->snapshot->pools[0], workers[0], WORKER_DRAIN);
    atomic_store(&workers[1]->idle_age.word, 0xffffffffffULL);
    atomic_store(w->snapshot->pools[0]->turn, 77);
}

/* What it has learned of the first, as an operator's changes: one that is kept and one that is not. */
static struct changes list_of(const struct world *w)
{
    struct changes changes = {.items = NULL};
    for (uint32_t i = 0; i < 2; i++) {
        const struct worker *worker = w->snapshot->workers[i];
        struct change change = {.kind = CHANGE_SET, .addr = worker->addr, .keep = i == 0, .by = "a test"};
        change.mode = i == 0 ? WORKER_DRAIN : WORKER_DISABLED;
        change.weight = i == 0 ? 3 : 0;
        change_text(change.pool, sizeof(change.pool), worker->pool_name);
        change_text(change.address, sizeof(change.address), worker->address);
        assert_int_equal(changes_put(&changes, &change), 0);
    }
    return changes;
}

/* What `of` tells; the caller's to free. */
static struct handover *told_by(struct world *w, int *ret_fd)
{
    int fd = memfd_create("handover-test", 0);
    assert_true(fd >= 0);
    assert_int_equal(handover_write(fd, &w->sources), 0);
    struct handover *told = handover_read(fd);
    assert_non_null(told);
    if (ret_fd)
        *ret_fd = fd;
    else
        close(fd);
    return told;
}

/* With a list of changes, or as a server without one tells modes and weights. */
static void tells_the_same_page(bool list)
{
    struct world one, other;
    struct health health;
    struct probe_stats stats, told_stats;

    begin(&one, three, NULL);
    count_something(&one);
    learn_something(&one);
    for (size_t i = 0; i < ARRAY_SIZE(one.sources.reloads); i++)
        one.sources.reloads[i] = 3 + i;
    struct changes changes = list ? list_of(&one) : (struct changes){.items = NULL};
    one.sources.changes = list ? &changes : NULL;
    struct handover *told = told_by(&one, NULL);
    begin(&other, three, told);
    assert_int_equal(other.overlay.changes.count, 1);
    assert_string_equal(other.overlay.changes.items[0].by, list ? "a test" : "an earlier version");
    handover_count_reloads(told, &other.sources);
    assert_int_equal(handover_restore(told, &other.roster, other.snapshot, other.prober), 3);
    overlay_set_modes(&other.overlay.changes, other.snapshot->workers, other.snapshot->worker_count, other.prober);
    handover_count(told, &other.roster, &other.account, false);
    assert_memory_equal(&one.account.totals, &other.account.totals, sizeof(one.account.totals));
    char *page = page_of(&one), *other_page = page_of(&other);
    assert_string_equal(page, other_page);
    assert_non_null(strstr(page, "ballast_worker_weight{pool=\"web\",worker=\"3001\"} 3\n"));
    for (uint32_t i = 0; i < 3; i++) {
        prober_read(one.prober, one.snapshot->workers[i], &health, &stats);
        prober_read(other.prober, other.snapshot->workers[i], &health, &told_stats);
        assert_memory_equal(&stats, &told_stats, sizeof(stats));
    }
    assert_int_equal(health.state, HEALTH_UNKNOWN);
    assert_int_equal(atomic_load(&other.snapshot->workers[1]->idle_age.word), 0xffffffffffULL);
    assert_int_equal(atomic_load(other.snapshot->pools[0]->turn), 77);
    free(page);
    free(other_page);
    changes_fini(&changes);
    handover_free(&told);
    end(&one);
    end(&other);
}

static void the_next_server_tells_the_same_page(void **state)
{
    tells_the_same_page(true);
}

static void after_an_earlier_version_too(void **state)
{
    tells_the_same_page(false);
}

static void workers_that_are_gone_are_counted(void **state)
{
    struct world one, other;
    struct account_totals totals = {0};
    struct account_worker sum = {0}, workers[8] = {{0}}, scratch[8];

    begin(&one, three, NULL);
    count_something(&one);
    struct handover *told = told_by(&one, NULL);
    begin(&other, two, told);
    assert_int_equal(roster_count(&other.roster), 4);
    assert_int_equal(handover_restore(told, &other.roster, other.snapshot, other.prober), 1);
    handover_count(told, &other.roster, &other.account, false);
    account_add_to(&other.account, &totals, workers, scratch, 4);
    for (uint32_t i = 0; i < 4; i++)
        sum.dispatches += workers[i].dispatches;
    uint64_t before = 0;
    memset(workers, 0, sizeof(workers));
    account_add_to(&one.account, &totals, workers, scratch, 3);
    for (uint32_t i = 0; i < 3; i++)
        before += workers[i].dispatches;
    assert_int_equal(sum.dispatches, before);
    handover_free(&told);
    end(&one);
    end(&other);
}

static void what_was_under_way_at_the_end_has_failed(void **state)
{
    struct world one, other;

    begin(&one, three, NULL);
    account_begin(&one.account);
    account_set_totals(
        &one.account,
        &(struct account_totals){.total = 10, .ok = 7, .failed = 1, .active = 2, .clients_open = 4, .tunnels_open = 1});
    account_end(&one.account);
    struct handover *told = told_by(&one, NULL);
    begin(&other, three, told);
    handover_count(told, &other.roster, &other.account, true);
    const struct account_totals *totals = &other.account.totals;
    assert_int_equal(totals->failed, 3);
    assert_int_equal(totals->by_reason[ERR_DRAINING], 2);
    assert_int_equal(totals->active + totals->clients_open + totals->tunnels_open, 0);
    assert_int_equal(totals->total, totals->ok + totals->failed + totals->aborted + totals->active);
    handover_free(&told);
    end(&one);
    end(&other);
}

static void what_is_not_whole_is_not_believed(void **state)
{
    struct world one;
    int fd;

    begin(&one, three, NULL);
    struct handover *told = told_by(&one, &fd);
    handover_free(&told);
    off_t n = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < n; at += 7) {
        char c, other;
        assert_int_equal(pread(fd, &c, 1, at), 1);
        other = (char)(c ^ 1);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        told = handover_read(fd);
        assert_null(told);
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
    }
    assert_int_equal(ftruncate(fd, n - 1), 0);
    assert_null(handover_read(fd));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_null(handover_read(fd));
    close(fd);
    end(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_server_tells_the_same_page),
        cmocka_unit_test(after_an_earlier_version_too),
        cmocka_unit_test(workers_that_are_gone_are_counted),
        cmocka_unit_test(what_was_under_way_at_the_end_has_failed),
        cmocka_unit_test(what_is_not_whole_is_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
