/* Whose trace a request belongs to: W3C Trace Context, level 1. Pure.
 */
#ifndef PROXY_TRACE_H
#define PROXY_TRACE_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/rand.h"
#include "base/str.h"

enum { TRACE_ID_BYTES = 16, TRACE_SPAN_BYTES = 8, TRACE_PARENT_CHARS = 55 };

/* All zero: there is none. */
struct trace {
    uint8_t id[TRACE_ID_BYTES];
    uint8_t parent[TRACE_SPAN_BYTES]; /* the caller's span; all zero: the trace begins here */
    uint8_t span[TRACE_SPAN_BYTES];   /* ours */
    bool sampled;
};

struct trace_options {
    bool enabled;
    bool restart;           /* callers' traces are not continued */
    uint32_t ratio_percent; /* of the traces that begin here */
};

/* The value of a traceparent field (section 3.2.2): 0 with id, parent and sampled of *ret_trace; -ERR_CONFIG when it is
 * none. Of versions that are not known yet what version 00 has is read. */
MUST_CHECK int trace_read(struct str value, struct trace *ret_trace);
/* A trace that begins here: sampled for that share of the ids. */
void trace_begin(struct trace *trace, uint32_t ratio_percent, struct rand_gen *rand);
/* A span of ours in it. */
void trace_take_span(struct trace *trace, struct rand_gen *rand);
/* What a worker is told: the trace, and our span as its parent. */
void trace_print(const struct trace *trace, char out[TRACE_PARENT_CHARS]);
/* Lower-case hexadecimal, two characters a byte. */
void trace_hex(char *out, const uint8_t *bytes, size_t n);
bool trace_is_zero(const uint8_t *bytes, size_t n);

#endif
