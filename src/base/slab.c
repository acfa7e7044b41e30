/* Free lists of equal objects. A slab belongs to one thread; whoever embeds it (buf pools, reactors) calls it.
 *
 * Each object is a malloc of its own, unless blocks were asked for: a block of many objects cannot be given back while
 * one of them lives, which is the better bargain where objects are small, many and leave in crowds. Blocks are mapped,
 * not taken from malloc, whose heaps shrink only from their ends; they are aligned, so that an object finds its own.
 */
#include "base/slab.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct slab_block {
    struct list link; /* of slab->partial */
    void *free_list;
    char *fresh; /* behind it nothing was ever taken: those pages are not there yet */
    size_t used;
    char objects[];
};

void slab_init(struct slab *slab, size_t object_bytes, size_t max_objects, size_t keep)
{
    ASSERT(object_bytes >= sizeof(void *));
#ifdef BALLAST_SANITIZE
    keep = 0;
#endif
    *slab = (struct slab){.object_bytes = object_bytes, .max_objects = max_objects, .keep = keep};
}

void slab_init_blocks(struct slab *slab, size_t object_bytes, size_t max_objects)
{
    ASSERT(object_bytes <= SLAB_BLOCK_BYTES / 16);
    slab_init(slab, (object_bytes + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *), max_objects, 0);
    list_init(&slab->partial);
#ifndef BALLAST_SANITIZE
    slab->in_blocks = true;
#endif
}

static void *pop(void **list)
{
    void **object = *list;

    *list = *object;
    return object;
}

static void push(void **list, void *object)
{
    *(void **)object = *list;
    *list = object;
}

static void *take_alone(struct slab *slab)
{
    if (!slab->free_list)
        return malloc(slab->object_bytes);
    slab->free_count--;
    return pop(&slab->free_list);
}

static void give_alone(struct slab *slab, void *object)
{
    if (slab->free_count >= slab->keep) {
        free(object);
        return;
    }
    push(&slab->free_list, object);
    slab->free_count++;
}

/* ---- blocks ---- */

static struct slab_block *of_object(void *object)
{
    char *p = object;

    return (struct slab_block *)(void *)(p - (uintptr_t)p % SLAB_BLOCK_BYTES);
}

static bool has_fresh(const struct slab *slab, const struct slab_block *block)
{
    return block->fresh + slab->object_bytes <= (const char *)block + SLAB_BLOCK_BYTES;
}

/* Twice as much is mapped, and what does not stand on a multiple of a block's size is given back. */
static struct slab_block *map_block(void)
{
    char *p = mmap(NULL, 2 * SLAB_BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    size_t before = (SLAB_BLOCK_BYTES - (uintptr_t)p % SLAB_BLOCK_BYTES) % SLAB_BLOCK_BYTES;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + SLAB_BLOCK_BYTES, SLAB_BLOCK_BYTES - before);
    struct slab_block *block = (struct slab_block *)(void *)(p + before);
    list_init(&block->link);
    block->fresh = block->objects; /* the rest is zero, as mapped */
    return block;
}

static void unmap_block(struct slab *slab, struct slab_block *block)
{
    ASSERT(block->used == 0);
    list_remove(&block->link);
    munmap(block, SLAB_BLOCK_BYTES);
    slab->blocks--;
}

static void *take_in_block(struct slab *slab)
{
    if (list_empty(&slab->partial)) {
        struct slab_block *fresh = map_block();
        if (!fresh)
            return NULL;
        list_append(&slab->partial, &fresh->link);
        slab->blocks++;
    }
    struct slab_block *block = CONTAINER_OF(slab->partial.next, struct slab_block, link);
    void *object = block->free_list;
    if (object) {
        pop(&block->free_list);
    } else {
        object = block->fresh;
        block->fresh += slab->object_bytes;
    }
    block->used++;
    if (!block->free_list && !has_fresh(slab, block))
        list_remove(&block->link);
    return object;
}

/* A block that has just got a free place goes to the front, where it is filled again; an empty one to the end, where
 * the one that was empty before it stands. */
static void give_in_block(struct slab *slab, void *object)
{
    struct slab_block *block = of_object(object);

    push(&block->free_list, object);
    block->used--;
    if (!list_linked(&block->link))
        list_prepend(&slab->partial, &block->link);
    if (block->used > 0)
        return;
    struct slab_block *last = CONTAINER_OF(slab->partial.prev, struct slab_block, link);
    if (last != block && last->used == 0) {
        unmap_block(slab, block);
    } else {
        list_remove(&block->link);
        list_append(&slab->partial, &block->link);
    }
}

/* ---- both ---- */

void slab_fini(struct slab *slab)
{
    ASSERT(slab->used == 0);
    while (slab->free_list)
        free(pop(&slab->free_list));
    while (slab->blocks > 0)
        unmap_block(slab, CONTAINER_OF(slab->partial.next, struct slab_block, link));
}

void *slab_take(struct slab *slab)
{
    if (slab->used >= slab->max_objects)
        return NULL;
    void *object = slab->in_blocks ? take_in_block(slab) : take_alone(slab);
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
    if (slab->in_blocks)
        give_in_block(slab, object);
    else
        give_alone(slab, object);
}
