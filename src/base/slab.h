/* Objects of one size from a free list, with a cap and a high-water mark.
 *
 * One thread owns a slab. Freed objects are kept up to `keep` and given back to malloc above it, so that memory
 * taken by a burst returns. In sanitizer builds nothing is kept: each object is one malloc, and a use after free is
 * seen as one.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

#include "base/assert.h"

struct slab {
    /* fixed after init */
    size_t object_bytes;
    size_t max_objects; /* slab_take fails above it */
    size_t keep;
    /* owner thread only */
    void *free_list;
    size_t free_count;
    size_t used;
    size_t used_max; /* high-water mark */
};

/* object_bytes at least sizeof(void *). Never fails: memory is taken as objects are. */
void slab_init(struct slab *slab, size_t object_bytes, size_t max_objects, size_t keep);
/* All objects must have been given back (asserted). */
void slab_fini(struct slab *slab);
/* Uninitialised memory aligned as malloc's, or NULL: at the cap, or no memory. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);

#endif
