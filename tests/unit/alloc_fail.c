/* Allocation that fails on demand. Per thread, so that a thread of the code under test does not disturb the count.
 */
#include "alloc_fail.h"

#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *old, size_t n);

static _Thread_local unsigned alloc_fail_target;
static _Thread_local unsigned alloc_fail_calls;
static _Thread_local bool alloc_fail_failed;

void alloc_fail_at(unsigned n)
{
    alloc_fail_target = n;
    alloc_fail_calls = 0;
    alloc_fail_failed = false;
}

bool alloc_fail_stop(void)
{
    alloc_fail_target = 0;
    return alloc_fail_failed;
}

unsigned alloc_fail_count(void)
{
    return alloc_fail_calls;
}

static bool alloc_fail_now(void)
{
    alloc_fail_calls++;
    if (alloc_fail_calls != alloc_fail_target)
        return false;
    alloc_fail_failed = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return alloc_fail_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return alloc_fail_now() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *old, size_t n)
{
    return alloc_fail_now() ? NULL : __real_realloc(old, n);
}
