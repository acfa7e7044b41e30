/* From the words of the configuration to the structures that traffic uses. Start-up only, on the control thread: memory
 * comes from malloc and lives as long as the snapshot. */
#include "control/snapshot.h"

#include <stdlib.h>

#include "balance/pick.h"
#include "io/io_epoll.h"
#include "net/tls_conn.h"

static const struct pick_ops *policy_of(enum config_balance balance)
{
    switch (balance) {
    case CONFIG_BALANCE_ROUND_ROBIN: break;
    }
    return &pick_round_robin;
}

static void fill_worker(struct worker *worker, const struct config_worker *from, struct pool *pool, uint32_t index)
{
    *worker = (struct worker){
        .index = index,
        .weight = from->weight,
        .name = from->name,
        .id = from->id,
        .address = from->address.text,
        .addr = from->address.addr,
        .pool = pool,
    };
}

/* Each worker has a name of its own to verify, and sessions of its own. */
static int fill_transport(struct worker *worker, const struct config_worker *from, const struct config_pool *pool)
{
    const struct config_worker_tls *tls = &pool->worker_tls;
    struct tls_ctx *context = NULL;

    if (!tls->context)
        return 0;
    int error = tls_client_for(tls->context, tls->name.n ? tls->name : from->address.host, &context);
    if (!error)
        worker->transport = (struct transport_use){.transport = &transport_tls, .settings = context};
    return error;
}

static int fill_pool(struct pool *pool, const struct config_pool *from, struct worker *workers, uint32_t first_index)
{
    memset(pool, 0, sizeof(*pool));
    pool->name = from->name;
    pool->pick = policy_of(from->balance);
    pool->health_path = from->health.path;
    pool->health = (struct health_rules){
        .rise = from->health.rise,
        .fall = from->health.fall,
        .interval_ms = from->health.interval_ms,
        .doubt_ms = from->health.interval_doubt_ms,
        .timeout_ms = from->health.timeout_ms,
        .jitter_percent = from->health.jitter_percent,
        .status_min = from->health.expect.min,
        .status_max = from->health.expect.max,
    };
    for (uint32_t i = 0; i < from->workers.count; i++)
        fill_worker(&workers[i], &from->workers.items[i], pool, first_index + i);
    for (uint32_t i = 0; i < from->workers.count; i++) {
        int error = fill_transport(&workers[i], &from->workers.items[i], from);
        if (error)
            return error;
    }
    return pool_init(pool, workers, (uint32_t)from->workers.count);
}

/* start-up only: pools live as long as the snapshot. */
static int fill_pools(struct snapshot *snapshot, const struct config *config)
{
    uint32_t index = 0;

    for (size_t i = 0; i < config->pools.count; i++) {
        const struct config_pool *from = &config->pools.items[i];
        struct pool *pool = aligned_alloc(64, sizeof(*pool));
        if (!pool)
            return -ERR_NO_MEMORY;
        int error = fill_pool(pool, from, &snapshot->workers[index], index);
        if (error) {
            free(pool);
            return error;
        }
        snapshot->pools[snapshot->pool_count++] = pool;
        index += (uint32_t)from->workers.count;
    }
    return 0;
}

static void fill_network(struct rewrite_network *network, const struct config_network *from)
{
    memset(network, 0, sizeof(*network));
    if (from->v6) {
        memcpy(network->address, from->bytes, 16);
        network->bits = from->bits;
        return;
    }
    network->address[10] = 0xff;
    network->address[11] = 0xff;
    memcpy(network->address + 12, from->bytes, 4);
    network->bits = (uint8_t)(96 + from->bits);
}

static void fill_rules(struct snapshot *snapshot, const struct config *config)
{
    const struct config_timeouts *timeouts = &config->timeouts;

    for (size_t i = 0; i < config->routes.count; i++) {
        const struct config_route *from = &config->routes.items[i];
        snapshot->routes[i] = (struct route){from->host, from->path, snapshot->pools[from->pool]};
    }
    for (size_t i = 0; i < config->forwarded.trusted.count; i++)
        fill_network(&snapshot->trusted[i], &config->forwarded.trusted.items[i]);
    snapshot->rules = (struct exchange_rules){
        .routes = {snapshot->routes, (uint32_t)config->routes.count},
        .rewrite =
            {
                .via = config->forwarded.via,
                .upgrade = (enum rewrite_upgrade)config->forwarded.upgrade,
                .x_forwarded = config->forwarded.x_forwarded,
                .forwarded = config->forwarded.forwarded,
                .request_id = config->forwarded.request_id,
                .trusted = snapshot->trusted,
                .trusted_count = (uint32_t)config->forwarded.trusted.count,
            },
        .tries_max = config->limits.tries < PICK_TRIED_MAX ? config->limits.tries : PICK_TRIED_MAX,
        .connect_ms = timeouts->connect_ms,
        .request_body_ms = timeouts->request_body_ms,
        .response_head_ms = timeouts->response_head_ms,
        .response_idle_ms = timeouts->response_idle_ms,
        .client_stall_ms = timeouts->client_stall_ms,
        .tunnel_idle_ms = timeouts->tunnel_idle_ms,
        .tunnel_drain_ms = timeouts->tunnel_drain_ms,
        .half_closed_ms = timeouts->half_closed_ms,
        .min_rate = config->limits.min_rate,
        .metrics_path = config->metrics.enabled ? config->metrics.path : STR_NONE,
    };
}

/* start-up only: as the whole snapshot. */
int snapshot_create(const struct config *config, struct snapshot **ret_snapshot)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return -ERR_NO_MEMORY;
    snapshot->config = config;
    snapshot->worker_count = (uint32_t)config->worker_count;
    snapshot->pools = calloc(config->pools.count, sizeof(struct pool *));
    snapshot->workers = calloc(config->worker_count, sizeof(*snapshot->workers));
    snapshot->routes = calloc(config->routes.count, sizeof(*snapshot->routes));
    snapshot->trusted = calloc(config->forwarded.trusted.count + 1, sizeof(*snapshot->trusted));
    int error = -ERR_NO_MEMORY;
    if (snapshot->pools && snapshot->workers && snapshot->routes && snapshot->trusted)
        error = fill_pools(snapshot, config);
    if (error) {
        snapshot_destroy(&snapshot);
        return error;
    }
    fill_rules(snapshot, config);
    *ret_snapshot = snapshot;
    return 0;
}

/* start-up only: the other end of snapshot_create. */
void snapshot_destroy(struct snapshot **destroyed)
{
    struct snapshot *snapshot = *destroyed;

    *destroyed = NULL;
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        pool_fini(snapshot->pools[i]);
        free(snapshot->pools[i]);
    }
    free(snapshot->pools);
    for (uint32_t i = 0; snapshot->workers && i < snapshot->worker_count; i++)
        tls_ctx_unref((struct tls_ctx *)(uintptr_t)snapshot->workers[i].transport.settings);
    free(snapshot->workers);
    free(snapshot->routes);
    free(snapshot->trusted);
    free(snapshot);
}

struct reactor_options snapshot_reactor_options(const struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    struct h1_limits limits = {
        .head_bytes = (uint32_t)config->limits.header_bytes,
        .fields = config->limits.headers,
        .target_bytes = (uint32_t)config->limits.target_bytes,
    };

    return (struct reactor_options){
        .backend = &io_epoll_backend,
        .rules = &snapshot->rules,
        .client =
            {
                .limits = limits,
                .body_bytes = config->limits.body_bytes,
                .request_head_ms = config->timeouts.request_head_ms,
                .client_idle_ms = config->timeouts.client_idle_ms,
            },
        .client_h2 =
            {
                .enabled = config->http2.enabled,
                .streams = config->http2.streams,
                .floods =
                    {
                        [H2_FLOOD_RESETS] = config->http2.resets,
                        [H2_FLOOD_CONTROL] = config->http2.control_frames,
                        [H2_FLOOD_EMPTY] = config->http2.empty_frames,
                    },
            },
        .answer_limits = limits,
        .worker_idle_ms = config->timeouts.worker_idle_ms,
        .idle_per_worker = config->limits.idle_per_worker,
        .workers = snapshot->worker_count,
        .access_format = config->access_log.format == CONFIG_FORMAT_JSON ? ACCESS_LOG_JSON : ACCESS_LOG_TEXT,
        .access_sample = config->access_log.sample_percent,
    };
}

struct transport_use snapshot_transport(const struct snapshot *snapshot, uint32_t listener)
{
    struct tls_ctx *context = snapshot->config->listeners.items[listener].tls.context;

    return (struct transport_use){.transport = context ? &transport_tls : NULL, .settings = context};
}
