/* calloc with a line to spare in front, which says where the block began. Called where threads' own structures are
 * made: reactors, their counters, their shelves. Not aligned_alloc: pages that nobody touches stay unmapped with
 * calloc. */
#include "base/lines.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"

void *lines_take(size_t count, size_t size)
{
    ASSERT(count > 0 && size > 0);
    if (size > (SIZE_MAX - 3 * LINE_BYTES) / count)
        return NULL;
    size_t bytes = (count * size + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    char *block = calloc(1, bytes + 2 * LINE_BYTES);
    if (!block)
        return NULL;
    char *lines = block + LINE_BYTES + (LINE_BYTES - (uintptr_t)block % LINE_BYTES) % LINE_BYTES;
    ((void **)(void *)lines)[-1] = block;
    return lines;
}

void lines_give(void *lines)
{
    if (lines)
        free(((void **)lines)[-1]);
}
