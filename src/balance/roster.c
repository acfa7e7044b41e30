/* Chains by hash, made once a reload; nothing on a request's way looks here. */
#include "balance/roster.h"

#include "base/lines.h"

enum { BUCKETS = 4096 };

struct roster_worker {
    struct worker worker; /* first */
    struct str given_name;
    struct roster_worker *next;
    char texts[];
};

struct roster_pool {
    _Alignas(64) _Atomic uint64_t turn; /* alone on its line: every pick writes it */
    _Alignas(64) struct roster_pool *next;
    struct str name;
    char text[];
};

int roster_init(struct roster *roster)
{
    *roster = (struct roster){.known = 0};
    table_init(&roster->buckets, sizeof(struct roster_worker *));
    table_init(&roster->workers, sizeof(struct worker *));
    return table_grow(&roster->buckets, BUCKETS);
}

void roster_fini(struct roster *roster)
{
    for (uint32_t i = 0; i < roster->known; i++)
        lines_give(CONTAINER_OF(roster_at(roster, i), struct roster_worker, worker));
    while (roster->pools) {
        struct roster_pool *pool = roster->pools;
        roster->pools = pool->next;
        lines_give(pool);
    }
    table_fini(&roster->buckets);
    table_fini(&roster->workers);
    roster->known = 0;
}

static uint32_t mix(uint32_t hash, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * 16777619U;
    return (hash ^ 0xff) * 16777619U;
}

static struct roster_worker **bucket_of(const struct roster *roster, const struct roster_entry *entry)
{
    uint32_t hash = mix(mix(mix(2166136261U, entry->pool_name), entry->address), entry->given_name);

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
    size_t bytes = entry->pool_name.n + entry->address.n + entry->given_name.n + entry->name.n + entry->id.n + 5;
    struct roster_worker *made = lines_take(1, sizeof(*made) + bytes);
    if (!made)
        return NULL;
    char *at = made->texts;
    made->worker.pool_name = keep(&at, entry->pool_name);
    made->worker.address = keep(&at, entry->address);
    made->given_name = keep(&at, entry->given_name);
    made->worker.name = keep(&at, entry->name);
    made->worker.id = keep(&at, entry->id);
    made->worker.addr = *entry->addr;
    made->worker.weight = 1;
    return made;
}

int roster_find(struct roster *roster, const struct roster_entry *entry, struct worker **ret_worker)
{
    struct roster_worker **bucket = bucket_of(roster, entry);

    for (struct roster_worker *known = *bucket; known; known = known->next)
        if (is_that(known, entry)) {
            *ret_worker = &known->worker;
            return 0;
        }
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
    *ret_worker = &made->worker;
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

void roster_publish(struct roster *roster)
{
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
