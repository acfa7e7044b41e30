/* Memory in whole cache lines: for what one thread writes all the time, so that no other thread's data is on its lines.
 *
 * malloc promises 16 bytes, which is neither enough for a struct with a member of _Alignas(64) nor keeps neighbours
 * apart. Any thread.
 */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include <stddef.h>

enum { LINE_BYTES = 64 };

/* Zeroed room for count things of size bytes each, beginning and ending with a line; NULL without memory. count and
 * size > 0. */
void *lines_take(size_t count, size_t size);
/* NULL is nothing. */
void lines_give(void *lines);

#endif
