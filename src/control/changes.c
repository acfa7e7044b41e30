/* A short list, looked through from its beginning; nothing on a request's way does. Used by control/reload, by the
 * administration API, and by a server that tells the next one. */
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
    return changes->count < changes->room ? 0 : grow(changes, changes->room ? 2 * changes->room : 8);
}

int changes_copy(const struct changes *from, struct changes *ret_changes)
{
    struct changes copy = {.count = from->count};
    int error = from->count ? grow(&copy, from->count) : 0;

    if (error)
        return error;
    if (from->count)
        memcpy(copy.items, from->items, from->count * sizeof(*copy.items));
    *ret_changes = copy;
    return 0;
}

/* not per request: as grow. */
void changes_fini(struct changes *changes)
{
    free(changes->items);
    *changes = (struct changes){.items = NULL};
}

struct change *changes_find(const struct changes *changes, struct str pool, struct str address,
                            const struct sock_addr *addr)
{
    for (size_t i = 0; i < changes->count; i++) {
        struct change *change = &changes->items[i];
        if (str_eq(str_of(change->pool), pool) &&
            (str_eq(str_of(change->address), address) || sock_addr_equal(&change->addr.storage, &addr->storage)))
            return change;
    }
    return NULL;
}

struct change *changes_of(const struct changes *changes, const struct worker *worker)
{
    return changes_find(changes, worker->pool_name, worker->address, &worker->addr);
}

int changes_put(struct changes *changes, const struct change *change)
{
    struct change *known = changes_find(changes, str_of(change->pool), str_of(change->address), &change->addr);
    int error = known ? 0 : changes_reserve(changes);

    if (error)
        return error;
    *(known ? known : &changes->items[changes->count++]) = *change;
    return 0;
}

bool changes_equal(const struct changes *a, const struct changes *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct change *one = &a->items[i];
        const struct change *other = changes_find(b, str_of(one->pool), str_of(one->address), &one->addr);
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
