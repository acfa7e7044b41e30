/* From the words of the configuration to the structures that traffic uses. At the start and once a reload, on the
 * control thread: memory comes from malloc and lives as long as the snapshot. */
#include "control/snapshot.h"

#include <stdlib.h>

#include "balance/pick.h"
#include "control/config_proxied.h"
#include "control/config_tls.h"
#include "io/io_epoll.h"
#include "net/proxied.h"
#include "net/telling.h"
#include "net/tls_conn.h"

enum { TEXT_BYTES_MAX = 1 << 30 };

static const struct pick_ops *policy_of(enum config_balance balance)
{
    switch (balance) {
    case CONFIG_BALANCE_ROUND_ROBIN: break;
    }
    return &pick_round_robin;
}

static int copy_text(struct snapshot *snapshot, struct str from, struct str *ret_text)
{
    *ret_text = arena_print(&snapshot->texts, "%.*s", STR_ARG(from)); /* with a NUL behind it */
    return ret_text->p ? 0 : -ERR_NO_MEMORY;
}

/* The place of a pool of this name in the configuration before, if it had the same TLS; else its count. */
static size_t same_pool(const struct snapshot *before, const struct config *config, size_t pool)
{
    const struct config_pools *pools = &before->config->pools;
    size_t i = 0;

    while (i < pools->count && !str_eq(pools->items[i].name, config->pools.items[pool].name))
        i++;
    return i < pools->count && config_tls_same_pool(before->config, i, config, pool) ? i : pools->count;
}

/* Each worker has a name of its own to verify, and sessions of its own: `kept` has them already (NULL: nobody does). */
static int fill_transport(struct transport_use *transport, struct telling *telling, const struct config_worker *from,
                          const struct config_pool *pool, struct tls_ctx *shared, struct tls_ctx *kept)
{
    struct str name = pool->worker_tls.name;
    int error = 0;

    if (shared && kept)
        telling->tls = tls_ctx_ref(kept);
    else if (shared)
        error = tls_client_for(shared, name.n ? name : from->address.host, &telling->tls);
    telling->version = (enum telling_version)pool->send_proxy;
    if (telling->version != TELLING_OFF)
        *transport = (struct transport_use){.transport = &transport_telling, .settings = telling};
    else if (telling->tls)
        *transport = (struct transport_use){.transport = &transport_tls, .settings = telling->tls};
    return error;
}

/* Of a worker that goes on; NULL: it is new, or speaks no TLS. */
static struct tls_ctx *kept_tls(const struct worker *worker)
{
    const struct transport_use *kept = worker_transport(worker);

    if (!worker->pool)
        return NULL;
    if (kept->transport == &transport_telling)
        return ((const struct telling *)kept->settings)->tls;
    return (struct tls_ctx *)(uintptr_t)kept->settings; /* only its count changes */
}

static int fill_transports(struct snapshot *snapshot, const struct config *config, size_t pool,
                           struct worker *const *workers, const struct snapshot *before)
{
    const struct config_pool *from = &config->pools.items[pool];
    bool same = before && same_pool(before, config, pool) < before->config->pools.count;
    struct tls_ctx *shared;
    struct tls_why why;
    int error = config_tls_pool(config, pool, &shared, &why);

    for (size_t i = 0; i < from->workers.count && !error; i++) {
        uint32_t place = snapshot->transport_count;
        struct tls_ctx *kept = same ? kept_tls(workers[i]) : NULL;
        error = fill_transport(&snapshot->transports[place], &snapshot->tellings[place], &from->workers.items[i], from,
                               shared, kept);
        snapshot->transport_count += !error;
    }
    tls_ctx_unref(shared);
    return error;
}

static int fill_texts(struct snapshot *snapshot, struct snapshot_listener *listener, const struct config_listener *from)
{
    size_t count = from->tls.certificates.count;
    int error = copy_text(snapshot, from->address.text, &listener->address);

    if (error || count == 0)
        return error;
    listener->certificates = arena_take(&snapshot->texts, count * sizeof(*listener->certificates));
    if (!listener->certificates)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < count && !error; i++)
        error = copy_text(snapshot, from->tls.certificates.items[i].chain.path, &listener->certificates[i]);
    return error;
}

static int fill_tls(struct snapshot_listener *listener, const struct config *config, size_t index,
                    const struct snapshot *before)
{
    const struct config_listeners *old = before ? &before->config->listeners : NULL;
    const struct sockaddr_storage *address = &config->listeners.items[index].address.addr.storage;
    struct tls_why why;

    for (size_t i = 0; old && i < old->count; i++)
        if (before->listeners[i].tls && sock_addr_equal(&old->items[i].address.addr.storage, address) &&
            config_tls_same_listener(before->config, i, config, index)) {
            listener->tls = tls_ctx_ref(before->listeners[i].tls);
            return 0;
        }
    return config_tls_listener(config, index, &listener->tls, &why);
}

static int fill_listeners(struct snapshot *snapshot, const struct config *config, const struct snapshot *before)
{
    int error = 0;

    for (size_t i = 0; i < config->listeners.count && !error; i++) {
        struct snapshot_listener *listener = &snapshot->listeners[snapshot->listener_count++];
        error = fill_texts(snapshot, listener, &config->listeners.items[i]);
        if (!error)
            error = fill_tls(listener, config, i, before);
        if (!error)
            error = config_proxied_listener(config, i, listener->tls, &listener->proxied);
    }
    return error;
}

static int find_workers(const struct config_pool *from, struct roster *roster, struct worker **workers,
                        const struct worker_label **labels, uint32_t *weights, uint32_t *shares)
{
    for (size_t i = 0; i < from->workers.count; i++) {
        const struct config_worker *worker = &from->workers.items[i];
        struct roster_entry entry = {
            .pool_name = from->name,
            .address = worker->address.text,
            .given_name = worker->named ? worker->name : STR(""),
            .name = worker->name,
            .id = worker->id,
            .addr = &worker->address.addr,
        };
        int error = roster_find(roster, &entry, &workers[i], &labels[i]);
        if (error)
            return error;
        weights[i] = worker->weight;
        shares[i] = worker->weight_change ? worker->weight_change : worker->weight;
    }
    return 0;
}

static void fill_health(struct pool *pool, const struct config_health *from)
{
    pool->health = (struct health_rules){
        .rise = from->rise,
        .fall = from->fall,
        .interval_ms = from->interval_ms,
        .doubt_ms = from->interval_doubt_ms,
        .timeout_ms = from->timeout_ms,
        .jitter_percent = from->jitter_percent,
        .status_min = from->expect.min,
        .status_max = from->expect.max,
    };
}

static int fill_pool(struct snapshot *snapshot, struct pool *pool, const struct config *config, size_t index,
                     struct roster *roster, const struct snapshot *before)
{
    const struct config_pool *from = &config->pools.items[index];
    struct worker **workers = snapshot->workers + snapshot->worker_count;
    uint32_t *weights = snapshot->weights + snapshot->worker_count;
    uint32_t *shares = snapshot->shares + snapshot->worker_count;

    memset(pool, 0, sizeof(*pool));
    pool->pick = policy_of(from->balance);
    pool->protocol = (enum worker_protocol)from->protocol;
    pool->health_grpc = from->health.type == CONFIG_HEALTH_GRPC;
    fill_health(pool, &from->health);
    int error = copy_text(snapshot, from->name, &pool->name);
    if (!error)
        error = copy_text(snapshot, from->health.path, &pool->health_path);
    if (!error)
        error = copy_text(snapshot, from->health.service, &pool->health_service);
    if (!error)
        error = roster_turn(roster, from->name, &pool->turn);
    if (!error)
        error = find_workers(from, roster, workers, snapshot->labels + snapshot->worker_count, weights, shares);
    if (!error)
        error = fill_transports(snapshot, config, index, workers, before);
    if (!error)
        error = pool_init(pool, workers, shares, (uint32_t)from->workers.count);
    if (!error)
        snapshot->worker_count += (uint32_t)from->workers.count;
    return error;
}

/* start-up only: and once a reload; pools live as long as the snapshot. */
static int fill_pools(struct snapshot *snapshot, const struct config *config, struct roster *roster,
                      const struct snapshot *before)
{
    for (size_t i = 0; i < config->pools.count; i++) {
        struct pool *pool = calloc(1, sizeof(*pool));
        if (!pool)
            return -ERR_NO_MEMORY;
        int error = fill_pool(snapshot, pool, config, i, roster, before);
        if (error) {
            free(pool);
            return error;
        }
        snapshot->pools[snapshot->pool_count++] = pool;
    }
    snapshot->index_end = roster->known;
    return 0;
}

static int fill_redirect(struct snapshot *snapshot, const struct config_redirect *from, struct route_redirect *redirect)
{
    static const uint16_t statuses[] = {[CONFIG_REDIRECT_301] = 301,
                                        [CONFIG_REDIRECT_302] = 302,
                                        [CONFIG_REDIRECT_307] = 307,
                                        [CONFIG_REDIRECT_308] = 308};

    redirect->status = statuses[from->status];
    redirect->port = (uint16_t)from->port;
    redirect->to_https = str_eq(from->to, STR("https"));
    snapshot->by_scheme |= redirect->to_https;
    return copy_text(snapshot, from->to, &redirect->to);
}

static int fill_routes(struct snapshot *snapshot, const struct config *config)
{
    int error = 0;

    for (size_t i = 0; i < config->routes.count && !error; i++) {
        const struct config_route *from = &config->routes.items[i];
        struct route *route = &snapshot->routes[i];
        if (from->redirect.to.n > 0)
            error = fill_redirect(snapshot, &from->redirect, &route->redirect);
        else
            route->pool = snapshot->pools[from->pool];
        route->server_timing = from->server_timing;
        if (!error)
            error = copy_text(snapshot, from->host, &route->host);
        if (!error)
            error = copy_text(snapshot, from->path, &route->path);
    }
    return error;
}

static int fill_rules(struct snapshot *snapshot, const struct config *config)
{
    const struct config_timeouts *timeouts = &config->timeouts;

    for (size_t i = 0; i < config->forwarded.trusted.count; i++)
        snapshot->trusted[i] = config_network_of(&config->forwarded.trusted.items[i]);
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
        .tunnel_leave_ms = timeouts->retire_ms,
        .half_closed_ms = timeouts->half_closed_ms,
        .min_rate = config->limits.min_rate,
        .trace =
            {
                .enabled = config_has_tracing(config),
                .restart = config->tracing.incoming == CONFIG_TRACING_RESTART,
                .ratio_percent = config->tracing.ratio_percent,
            },
    };
    int error = fill_routes(snapshot, config);
    snapshot->rules.routes.by_scheme = snapshot->by_scheme;
    if (!error && config->metrics.enabled)
        error = copy_text(snapshot, config->metrics.path, &snapshot->rules.metrics_path);
    if (!error)
        error = copy_text(snapshot, config->forwarded.client_subject, &snapshot->rules.rewrite.client_subject);
    if (error)
        return error;
    struct access_format_error wrong; /* nothing is: it was checked */
    return access_format_init(&snapshot->access_format, config->access_log.format, &snapshot->texts, &wrong);
}

static void fill_reactor(struct snapshot *snapshot, const struct config *config)
{
    struct h1_limits limits = {
        .head_bytes = (uint32_t)config->limits.header_bytes,
        .fields = config->limits.headers,
        .target_bytes = (uint32_t)config->limits.target_bytes,
    };

    snapshot->reactor = (struct reactor_options){
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
                .tunnels = config->forwarded.upgrade != CONFIG_UPGRADE_OFF,
                .streams = config->http2.streams,
                .floods =
                    {
                        [H2_FLOOD_RESETS] = config->http2.resets,
                        [H2_FLOOD_CONTROL] = config->http2.control_frames,
                        [H2_FLOOD_EMPTY] = config->http2.empty_frames,
                    },
            },
        .answer_limits = limits,
        .worker_h2 =
            {
                .streams = config->http2.worker_streams,
                .floods =
                    {
                        [H2_FLOOD_RESETS] = config->http2.resets,
                        [H2_FLOOD_CONTROL] = config->http2.control_frames,
                        [H2_FLOOD_EMPTY] = config->http2.empty_frames,
                    },
            },
        .worker_idle_ms = config->timeouts.worker_idle_ms,
        .idle_per_worker = config->limits.idle_per_worker,
        .warm_per_worker = config->limits.warm_per_worker,
        .workers = snapshot->index_end,
        .access_format = &snapshot->access_format,
        .access_sample = config->access_log.sample_percent,
    };
}

/* start-up only: as the whole snapshot. */
static int make_room(struct snapshot *snapshot, const struct config *config)
{
    snapshot->pools = calloc(config->pools.count, sizeof(struct pool *));
    snapshot->workers = calloc(config->worker_count, sizeof(struct worker *));
    snapshot->weights = calloc(config->worker_count, sizeof(*snapshot->weights));
    snapshot->shares = calloc(config->worker_count, sizeof(*snapshot->shares));
    snapshot->labels = calloc(config->worker_count, sizeof(struct worker_label *));
    snapshot->transports = calloc(config->worker_count, sizeof(*snapshot->transports));
    snapshot->tellings = calloc(config->worker_count, sizeof(*snapshot->tellings));
    snapshot->listeners = calloc(config->listeners.count, sizeof(*snapshot->listeners));
    snapshot->routes = calloc(config->routes.count, sizeof(*snapshot->routes));
    snapshot->trusted = calloc(config->forwarded.trusted.count + 1, sizeof(*snapshot->trusted));
    bool made = snapshot->pools && snapshot->workers && snapshot->weights && snapshot->shares && snapshot->labels &&
                snapshot->transports && snapshot->tellings && snapshot->listeners && snapshot->routes &&
                snapshot->trusted;
    return made ? 0 : -ERR_NO_MEMORY;
}

/* start-up only: and once a reload. */
int snapshot_create(const struct config *config, struct roster *roster, const struct snapshot *before,
                    struct snapshot **ret_snapshot)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return -ERR_NO_MEMORY;
    snapshot->config = config;
    atomic_store(&snapshot->holders, 1);
    arena_init(&snapshot->texts, TEXT_BYTES_MAX);
    int error = make_room(snapshot, config);
    if (!error)
        error = fill_pools(snapshot, config, roster, before);
    if (!error)
        error = fill_listeners(snapshot, config, before);
    if (!error)
        error = fill_rules(snapshot, config);
    if (error) {
        snapshot_destroy(&snapshot);
        return error;
    }
    fill_reactor(snapshot, config);
    *ret_snapshot = snapshot;
    return 0;
}

static struct pool *find_pool(const struct snapshot *snapshot, struct str name)
{
    for (; snapshot; snapshot = snapshot->older)
        for (uint32_t i = 0; i < snapshot->pool_count; i++)
            if (str_eq(snapshot->pools[i]->name, name))
                return snapshot->pools[i];
    return NULL;
}

void snapshot_enter(struct snapshot *snapshot, struct roster *roster, struct snapshot **newest)
{
    for (uint32_t i = 0; i < roster->known; i++)
        roster_at(roster, i)->pool = NULL;
    for (uint32_t p = 0; p < snapshot->pool_count; p++) {
        struct pool *pool = snapshot->pools[p];
        pool->older = find_pool(*newest, pool->name);
        for (uint32_t i = 0; i < pool->count; i++) {
            pool->workers[i]->pool = pool;
            size_t place = (size_t)(pool->workers - snapshot->workers) + i;
            pool->workers[i]->weight = snapshot->weights[place];
            bool changed = snapshot->shares[place] != snapshot->weights[place];
            atomic_store(&pool->workers[i]->weight_change, changed ? snapshot->shares[place] : 0);
            atomic_store(&pool->workers[i]->label, snapshot->labels[place]);
            atomic_store(&pool->workers[i]->transport, &snapshot->transports[place]);
            atomic_store(&pool->workers[i]->protocol, (uint8_t)pool->protocol);
        }
        pool_publish(pool);
    }
    for (uint32_t i = 0; i < roster->known; i++)
        atomic_store(&roster_at(roster, i)->removed, !roster_at(roster, i)->pool);
    snapshot->older = *newest;
    *newest = snapshot;
    roster_publish(roster);
}

void snapshot_hold(struct snapshot *snapshot)
{
    atomic_fetch_add(&snapshot->holders, 1);
}

bool snapshot_let_go(struct snapshot *snapshot)
{
    uint32_t before = atomic_fetch_sub(&snapshot->holders, 1);

    ASSERT(before > 0);
    return before == 1;
}

/* Newer pools of the same names forget those of one that goes. */
static void unchain(struct snapshot *newest, const struct snapshot *gone)
{
    for (; newest != gone; newest = newest->older)
        for (uint32_t i = 0; i < newest->pool_count; i++)
            for (uint32_t g = 0; g < gone->pool_count; g++)
                if (newest->pools[i]->older == gone->pools[g])
                    newest->pools[i]->older = gone->pools[g]->older;
}

uint32_t snapshot_sweep(struct snapshot **newest)
{
    uint32_t left = 0;

    for (struct snapshot **at = newest; *at;) {
        struct snapshot *snapshot = *at;
        if (atomic_load(&snapshot->holders) > 0) {
            left++;
            at = &snapshot->older;
            continue;
        }
        unchain(*newest, snapshot);
        *at = snapshot->older;
        snapshot_destroy(&snapshot);
    }
    return left;
}

/* start-up only: the other end of snapshot_create, and after each reload. */
void snapshot_destroy(struct snapshot **destroyed)
{
    struct snapshot *snapshot = *destroyed;

    *destroyed = NULL;
    for (uint32_t i = 0; i < snapshot->transport_count; i++)
        tls_ctx_unref(snapshot->tellings[i].tls);
    for (uint32_t i = 0; i < snapshot->listener_count; i++)
        tls_ctx_unref(snapshot->listeners[i].tls);
    for (uint32_t i = 0; i < snapshot->listener_count; i++)
        proxied_unref(snapshot->listeners[i].proxied);
    for (uint32_t i = 0; i < snapshot->pool_count; i++) {
        pool_fini(snapshot->pools[i]);
        free(snapshot->pools[i]);
    }
    free(snapshot->pools);
    free(snapshot->workers);
    free(snapshot->weights);
    free(snapshot->shares);
    free(snapshot->labels);
    free(snapshot->transports);
    free(snapshot->tellings);
    free(snapshot->listeners);
    free(snapshot->routes);
    free(snapshot->trusted);
    arena_fini(&snapshot->texts);
    free(snapshot);
}

struct reactor_options snapshot_reactor_options(const struct snapshot *snapshot)
{
    return snapshot->reactor;
}

struct transport_use snapshot_transport(const struct snapshot *snapshot, uint32_t listener)
{
    struct tls_ctx *context = snapshot->listeners[listener].tls;
    struct proxied_rules *proxied = snapshot->listeners[listener].proxied;

    if (proxied)
        return (struct transport_use){.transport = &transport_proxied, .settings = proxied};
    return (struct transport_use){.transport = context ? &transport_tls : NULL, .settings = context};
}
