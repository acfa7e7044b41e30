/* Two tables, of which one word says which is the list: a writer that is killed leaves the one before. Entries lie
 * there as they are, since keeper and servers are one program. Made by the keeper; used by control/reload and the
 * server. */
#include "control/changes_memory.h"

#include <sys/socket.h>

#include "base/region.h"

struct table {
    uint32_t count;
    struct change items[CHANGES_MEMORY_MAX]; /* memory is taken for those that are written */
};

struct changes_memory {
    struct region region; /* where all this lies */
    _Atomic uint32_t newest;
    struct table tables[2];
};

enum { PAGE = 4096, ROOM = (sizeof(struct changes_memory) + PAGE - 1) / PAGE * PAGE };

int changes_memory_create(struct changes_memory **ret_memory)
{
    struct region region;
    int error = region_create(&region, ROOM);

    if (error)
        return error;
    struct changes_memory *memory = region_take(&region, sizeof(*memory)); /* all of it is zero */
    memory->region = region;
    *ret_memory = memory;
    return 0;
}

void changes_memory_destroy(struct changes_memory **destroyed)
{
    struct changes_memory *memory = *destroyed;

    *destroyed = NULL;
    if (!memory)
        return;
    struct region region = memory->region;
    region_destroy(&region);
}

int changes_memory_write(struct changes_memory *memory, const struct changes *changes)
{
    uint32_t other = 1 - (atomic_load(&memory->newest) & 1);
    struct table *table = &memory->tables[other];
    bool fits = changes->count <= CHANGES_MEMORY_MAX;

    table->count = fits ? (uint32_t)changes->count : 0;
    if (table->count)
        memcpy(table->items, changes->items, table->count * sizeof(*table->items));
    atomic_store(&memory->newest, other);
    return fits ? 0 : -ERR_FULL;
}

static const struct table *newest_table(const struct changes_memory *memory)
{
    return &memory->tables[atomic_load(&memory->newest) & 1];
}

uint32_t changes_memory_count(const struct changes_memory *memory)
{
    uint32_t count = newest_table(memory)->count;

    return count <= CHANGES_MEMORY_MAX ? count : 0;
}

static bool ends(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static bool is_truth(const bool *value)
{
    unsigned char byte;

    memcpy(&byte, value, 1); /* it may hold anything */
    return byte <= 1;
}

static bool is_address(const struct sock_addr *addr)
{
    sa_family_t family = addr->storage.ss_family;

    return (family == AF_INET || family == AF_INET6 || family == AF_UNIX) && addr->len > 0 &&
           addr->len <= sizeof(addr->storage) && is_truth(&addr->dual_stack);
}

static bool makes_sense(const struct change *change)
{
    return (unsigned)change->kind <= CHANGE_SET && (unsigned)change->mode <= WORKER_DISABLED &&
           ends(change->pool, sizeof(change->pool)) && ends(change->address, sizeof(change->address)) &&
           ends(change->name, sizeof(change->name)) && ends(change->by, sizeof(change->by)) && change->pool[0] &&
           change->address[0] && is_address(&change->addr) && change->weight <= POOL_WEIGHT_MAX &&
           (change->kind != CHANGE_ADDED || change->weight > 0) && is_truth(&change->keep);
}

int changes_memory_read(const struct changes_memory *memory, struct changes *ret_changes)
{
    struct changes changes = {.items = NULL};
    uint32_t count = changes_memory_count(memory);
    int error = 0;

    for (uint32_t i = 0; i < count && !error; i++) {
        struct change change = newest_table(memory)->items[i];
        if (makes_sense(&change))
            error = changes_put(&changes, &change);
    }
    if (error)
        changes_fini(&changes);
    else
        *ret_changes = changes;
    return error;
}
