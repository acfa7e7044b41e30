/* Open addressing. Each worker stands here twice, by how its address is written and by what it means, because either
 * may be what is asked for. Used by control/changes and control/overlay. */
#include "control/worker_index.h"

#include <stdlib.h>

#include "base/err.h"

enum { WAYS = 2, ROOM_MIN = 32, TIMES = 2 /* as much room as entries, at least */ };

struct worker_slot {
    uint32_t hash;
    uint32_t number_plus_1; /* 0: free */
};

static void hashes_of(const struct worker_key *key, uint32_t ret_hashes[WAYS])
{
    uint32_t pool = str_hash(STR_HASH_BEGIN, key->pool);

    ret_hashes[0] = str_hash(pool, key->address);
    ret_hashes[1] = sock_addr_hash(pool, &key->addr->storage);
}

bool worker_key_equal(const struct worker_key *a, const struct worker_key *b)
{
    return str_eq(a->pool, b->pool) &&
           (str_eq(a->address, b->address) || sock_addr_equal(&a->addr->storage, &b->addr->storage));
}

/* Where a search for this hash begins. */
static size_t home_of(const struct worker_index *index, uint32_t hash)
{
    return (hash ^ hash >> 16) & (index->room - 1);
}

static void put(struct worker_index *index, struct worker_slot slot)
{
    size_t at = home_of(index, slot.hash);

    while (index->slots[at].number_plus_1)
        at = (at + 1) & (index->room - 1);
    index->slots[at] = slot;
    index->used++;
}

/* not per request: an operator's order, or a reload. */
int worker_index_reserve(struct worker_index *index, size_t count)
{
    struct worker_index grown = {.room = index->room ? index->room : ROOM_MIN};

    while (grown.room < count * WAYS * TIMES)
        grown.room *= 2;
    if (grown.room == index->room)
        return 0;
    grown.slots = calloc(grown.room, sizeof(*grown.slots));
    if (!grown.slots)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < index->room; i++)
        if (index->slots[i].number_plus_1)
            put(&grown, index->slots[i]);
    worker_index_fini(index);
    *index = grown;
    return 0;
}

void worker_index_add(struct worker_index *index, const struct worker_key *key, uint32_t number)
{
    uint32_t hashes[WAYS];

    ASSERT((index->used + WAYS) * TIMES <= index->room);
    hashes_of(key, hashes);
    for (int way = 0; way < WAYS; way++)
        put(index, (struct worker_slot){hashes[way], number + 1});
}

uint32_t worker_index_find(const struct worker_index *index, const struct worker_key *key, worker_key_fn key_of,
                           const void *list)
{
    uint32_t hashes[WAYS], lowest = WORKER_NOT_FOUND;

    hashes_of(key, hashes);
    for (int way = 0; way < WAYS && index->used > 0; way++) {
        const struct worker_slot *slot;
        for (size_t at = home_of(index, hashes[way]); (slot = &index->slots[at])->number_plus_1;
             at = (at + 1) & (index->room - 1)) {
            uint32_t number = slot->number_plus_1 - 1;
            if (slot->hash != hashes[way] || number >= lowest)
                continue;
            struct worker_key found = key_of(list, number);
            if (worker_key_equal(&found, key))
                lowest = number;
        }
    }
    return lowest;
}

/* not per request: as worker_index_reserve. */
int worker_index_copy(const struct worker_index *from, struct worker_index *ret_index)
{
    struct worker_index copy = *from;

    if (from->room > 0) {
        copy.slots = calloc(from->room, sizeof(*copy.slots));
        if (!copy.slots)
            return -ERR_NO_MEMORY;
        memcpy(copy.slots, from->slots, from->room * sizeof(*copy.slots));
    }
    *ret_index = copy;
    return 0;
}

void worker_index_clear(struct worker_index *index)
{
    if (index->room > 0)
        memset(index->slots, 0, index->room * sizeof(*index->slots));
    index->used = 0;
}

/* not per request: as worker_index_reserve. */
void worker_index_fini(struct worker_index *index)
{
    free(index->slots);
    *index = (struct worker_index){.slots = NULL};
}
