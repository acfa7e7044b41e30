/* malloc with a will of its own. One thread; the scripts take their memory by aligned_alloc, which never fails. */
#include "tests/sim/memory.h"

#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *old, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *old, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strndup(const char *text, size_t most);
void __wrap_free(void *p);

static uint32_t fail_each, calls;
static size_t only;
static int64_t pieces;

void memory_fail_each(uint32_t n, size_t only_bytes)
{
    fail_each = n;
    only = only_bytes;
    calls = 0;
}

void memory_stop(void)
{
    fail_each = 0;
}

int64_t memory_pieces(void)
{
    return pieces;
}

static bool fails(size_t n)
{
    return fail_each > 0 && (only == 0 || n == only) && ++calls % fail_each == 0;
}

static void *counted(void *p)
{
    pieces += p != NULL;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return fails(n) ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails(count * n) ? NULL : counted(__real_calloc(count, n));
}

void *__wrap_realloc(void *old, size_t n)
{
    if (fails(n))
        return NULL;
    pieces -= old != NULL;
    return counted(__real_realloc(old, n));
}

void *memory_sure_malloc(size_t n, void *context)
{
    return counted(__real_malloc(n));
}

void *memory_sure_calloc(size_t count, size_t n, void *context)
{
    return counted(__real_calloc(count, n));
}

void *memory_sure_realloc(void *old, size_t n, void *context)
{
    pieces -= old != NULL;
    return counted(__real_realloc(old, n));
}

void memory_sure_free(void *p, void *context)
{
    __wrap_free(p);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return counted(__real_aligned_alloc(alignment, n));
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t n = strnlen(text, most);
    char *copy = __wrap_malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, text, n);
        copy[n] = 0;
    }
    return copy;
}

void __wrap_free(void *p)
{
    pieces -= p != NULL;
    __real_free(p);
}
