/* Both configurations as flat lists of settings, by the table of settings, so that a new setting is compared without a
 * line here. Control thread. */
#include "control/admin_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/admin_config.h"
#include "control/config_tls.h"

enum { NAME_MAX_BYTES = 512 };

struct plan {
    json_t *json;
};

/* What threads, sockets and the sandbox were made for. */
static const char *const needs_start[] = {
    "threads",
    "limits.connections",
    "limits.connections_per_client",
    "limits.tls_handshakes",
    "http2.total_streams",
    "access_log.path",
    "log.path",
    "syslog.facility",
    "syslog.app_name",
    "syslog.hostname",
    "syslog.enterprise",
    "tracing.collector",
    "tracing.path",
    "tracing.service",
    "user",
    "group",
    "sandbox",
    "watchdog",
    "admin.address",
};

bool plan_needs_start(const char *setting)
{
    for (size_t i = 0; i < ARRAY_SIZE(needs_start); i++)
        if (strcmp(setting, needs_start[i]) == 0)
            return true;
    /* A socket, and a Unix socket's file, stay as they are while they are listened on. */
    const char *last = strrchr(setting, '.');
    return strncmp(setting, "listeners[", 10) == 0 && last &&
           (strcmp(last, ".mode") == 0 || strcmp(last, ".owner") == 0 || strcmp(last, ".group") == 0 ||
            strcmp(last, ".dual_stack") == 0);
}

/* ---- settings, flat ---- */

static void flatten(const char *name, json_t *value, json_t *out);

static void flatten_list(const char *name, json_t *list, json_t *out)
{
    char below[NAME_MAX_BYTES];
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *address = json_string_value(json_object_get(item, "address"));
        if (!address)
            (void)snprintf(below, sizeof(below), "%s[%zu]", name, i);
        else
            (void)snprintf(below, sizeof(below), "%s[%s]", name, address);
        if (address && json_object_get(out, below)) /* one address twice */
            (void)snprintf(below, sizeof(below), "%s[%s#%zu]", name, address, i);
        if (address)
            json_object_set_new(out, below, json_string(address));
        flatten(below, item, out);
    }
}

static void flatten(const char *name, json_t *value, json_t *out)
{
    char below[NAME_MAX_BYTES];
    const char *key;
    json_t *item;

    if (json_is_object(value)) {
        json_object_foreach(value, key, item)
        {
            (void)snprintf(below, sizeof(below), "%s%s%s", name, name[0] ? "." : "", key);
            flatten(below, item, out);
        }
    } else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
        flatten_list(name, value, out);
    } else {
        json_object_set(out, name, value);
    }
}

static json_t *flat(const struct config *config)
{
    json_t *json = admin_config_json(config), *out = json_object();

    flatten("", json, out);
    json_decref(json);
    return out;
}

/* ---- differences ---- */

/* From malloc. */
static char *shown(const json_t *value)
{
    if (json_is_string(value))
        return strdup(json_string_value(value)); /* not per request: once a reload */
    return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void add_setting(json_t *settings, const char *name, const json_t *from, const json_t *to)
{
    char *before = from ? shown(from) : NULL, *after = to ? shown(to) : NULL;

    json_array_append_new(settings, json_pack("{ss ss ss sb}", "name", name, "from", before ? before : "", "to",
                                              after ? after : "", "start", plan_needs_start(name)));
    free(before); /* not per request: as above */
    free(after);  /* not per request: as above */
}

/* Is it below a listener or a worker that only one side has? Those are told as a whole. */
static bool is_below_one(const char *name, const json_t *other)
{
    const char *end = strrchr(name, ']');
    char entry[NAME_MAX_BYTES];

    if (!end || (strncmp(name, "listeners[", 10) != 0 && !strstr(name, ".workers[")))
        return false;
    (void)snprintf(entry, sizeof(entry), "%.*s", (int)(end + 1 - name), name);
    return !json_object_get(other, entry);
}

static json_t *settings_json(json_t *from, json_t *to)
{
    json_t *settings = json_array(), *value;
    const char *name;

    json_object_foreach(from, name, value)
    {
        const json_t *after = json_object_get(to, name);
        if (!json_equal(value, after) && !is_below_one(name, to))
            add_setting(settings, name, value, after);
    }
    json_object_foreach(to, name, value)
    {
        if (!json_object_get(from, name) && !is_below_one(name, from))
            add_setting(settings, name, NULL, value);
    }
    return settings;
}

static const struct config_listener *find_listener(const struct config *config, const struct config_listener *like)
{
    for (size_t i = 0; i < config->listeners.count; i++)
        if (sock_addr_equal(&config->listeners.items[i].address.addr.storage, &like->address.addr.storage))
            return &config->listeners.items[i];
    return NULL;
}

static json_t *text_json(struct str text)
{
    return json_stringn(text.n ? text.p : "", text.n);
}

/* Those of one that the other does not have; kept ones are counted. */
static json_t *listeners_json(const struct config *of, const struct config *other, size_t *ret_kept)
{
    json_t *list = json_array();

    *ret_kept = 0;
    for (size_t i = 0; i < of->listeners.count; i++) {
        const struct config_listener *listener = &of->listeners.items[i];
        if (find_listener(other, listener))
            ++*ret_kept;
        else
            json_array_append_new(list, json_pack("{so}", "address", text_json(listener->address.text)));
    }
    return list;
}

/* What is said of listeners that go on, but whose files hold something else. */
static void add_files(json_t *settings, const struct config *from, const struct config *to)
{
    for (size_t i = 0; i < to->listeners.count; i++) {
        const struct config_listener *listener = &to->listeners.items[i], *before = find_listener(from, listener);
        char name[NAME_MAX_BYTES];
        if (!before || config_tls_same_listener(from, (size_t)(before - from->listeners.items), to, i))
            continue;
        (void)snprintf(name, sizeof(name), "listeners[%.*s].tls", STR_ARG(listener->address.text));
        json_array_append_new(settings, json_pack("{ss ss ss sb}", "name", name, "from", "as it was read", "to",
                                                  "certificates, keys or rules are others", "start", 0));
    }
}

/* ---- workers: by hash, since there may be 10,000 ---- */

static json_t *worker_keys(const struct config *config)
{
    json_t *keys = json_object();
    char key[NAME_MAX_BYTES];

    for (size_t p = 0; p < config->pools.count; p++) {
        const struct config_pool *pool = &config->pools.items[p];
        for (size_t i = 0; i < pool->workers.count; i++) {
            const struct config_worker *worker = &pool->workers.items[i];
            struct str given = worker->named ? worker->name : STR("");
            (void)snprintf(key, sizeof(key), "%.*s %.*s %.*s", STR_ARG(pool->name), STR_ARG(worker->address.text),
                           STR_ARG(given));
            json_object_set_new(keys, key,
                                json_pack("{so so so}", "pool", text_json(pool->name), "worker",
                                          text_json(worker->name), "address", text_json(worker->address.text)));
        }
    }
    return keys;
}

static json_t *workers_json(json_t *of, const json_t *other, size_t *ret_kept)
{
    json_t *list = json_array(), *worker;
    const char *key;

    *ret_kept = 0;
    json_object_foreach(of, key, worker)
    {
        if (json_object_get(other, key))
            ++*ret_kept;
        else
            json_array_append(list, worker);
    }
    return list;
}

static json_t *changes_json(const struct config *from, const struct config *to)
{
    json_t *flat_from = flat(from), *flat_to = flat(to), *settings = settings_json(flat_from, flat_to);
    json_t *keys_from = worker_keys(from), *keys_to = worker_keys(to);
    size_t kept_workers, kept_listeners;
    json_t *added = workers_json(keys_to, keys_from, &kept_workers);
    json_t *removed = workers_json(keys_from, keys_to, &kept_workers);
    json_t *opened = listeners_json(to, from, &kept_listeners), *closed = listeners_json(from, to, &kept_listeners);
    char id[PLAN_ID_MAX];

    add_files(settings, from, to);
    plan_id(from, to, id);
    json_decref(flat_from);
    json_decref(flat_to);
    json_decref(keys_from);
    json_decref(keys_to);
    return json_pack("{ss so so sI so so sI so}", "id", id, "workers_added", added, "workers_removed", removed,
                     "workers_kept", (json_int_t)kept_workers, "listeners_opened", opened, "listeners_closed", closed,
                     "listeners_kept", (json_int_t)kept_listeners, "settings", settings);
}

/* ---- what it meets ---- */

static uint64_t active_at(const struct account_worker *counts)
{
    uint64_t ended = counts->broken;

    for (unsigned c = 0; c < ACCOUNT_CLASSES; c++)
        ended += counts->answers[c];
    return counts->dispatches > ended ? counts->dispatches - ended : 0;
}

static void set_key(char out[NAME_MAX_BYTES], struct str pool, struct str address)
{
    (void)snprintf(out, NAME_MAX_BYTES, "%.*s %.*s", STR_ARG(pool), STR_ARG(address));
}

static json_t *keys_of(const json_t *workers)
{
    json_t *keys = json_object(), *worker;
    char key[NAME_MAX_BYTES];
    size_t i;

    json_array_foreach(workers, i, worker)
    {
        set_key(key, str_of(json_string_value(json_object_get(worker, "pool"))),
                str_of(json_string_value(json_object_get(worker, "address"))));
        json_object_set_new(keys, key, json_true());
    }
    return keys;
}

/* Requests under way, and how many of them at workers that go. not per request: once a plan. */
static int add_affected(json_t *json, const struct plan_world *world)
{
    uint32_t count = roster_count(world->roster);
    struct account_worker *counts = calloc(2 * (size_t)count + 1, sizeof(*counts));
    struct account_totals totals = {.total = 0};
    json_t *keys = keys_of(json_object_get(json, "workers_removed"));
    uint64_t at_removed = 0;
    char key[NAME_MAX_BYTES];

    for (uint32_t i = 0; counts && i < world->account_count; i++)
        account_add_to(world->accounts[i], &totals, counts, counts + count, count);
    for (uint32_t i = 0; counts && i < count; i++) {
        const struct worker *worker = roster_at(world->roster, i);
        set_key(key, worker->pool_name, worker->address);
        at_removed += worker->pool && json_object_get(keys, key) ? active_at(&counts[i]) : 0;
    }
    json_decref(keys);
    admin_set_int(json, "requests_at_removed", at_removed);
    admin_set_int(json, "requests_active", totals.active);
    admin_set_int(json, "clients", totals.clients_open);
    if (!counts)
        return -ERR_NO_MEMORY;
    free(counts);
    return 0;
}

/* ---- what was changed at run time ---- */

static json_t *differences_json(const struct carried *carried)
{
    static const char *const fates[] = {
        [CHANGE_GOES_ON] = "kept", [CHANGE_ENDS] = "ends", [CHANGE_DROPPED] = "dropped"};
    json_t *list = json_array();

    for (size_t i = 0; i < carried->changes.count; i++) {
        const struct change *change = &carried->changes.items[i];
        json_array_append_new(list, json_pack("{ss ss ss ss ss}", "pool", change->pool, "address", change->address,
                                              "what", change_word(change->kind), "fate", fates[carried->ends[i].fate],
                                              "why", carried->ends[i].why));
    }
    return list;
}

/* ---- the whole ---- */

/* not per request: once a reload. */
int plan_create(const struct config *from, const struct config *to, const struct carried *carried,
                const struct plan_world *world, struct plan **ret_plan)
{
    struct plan *plan = calloc(1, sizeof(*plan));

    if (!plan)
        return -ERR_NO_MEMORY;
    plan->json = changes_json(from, to);
    admin_set(plan->json, "differences", differences_json(carried));
    if (!plan->json || add_affected(plan->json, world)) {
        plan_destroy(&plan);
        return -ERR_NO_MEMORY;
    }
    *ret_plan = plan;
    return 0;
}

/* not per request: a few times an upgrade. */
struct plan *plan_from_json(const json_t *json)
{
    struct plan *plan = calloc(1, sizeof(*plan));

    if (plan)
        plan->json = json_incref((json_t *)(uintptr_t)json);
    return plan;
}

/* not per request: once a reload. */
void plan_destroy(struct plan **destroyed)
{
    struct plan *plan = *destroyed;

    *destroyed = NULL;
    if (!plan)
        return;
    json_decref(plan->json);
    free(plan);
}

json_t *plan_json(const struct plan *plan)
{
    return json_incref(plan->json);
}

static uint64_t mix(uint64_t hash, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ (unsigned char)bytes.p[i]) * 1099511628211U;
    return (hash ^ 0x1ff) * 1099511628211U;
}

static uint64_t mix_config(uint64_t hash, const struct config *config)
{
    json_t *json = admin_config_json(config);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    hash = mix(hash, str_of(text ? text : ""));
    free(text); /* not per request: once a reload */
    json_decref(json);
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_tls *tls = &config->listeners.items[i].tls;
        for (size_t c = 0; c < tls->certificates.count; c++) {
            hash = mix(hash, tls->certificates.items[c].chain.bytes);
            hash = mix(hash, tls->certificates.items[c].key.bytes);
            hash = mix(hash, tls->certificates.items[c].ocsp.bytes);
        }
        hash = mix(mix(mix(hash, tls->client_ca.bytes), tls->client_crl.bytes), tls->ticket_keys.bytes);
    }
    return mix(hash, config->admin.token);
}

void plan_id(const struct config *from, const struct config *to, char ret_id[PLAN_ID_MAX])
{
    uint64_t hash = mix_config(mix_config(14695981039346656037U, from), to);

    (void)snprintf(ret_id, PLAN_ID_MAX, "%016llx", (unsigned long long)hash);
}

void plan_text(const struct plan *plan, char ret_text[PLAN_TEXT_MAX])
{
    size_t added = json_array_size(json_object_get(plan->json, "workers_added"));
    size_t removed = json_array_size(json_object_get(plan->json, "workers_removed"));
    size_t opened = json_array_size(json_object_get(plan->json, "listeners_opened"));
    size_t closed = json_array_size(json_object_get(plan->json, "listeners_closed"));
    size_t settings = json_array_size(json_object_get(plan->json, "settings"));

    if (added + removed + opened + closed + settings == 0)
        (void)snprintf(ret_text, PLAN_TEXT_MAX, "nothing is different");
    else
        (void)snprintf(ret_text, PLAN_TEXT_MAX,
                       "workers %zu added, %zu removed; listeners %zu opened, %zu closed; settings %zu changed", added,
                       removed, opened, closed, settings);
}
