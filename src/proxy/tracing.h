/* A request's part of a trace: taken over or begun, told to the worker, and written down as a span. A part of
 * exchange.c; nothing of it runs where tracing is off.
 */
#ifndef PROXY_TRACING_H
#define PROXY_TRACING_H

#include "base/assert.h"

struct exchange;

/* As the request comes, before its head is rewritten: x->trace. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int tracing_begin(struct exchange *x);
/* The rewritten head carries our traceparent, and no tracestate of a trace that was not continued. 0 or
 * -ERR_NO_MEMORY. */
MUST_CHECK int tracing_rewrite(struct exchange *x);
/* As it ends: the span, where the trace is sampled and somebody exports it. */
void tracing_note(const struct exchange *x);

#endif
