/* Sends spans to a collector: OTLP over HTTP, as JSON, in batches. On the control thread, over the client that probes
 * use.
 *
 * A batch a second at most, and only when there are spans. What the collector cannot take now is sent again, later and
 * later; meanwhile the queue fills up and what does not fit is dropped and counted. Nobody but a few timers notices a
 * dead collector.
 */
#ifndef CONTROL_SPAN_EXPORT_H
#define CONTROL_SPAN_EXPORT_H

#include "control/config.h"
#include "io/io.h"
#include "proxy/span.h"

enum { SPAN_EXPORT_BATCH = 256 };

struct span_export_options {
    struct io *io;
    struct span_queue *queue;
    const struct config_tracing *tracing; /* needed until span_export_create has returned */
};

struct span_export_counts {
    uint64_t sent, failed; /* spans; failed: the collector would not have them, or it was too late */
};

struct span_export;

MUST_CHECK int span_export_create(const struct span_export_options *options, struct span_export **ret_export);
/* Sends what is left at once, if the collector takes it in a second; span_export_stopped says when it is done. */
void span_export_stop(struct span_export *export);
bool span_export_stopped(const struct span_export *export);
/* Any thread. */
void span_export_read(const struct span_export *export, struct span_export_counts *ret_counts);
/* Stopped. Nulls. */
void span_export_destroy(struct span_export **export);

#endif
