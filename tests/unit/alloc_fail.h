/* Makes the n-th allocation of the code under test fail (the linker puts these in malloc's place, see meson.build).
 *
 *     for (unsigned n = 1;; n++) {
 *         alloc_fail_at(n);
 *         int code = thing_init(&thing);
 *         if (!alloc_fail_stop())
 *             break;
 *         ... code says -ERR_NO_MEMORY, and nothing is left behind
 *     }
 *     ... the thing works
 *
 * Counts only what the calling thread allocates, and only calls made from the objects linked into the test: not those
 * inside shared libraries.
 */
#ifndef UNIT_ALLOC_FAIL_H
#define UNIT_ALLOC_FAIL_H

#include <stdbool.h>

/* The n-th malloc, calloc or realloc from now on fails, once; n > 0. */
void alloc_fail_at(unsigned n);
/* Allocations succeed again. Says whether one had failed. */
bool alloc_fail_stop(void);
/* Allocations of this thread since the last alloc_fail_at. */
unsigned alloc_fail_count(void);

#endif
