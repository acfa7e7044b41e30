/* A table that grows and never moves: elements of one size, found by their index.
 *
 * One thread makes it grow; others may use every element that they learned of after that. Each piece has twice the
 * elements of the one before, so that a small table is small and a million elements are fifteen pieces.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { TABLE_FIRST = 64, TABLE_PIECES = 15, TABLE_MAX = TABLE_FIRST * ((1 << TABLE_PIECES) - 1) };

struct table {
    size_t element_bytes;
    uint32_t room;
    char *pieces[TABLE_PIECES];
};

/* Empty; takes no memory yet. */
void table_init(struct table *table, size_t element_bytes);
void table_fini(struct table *table);
/* Room for indexes below count; new elements are all zero. 0, -ERR_NO_MEMORY, -ERR_FULL: count is above TABLE_MAX. */
MUST_CHECK int table_grow(struct table *table, uint32_t count);

/* index is below what it grew to. */
static inline void *table_at(const struct table *table, uint32_t index)
{
    uint32_t n = index + TABLE_FIRST;
    uint32_t piece = 31 - (uint32_t)__builtin_clz(n / TABLE_FIRST);

    return table->pieces[piece] + (size_t)(n - ((uint32_t)TABLE_FIRST << piece)) * table->element_bytes;
}

#endif
