/* Every worker that this process has known, by identity: the name of its pool, its address, its name.
 *
 * What is learned of a worker (health, counters, idle connections) hangs on its object and its index, so it outlives
 * the configuration that brought it: one that is still there after a reload is the same object, and one that was
 * removed and comes back is too. Nothing is taken off: an index is never used twice, and counters never go backwards.
 * Written by the control thread; any thread may read the list.
 */
#ifndef BALANCE_ROSTER_H
#define BALANCE_ROSTER_H

#include "balance/pool.h"
#include "base/table.h"

struct roster_pool;

struct roster {
    /* control thread only */
    struct table buckets; /* of chains by the hash of an identity */
    struct table names;   /* likewise by the hash of a pool's and a worker's name; empty between two calls */
    struct roster_pool *pools;
    uint32_t known; /* workers, those of a configuration that is not yet in use included */
    /* shared: read up to count */
    struct table workers; /* struct worker * by index */
    _Atomic uint32_t count;
};

/* What a configuration says of a worker; texts are copied when it is new. */
struct roster_entry {
    struct str pool_name;
    struct str address;
    struct str given_name; /* empty: it has none of its own */
    struct str name, id;
    const struct sock_addr *addr;
};

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int roster_init(struct roster *roster);
/* Frees all workers. */
void roster_fini(struct roster *roster);
/* The worker of this identity, made if there is none, and what the entry calls it: that is for worker->label, and lives
 * as long as the worker. A new one is not yet seen by others: see roster_publish. 0, -ERR_NO_MEMORY, -ERR_FULL. */
MUST_CHECK int roster_find(struct roster *roster, const struct roster_entry *entry, struct worker **ret_worker,
                           const struct worker_label **ret_label);
/* The worker of this identity; NULL: there is none. */
struct worker *roster_known(const struct roster *roster, const struct roster_entry *entry);
/* Part of its identity; empty: it was given none. */
struct str roster_given_name(const struct worker *worker);
/* The turn that all pools of this name share. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int roster_turn(struct roster *roster, struct str pool_name, _Atomic uint64_t **ret_turn);
/* All that are known may be read by others from now on. Labels and `removed` are as they shall be; removed ones get
 * their heirs. */
void roster_publish(struct roster *roster);
/* Any thread. */
uint32_t roster_count(const struct roster *roster);
struct worker *roster_at(const struct roster *roster, uint32_t index);

#endif
