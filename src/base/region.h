/* Memory that a process and those it forks share at one place, so that pointers into it are good in all of them: one
 * fills it, the others only read.
 *
 * Address space is set aside at once, memory is taken as it is filled. Not safe for two who fill it at the same time.
 */
#ifndef BASE_REGION_H
#define BASE_REGION_H

#include <stddef.h>

#include "base/assert.h"

struct region {
    char *base; /* NULL: none */
    size_t room;
    size_t used;
    int fd; /* of the memory; closed on exec */
};

/* room: a multiple of the page size. 0, or a negative code. */
MUST_CHECK int region_create(struct region *region, size_t room);
void region_destroy(struct region *region);
/* n bytes aligned for any type, uninitialised; NULL when it is full. n > 0. */
void *region_take(struct region *region, size_t n);
/* What was taken is taken no more. */
void region_reset(struct region *region);
/* In a process that only reads: it cannot write there any more, nor undo this. 0, or a negative code. */
MUST_CHECK int region_read_only(struct region *region);

#endif
