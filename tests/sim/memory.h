/* Memory of the code under test: made to run out for a while, and counted, so that what a scenario leaves behind is
 * seen. The linker puts this in malloc's place.
 */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on each n-th malloc, calloc and realloc fails; with only_bytes > 0, only those of that size are counted. */
void memory_fail_each(uint32_t n, size_t only_bytes);
/* They succeed again. */
void memory_stop(void);
/* malloc, calloc, realloc and free that never fail, for what scripts use a library for. */
void *memory_sure_malloc(size_t n, void *context);
void *memory_sure_calloc(size_t count, size_t n, void *context);
void *memory_sure_realloc(void *old, size_t n, void *context);
void memory_sure_free(void *p, void *context);
/* Pieces taken and not given back, by whatever function. */
int64_t memory_pieces(void);

#endif
