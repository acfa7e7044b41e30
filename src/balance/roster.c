/* Chains by hash, made once a reload; nothing on a request's way looks here. */
#include "balance/roster.h"

#include "base/lines.h"

enum { BUCKETS = 4096 };

struct roster_label {
    struct worker_label label; /* first */
    struct roster_label *next;
    char texts[];
};

struct roster_worker {
    struct worker worker; /* first */
    struct str given_name;
    struct roster_label *labels; /* all that it ever had */
    struct roster_worker *next, *next_of_name;
    char texts[];
};

struct roster_pool {
    _Alignas(64) _Atomic uint64_t turn; /* alone on its line: every pick writes it */
    _Alignas(64) struct roster_pool *next;
    struct str name;
    char text[];
};

static struct roster_worker *of_worker(struct worker *worker)
{
    return CONTAINER_OF(worker, struct roster_worker, worker);
}

int roster_init(struct roster *roster)
{
    *roster = (struct roster){.known = 0};
    table_init(&roster->buckets, sizeof(struct roster_worker *));
    table_init(&roster->names, sizeof(struct roster_worker *));
    table_init(&roster->workers, sizeof(struct worker *));
    int error = table_grow(&roster->buckets, BUCKETS);
    return error ? error : table_grow(&roster->names, BUCKETS);
}

void roster_fini(struct roster *roster)
{
    for (uint32_t i = 0; i < roster->known; i++) {
        struct roster_worker *known = of_worker(roster_at(roster, i));
        while (known->labels) {
            struct roster_label *label = known->labels;
            known->labels = label->next;
            lines_give(label);
        }
        lines_give(known);
    }
    while (roster->pools) {
        struct roster_pool *pool = roster->pools;
        roster->pools = pool->next;
        lines_give(pool);
    }
    table_fini(&roster->buckets);
    table_fini(&roster->names);
    table_fini(&roster->workers);
    roster->known = 0;
}

static struct roster_worker **bucket_of(const struct roster *roster, const struct roster_entry *entry)
{
    uint32_t hash = str_hash(str_hash(str_hash(STR_HASH_BEGIN, entry->pool_name), entry->address), entry->given_name);

    return table_at(&roster->buckets, (hash ^ hash >> 16) % BUCKETS);
}

static bool is_that(const struct roster_worker *known, const struct roster_entry *entry)
{
    return str_eq(known->worker.pool_name, entry->pool_name) && str_eq(known->worker.address, entry->address) &&
           str_eq(known->given_name, entry->given_name) &&
           sock_addr_equal(&known->worker.addr.storage, &entry->addr->storage);
}

static struct str keep(char **at, struct str text)
{
    struct str kept = str_slice(*at, text.n);

    if (text.n > 0)
        memcpy(*at, text.p, text.n);
    *at += text.n;
    *(*at)++ = '\0';
    return kept;
}

static struct roster_worker *make(const struct roster_entry *entry)
{
    size_t bytes = entry->pool_name.n + entry->address.n + entry->given_name.n + 3;
    struct roster_worker *made = lines_take(1, sizeof(*made) + bytes);
    if (!made)
        return NULL;
    char *at = made->texts;
    made->worker.pool_name = keep(&at, entry->pool_name);
    made->worker.address = keep(&at, entry->address);
    made->given_name = keep(&at, entry->given_name);
    made->worker.addr = *entry->addr;
    made->worker.weight = 1;
    return made;
}

static int find_label(struct roster_worker *known, const struct roster_entry *entry,
                      const struct worker_label **ret_label)
{
    struct roster_label *label = known->labels;

    while (label && (!str_eq(label->label.name, entry->name) || !str_eq(label->label.id, entry->id)))
        label = label->next;
    if (!label) {
        label = lines_take(1, sizeof(*label) + entry->name.n + entry->id.n + 2);
        if (!label)
            return -ERR_NO_MEMORY;
        char *at = label->texts;
        label->label = (struct worker_label){keep(&at, entry->name), keep(&at, entry->id)};
        label->next = known->labels;
        known->labels = label;
    }
    *ret_label = &label->label;
    return 0;
}

static int add(struct roster *roster, const struct roster_entry *entry, struct roster_worker **bucket,
               struct roster_worker **ret_made)
{
    int error = table_grow(&roster->workers, roster->known + 1);
    if (error)
        return error;
    struct roster_worker *made = make(entry);
    if (!made)
        return -ERR_NO_MEMORY;
    made->worker.index = roster->known++;
    made->next = *bucket;
    *bucket = made;
    *(struct worker **)table_at(&roster->workers, made->worker.index) = &made->worker;
    *ret_made = made;
    return 0;
}

static struct roster_worker *find_in(struct roster_worker *bucket, const struct roster_entry *entry)
{
    while (bucket && !is_that(bucket, entry))
        bucket = bucket->next;
    return bucket;
}

struct worker *roster_known(const struct roster *roster, const struct roster_entry *entry)
{
    struct roster_worker *known = find_in(*bucket_of(roster, entry), entry);

    return known ? &known->worker : NULL;
}

struct str roster_given_name(const struct worker *worker)
{
    return of_worker((struct worker *)(uintptr_t)worker)->given_name;
}

int roster_find(struct roster *roster, const struct roster_entry *entry, struct worker **ret_worker,
                const struct worker_label **ret_label)
{
    struct roster_worker **bucket = bucket_of(roster, entry), *known = find_in(*bucket, entry);
    int error = known ? 0 : add(roster, entry, bucket, &known);
    if (!error)
        error = find_label(known, entry, ret_label);
    if (error)
        return error;
    if (!atomic_load(&known->worker.label))
        atomic_store(&known->worker.label, *ret_label);
    *ret_worker = &known->worker;
    return 0;
}

int roster_turn(struct roster *roster, struct str pool_name, _Atomic uint64_t **ret_turn)
{
    struct roster_pool *pool = roster->pools;

    while (pool && !str_eq(pool->name, pool_name))
        pool = pool->next;
    if (!pool) {
        size_t bytes = (sizeof(*pool) + pool_name.n + 63) / 64 * 64;
        pool = lines_take(1, bytes);
        if (!pool)
            return -ERR_NO_MEMORY;
        memcpy(pool->text, pool_name.p, pool_name.n);
        pool->name = str_slice(pool->text, pool_name.n);
        pool->next = roster->pools;
        roster->pools = pool;
    }
    *ret_turn = &pool->turn;
    return 0;
}

/* Whoever bears a name first, those of the configuration before those that were removed, speaks for the others. */
static void find_heirs(struct roster *roster, bool removed)
{
    for (uint32_t i = roster->known; i-- > 0;) {
        struct worker *worker = roster_at(roster, i);
        if (atomic_load(&worker->removed) != removed)
            continue;
        struct roster_worker **first = table_at(
            &roster->names, str_hash(str_hash(STR_HASH_BEGIN, worker->pool_name), worker_name(worker)) % BUCKETS);
        struct roster_worker *other = *first;
        while (other && (!str_eq(other->worker.pool_name, worker->pool_name) ||
                         !str_eq(worker_name(&other->worker), worker_name(worker))))
            other = other->next_of_name;
        atomic_store(&worker->heir, other ? &other->worker : NULL);
        if (other)
            continue;
        of_worker(worker)->next_of_name = *first;
        *first = of_worker(worker);
    }
}

void roster_publish(struct roster *roster)
{
    find_heirs(roster, false);
    find_heirs(roster, true);
    for (uint32_t i = 0; i < BUCKETS; i++)
        *(struct roster_worker **)table_at(&roster->names, i) = NULL;
    atomic_store(&roster->count, roster->known);
}

uint32_t roster_count(const struct roster *roster)
{
    return atomic_load(&roster->count);
}

struct worker *roster_at(const struct roster *roster, uint32_t index)
{
    return *(struct worker **)table_at(&roster->workers, index);
}
