/* A configuration made ready for traffic: pools with their workers, routes and rules, as floors 4 and 5 take them.
 *
 * Built once from a checked configuration, immutable but for what pools and workers share by atomics. Outlives every
 * thread that was given it.
 */
#ifndef CONTROL_SNAPSHOT_H
#define CONTROL_SNAPSHOT_H

#include "control/config.h"
#include "proxy/reactor.h"

struct snapshot {
    const struct config *config; /* borrowed */
    struct pool **pools;
    uint32_t pool_count;
    struct worker *workers; /* of all pools, by index */
    uint32_t worker_count;
    struct route *routes;
    struct rewrite_network *trusted;
    struct exchange_rules rules;
};

/* 0, -ERR_NO_MEMORY, or -ERR_FULL: a pool's weights need too long a schedule. The configuration outlives the snapshot.
 */
MUST_CHECK int snapshot_create(const struct config *config, struct snapshot **ret_snapshot);
void snapshot_destroy(struct snapshot **snapshot);
/* What every reactor of this snapshot has in common; index, connections, sockets, sink and callbacks are the
 * caller's to fill in. */
struct reactor_options snapshot_reactor_options(const struct snapshot *snapshot);
/* What a listener of the configuration speaks, by its place there. */
struct transport_use snapshot_transport(const struct snapshot *snapshot, uint32_t listener);

#endif
