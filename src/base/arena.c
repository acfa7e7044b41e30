/* Blocks behind one another, handed out by moving a mark. An arena belongs to one exchange, on its reactor's thread.
 *
 * Pieces are never given back alone: an exchange ends as a whole. In sanitizer builds each piece is a block of its
 * own, so that an overrun of one or a use after the reset is seen.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/region.h"

struct arena_block {
    struct arena_block *next;
    size_t room;
    size_t used;
    _Alignas(max_align_t) char data[];
};

#ifdef BALLAST_SANITIZE
enum { ARENA_BLOCK_ROOM = 0 };
#else
enum { ARENA_BLOCK_ROOM = 4096 - sizeof(struct arena_block) };
#endif

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

void arena_init_in(struct arena *arena, struct region *region, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes, .region = region};
}

static void arena_free_blocks(const struct arena *arena, struct arena_block *block)
{
    while (block && !arena->region) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_fini(struct arena *arena)
{
    arena_free_blocks(arena, arena->first);
    arena_init_in(arena, arena->region, arena->max_bytes);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->first;
    arena->bytes = 0;
    if (!first)
        return;
    /* A first block made for one large piece is no block worth keeping. */
    if (first->room != ARENA_BLOCK_ROOM) {
        arena_fini(arena);
        return;
    }
    arena_free_blocks(arena, first->next);
    first->next = NULL;
    first->used = 0;
    arena->current = first;
}

static struct arena_block *arena_add_block(struct arena *arena, size_t n)
{
    size_t room = n > ARENA_BLOCK_ROOM ? n : ARENA_BLOCK_ROOM;
    size_t bytes = sizeof(struct arena_block) + room;
    struct arena_block *block = arena->region ? region_take(arena->region, bytes) : malloc(bytes);
    if (!block)
        return NULL;
    *block = (struct arena_block){.room = room};
    if (arena->current)
        arena->current->next = block;
    else
        arena->first = block;
    arena->current = block;
    return block;
}

static size_t arena_align(size_t used)
{
    return (used + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
}

void *arena_take(struct arena *arena, size_t n)
{
    ASSERT(n > 0);
    if (n > arena->max_bytes - arena->bytes)
        return NULL;
    struct arena_block *block = arena->current;
    size_t start = block ? arena_align(block->used) : 0;
    if (!block || start >= block->room || block->room - start < n) {
        block = arena_add_block(arena, n);
        start = 0;
    }
    if (!block)
        return NULL;
    block->used = start + n;
    arena->bytes += n;
    return block->data + start;
}

struct str arena_copy(struct arena *arena, struct str text)
{
    char *copy = arena_take(arena, text.n > 0 ? text.n : 1);
    if (!copy)
        return STR_NONE;
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    return str_slice(copy, text.n);
}

struct str arena_print(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(n >= 0);
    char *text = arena_take(arena, (size_t)n + 1);
    if (!text)
        return STR_NONE;
    va_start(arguments, format);
    vsnprintf(text, (size_t)n + 1, format, arguments);
    va_end(arguments);
    return str_slice(text, (size_t)n);
}
