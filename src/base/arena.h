/* Memory that lives as long as one exchange: taken piece by piece, given back at once.
 *
 * Owned by one thread. The first block stays with the arena over arena_reset, so that a small request allocates
 * nothing. In sanitizer builds each piece is one malloc.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_block;
struct region;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    size_t bytes;          /* handed out since the last reset */
    size_t max_bytes;      /* arena_take fails above it */
    struct region *region; /* where blocks are; NULL: of malloc */
};

/* Takes no memory yet. */
void arena_init(struct arena *arena, size_t max_bytes);
/* The same in a region, which must outlive what is taken; what is given back is the region's to reset. */
void arena_init_in(struct arena *arena, struct region *region, size_t max_bytes);
void arena_fini(struct arena *arena);
/* Everything taken is given back; the first block is kept. */
void arena_reset(struct arena *arena);
/* n bytes aligned for any type, uninitialised; NULL at the cap or without memory. n > 0. */
void *arena_take(struct arena *arena, size_t n);
/* A copy of text; {NULL, 0} when out of memory. An empty text gives a non-NULL p. */
struct str arena_copy(struct arena *arena, struct str text);
/* printf into the arena; {NULL, 0} when out of memory. */
struct str arena_print(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
