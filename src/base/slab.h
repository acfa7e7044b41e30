/* Objects of one size from a free list, with a cap and a high-water mark.
 *
 * One thread owns a slab. Freed objects are kept up to `keep` and given back to malloc above it, so that memory
 * taken by a burst returns. In sanitizer builds nothing is kept: each object is one malloc, and a use after free is
 * seen as one.
 *
 * Small objects of which there may be a great many, each living for long, come from blocks instead (slab_init_blocks):
 * without a header of malloc's for each, and the system has a block back as soon as it is empty, which malloc's heap
 * does not give.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

enum { SLAB_BLOCK_BYTES = 65536 };

struct slab {
    /* fixed after init */
    size_t object_bytes;
    size_t max_objects; /* slab_take fails above it */
    size_t keep;
    bool in_blocks;
    /* owner thread only */
    void *free_list;
    size_t free_count;
    size_t used;
    size_t used_max;     /* high-water mark */
    struct list partial; /* blocks with free places, the fullest at the front, more or less */
    size_t blocks;
};

/* object_bytes at least sizeof(void *). Never fails: memory is taken as objects are. */
void slab_init(struct slab *slab, size_t object_bytes, size_t max_objects, size_t keep);
/* The same in blocks; object_bytes is a small part of SLAB_BLOCK_BYTES. One empty block is kept. */
void slab_init_blocks(struct slab *slab, size_t object_bytes, size_t max_objects);
/* All objects must have been given back (asserted). */
void slab_fini(struct slab *slab);
/* Uninitialised memory aligned as malloc's (in blocks: as a pointer), or NULL: at the cap, or no memory. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);

#endif
