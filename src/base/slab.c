/* Free lists of equal objects. A slab belongs to one thread; whoever embeds it (buf pools, reactors) calls it.
 *
 * Each object is a malloc of its own: blocks of many objects would save a little, but could never be given back while
 * one of their objects lives, and a burst would cost its memory for ever.
 */
#include "base/slab.h"

#include <stdlib.h>

void slab_init(struct slab *slab, size_t object_bytes, size_t max_objects, size_t keep)
{
    ASSERT(object_bytes >= sizeof(void *));
#ifdef BALLAST_SANITIZE
    keep = 0;
#endif
    *slab = (struct slab){.object_bytes = object_bytes, .max_objects = max_objects, .keep = keep};
}

static void *slab_pop(struct slab *slab)
{
    void **object = slab->free_list;
    slab->free_list = *object;
    slab->free_count--;
    return object;
}

void slab_fini(struct slab *slab)
{
    ASSERT(slab->used == 0);
    while (slab->free_list)
        free(slab_pop(slab));
}

void *slab_take(struct slab *slab)
{
    if (slab->used >= slab->max_objects)
        return NULL;
    void *object = slab->free_list ? slab_pop(slab) : malloc(slab->object_bytes);
    if (!object)
        return NULL;
    slab->used++;
    if (slab->used > slab->used_max)
        slab->used_max = slab->used;
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    ASSERT(object && slab->used > 0);
    slab->used--;
    if (slab->free_count >= slab->keep) {
        free(object);
        return;
    }
    *(void **)object = slab->free_list;
    slab->free_list = object;
    slab->free_count++;
}
