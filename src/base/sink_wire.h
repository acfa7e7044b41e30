/* Where a sink's lines go if not to a file: a syslog server or the journal, a message for each entry.
 *
 * Used by the sink's writer alone, which may wait here. A server that is reached by a stream or a Unix socket is waited
 * for and asked again once a second, and what came meanwhile waits in the sink; UDP has nobody to wait for.
 */
#ifndef BASE_SINK_WIRE_H
#define BASE_SINK_WIRE_H

#include <stdatomic.h>

#include "base/sink.h"

struct sink_wire;

/* Nothing is connected yet. 0 or -ERR_NO_MEMORY. target->kind: not SINK_FILE. */
MUST_CHECK int sink_wire_create(const struct sink_target *target, struct sink_wire **ret_wire);
void sink_wire_destroy(struct sink_wire **wire);
/* Sends each of the entries in bytes[0..n). Returns how many could not be; all that are left once the time
 * *give_up_ms (CLOCK_MONOTONIC) has passed. */
uint64_t sink_wire_put(struct sink_wire *wire, const char *bytes, size_t n, const _Atomic int64_t *give_up_ms);

#endif
