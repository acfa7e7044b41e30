/* Writes the page from whole states: the accounts are added up first, each under its sequence lock, and only then
 * printed, piece by piece. Runs on the reactor that was asked, once a scrape. */
#include "control/metric_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_id {
#define METRIC(id, name, type, help) METRIC_##id,
#include "control/metric.def"
#undef METRIC
};

static const struct {
    const char *name, *type, *help;
} metrics[] = {
#define METRIC(id, name, type, help) {name, type, help},
#include "control/metric.def"
#undef METRIC
};

struct metric_page {
    const struct metric_sources *sources;
    const struct snapshot *snapshot;
    struct bufq *out;
    int error; /* the first one; nothing is written after it */
    struct account_totals totals;
    uint32_t count; /* of workers: all that were ever known */
    uint32_t *told; /* indexes of those that speak for themselves, with what their namesakes counted before */
    uint32_t *here; /* and of those that are configured, as it was when the page was begun */
    uint32_t told_count, here_count;
    struct account_worker *workers;
    uint32_t section, item; /* to be written next */
};

__attribute__((format(printf, 2, 3))) static void put(struct metric_page *page, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ASSERT(n >= 0);
    size_t bytes = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
    if (!page->error)
        page->error = bufq_append(page->out, line, bytes);
}

typedef unsigned long long ull;

static const struct worker *worker_of(const struct metric_page *page, uint32_t index)
{
    return roster_at(page->sources->roster, index);
}

/* Gone from the configuration: what it counted is told as long as the process lives, how it is not. */
static bool is_gone(const struct metric_page *page, uint32_t index)
{
    return atomic_load(&worker_of(page, index)->removed);
}

/* ---- the lines that were asked for ---- */

static void put_totals(struct metric_page *page)
{
    const struct account_totals *totals = &page->totals;

    put(page, "requests_total %llu\nrequests_failed %llu\nrequests_active %llu\n", (ull)totals->total,
        (ull)totals->failed, (ull)totals->active);
}

static void put_alive(struct metric_page *page, uint32_t index)
{
    const struct worker *worker = worker_of(page, index);

    put(page, "worker_%.*s_alive %d\n", STR_ARG(worker_id(worker)), atomic_load(&worker->told_alive));
}

static void put_asked(struct metric_page *page, uint32_t index)
{
    put(page, "worker_%.*s_requests %llu\n", STR_ARG(worker_id(worker_of(page, index))),
        (ull)page->workers[index].dispatches);
}

/* The page begins with the plain lines themselves, so their help follows them. */
static void put_help(struct metric_page *page)
{
    put(page, "requests_ok %llu\nrequests_aborted %llu\n", (ull)page->totals.ok, (ull)page->totals.aborted);
    put(page, "# HELP requests_total Requests whose head was complete or refused; ok + failed + aborted + active.\n"
              "# HELP requests_failed Requests that did not get a worker's whole answer through no doing of a leaving "
              "client.\n"
              "# HELP requests_active Requests being worked on.\n"
              "# HELP requests_ok Requests answered whole.\n"
              "# HELP requests_aborted Requests whose client left or stopped reading.\n");
}

static void put_help_of(struct metric_page *page, uint32_t index)
{
    struct str id = worker_id(worker_of(page, index));

    put(page,
        "# HELP worker_%.*s_alive Whether it is healthy: 1 or 0.\n"
        "# HELP worker_%.*s_requests Requests sent to it.\n",
        STR_ARG(id), STR_ARG(id));
}

/* ---- labelled series ---- */

static void put_head(struct metric_page *page, enum metric_id id)
{
    put(page, "# HELP %s %s\n# TYPE %s %s\n", metrics[id].name, metrics[id].help, metrics[id].name, metrics[id].type);
}

static void put_single(struct metric_page *page, enum metric_id id, uint64_t value)
{
    put_head(page, id);
    put(page, "%s %llu\n", metrics[id].name, (ull)value);
}

static void put_word(struct metric_page *page, enum metric_id id, const char *label, const char *word, uint64_t value)
{
    put(page, "%s{%s=\"%s\"} %llu\n", metrics[id].name, label, word, (ull)value);
}

/* Label values: names may hold what the format quotes. */
struct label {
    char text[256];
};

static struct label quoted(struct str value)
{
    struct label label;
    size_t n = 0;

    for (size_t i = 0; i < value.n && n + 3 < sizeof(label.text); i++) {
        char c = value.p[i];
        if (c == '"' || c == '\\')
            label.text[n++] = '\\';
        label.text[n++] = c == '\n' ? ' ' : c;
    }
    label.text[n] = 0;
    return label;
}

static void put_about(struct metric_page *page)
{
    put_head(page, METRIC_BUILD_INFO);
    put(page, "%s{version=\"%s\"} 1\n", metrics[METRIC_BUILD_INFO].name, BALLAST_VERSION);
    put_single(page, METRIC_START_TIME, (uint64_t)page->sources->started_s);
    put_head(page, METRIC_REQUESTS);
}

static void put_answers_of(struct metric_page *page, uint32_t index)
{
    struct label pool = quoted(worker_of(page, index)->pool_name), name = quoted(worker_name(worker_of(page, index)));

    for (unsigned c = 1; c < ACCOUNT_CLASSES; c++)
        put(page, "%s{pool=\"%s\",worker=\"%s\",code_class=\"%uxx\"} %llu\n", metrics[METRIC_REQUESTS].name, pool.text,
            name.text, c + 1, (ull)page->workers[index].answers[c]);
}

static void put_own_answers(struct metric_page *page)
{
    for (unsigned c = 1; c < ACCOUNT_CLASSES; c++)
        put(page, "%s{pool=\"\",worker=\"\",code_class=\"%uxx\"} %llu\n", metrics[METRIC_REQUESTS].name, c + 1,
            (ull)page->totals.own_answers[c]);
    put_head(page, METRIC_DISPATCHES);
}

static void put_of_worker(struct metric_page *page, enum metric_id id, uint32_t index, uint64_t value)
{
    put(page, "%s{pool=\"%s\",worker=\"%s\"} %llu\n", metrics[id].name, quoted(worker_of(page, index)->pool_name).text,
        quoted(worker_name(worker_of(page, index))).text, (ull)value);
}

static void put_dispatches_of(struct metric_page *page, uint32_t index)
{
    put_of_worker(page, METRIC_DISPATCHES, index, page->workers[index].dispatches);
}

static void put_broken(struct metric_page *page)
{
    put_head(page, METRIC_BROKEN);
}

static void put_broken_of(struct metric_page *page, uint32_t index)
{
    put_of_worker(page, METRIC_BROKEN, index, page->workers[index].broken);
}

static void put_up_of(struct metric_page *page, uint32_t index)
{
    put_of_worker(page, METRIC_WORKER_UP, index, atomic_load(&worker_of(page, index)->told_alive));
}

static void put_takes(struct metric_page *page)
{
    put_head(page, METRIC_WORKER_TAKES);
}

static void put_takes_of(struct metric_page *page, uint32_t index)
{
    put_of_worker(page, METRIC_WORKER_TAKES, index, worker_takes(worker_of(page, index)));
}

static void put_weight(struct metric_page *page)
{
    put_head(page, METRIC_WORKER_WEIGHT);
}

static void put_weight_of(struct metric_page *page, uint32_t index)
{
    put_of_worker(page, METRIC_WORKER_WEIGHT, index, worker_weight(worker_of(page, index)));
}

/* Reasons that never happened are left out, but for the first, so that the series exists from the start. */
static void put_by_reason(struct metric_page *page, enum metric_id id, const uint64_t *counts, int always)
{
    put_head(page, id);
    for (int code = 1; code < ERR_COUNT; code++)
        if (counts[code] || code == always)
            put(page, "%s{reason=\"%s\"} %llu\n", metrics[id].name, err_reason(code), (ull)counts[code]);
}

static void put_idle_close_of(struct metric_page *page, uint32_t index)
{
    const struct worker *worker = worker_of(page, index);

    put(page, "%s{pool=\"%s\",worker=\"%s\"} %.3f\n", metrics[METRIC_IDLE_CLOSE].name, quoted(worker->pool_name).text,
        quoted(worker_name(worker)).text, (double)idle_age_learned_ms(&worker->idle_age) / 1e3);
}

static void put_retries_refused(struct metric_page *page)
{
    put_head(page, METRIC_RETRIES_REFUSED);
    for (int why = 0; why < RETRY_REFUSALS; why++)
        put(page, "%s{reason=\"%s\"} %llu\n", metrics[METRIC_RETRIES_REFUSED].name,
            retry_refusal_word((enum retry_refusal)why), (ull)page->totals.retries_refused[why]);
}

static void put_duration(struct metric_page *page)
{
    const char *name = metrics[METRIC_DURATION].name;
    uint64_t below = 0;

    put_head(page, METRIC_DURATION);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
        below += page->totals.duration_buckets[i];
        put(page, "%s_bucket{le=\"%g\"} %llu\n", name, account_bucket_us[i] / 1e6, (ull)below);
    }
    put(page, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n", name, (ull)page->totals.duration_count, name,
        (double)page->totals.duration_us_sum / 1e6, name, (ull)page->totals.duration_count);
}

static void put_tunnels(struct metric_page *page)
{
    const struct account_totals *totals = &page->totals;

    put_single(page, METRIC_TUNNELS, totals->tunnels_open);
    put_single(page, METRIC_TUNNELS_TOTAL, totals->tunnels);
    put_head(page, METRIC_TUNNELS_CLOSED);
    put_word(page, METRIC_TUNNELS_CLOSED, "reason", "idle", totals->tunnels_idle);
    put_word(page, METRIC_TUNNELS_CLOSED, "reason", "drained", totals->tunnels_drained);
}

static void put_connections(struct metric_page *page)
{
    const char *name = metrics[METRIC_CONNECTIONS].name;
    const struct account_totals *totals = &page->totals;

    put_head(page, METRIC_CONNECTIONS);
    put(page, "%s{side=\"client\",state=\"open\"} %llu\n", name, (ull)totals->clients_open);
    put(page, "%s{side=\"worker\",state=\"open\"} %llu\n", name, (ull)totals->workers_open);
    put(page, "%s{side=\"worker\",state=\"idle\"} %llu\n", name, (ull)totals->workers_idle);
}

static void put_threads(struct metric_page *page)
{
    put_head(page, METRIC_BY_THREAD);
    for (uint32_t i = 0; i < page->sources->threads; i++)
        put(page, "%s{thread=\"%u\"} %llu\n", metrics[METRIC_BY_THREAD].name, i,
            (ull)__atomic_load_n(&page->sources->accounts[i]->totals.clients_open, __ATOMIC_RELAXED));
}

static void put_refused(struct metric_page *page)
{
    const char *name = metrics[METRIC_REFUSED].name;

    put_head(page, METRIC_REFUSED);
    put(page, "%s{reason=\"system\"} %llu\n", name, (ull)page->totals.accepts_refused);
    put(page, "%s{reason=\"client_limit\"} %llu\n", name, (ull)page->totals.clients_turned_away);
}

static void put_proxied(struct metric_page *page)
{
    static const char *const results[PROXIED_NOTES] = {"taken",   "local",     "plain",     "untrusted",
                                                       "missing", "malformed", "too_large", "timeout"};

    put_head(page, METRIC_PROXY_HEADERS);
    for (int i = 0; i < PROXIED_NOTES; i++)
        put(page, "%s{result=\"%s\"} %llu\n", metrics[METRIC_PROXY_HEADERS].name, results[i],
            (ull)page->totals.proxied[i]);
}

static void put_tls(struct metric_page *page)
{
    static const char *const results[TLS_RESULTS] = {"full", "resumed", "failed", "refused"};

    put_head(page, METRIC_TLS_HANDSHAKES);
    for (int i = 0; i < TLS_RESULTS; i++)
        put(page, "%s{result=\"%s\"} %llu\n", metrics[METRIC_TLS_HANDSHAKES].name, results[i],
            (ull)page->totals.handshakes[i]);
    put_single(page, METRIC_TLS_STEPS, page->totals.handshakes[TLS_NOTE_STEP]);
    put_single(page, METRIC_TLS_PUT_OFF, page->totals.handshakes[TLS_NOTE_PUT_OFF]);
    put_head(page, METRIC_TLS_KERNEL);
    put(page, "%s{direction=\"send\"} %llu\n", metrics[METRIC_TLS_KERNEL].name,
        (ull)page->totals.handshakes[TLS_NOTE_KERNEL]);
    for (size_t i = 0, seen = 0; i < page->snapshot->listener_count; i++) {
        const struct snapshot_listener *listener = &page->snapshot->listeners[i];
        for (size_t k = 0; listener->tls && k < tls_ctx_certificates(listener->tls); k++) {
            if (seen++ == 0)
                put_head(page, METRIC_TLS_CERT_EXPIRY);
            put(page, "%s{listener=\"%s\",certificate=\"%s\"} %lld\n", metrics[METRIC_TLS_CERT_EXPIRY].name,
                quoted(listener->address).text, quoted(listener->certificates[k]).text,
                (long long)tls_ctx_not_after_s(listener->tls, k));
        }
    }
}

/* Both sides': why connections were ended. */
static void put_http2_ends(struct metric_page *page, enum metric_id id, const struct h2_counts *h2)
{
    put_word(page, id, "reason", "error", h2->errors);
    put_word(page, id, "reason", "control_frames", h2->floods[H2_FLOOD_CONTROL]);
    put_word(page, id, "reason", "empty_frames", h2->floods[H2_FLOOD_EMPTY]);
    put_word(page, id, "reason", "head_pieces", h2->floods[H2_FLOOD_HEADS]);
}

static void put_http2_clients(struct metric_page *page, const struct h2_counts *h2)
{
    put_single(page, METRIC_H2_SESSIONS, h2->sessions);
    put_head(page, METRIC_H2_STREAMS);
    put_word(page, METRIC_H2_STREAMS, "result", "accepted", h2->streams);
    put_word(page, METRIC_H2_STREAMS, "result", "refused", h2->streams_refused);
    put_word(page, METRIC_H2_STREAMS, "result", "reset", h2->streams_reset);
    put_head(page, METRIC_H2_ENDED);
    put_http2_ends(page, METRIC_H2_ENDED, h2);
    put_word(page, METRIC_H2_ENDED, "reason", "resets", h2->floods[H2_FLOOD_RESETS]);
}

static void put_http2_workers(struct metric_page *page, const struct h2_counts *h2)
{
    put_single(page, METRIC_H2_WORKER_SESSIONS, h2->sessions);
    put_head(page, METRIC_H2_WORKER_STREAMS);
    put_word(page, METRIC_H2_WORKER_STREAMS, "result", "opened", h2->streams);
    put_word(page, METRIC_H2_WORKER_STREAMS, "result", "refused", h2->streams_refused);
    put_word(page, METRIC_H2_WORKER_STREAMS, "result", "reset", h2->streams_reset);
    put_head(page, METRIC_H2_WORKER_ENDED);
    put_http2_ends(page, METRIC_H2_WORKER_ENDED, h2);
    put_word(page, METRIC_H2_WORKER_ENDED, "reason", "goaway", h2->goaways);
}

static void put_bytes(struct metric_page *page)
{
    const char *name = metrics[METRIC_BODY_BYTES].name;

    put_head(page, METRIC_BODY_BYTES);
    put(page, "%s{side=\"client\"} %llu\n", name, (ull)page->totals.bytes_from_clients);
    put(page, "%s{side=\"worker\"} %llu\n", name, (ull)page->totals.bytes_from_workers);
}

static void put_probes(struct metric_page *page)
{
    put_head(page, METRIC_PROBES);
}

static void put_probes_of(struct metric_page *page, uint32_t index)
{
    const struct worker *worker = worker_of(page, index);
    struct label pool = quoted(worker->pool_name), name = quoted(worker_name(worker));
    struct health health;
    struct probe_stats stats;

    prober_read(page->sources->prober, worker, &health, &stats);
    put(page, "%s{pool=\"%s\",worker=\"%s\",result=\"good\"} %llu\n", metrics[METRIC_PROBES].name, pool.text, name.text,
        (ull)(stats.probes - stats.failures));
    put(page, "%s{pool=\"%s\",worker=\"%s\",result=\"bad\"} %llu\n", metrics[METRIC_PROBES].name, pool.text, name.text,
        (ull)stats.failures);
}

static void put_probe_duration(struct metric_page *page)
{
    put_head(page, METRIC_PROBE_DURATION);
}

static void put_probe_duration_of(struct metric_page *page, uint32_t index)
{
    const struct worker *worker = worker_of(page, index);
    struct label pool = quoted(worker->pool_name), name = quoted(worker_name(worker));
    struct health health;
    struct probe_stats stats;

    prober_read(page->sources->prober, worker, &health, &stats);
    put(page, "%s_sum{pool=\"%s\",worker=\"%s\"} %.6f\n", metrics[METRIC_PROBE_DURATION].name, pool.text, name.text,
        (double)stats.took_us_sum / 1e6);
    put(page, "%s_count{pool=\"%s\",worker=\"%s\"} %llu\n", metrics[METRIC_PROBE_DURATION].name, pool.text, name.text,
        (ull)stats.probes);
}

static void put_dropped(struct metric_page *page)
{
    static const struct logs none;
    const struct logs *logs = page->sources->logs ? page->sources->logs : &none;

    put_single(page, METRIC_LOG_DROPPED, logs->access ? sink_dropped(logs->access) : 0);
    put_single(page, METRIC_EVENTS_DROPPED, logs->events ? sink_dropped(logs->events) : 0);
}

static void put_spans(struct metric_page *page)
{
    const struct metric_sources *sources = page->sources;
    const char *name = metrics[METRIC_SPANS].name;
    struct span_export_counts counts = {0};

    if (sources->export)
        span_export_read(sources->export, &counts);
    put_head(page, METRIC_SPANS);
    put(page, "%s{result=\"sent\"} %llu\n", name, (ull)counts.sent);
    put(page, "%s{result=\"failed\"} %llu\n", name, (ull)counts.failed);
    put(page, "%s{result=\"dropped\"} %llu\n", name, (ull)(sources->spans ? span_queue_dropped(sources->spans) : 0));
}

static void put_reloads(struct metric_page *page)
{
    static const char *const results[RELOADS_RESULTS] = {"applied", "failed", "refused", "rolled_back"};

    put_head(page, METRIC_RELOADS);
    for (int i = 0; i < RELOADS_RESULTS; i++)
        put(page, "%s{result=\"%s\"} %llu\n", metrics[METRIC_RELOADS].name, results[i],
            (ull)atomic_load_explicit(&page->sources->reloads[i], memory_order_relaxed));
    put_head(page, METRIC_ROLLBACK_REQUESTS);
    put(page, "%s{result=\"ended\"} %llu\n", metrics[METRIC_ROLLBACK_REQUESTS].name,
        (ull)atomic_load_explicit(&page->sources->rollback_ended, memory_order_relaxed));
    put(page, "%s{result=\"failed\"} %llu\n", metrics[METRIC_ROLLBACK_REQUESTS].name,
        (ull)atomic_load_explicit(&page->sources->rollback_failed, memory_order_relaxed));
}

static void put_traffic(struct metric_page *page)
{
    const struct account_totals *totals = &page->totals;

    put_by_reason(page, METRIC_FAILURES, totals->by_reason, ERR_NO_WORKER);
    put_by_reason(page, METRIC_RETRIES, totals->retries, ERR_CONNECT_REFUSED);
    put_retries_refused(page);
    put_single(page, METRIC_RETRIES_WAITED, totals->retries_waited);
    put_duration(page);
    put_tunnels(page);
    put_bytes(page);
    put_connections(page);
    put_threads(page);
    put_single(page, METRIC_PASSED_ON, totals->clients_passed_on);
    put_single(page, METRIC_ACCEPTED, totals->clients_accepted);
    put_refused(page);
    put_proxied(page);
    put_tls(page);
    put_single(page, METRIC_HEADS_LOST, totals->heads_lost);
    put_head(page, METRIC_IDLE_CLOSE);
}

static void put_http2(struct metric_page *page)
{
    put_http2_clients(page, &page->totals.h2);
    put_http2_workers(page, &page->totals.h2_workers);
    put_head(page, METRIC_WORKER_UP);
}

static void put_own_affairs(struct metric_page *page)
{
    put_dropped(page);
    put_spans(page);
    put_reloads(page);
    put_single(page, METRIC_RUN_TIME_CHANGES,
               atomic_load_explicit(&page->sources->run_time_changes, memory_order_relaxed));
}

/* ---- piece by piece ---- */

/* The page in its order: once, then for each worker that is here, or that is told of. */
static const struct section {
    void (*once)(struct metric_page *page); /* or NULL */
    void (*each)(struct metric_page *page, uint32_t index);
    bool told;
} sections[] = {
    {put_totals, put_alive, false},
    {NULL, put_asked, false},
    {put_help, put_help_of, false},
    {put_about, put_answers_of, true},
    {put_own_answers, put_dispatches_of, true},
    {put_broken, put_broken_of, true},
    {put_traffic, put_idle_close_of, false},
    {put_http2, put_up_of, false},
    {put_takes, put_takes_of, false},
    {put_weight, put_weight_of, false},
    {put_probes, put_probes_of, false},
    {put_probe_duration, put_probe_duration_of, false},
    {put_own_affairs, NULL, false},
};

static uint32_t items_of(const struct metric_page *page, const struct section *section)
{
    return !section->each ? 0 : section->told ? page->told_count : page->here_count;
}

static void put_item(struct metric_page *page, const struct section *section, uint32_t item)
{
    if (item > 0)
        section->each(page, (section->told ? page->told : page->here)[item - 1]);
    else if (section->once)
        section->once(page);
}

/* 1 when there is more, 0 or a code. */
static int put_piece(struct metric_page *page)
{
    size_t end = bufq_bytes(page->out) + METRIC_PIECE_BYTES;

    for (; page->section < ARRAY_SIZE(sections); page->section++, page->item = 0) {
        const struct section *section = &sections[page->section];
        for (uint32_t count = items_of(page, section); page->item <= count; page->item++) {
            if (page->error)
                return page->error;
            if (bufq_bytes(page->out) >= end)
                return 1;
            put_item(page, section, page->item);
        }
    }
    return page->error;
}

/* Whole states of all accounts. The number of workers is read again afterwards: whoever was added meanwhile may have
 * been sent a request. */
static int add_up(struct metric_page *page)
{
    const struct metric_sources *sources = page->sources;

    do {
        page->count = roster_count(sources->roster);
        free(page->workers); /* not per request: once a scrape */
        page->workers =
            calloc(2 * (size_t)page->count + 1, sizeof(*page->workers)); /* not per request: once a scrape */
        if (!page->workers)
            return -ERR_NO_MEMORY;
        memset(&page->totals, 0, sizeof(page->totals));
        for (uint32_t i = 0; i < sources->account_count; i++)
            account_add_to(sources->accounts[i], &page->totals, page->workers, page->workers + page->count,
                           page->count);
    } while (page->count != roster_count(sources->roster));
    return 0;
}

/* What removed workers counted goes to those that bear their names now. */
static int fold(struct metric_page *page)
{
    page->told = calloc(page->count + 1, sizeof(*page->told)); /* not per request: once a scrape */
    page->here = calloc(page->count + 1, sizeof(*page->here)); /* not per request: once a scrape */
    if (!page->told || !page->here)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < page->count; i++) {
        const struct worker *heir = atomic_load(&worker_of(page, i)->heir);
        const struct account_worker *from = &page->workers[i];
        if (!is_gone(page, i))
            page->here[page->here_count++] = i;
        if (!heir) {
            page->told[page->told_count++] = i;
            continue;
        }
        struct account_worker *to = &page->workers[heir->index];
        to->dispatches += from->dispatches;
        to->broken += from->broken;
        for (unsigned c = 0; c < ACCOUNT_CLASSES; c++)
            to->answers[c] += from->answers[c];
    }
    return 0;
}

void metric_page_drop(struct metric_page **page)
{
    if (!*page)
        return;
    free((*page)->workers); /* not per request: see add_up */
    free((*page)->told);    /* not per request: see fold */
    free((*page)->here);    /* not per request: see fold */
    free(*page);            /* not per request: see metric_page_write */
    *page = NULL;
}

int metric_page_write(const struct metric_sources *sources, const struct snapshot *snapshot, struct metric_page **page,
                      struct bufq *out)
{
    int error = 0;

    if (!*page) {
        *page = calloc(1, sizeof(**page)); /* not per request: once a scrape */
        if (!*page)
            return -ERR_NO_MEMORY;
        **page = (struct metric_page){.sources = sources, .snapshot = snapshot, .out = out};
        error = add_up(*page);
        if (!error)
            error = fold(*page);
    }
    if (!error)
        error = put_piece(*page);
    if (error != 1)
        metric_page_drop(page);
    return error;
}
