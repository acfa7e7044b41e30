/* Every word of an account is in the table below; a test looks for them all. Called by control/upgrade. */
#include "control/admin_handover.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/admin_changes.h"
#include "control/admin_past.h"
#include "control/admin_pools.h"

enum { HEAD_BYTES = 34, TEXT_MAX = 256 << 20 };

struct handover {
    json_t *json;
};

/* ---- the counters ---- */

struct counters {
    const char *name;
    size_t offset;
    uint32_t count;
    const char *(*word)(int index); /* NULL: a list; else an object by these words, without those that are 0 */
};

static const char *refusal_word(int index)
{
    return retry_refusal_word((enum retry_refusal)index);
}

#define COUNTER(name)                                         \
    {                                                         \
#name, offsetof(struct account_totals, name), 1, NULL \
    }
#define COUNTERS(name, words)                                                                                        \
    {                                                                                                                \
#name, offsetof(struct account_totals, name), sizeof(((struct account_totals *)0)->name) / sizeof(uint64_t), \
            words                                                                                                    \
    }

static const struct counters counters[] = {
    COUNTER(total),
    COUNTER(ok),
    COUNTER(failed),
    COUNTER(aborted),
    COUNTER(active),
    COUNTER(dispatches),
    COUNTERS(own_answers, NULL),
    COUNTERS(by_reason, err_reason),
    COUNTERS(retries, err_reason),
    COUNTERS(retries_refused, refusal_word),
    COUNTER(retries_waited),
    COUNTER(heads_lost),
    COUNTER(duration_us_sum),
    COUNTER(duration_count),
    COUNTERS(duration_buckets, NULL),
    COUNTER(bytes_from_clients),
    COUNTER(bytes_from_workers),
    COUNTER(tunnels),
    COUNTER(tunnels_open),
    COUNTER(tunnels_idle),
    COUNTER(tunnels_drained),
    COUNTER(clients_accepted),
    COUNTER(clients_passed_on),
    COUNTER(accepts_refused),
    COUNTER(clients_turned_away),
    COUNTERS(h2, NULL),
    COUNTERS(h2_workers, NULL),
    COUNTER(clients_open),
    COUNTERS(handshakes, NULL),
    COUNTERS(proxied, NULL),
    COUNTER(workers_open),
    COUNTER(workers_idle),
};

static uint64_t number_of(const json_t *json)
{
    json_int_t number = json_integer_value(json); /* 0: it is none */

    return number > 0 ? (uint64_t)number : 0;
}

static json_t *words_json(const uint64_t *words, const struct counters *of)
{
    json_t *json = of->word ? json_object() : json_array();

    for (uint32_t i = 0; i < of->count; i++) {
        if (!of->word)
            (void)json_array_append_new(json, json_integer((json_int_t)words[i]));
        else if (words[i])
            admin_set_int(json, of->word((int)i), words[i]);
    }
    return json;
}

static void read_words(const json_t *json, const struct counters *of, uint64_t *ret_words)
{
    for (uint32_t i = 0; i < of->count; i++)
        ret_words[i] = number_of(of->word ? json_object_get(json, of->word((int)i)) : json_array_get(json, i));
}

static uint64_t *words_of(struct account_totals *totals, const struct counters *of)
{
    return (uint64_t *)(void *)((char *)totals + of->offset);
}

static json_t *totals_json(struct account_totals *totals)
{
    json_t *json = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        admin_set(json, counters[i].name, words_json(words_of(totals, &counters[i]), &counters[i]));
    return json;
}

static void read_totals(const json_t *json, struct account_totals *ret_totals)
{
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        read_words(json_object_get(json, counters[i].name), &counters[i], words_of(ret_totals, &counters[i]));
}

static const struct counters worker_counters = {"counted", 0, sizeof(struct account_worker) / sizeof(uint64_t), NULL};

/* ---- writing ---- */

static json_t *probe_json(const struct probe_result *result)
{
    return json_pack("[IIIsb]", (json_int_t)result->at_ns, (json_int_t)result->took_us, (json_int_t)result->status,
                     result->error ? err_reason(result->error) : "", result->good);
}

static json_t *probes_json(const struct probe_stats *stats)
{
    uint64_t known = stats->probes < PROBE_HISTORY ? stats->probes : PROBE_HISTORY;
    json_t *list = json_array();

    for (uint64_t i = stats->probes - known; i < stats->probes; i++)
        (void)json_array_append_new(list, probe_json(&stats->history[i % PROBE_HISTORY]));
    return list;
}

static json_t *worker_json(struct prober *prober, const struct worker *worker, struct account_worker *counted)
{
    json_t *json = json_object();
    char addr[SOCK_TEXT_MAX];
    struct health health;
    struct probe_stats stats;

    prober_read(prober, worker, &health, &stats);
    admin_set_str(json, "pool", worker->pool_name);
    admin_set_str(json, "address", worker->address);
    admin_set_str(json, "socket", sock_addr_text(addr, &worker->addr.storage));
    admin_set_str(json, "given", roster_given_name(worker));
    admin_set_str(json, "name", worker_name(worker));
    admin_set_str(json, "id", worker_id(worker));
    admin_set_int(json, "state", health.state);
    admin_set_int(json, "streak", health.streak);
    admin_set_int(json, "probes", stats.probes);
    admin_set_int(json, "bad_probes", stats.failures);
    admin_set_int(json, "probes_us", stats.took_us_sum);
    admin_set(json, "last", probes_json(&stats));
    admin_set(json, "mode", json_string(admin_mode_word(atomic_load(&worker->mode))));
    admin_set_int(json, "weight", atomic_load(&worker->weight_change));
    admin_set_int(json, "idle_age", atomic_load(&worker->idle_age.word));
    admin_set(json, worker_counters.name, words_json((uint64_t *)(void *)counted, &worker_counters));
    return json;
}

/* Once an upgrade, and a few times a second while the server before ends. */
static json_t *workers_json(const struct metric_sources *sources, struct account_totals *totals)
{
    uint32_t count = roster_count(sources->roster);
    /* not per request: see above */
    struct account_worker *workers = calloc(2 * (size_t)count + 1, sizeof(*workers));
    json_t *list = workers ? json_array() : NULL;

    for (uint32_t i = 0; workers && i < sources->account_count; i++)
        account_add_to(sources->accounts[i], totals, workers, workers + count, count);
    for (uint32_t i = 0; workers && i < count; i++)
        (void)json_array_append_new(list, worker_json(sources->prober, roster_at(sources->roster, i), &workers[i]));
    free(workers); /* not per request: see above */
    return list;
}

static json_t *pools_json(const struct snapshot *snapshot)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        json_t *pool = json_object();
        admin_set_str(pool, "name", snapshot->pools[i]->name);
        admin_set_int(pool, "turn", atomic_load(snapshot->pools[i]->turn));
        (void)json_array_append_new(list, pool);
    }
    return list;
}

static json_t *reloads_json(const struct metric_sources *sources)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(sources->reloads); i++)
        (void)json_array_append_new(list, json_integer((json_int_t)atomic_load(&sources->reloads[i])));
    return list;
}

static uint64_t check_sum(const char *text, size_t n)
{
    uint64_t sum = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)text[i]) * 1099511628211U;
    return sum;
}

static int write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, text, n);
        if (written <= 0)
            return -ERR_SYSTEM;
        text += written;
        n -= (size_t)written;
    }
    return 0;
}

/* What not every server has; of how many parts it is. */
static size_t add_past(json_t *json, const struct metric_sources *sources)
{
    if (sources->changes)
        admin_set(json, "changes", admin_changes_json(sources->changes));
    if (sources->journal)
        admin_set(json, "events", admin_events_json(sources->journal));
    if (sources->history)
        admin_set(json, "history", admin_history_json(sources->history));
    return (size_t)((sources->changes != NULL) + (sources->journal != NULL) + (sources->history != NULL));
}

int handover_write(int fd, const struct metric_sources *sources)
{
    struct account_totals totals = {0};
    char head[HEAD_BYTES + 1];
    size_t parts = 5;
    json_t *json = json_object();

    admin_set(json, "version", json_string(BALLAST_VERSION));
    admin_set(json, "workers", workers_json(sources, &totals));
    admin_set(json, "pools", pools_json(sources->snapshot));
    admin_set(json, "totals", totals_json(&totals));
    admin_set(json, "reloads", reloads_json(sources));
    parts += add_past(json, sources);
    char *text = json_object_size(json) == parts ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return -ERR_NO_MEMORY;
    size_t n = strlen(text);
    (void)snprintf(head, sizeof(head), "%016llx %016zx\n", (unsigned long long)check_sum(text, n), n);
    int error = lseek(fd, 0, SEEK_SET) == 0 ? write_all(fd, head, HEAD_BYTES) : -ERR_SYSTEM;
    if (!error)
        error = write_all(fd, text, n);
    free(text); /* not per request: jansson took it from malloc */
    return error;
}

/* ---- reading ---- */

static bool read_whole(int fd, char *out, size_t n, off_t at)
{
    for (size_t got = 0; got < n;) {
        ssize_t more = pread(fd, out + got, n - got, at + (off_t)got);
        if (more <= 0)
            return false;
        got += (size_t)more;
    }
    return true;
}

static json_t *parse(const char *text, size_t n)
{
    json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(json) && json_is_array(json_object_get(json, "workers")))
        return json;
    json_decref(json);
    return NULL;
}

struct handover *handover_read(int fd)
{
    char head[HEAD_BYTES + 1] = "";
    unsigned long long sum, n;
    json_t *json = NULL;

    if (!read_whole(fd, head, HEAD_BYTES, 0) || sscanf(head, "%16llx %16llx\n", &sum, &n) != 2 || n > TEXT_MAX)
        return NULL;
    char *text = malloc(n + 1);                            /* not per request: once an upgrade, as the next */
    struct handover *handover = malloc(sizeof(*handover)); /* not per request: see above */
    if (text && handover && read_whole(fd, text, n, HEAD_BYTES) && check_sum(text, n) == sum)
        json = parse(text, n);
    free(text); /* not per request: see above */
    if (!json) {
        free(handover); /* not per request: see above */
        return NULL;
    }
    handover->json = json;
    return handover;
}

void handover_free(struct handover **freed)
{
    if (*freed)
        json_decref((*freed)->json);
    free(*freed); /* not per request: see handover_read */
    *freed = NULL;
}

static struct str text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return str_of(text ? text : "");
}

static bool entry_of(const json_t *json, struct sock_addr *addr, struct roster_entry *ret_entry)
{
    struct sock_name name;
    const char *why;

    if (sock_name_parse(text_of(json, "socket"), STR(""), &name, &why) || sock_addr_numeric(&name, addr))
        return false;
    *ret_entry = (struct roster_entry){
        .pool_name = text_of(json, "pool"),
        .address = text_of(json, "address"),
        .given_name = text_of(json, "given"),
        .name = text_of(json, "name"),
        .id = text_of(json, "id"),
        .addr = addr,
    };
    return ret_entry->pool_name.n > 0 && ret_entry->name.n > 0 && ret_entry->id.n > 0;
}

int handover_enter(const struct handover *handover, struct roster *roster)
{
    const struct worker_label *label;
    struct worker *worker;
    size_t i;
    json_t *json;

    json_array_foreach(json_object_get(handover->json, "workers"), i, json)
    {
        struct sock_addr addr;
        struct roster_entry entry;
        if (!entry_of(json, &addr, &entry))
            continue;
        int error = roster_find(roster, &entry, &worker, &label);
        if (error)
            return error;
    }
    return 0;
}

static void read_probe(const json_t *json, struct probe_result *ret_result)
{
    const char *reason = json_string_value(json_array_get(json, 3));

    *ret_result = (struct probe_result){
        .at_ns = (int64_t)number_of(json_array_get(json, 0)),
        .took_us = (uint32_t)number_of(json_array_get(json, 1)),
        .status = (uint16_t)number_of(json_array_get(json, 2)),
        .error = reason && reason[0] ? -ERR_INTERNAL : 0,
        .good = json_is_true(json_array_get(json, 4)),
    };
    for (int code = 1; ret_result->error && code < ERR_COUNT; code++)
        if (strcmp(err_reason(code), reason) == 0)
            ret_result->error = -code;
}

static void read_probes(const json_t *json, struct probe_stats *ret_stats)
{
    const json_t *last = json_object_get(json, "last");
    uint64_t known = json_array_size(last);

    *ret_stats = (struct probe_stats){
        .probes = number_of(json_object_get(json, "probes")),
        .failures = number_of(json_object_get(json, "bad_probes")),
        .took_us_sum = number_of(json_object_get(json, "probes_us")),
    };
    for (uint64_t i = 0; i < known && i < ret_stats->probes; i++)
        read_probe(json_array_get(last, i), &ret_stats->history[(ret_stats->probes - known + i) % PROBE_HISTORY]);
}

static void restore_worker(const json_t *json, struct worker *worker, struct prober *prober)
{
    uint64_t state = number_of(json_object_get(json, "state"));
    struct health health = {
        .state = state <= HEALTH_DOWN ? (uint8_t)state : HEALTH_UNKNOWN,
        .streak = (uint32_t)number_of(json_object_get(json, "streak")),
    };
    struct probe_stats stats;

    read_probes(json, &stats);
    prober_restore(prober, worker, &health, &stats);
    atomic_store(&worker->idle_age.word, number_of(json_object_get(json, "idle_age")));
}

static void restore_turns(const struct handover *handover, struct roster *roster)
{
    size_t i;
    json_t *pool;

    json_array_foreach(json_object_get(handover->json, "pools"), i, pool)
    {
        _Atomic uint64_t *turn;
        if (text_of(pool, "name").n > 0 && roster_turn(roster, text_of(pool, "name"), &turn) == 0)
            atomic_store(turn, number_of(json_object_get(pool, "turn")));
    }
}

/* The worker of an entry that is known already, NULL: there is none. */
static struct worker *known_worker(struct roster *roster, const json_t *json)
{
    struct sock_addr addr;
    struct roster_entry entry;

    return entry_of(json, &addr, &entry) ? roster_known(roster, &entry) : NULL;
}

uint32_t handover_restore(const struct handover *handover, struct roster *roster, const struct snapshot *snapshot,
                          struct prober *prober)
{
    uint32_t restored = 0;
    size_t i;
    json_t *json;

    restore_turns(handover, roster);
    json_array_foreach(json_object_get(handover->json, "workers"), i, json)
    {
        struct worker *worker = known_worker(roster, json);
        if (!worker || !worker->pool)
            continue;
        restore_worker(json, worker, prober);
        restored++;
    }
    for (uint32_t p = 0; p < snapshot->pool_count; p++)
        pool_publish(snapshot->pools[p]);
    return restored;
}

/* ---- changes ---- */

/* A server that has no list tells modes and weights with its workers. */
static int read_old(const json_t *workers, struct changes *changes)
{
    int error = 0;
    size_t i;
    json_t *json;

    json_array_foreach((json_t *)(uintptr_t)workers, i, json)
    {
        struct roster_entry entry;
        struct change change = {.kind = CHANGE_SET, .keep = true, .by = "an earlier version"};
        uint64_t weight = number_of(json_object_get(json, "weight"));
        if (error || !entry_of(json, &change.addr, &entry) || !admin_mode_read(text_of(json, "mode").p, &change.mode))
            continue;
        change.weight = weight <= POOL_WEIGHT_MAX ? (uint32_t)weight : 0;
        change_text(change.pool, sizeof(change.pool), entry.pool_name);
        change_text(change.address, sizeof(change.address), entry.address);
        change_text(change.name, sizeof(change.name), entry.given_name);
        if (change.mode != WORKER_READY || change.weight)
            error = changes_put(changes, &change);
    }
    return error;
}

int handover_changes(const struct handover *handover, struct changes *ret_changes)
{
    const json_t *list = json_object_get(handover->json, "changes");
    struct changes changes = {.items = NULL};
    int error =
        list ? admin_changes_read(list, &changes) : read_old(json_object_get(handover->json, "workers"), &changes);

    if (error)
        changes_fini(&changes);
    else
        *ret_changes = changes;
    return error;
}

int handover_past(const struct handover *handover, struct journal *journal, struct reload_history *history)
{
    admin_history_read(json_object_get(handover->json, "history"), history);
    return journal ? admin_events_read(json_object_get(handover->json, "events"), journal) : 0;
}

/* ---- counting ---- */

void handover_count_reloads(const struct handover *handover, struct metric_sources *sources)
{
    const json_t *list = json_object_get(handover->json, "reloads");

    for (size_t i = 0; i < ARRAY_SIZE(sources->reloads); i++)
        atomic_store(&sources->reloads[i], number_of(json_array_get(list, i)));
}

static void end_totals(struct account_totals *totals)
{
    totals->failed += totals->active;
    totals->by_reason[ERR_DRAINING] += totals->active;
    totals->active = 0;
    totals->tunnels_open = 0;
    totals->clients_open = 0;
    totals->workers_open = 0;
    totals->workers_idle = 0;
}

void handover_count(const struct handover *handover, struct roster *roster, struct account *account, bool ended)
{
    struct account_totals totals = {0};
    size_t i;
    json_t *json;

    read_totals(json_object_get(handover->json, "totals"), &totals);
    if (ended)
        end_totals(&totals);
    account_begin(account);
    account_set_totals(account, &totals);
    json_array_foreach(json_object_get(handover->json, "workers"), i, json)
    {
        const struct worker *worker = known_worker(roster, json);
        struct account_worker counted;
        if (!worker || worker->index >= atomic_load(&account->worker_count))
            continue;
        read_words(json_object_get(json, worker_counters.name), &worker_counters, (uint64_t *)(void *)&counted);
        account_set_worker(account, worker, &counted);
    }
    account_end(account);
}
