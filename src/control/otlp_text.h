/* Spans as OTLP wants them: an ExportTraceServiceRequest in JSON (OpenTelemetry Protocol 1.3), attributes by the
 * semantic conventions for HTTP servers (1.27). Pure.
 */
#ifndef CONTROL_OTLP_TEXT_H
#define CONTROL_OTLP_TEXT_H

#include <stdio.h>

#include "proxy/span.h"

/* What all spans have in common; words. */
struct otlp_resource {
    const char *service;
    const char *host;
    uint32_t process;
};

void otlp_text_print(FILE *out, const struct otlp_resource *resource, const struct span *spans, size_t count);

#endif
