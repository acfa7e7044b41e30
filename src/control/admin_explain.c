/* The answer to `ballast explain`: route_find and the pool's own policy are asked, so that it cannot differ from what a
 * request would get at this moment. On the control thread. */
#include "control/admin_explain.h"

#include <stdio.h>

#include "balance/pick.h"
#include "control/admin_pools.h"
#include "http/target.h"
#include "proxy/reply.h"

enum { SENTENCE_MAX = 512, EXPLAIN_ARENA_BYTES = 65536 };

/* Turns until the worker's own, or the round's length when it has none. */
static uint32_t turns_until(const struct pool *pool, const struct worker *worker)
{
    uint64_t turn = atomic_load(pool->turn);
    uint32_t round = pool_round(pool);

    for (uint32_t i = 0; i < round; i++)
        if (pool_at(pool, turn + i) == worker)
            return i;
    return round;
}

static void say_health(struct admin *admin, const struct worker *worker, char *out, size_t room)
{
    struct health health;
    struct probe_stats stats;

    prober_read(admin->options.prober, worker, &health, &stats);
    const struct probe_result *last = probe_result_back(&stats, 0);
    char text[TRANSPORT_REFUSAL_MAX];
    struct str detail = last ? probe_detail(worker, last, text) : STR_NONE;
    if (!last)
        (void)snprintf(out, room, "not probed yet: it gets requests after its first good probe");
    else if (last->error)
        (void)snprintf(out, room, "%s: the last probe ended with %s%s%.*s",
                       health.state == HEALTH_DOWN ? "down" : "no good probe yet", err_reason(last->error),
                       detail.n > 0 ? ": " : "", STR_ARG(detail));
    else
        (void)snprintf(out, room, "%s: the last probe was answered with status %u, in doubt for %u probes",
                       health.state == HEALTH_DOWN ? "down" : "no good probe yet", last->status, health.streak);
}

static void say_why(struct admin *admin, const struct worker *worker, bool chosen, char *out, size_t room)
{
    uint32_t turns;

    switch ((enum worker_mode)atomic_load(&worker->mode)) {
    case WORKER_DRAIN: (void)snprintf(out, room, "drained by an operator: it gets no new requests"); return;
    case WORKER_DISABLED: (void)snprintf(out, room, "disabled by an operator: no requests, no probes"); return;
    case WORKER_READY: break;
    }
    if (!atomic_load(&worker->alive)) {
        say_health(admin, worker, out, room);
        return;
    }
    turns = turns_until(worker->pool, worker);
    if (chosen)
        (void)snprintf(out, room, "up and ready, and it is its turn");
    else
        (void)snprintf(out, room, "up and ready, but it is not its turn: %u before it", turns);
}

static json_t *workers_json(struct admin *admin, const struct pool *pool, const struct worker *chosen)
{
    json_t *list = json_array();
    char why[SENTENCE_MAX];

    for (uint32_t i = 0; pool && i < pool->count; i++) {
        const struct worker *worker = pool->workers[i];
        json_t *json = json_object();
        say_why(admin, worker, worker == chosen, why, sizeof(why));
        admin_set_str(json, "name", worker_name(worker));
        admin_set(json, "chosen", json_boolean(worker == chosen));
        admin_set(json, "why", json_string(why));
        (void)json_array_append_new(list, json);
    }
    return list;
}

static json_t *route_json(const struct route_table *routes, const struct route *route)
{
    json_t *json = json_object();

    admin_set_int(json, "number", route ? (uint64_t)(route - routes->routes) + 1 : 0);
    admin_set_str(json, "host", route ? route->host : STR(""));
    admin_set_str(json, "path", route ? route->path : STR(""));
    return json;
}

/* What Ballast itself would answer, as a code; 0: a worker is asked. */
static int own_answer(const struct pool *pool, const struct worker *worker)
{
    if (!pool)
        return -ERR_NO_ROUTE;
    return worker ? 0 : -ERR_NO_WORKER;
}

static void put_answer(json_t *json, const struct pool *pool, const struct worker *worker, bool is_metrics)
{
    char sentence[SENTENCE_MAX];
    int error = is_metrics ? 0 : own_answer(pool, worker);

    if (is_metrics)
        (void)snprintf(sentence, sizeof(sentence), "Ballast answers with its metrics.");
    else if (error)
        (void)snprintf(sentence, sizeof(sentence), "Ballast answers %d: %s", err_http_status(error),
                       err_sentence(error));
    else
        (void)snprintf(sentence, sizeof(sentence), "Worker %.*s of pool %.*s is asked.", STR_ARG(worker_name(worker)),
                       STR_ARG(pool->name));
    admin_set(json, "answer", json_string(sentence));
    admin_set(json, "status", json_integer(is_metrics ? 200 : error ? err_http_status(error) : 0));
    admin_set(json, "reason", json_string(error ? err_reason(error) : ""));
}

static void put_redirect(json_t *json, const struct explain_request *request, const struct route *route)
{
    struct msg asked = {.target = request->path, .authority = request->host};
    char sentence[SENTENCE_MAX];
    struct arena arena;

    arena_init(&arena, EXPLAIN_ARENA_BYTES);
    struct str location = reply_location(&route->redirect, &asked, &arena);
    (void)snprintf(sentence, sizeof(sentence), "Ballast answers %u: go to %.*s", (unsigned)route->redirect.status,
                   STR_ARG(location));
    arena_fini(&arena);
    admin_set(json, "answer", json_string(sentence));
    admin_set(json, "status", json_integer(route->redirect.status));
    admin_set(json, "reason", json_string(""));
}

json_t *admin_explain_json(struct admin *admin, const struct explain_request *request)
{
    const struct exchange_rules *rules = &admin->options.sources->snapshot->rules;
    struct str path = str_slice(request->path.p, str_find(request->path, '?'));
    bool is_read = str_eq(request->method, STR("GET")) || str_eq(request->method, STR("HEAD"));
    bool is_metrics = is_read && rules->metrics_path.n > 0 && str_eq(path, rules->metrics_path);
    bool https = str_eq(request->scheme, STR("https"));
    const struct route *route =
        is_metrics ? NULL : route_match(&rules->routes, target_host_name(request->host), path, https);
    struct pool *pool = route ? route->pool : NULL;
    struct pick_tried none = {0};
    const struct worker *worker = pool ? pool->pick->peek(pool, &none) : NULL;
    json_t *json = json_object();

    admin_set_str(json, "method", request->method);
    admin_set_str(json, "scheme", request->scheme);
    admin_set_str(json, "host", request->host);
    admin_set_str(json, "path", request->path);
    admin_set_str(json, "client", request->client);
    if (route && !pool)
        put_redirect(json, request, route);
    else
        put_answer(json, pool, worker, is_metrics);
    admin_set(json, "route", route_json(&rules->routes, route));
    admin_set_str(json, "pool", pool ? pool->name : STR(""));
    admin_set_str(json, "worker", worker ? worker_name(worker) : STR(""));
    admin_set(json, "workers", workers_json(admin, pool, worker));
    return json;
}

/* NULL, or what is wrong with it. */
static const char *judge(const struct explain_request *request)
{
    const struct sock_name client = {.host = request->client};
    struct sock_addr addr;

    if (!str_starts(request->path, STR("/")))
        return "`path` (begins with /) is the request's target.";
    return client.host.n == 0 || sock_addr_numeric(&client, &addr) ? "`client` is an IP address." : NULL;
}

void admin_do_explain(struct admin *admin, struct admin_call *call)
{
    struct explain_request request;

    if (!admin_query(admin, call, "method", &request.method) || !admin_query(admin, call, "scheme", &request.scheme) ||
        !admin_query(admin, call, "host", &request.host) || !admin_query(admin, call, "path", &request.path) ||
        !admin_query(admin, call, "client", &request.client))
        return;
    const char *wrong = judge(&request);
    if (wrong)
        admin_answer_error(call, 400, "bad_query", wrong);
    else
        admin_answer_json(call, admin_explain_json(admin, &request));
}
