/* traceparent of any bytes: what is accepted is told to workers as the same trace, and never anything else.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "proxy/trace.h"

static void check_read(struct str text, struct trace trace)
{
    char out[TRACE_PARENT_CHARS];
    struct trace again;

    ASSERT(!trace_is_zero(trace.id, TRACE_ID_BYTES) && !trace_is_zero(trace.parent, TRACE_SPAN_BYTES));
    memcpy(trace.span, trace.parent, TRACE_SPAN_BYTES); /* then it is printed as it came */
    trace_print(&trace, out);
    ASSERT(memcmp(out + 2, text.p + 2, TRACE_PARENT_CHARS - 4) == 0 && memcmp(out, "00", 2) == 0);
    ASSERT(trace_read(str_slice(out, sizeof(out)), &again) == 0);
    ASSERT(memcmp(again.id, trace.id, sizeof(trace.id)) == 0 && again.sampled == trace.sampled);
    ASSERT(memcmp(again.parent, trace.parent, sizeof(trace.parent)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = str_slice((const char *)bytes, n);
    struct trace trace, before;

    memset(&trace, 0x5a, sizeof(trace));
    before = trace;
    int error = trace_read(text, &trace);
    ASSERT(error == 0 || error == -ERR_CONFIG);
    if (error == 0)
        check_read(text, trace);
    else
        ASSERT(memcmp(&trace, &before, sizeof(trace)) == 0);
    return 0;
}
