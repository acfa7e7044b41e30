/* A configuration made ready for traffic: pools with their workers, routes and rules, as floors 4 and 5 take them.
 *
 * Built once from a checked configuration, of which it keeps no text; immutable but for what pools and workers share by
 * atomics. Counted: whoever goes by its rules holds it. Several may be there, the newest in use and others for
 * exchanges that began under them; the control thread owns the list and frees those that nobody holds.
 */
#ifndef CONTROL_SNAPSHOT_H
#define CONTROL_SNAPSHOT_H

#include "balance/roster.h"
#include "control/config.h"
#include "proxy/reactor.h"

struct snapshot_listener {
    struct tls_ctx *tls;           /* NULL: plain */
    struct proxied_rules *proxied; /* NULL: no PROXY protocol */
    struct str address;            /* as written */
    struct str *certificates;      /* their files, in order */
};

struct snapshot {
    const struct config *config; /* borrowed, while it is the newest */
    struct snapshot *older;      /* control thread: the one before that is still held */
    _Atomic uint32_t holders;
    void *owner; /* whoever made it: for rules.metrics */
    struct arena texts;
    struct pool **pools;
    uint32_t pool_count;
    struct worker **workers;            /* of all pools, in their order */
    uint32_t *weights;                  /* of workers, as the file has them */
    uint32_t *shares;                   /* the same, as they were changed at run time */
    const struct worker_label **labels; /* of workers */
    struct transport_use *transports;   /* of workers */
    struct telling *tellings;           /* beside each: its TLS, and whether it begins with a PROXY header */
    uint32_t transport_count;
    uint32_t worker_count;
    uint32_t index_end;                  /* worker->index is below it */
    struct snapshot_listener *listeners; /* by their place in the configuration */
    uint32_t listener_count;
    struct route *routes;
    bool by_scheme; /* of the route table */
    struct network *trusted;
    struct exchange_rules rules;
    struct access_format access_format;
    struct reactor_options reactor; /* what every reactor of this snapshot has in common */
};

/* Held once, by the caller; workers that were never seen are added to the roster, and nothing else shows of it yet. 0,
 * -ERR_NO_MEMORY, or -ERR_FULL: a pool's weights need too long a schedule, or too many workers were seen. before: the
 * newest of now (NULL: none), whose settings of TLS are used again where they are the same, with sessions and tickets.
 */
MUST_CHECK int snapshot_create(const struct config *config, struct roster *roster, const struct snapshot *before,
                               struct snapshot **ret_snapshot);
/* Control thread: the snapshot becomes the newest of the list *newest. Workers get its weights and pools, those that it
 * does not have are removed, schedules are published and the roster too. Before reactors hear of it; what they keep by
 * worker->index has grown to index_end. */
void snapshot_enter(struct snapshot *snapshot, struct roster *roster, struct snapshot **newest);
/* Any thread. */
void snapshot_hold(struct snapshot *snapshot);
/* Any thread; true when nobody holds it any more. */
bool snapshot_let_go(struct snapshot *snapshot);
/* Control thread: frees those of the list that nobody holds; returns how many are left. */
uint32_t snapshot_sweep(struct snapshot **newest);
/* One that was never entered, or the last one of all. Nulls. */
void snapshot_destroy(struct snapshot **snapshot);
/* What every reactor of this snapshot has in common; index, connections, doors, sink and callbacks are the caller's to
 * fill in. */
struct reactor_options snapshot_reactor_options(const struct snapshot *snapshot);
/* What a listener of the configuration speaks, by its place there. */
struct transport_use snapshot_transport(const struct snapshot *snapshot, uint32_t listener);

#endif
