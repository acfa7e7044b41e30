/* Checks across settings. Called by config_load after all is read, on the loading thread.
 *
 * Sorting instead of comparing each with each: ten thousand workers are a configuration like any other.
 */
#include "control/config_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "control/directive.h"
#include "http/fields.h"

struct checker {
    struct config *config;
    struct config_errors *errors;
    struct arena *scratch;
    bool whole; /* all was read: what is missing is missing, and not misspelt */
};

/* ---- Workers: names and ids ---- */

/* A worker in an order of its own; pools in the order of the file. */
struct ranked {
    struct config_worker *worker;
    size_t pool;
    size_t order;
};

static int compare_order(const struct ranked *a, const struct ranked *b)
{
    return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_text(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int bytes = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (bytes != 0)
        return bytes;
    return a.n < b.n ? -1 : a.n > b.n;
}

static int compare_ports(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->worker->address.port != b->worker->address.port)
        return a->worker->address.port < b->worker->address.port ? -1 : 1;
    return compare_order(a, b);
}

static int compare_ids(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    int ids = compare_text(a->worker->id, b->worker->id);
    return ids != 0 ? ids : compare_order(a, b);
}

static int compare_addr(const struct sock_addr *a, const struct sock_addr *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(&a->storage, &b->storage, a->len);
}

static int compare_addresses(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->pool != b->pool)
        return a->pool < b->pool ? -1 : 1;
    int addresses = compare_addr(&a->worker->address.addr, &b->worker->address.addr);
    return addresses != 0 ? addresses : compare_order(a, b);
}

/* Text with every byte that no metric name has turned into `_`. */
static struct str id_print(struct arena *arena, struct str text, unsigned port)
{
    struct str id =
        port > 0 ? arena_print(arena, "%.*s_%u", STR_ARG(text), port) : arena_print(arena, "%.*s", STR_ARG(text));
    if (id.p == NULL)
        return id;
    char *bytes = (char *)(uintptr_t)id.p; /* just made here */
    for (size_t i = 0; i < id.n; i++) {
        char c = str_lower(bytes[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            bytes[i] = '_';
    }
    return id;
}

static int worker_set_id(struct arena *arena, struct config_worker *worker, bool port_shared)
{
    const struct config_address *address = &worker->address;
    if (worker->name.n > 0)
        worker->id = id_print(arena, worker->name, 0);
    else if (address->path.n > 0)
        worker->id = id_print(arena, str_slice(address->path.p + 1, address->path.n - 1), 0);
    else if (port_shared)
        worker->id = id_print(arena, address->host, address->port);
    else
        worker->id = arena_print(arena, "%u", (unsigned)address->port);
    if (worker->id.p == NULL)
        return -ERR_NO_MEMORY;
    worker->named = worker->name.n > 0;
    if (!worker->named)
        worker->name = worker->id;
    return 0;
}

static int set_ids(struct checker *checker, struct ranked *ranked, size_t count)
{
    qsort(ranked, count, sizeof(*ranked), compare_ports);
    for (size_t i = 0; i < count; i++) {
        unsigned port = ranked[i].worker->address.port;
        bool shared = (i > 0 && ranked[i - 1].worker->address.port == port) ||
                      (i + 1 < count && ranked[i + 1].worker->address.port == port);
        int result = worker_set_id(&checker->config->arena, ranked[i].worker, shared);
        if (result != 0)
            return result;
    }
    return 0;
}

static void check_ids(struct checker *checker, struct ranked *ranked, size_t count)
{
    qsort(ranked, count, sizeof(*ranked), compare_ids);
    for (size_t i = 1; i < count; i++) {
        const struct config_worker *first = ranked[i - 1].worker;
        const struct config_worker *second = ranked[i].worker;
        char place[CONFIG_PLACE_MAX];
        if (!str_eq(first->id, second->id))
            continue;
        /* Told as an address given twice below. */
        if (ranked[i - 1].pool == ranked[i].pool && compare_addr(&first->address.addr, &second->address.addr) == 0)
            continue;
        if (str_eq(first->name, second->name) && !str_eq(first->name, first->id))
            config_error_add(checker->errors, &second->place, "the worker's name \"%.*s\" is given twice; first at %s",
                             STR_ARG(second->name), config_place_print(place, &first->place));
        else
            config_error_add(checker->errors, &second->place,
                             "the worker's id in metrics, \"%.*s\", is that of the worker at %s too; give it a name",
                             STR_ARG(config_shown(second->id)), config_place_print(place, &first->place));
    }
}

static void check_addresses(struct checker *checker, struct ranked *ranked, size_t count)
{
    qsort(ranked, count, sizeof(*ranked), compare_addresses);
    for (size_t i = 1; i < count; i++) {
        const struct config_worker *first = ranked[i - 1].worker;
        const struct config_worker *second = ranked[i].worker;
        char place[CONFIG_PLACE_MAX];
        if (ranked[i - 1].pool == ranked[i].pool && compare_addr(&first->address.addr, &second->address.addr) == 0)
            config_error_add(checker->errors, &second->place,
                             "the worker %.*s is given twice in this pool; first at %s",
                             STR_ARG(config_shown(second->address.text)), config_place_print(place, &first->place));
    }
}

static int check_workers(struct checker *checker)
{
    struct config *config = checker->config;
    size_t all = 0;
    for (size_t p = 0; p < config->pools.count; p++)
        all += config->pools.items[p].workers.count;
    config->worker_count = all;
    if (all == 0)
        return 0;
    struct ranked *ranked = arena_take(checker->scratch, all * sizeof(*ranked));
    if (ranked == NULL)
        return -ERR_NO_MEMORY;

    size_t count = 0;
    for (size_t p = 0; p < config->pools.count; p++) {
        struct config_workers *workers = &config->pools.items[p].workers;
        for (size_t w = 0; w < workers->count; w++) {
            if (workers->items[w].address.addr.len > 0) {
                ranked[count] = (struct ranked){&workers->items[w], p, count};
                count++;
            }
        }
    }
    int result = set_ids(checker, ranked, count);
    if (result == 0) {
        check_ids(checker, ranked, count);
        check_addresses(checker, ranked, count);
    }
    return result;
}

/* ---- Routes ---- */

static size_t pool_find(const struct config *config, struct str name)
{
    size_t at = 0;
    while (at < config->pools.count && !str_eq(config->pools.items[at].name, name))
        at++;
    return at;
}

static void unknown_pool(struct checker *checker, const struct config_route *route)
{
    enum { NEAR_MAX = 64 };
    struct str names[NEAR_MAX] = {{NULL, 0}};
    size_t count = 0;
    for (; count < checker->config->pools.count && count < NEAR_MAX; count++)
        names[count] = checker->config->pools.items[count].name;
    size_t nearest = directive_nearest_word(names, count, route->pool_name);
    config_error_add(checker->errors, &route->place, "there is no pool \"%.*s\"%s%.*s%s", STR_ARG(route->pool_name),
                     nearest < count ? "; did you mean \"" : "", nearest < count ? (int)names[nearest].n : 0,
                     nearest < count ? names[nearest].p : "", nearest < count ? "\"?" : "");
}

static bool host_covers(struct str first, struct str second)
{
    if (first.n == 0 || str_eq(first, second))
        return true;
    /* `*.example.com` is met by what ends in `.example.com`, another pattern too. */
    return str_starts(first, STR("*.")) && second.n >= first.n && str_ends(second, str_slice(first.p + 1, first.n - 1));
}

static bool path_covers(struct str first, struct str second)
{
    if (!str_starts(second, first))
        return false;
    return first.n == second.n || first.p[first.n - 1] == '/' || second.p[first.n] == '/';
}

static void check_reachable(struct checker *checker, size_t at)
{
    const struct config_route *route = &checker->config->routes.items[at];
    for (size_t i = 0; i < at; i++) {
        const struct config_route *first = &checker->config->routes.items[i];
        char place[CONFIG_PLACE_MAX];
        if (str_eq(first->redirect.to, STR("https")) && !str_eq(route->redirect.to, STR("https")))
            continue; /* it lets through what came by https */
        if (!host_covers(first->host, route->host) || !path_covers(first->path, route->path))
            continue;
        config_error_add(checker->errors, &route->place,
                         "this route is never reached: the one at %s takes its requests",
                         config_place_print(place, &first->place));
        return;
    }
}

/* With one pool and no routes, all goes there. */
static int add_route(struct checker *checker)
{
    struct config *config = checker->config;
    if (config->pools.count > 1 && checker->whole)
        config_error_add(checker->errors, &config->place, "with %zu pools, \"routes\" must say what goes where",
                         config->pools.count);
    if (config->pools.count != 1)
        return 0;
    struct config_route *route = arena_take(&config->arena, sizeof(*route));
    if (route == NULL)
        return -ERR_NO_MEMORY;
    *route = (struct config_route){.place = config->pools.items[0].place,
                                   .host = STR(""),
                                   .path = STR("/"),
                                   .pool_name = config->pools.items[0].name};
    config->routes = (struct config_routes){route, 1};
    return 0;
}

static void warn_unused_pools(struct checker *checker, const bool *used)
{
    for (size_t i = 0; i < checker->config->pools.count; i++) {
        const struct config_pool *pool = &checker->config->pools.items[i];
        if (!used[i])
            config_warning_add(checker->errors, &pool->place, "no route leads to the pool \"%.*s\"",
                               STR_ARG(pool->name));
    }
}

static int check_routes(struct checker *checker)
{
    struct config *config = checker->config;
    if (config->pools.count == 0)
        return 0;
    bool *used = arena_take(checker->scratch, config->pools.count * sizeof(*used));
    if (used == NULL)
        return -ERR_NO_MEMORY;
    memset(used, 0, config->pools.count * sizeof(*used));
    if (config->routes.count == 0) {
        int result = add_route(checker);
        if (result != 0 || config->routes.count == 0)
            return result;
    }
    for (size_t i = 0; i < config->routes.count; i++) {
        struct config_route *route = &config->routes.items[i];
        route->pool = pool_find(config, route->pool_name);
        if (checker->whole)
            check_reachable(checker, i);
        if (checker->whole && (route->pool_name.n > 0) == (route->redirect.place.file != NULL))
            config_error_add(checker->errors, &route->place, "routes[%zu]: %s", i,
                             route->pool_name.n > 0 ? "a route has a \"pool\" or a \"redirect\", not both"
                                                    : "\"pool\" is missing, or \"redirect\"");
        else if (route->pool < config->pools.count)
            used[route->pool] = true;
        else if (route->pool_name.n > 0)
            unknown_pool(checker, route);
    }
    if (checker->errors->error_count == 0)
        warn_unused_pools(checker, used);
    return 0;
}

/* ---- The rest ---- */

static bool is_mode(struct str text)
{
    bool octal = text.n == 3 || (text.n == 4 && text.p[0] == '0');
    for (size_t i = 0; i < text.n; i++)
        octal = octal && text.p[i] >= '0' && text.p[i] <= '7';
    return octal;
}

/* Addresses that the system does not bind as they are written. */
static void check_ipv6(struct checker *checker, const struct config_listener *listener)
{
    const struct sockaddr_storage *storage = &listener->address.addr.storage;
    const struct in6_addr *address = &((const struct sockaddr_in6 *)(const void *)storage)->sin6_addr;

    if (storage->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(address))
        config_error_add(checker->errors, &listener->place, "\"%.*s\" is an IPv4 address: write it as 127.0.0.1:80",
                         STR_ARG(config_shown(listener->address.text)));
    if (storage->ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(address))
        config_error_add(checker->errors, &listener->place,
                         "\"%.*s\" is an address of one link, which is not supported: listen on [::], or on another "
                         "address of this machine",
                         STR_ARG(config_shown(listener->address.text)));
}

static void check_ip(struct checker *checker)
{
    const struct config_listeners *listeners = &checker->config->listeners;
    for (size_t i = 0; i < listeners->count && checker->whole; i++) {
        struct config_listener *listener = &listeners->items[i];
        listener->address.addr.dual_stack = listener->dual_stack;
        if (listener->dual_stack && !str_eq(listener->address.host, STR("::")))
            config_error_add(checker->errors, &listener->place, "\"dual_stack\" is for [::], which is every address");
        check_ipv6(checker, listener);
    }
}

/* What the file of a Unix socket shall be. */
static void check_files(struct checker *checker)
{
    const struct config_listeners *listeners = &checker->config->listeners;
    for (size_t i = 0; i < listeners->count && checker->whole; i++) {
        const struct config_listener *listener = &listeners->items[i];
        if (listener->mode.n + listener->owner.n + listener->group.n > 0 && listener->address.path.n == 0)
            config_error_add(checker->errors, &listener->place,
                             "\"mode\", \"owner\" and \"group\" are for Unix sockets (unix:/path)");
        else if (listener->mode.n > 0 && !is_mode(listener->mode))
            config_error_add(checker->errors, &listener->place, "mode: \"%.*s\" is no mode; write it as 0660",
                             STR_ARG(config_shown(listener->mode)));
    }
}

/* What the list's keepers ask for (hstspreload.org). */
static void check_hsts(struct checker *checker)
{
    enum { YEAR_S = 31536000 };
    const struct config_listeners *listeners = &checker->config->listeners;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct config_hsts *hsts = &listeners->items[i].tls.hsts;
        if (hsts->preload && (hsts->max_age_s < YEAR_S || !hsts->include_subdomains))
            config_error_add(checker->errors, &hsts->place,
                             "hsts: \"preload\" needs a \"max_age\" of at least %d and \"include_subdomains\"", YEAR_S);
    }
}

static bool has_local(const struct config_networks *networks)
{
    for (size_t i = 0; i < networks->count; i++)
        if (networks->items[i].local)
            return true;
    return false;
}

static void check_proxied(struct checker *checker)
{
    const struct config_listeners *listeners = &checker->config->listeners;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct config_proxy_protocol *proxied = &listeners->items[i].proxy_protocol;
        if (proxied->place.file != NULL && proxied->from.count == 0 && checker->whole)
            config_error_add(checker->errors, &proxied->place,
                             "proxy_protocol: \"from\" names no network: whose headers are to be believed?");
        else if (proxied->from.count > 0 && listeners->items[i].address.path.n > 0 && !has_local(&proxied->from))
            config_error_add(checker->errors, &proxied->place,
                             "proxy_protocol: nobody comes to a Unix socket from a network: write from: [unix]");
    }
}

static void check_listeners(struct checker *checker)
{
    const struct config_listeners *listeners = &checker->config->listeners;
    for (size_t i = 1; i < listeners->count; i++) {
        const struct config_listener *second = &listeners->items[i];
        for (size_t j = 0; j < i && second->address.addr.len > 0; j++) {
            const struct config_listener *first = &listeners->items[j];
            char place[CONFIG_PLACE_MAX];
            if (compare_addr(&first->address.addr, &second->address.addr) != 0)
                continue;
            config_error_add(checker->errors, &second->place, "the address %.*s is listened on twice; first at %s",
                             STR_ARG(config_shown(second->address.text)), config_place_print(place, &first->place));
            break;
        }
    }
}

/* Whoever names authorities means TLS: nothing shall go out in the clear for want of a word. */
static void check_worker_tls(struct checker *checker, const struct config_pool *pool)
{
    const struct config_worker_tls *tls = &pool->worker_tls;

    if (!tls->enabled && (tls->ca.path.n > 0 || tls->name.n > 0 || tls->certificate.path.n > 0 || tls->key.path.n > 0))
        config_error_add(checker->errors, &tls->place,
                         "\"worker_tls\" is not enabled, and its workers would be spoken to in the clear: set "
                         "\"enabled: true\", or leave out the rest");
}

static void check_protocols(struct checker *checker)
{
    for (size_t i = 0; i < checker->config->pools.count; i++) {
        const struct config_pool *pool = &checker->config->pools.items[i];
        bool tls = pool->worker_tls.enabled;
        check_worker_tls(checker, pool);
        if (pool->protocol == CONFIG_H2 && !tls)
            config_error_add(checker->errors, &pool->place,
                             "protocol: h2 is spoken over TLS, which needs worker_tls; without TLS it is h2c");
        if (pool->protocol == CONFIG_H2C && tls)
            config_error_add(checker->errors, &pool->place, "protocol: h2c is without TLS; over worker_tls it is h2");
        if (pool->health.type == CONFIG_HEALTH_GRPC && pool->protocol == CONFIG_HTTP1)
            config_error_add(
                checker->errors, &pool->place,
                "health: type grpc needs HTTP/2: set the pool's protocol to h2c, or to h2 with worker_tls");
        if (pool->protocol == CONFIG_AUTO && !tls)
            config_warning_add(checker->errors, &pool->place,
                               "protocol: auto asks in the TLS handshake; without worker_tls it is http1");
    }
}

static void check_health(struct checker *checker)
{
    for (size_t i = 0; i < checker->config->pools.count; i++) {
        struct config_health *health = &checker->config->pools.items[i].health;
        if (health->interval_doubt_ms > health->interval_ms)
            health->interval_doubt_ms = health->interval_ms;
    }
}

/* Ballast has its own use for those in its table. */
static void check_forwarded(struct checker *checker)
{
    const struct config_forwarded *forwarded = &checker->config->forwarded;
    if (forwarded->client_subject.n > 0 && field_lookup(forwarded->client_subject) != FIELD_OTHER)
        config_error_add(checker->errors, &forwarded->place,
                         "client_subject: the field \"%.*s\" has a meaning of its own",
                         STR_ARG(config_shown(forwarded->client_subject)));
}

static void check_limits(struct checker *checker)
{
    const struct config_limits *limits = &checker->config->limits;
    if (limits->target_bytes > limits->header_bytes)
        config_error_add(checker->errors, &limits->place,
                         "limits: target_bytes (%llu) is above header_bytes (%llu), of which the target is a part",
                         (unsigned long long)limits->target_bytes, (unsigned long long)limits->header_bytes);
}

static void check_admin(struct checker *checker)
{
    const struct config_admin *admin = &checker->config->admin;
    if (!config_has_admin(checker->config))
        return;
    bool seen = admin->address.inherited.n == 0; /* else what it is shows when it is used */
    if (seen && admin->address.path.n == 0 && admin->token.n == 0 && admin->address.addr.len > 0)
        config_error_add(checker->errors, &admin->place,
                         "admin: anybody who reaches %.*s could ask; set a token, or listen on a Unix socket",
                         STR_ARG(config_shown(admin->address.text)));
    for (size_t i = 0; i < checker->config->listeners.count; i++) {
        const struct config_address *other = &checker->config->listeners.items[i].address;
        if (other->addr.len > 0 && compare_addr(&other->addr, &admin->address.addr) == 0)
            config_error_add(checker->errors, &admin->place, "admin: clients are served at %.*s",
                             STR_ARG(config_shown(admin->address.text)));
    }
}

int config_check(struct config *config, struct config_errors *errors, struct arena *scratch)
{
    struct checker checker = {config, errors, scratch, errors->error_count == 0};
    check_listeners(&checker);
    check_proxied(&checker);
    check_hsts(&checker);
    check_files(&checker);
    check_ip(&checker);
    check_admin(&checker);
    check_forwarded(&checker);
    check_limits(&checker);
    check_protocols(&checker);
    check_health(&checker);
    int result = check_workers(&checker);
    return result != 0 ? result : check_routes(&checker);
}

int config_check_workers(struct config *config, struct config_errors *errors, struct arena *scratch)
{
    struct checker checker = {config, errors, scratch, true};
    return check_workers(&checker);
}
