/* The list of changes where the death of a server does not reach it: its keeper makes this memory before it forks, the
 * server writes the list there as it changes, and the next server begins with it.
 *
 * One writer at a time, the server's control thread; read by the next one when that is dead. It was killed wherever it
 * was, and may have been taken over by somebody before: what is read is whole, and judged.
 */
#ifndef CONTROL_CHANGES_MEMORY_H
#define CONTROL_CHANGES_MEMORY_H

#include "control/changes.h"

enum { CHANGES_MEMORY_MAX = 1 << 17 }; /* of entries */

struct changes_memory;

/* 0 or a negative code. */
MUST_CHECK int changes_memory_create(struct changes_memory **ret_memory);
/* Nulls; NULL there is harmless. */
void changes_memory_destroy(struct changes_memory **memory);
/* In place of what was written last. 0, or -ERR_FULL: there is no list then. */
MUST_CHECK int changes_memory_write(struct changes_memory *memory, const struct changes *changes);
/* How many entries it has. */
uint32_t changes_memory_count(const struct changes_memory *memory);
/* A copy; entries that make no sense are left out. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int changes_memory_read(const struct changes_memory *memory, struct changes *ret_changes);

#endif
