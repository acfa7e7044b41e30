/* A list with an index, which its workers are looked for by; nothing on a request's way does. Used by control/reload,
 * by the administration API, and by a server that tells the next one. */
#include "control/changes.h"

#include <stdlib.h>

/* not per request: an operator's order, or a reload. */
static int grow(struct changes *changes, size_t room)
{
    struct change *grown = realloc(changes->items, room * sizeof(*grown));

    if (!grown)
        return -ERR_NO_MEMORY;
    changes->items = grown;
    changes->room = room;
    return 0;
}

int changes_reserve(struct changes *changes)
{
    int error = changes->count < changes->room ? 0 : grow(changes, changes->room ? 2 * changes->room : 8);

    return error ? error : worker_index_reserve(&changes->index, changes->count + 1);
}

int changes_copy(const struct changes *from, struct changes *ret_changes)
{
    struct changes copy = {.count = from->count};
    int error = from->count ? grow(&copy, from->count) : 0;

    if (!error)
        error = worker_index_copy(&from->index, &copy.index);
    if (error) {
        changes_fini(&copy);
        return error;
    }
    if (from->count)
        memcpy(copy.items, from->items, from->count * sizeof(*copy.items));
    *ret_changes = copy;
    return 0;
}

/* not per request: as grow. */
void changes_fini(struct changes *changes)
{
    free(changes->items);
    worker_index_fini(&changes->index);
    *changes = (struct changes){.items = NULL};
}

struct worker_key change_key(const struct change *change)
{
    return (struct worker_key){str_of(change->pool), str_of(change->address), &change->addr};
}

static struct worker_key key_of_item(const void *list, uint32_t number)
{
    return change_key(&((const struct changes *)list)->items[number]);
}

static struct change *find(const struct changes *changes, const struct worker_key *key)
{
    uint32_t number = worker_index_find(&changes->index, key, key_of_item, changes);

    return number == WORKER_NOT_FOUND ? NULL : &changes->items[number];
}

struct change *changes_find(const struct changes *changes, struct str pool, struct str address,
                            const struct sock_addr *addr)
{
    return find(changes, &(struct worker_key){pool, address, addr});
}

struct change *changes_of(const struct changes *changes, const struct worker *worker)
{
    return changes_find(changes, worker->pool_name, worker->address, &worker->addr);
}

static void add_to_index(struct changes *changes, size_t at)
{
    struct worker_key key = change_key(&changes->items[at]);

    worker_index_add(&changes->index, &key, (uint32_t)at);
}

static void index_again(struct changes *changes)
{
    worker_index_clear(&changes->index);
    for (size_t i = 0; i < changes->count; i++)
        add_to_index(changes, i);
}

/* Its address may be another way to write the same, or the same name may mean another. */
static void replace(struct changes *changes, struct change *known, const struct change *change)
{
    bool alike =
        strcmp(known->address, change->address) == 0 && sock_addr_equal(&known->addr.storage, &change->addr.storage);

    *known = *change;
    if (!alike)
        index_again(changes);
}

int changes_put(struct changes *changes, const struct change *change)
{
    struct worker_key key = change_key(change);
    struct change *known = find(changes, &key);
    int error = known ? 0 : changes_reserve(changes);

    if (error)
        return error;
    if (known) {
        replace(changes, known, change);
    } else {
        changes->items[changes->count] = *change;
        add_to_index(changes, changes->count++);
    }
    return 0;
}

bool changes_equal(const struct changes *a, const struct changes *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct change *one = &a->items[i];
        struct worker_key key = change_key(one);
        const struct change *other = find(b, &key);
        if (!other || one->kind != other->kind || one->mode != other->mode || one->weight != other->weight ||
            one->keep != other->keep)
            return false;
    }
    return a->count == b->count;
}

void changes_drop(struct changes *changes, struct change *change)
{
    size_t at = (size_t)(change - changes->items);

    ASSERT(at < changes->count);
    memmove(change, change + 1, (--changes->count - at) * sizeof(*change));
    index_again(changes);
}

void change_text(char *out, size_t room, struct str text)
{
    size_t n = text.n < room ? text.n : room - 1;

    if (n)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

const char *change_word(enum change_kind kind)
{
    static const char *const words[] = {
        [CHANGE_ADDED] = "added", [CHANGE_REMOVED] = "removed", [CHANGE_SET] = "changed"};

    return words[kind];
}
