/* How scripts use libnghttp2: a peer that was written by others. Its memory never runs out: only the balancer's does.
 */
#ifndef TESTS_SIM_H2_SCRIPT_H
#define TESTS_SIM_H2_SCRIPT_H

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "tests/sim/memory.h"

static inline nghttp2_nv h2_script_field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static inline nghttp2_mem h2_script_memory(void)
{
    return (nghttp2_mem){NULL, memory_sure_malloc, memory_sure_free, memory_sure_calloc, memory_sure_realloc};
}

#endif
