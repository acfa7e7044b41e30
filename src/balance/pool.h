/* Pools of workers: who there is, who is alive, and whose turn it is.
 *
 * A worker outlives configurations by its identity (balance/roster); its health word is written by the control thread
 * alone and read by all. A pool belongs to one configuration, and there may be several of one name while exchanges of
 * the configuration before go on. A pool publishes a schedule, the order in which its living workers get their turns;
 * the control thread rebuilds it when health, modes or weights change. A pick is one atomic add and an index, and is
 * exact over all reactors (ADR 0004).
 */
#ifndef BALANCE_POOL_H
#define BALANCE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance/health.h"
#include "balance/idle_age.h"
#include "base/err.h"
#include "base/str.h"
#include "http/worker_door.h"
#include "io/sock.h"

enum { POOL_WEIGHT_MAX = 256, POOL_SLOTS_MAX = 1 << 20, POOL_SLOTS_PER_MS = 1000 };

/* What an operator said of a worker, beside its health: that is the probes' alone. */
enum worker_mode { WORKER_READY, WORKER_DRAIN, WORKER_DISABLED };

/* What it is called, which other workers' addresses have a say in. */
struct worker_label {
    struct str name; /* for people, and the label `worker` in the metrics */
    struct str id;   /* in metric names: worker_<id>_alive */
};

struct worker {
    /* fixed after init */
    uint32_t index; /* over all pools: the place of its counters and idle connections */
    struct str pool_name;
    struct str address;
    struct sock_addr addr;
    /* control thread only */
    uint32_t weight;   /* as configured */
    struct pool *pool; /* in the newest configuration; NULL: it is not in that */
    /* shared: written by the control thread, but for speaks_h2 and idle_age */
    _Atomic bool alive;      /* by probes alone */
    _Atomic bool told_alive; /* the same, from when requests are given out by it: whoever reads of it may send one */
    _Atomic bool removed;    /* no longer in the configuration */
    /* By the newest configuration; one that was read stays good. */
    const struct worker_label *_Atomic label;
    /* Of a removed one: who bears its name now, and whose counters its own are told with. NULL: it speaks for itself.
     */
    struct worker *_Atomic heir;
    /* Of connections that begin, probes too; NULL: plain. Lives as long as the configuration that brought it. */
    const struct transport_use *_Atomic transport;
    _Atomic uint8_t protocol;       /* enum worker_protocol: of connections that begin, probes too */
    _Atomic bool speaks_h2;         /* by reactors: ALPN said so last time */
    _Atomic uint8_t mode;           /* enum worker_mode */
    _Atomic uint32_t weight_change; /* instead of weight; 0: none */
    struct idle_age idle_age;       /* written by reactors */
};

/* Healthy, and no operator keeps requests from it. Any thread. */
static inline bool worker_takes(const struct worker *worker)
{
    return atomic_load_explicit(&worker->alive, memory_order_relaxed) &&
           atomic_load_explicit(&worker->mode, memory_order_relaxed) == WORKER_READY;
}

/* Its share now. Any thread. */
static inline uint32_t worker_weight(const struct worker *worker)
{
    uint32_t change = atomic_load_explicit(&worker->weight_change, memory_order_relaxed);

    return change ? change : worker->weight;
}

/* Any thread. */
static inline struct str worker_name(const struct worker *worker)
{
    return atomic_load_explicit(&worker->label, memory_order_acquire)->name;
}

static inline struct str worker_id(const struct worker *worker)
{
    return atomic_load_explicit(&worker->label, memory_order_acquire)->id;
}

/* What a connection to it speaks that begins now. Any thread. */
static inline const struct transport_use *worker_transport(const struct worker *worker)
{
    static const struct transport_use plain = {.transport = NULL};
    const struct transport_use *transport = atomic_load_explicit(&worker->transport, memory_order_acquire);

    return transport ? transport : &plain;
}

static inline enum worker_protocol worker_protocol(const struct worker *worker)
{
    return (enum worker_protocol)atomic_load_explicit(&worker->protocol, memory_order_relaxed);
}

struct pick_ops;

/* The order of turns: slots[cursor % count]. */
struct pool_schedule {
    struct pool_schedule *before; /* the smaller one whose place it took: a reader may still be in it */
    uint32_t room;                /* fixed */
    _Atomic uint32_t count;       /* 0: nobody takes requests */
    _Atomic uint32_t slots[];     /* indexes into pool->workers */
};

struct pool {
    /* fixed after init */
    struct str name;
    const struct pick_ops *pick;
    enum worker_protocol protocol;
    struct health_rules health;
    bool health_grpc;          /* asked by gRPC's protocol, about this service; else by GET, for this path */
    struct str health_service; /* at most GRPC_HEALTH_SERVICE_MAX */
    struct str health_path;
    struct worker **workers;
    uint32_t count;
    _Atomic uint64_t *turn; /* of this pool and all others of its name: written by every pick, alone on its line */
    /* control thread only */
    uint32_t *scratch;  /* for weighted schedules; NULL while all weights are equal */
    struct pool *older; /* of the same name, in the configuration before, while that is still in use */
    /* shared: written by the control thread, read by reactors. A reader takes schedules[version & 1] and checks
     * afterwards that version has moved by less than 2: the other one is being written. */
    struct pool_schedule *_Atomic schedules[2];
    _Atomic uint32_t version;
    _Atomic int64_t next_probe_ms; /* steady; when the next probe of a worker that is down is due */
};

/* workers[0..count), and weights[i] that each is going to have; count > 0. Makes room for the schedules; who is alive
 * shows with the first pool_publish. 0, -ERR_NO_MEMORY, -ERR_FULL (the weights need more than POOL_SLOTS_MAX slots). */
MUST_CHECK int pool_init(struct pool *pool, struct worker **workers, const uint32_t *weights, uint32_t count);
void pool_fini(struct pool *pool);
/* Control thread: publishes the schedule for the workers that now take requests, by their weights; also in the older
 * ones of this name. Weights that need more room than the pool was made for count as equal: those of a newer
 * configuration, in a pool of the one before. */
void pool_publish(struct pool *pool);
/* How long to let pass between two publications, so that a pool of very many slots whose workers change one by one does
 * not keep its thread busy with schedules; 0 for pools of less than POOL_SLOTS_PER_MS slots. */
int64_t pool_publish_pause_ms(const struct pool *pool);
/* Control thread: another weight for a worker of this pool, from now on. 0, or -ERR_NO_MEMORY or -ERR_FULL with nothing
 * changed. */
MUST_CHECK int pool_set_weight(struct pool *pool, struct worker *worker, uint32_t weight);
/* Control thread: whether requests may go to it. */
void pool_set_mode(struct pool *pool, struct worker *worker, enum worker_mode mode);
/* Any thread: how many are healthy, and how many turns a round of the published schedule has. */
uint32_t pool_alive(const struct pool *pool);
uint32_t pool_round(const struct pool *pool);
/* The worker at a position of the published schedule; NULL when nobody takes requests. Any thread. */
struct worker *pool_at(const struct pool *pool, uint64_t position);

#endif
