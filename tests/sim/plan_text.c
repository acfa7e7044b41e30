/* What a plan says in words: its configuration, its cuts, its summary; and which of its requests nothing excuses.
 * Apart from plan.c, which only draws. */
#include "tests/sim/plan_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tests/sim/tls.h"

/* ---- excuses ---- */

enum { REPLAY_SAFE_BYTES = 60000, SMALL_BODY_BYTES = 20000 };

static const char *world_excuse(const struct plan *plan, uint32_t client)
{
    if (plan_has(plan, FAMILY_OUTAGE) || plan_has(plan, FAMILY_DARK))
        return "workers are away";
    if (plan_has(plan, FAMILY_MEMORY))
        return "no memory";
    if (plan_has(plan, FAMILY_CROWD) && (plan_has(plan, FAMILY_H2) || plan_has(plan, FAMILY_H2_WORKERS)))
        return "fewer connections to workers than streams";
    if (plan_has(plan, FAMILY_DRAIN))
        return "told to stop";
    for (int i = 0; i < PLAN_BREAKS; i++)
        if (plan->breaks[i].at_ms > 0 && plan->breaks[i].client == client)
            return "its connection breaks";
    return NULL;
}

bool plan_pool_is_h2(const struct plan *plan, uint32_t pool)
{
    return plan->worker[pool].h2; /* the first of a pool has its number */
}

bool plan_pool_is_mixed(const struct plan *plan, uint32_t pool)
{
    bool mixed = false;
    for (uint32_t i = 0; i < plan->workers && plan_pool_is_h2(plan, pool); i++)
        mixed |= plan->worker[i].pool == pool && (!plan->worker[i].h2 || plan->worker[i].tls.h1_from_ms > 0);
    return mixed;
}

bool plan_pool_cuts(const struct plan *plan, uint32_t pool)
{
    bool cuts = plan->link_is_cut[pool];
    for (uint32_t i = 0; i < plan->workers; i++)
        cuts |= plan->worker[i].pool == pool && plan->worker[i].h2 && plan->worker[i].close_on_request_per > 0;
    return cuts;
}

bool plan_tunnels_by_h2(const struct plan *plan, uint32_t pool)
{
    return plan_pool_is_h2(plan, pool) && !plan->pool_asks[pool];
}

uint32_t plan_pool_deaf(const struct plan *plan, uint32_t pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->workers && plan_tunnels_by_h2(plan, pool); i++)
        count += plan->worker[i].pool == pool && !plan->worker[i].takes_tunnels;
    return count;
}

static bool is_unsure(const struct plan_worker *worker)
{
    return worker->tls.stops_per > 0 || worker->tls.wrong != SHOWN_RIGHT;
}

uint32_t plan_pool_unsure(const struct plan *plan, uint32_t pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->workers; i++)
        count += plan->worker[i].pool == pool && is_unsure(&plan->worker[i]);
    return count;
}

static uint32_t workers_of(const struct plan *plan, uint32_t pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->workers; i++)
        count += plan->worker[i].pool == pool;
    return count;
}

/* A worker that says nothing to a request holds its place among those that are sent again (balance/retry). */
static bool places_are_held(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->clients && plan_has(plan, FAMILY_STORM); i++)
        for (uint32_t k = 0; k < plan->client[i].count; k++)
            if (plan->client[i].requests[k].answer.kind == ANSWER_HANG ||
                plan->client[i].requests[k].answer.kind == ANSWER_STALL)
                return true;
    return false;
}

/* Those that are well all the time, at least. */
static uint32_t steady_workers(const struct plan *plan, uint32_t pool)
{
    return plan_has(plan, FAMILY_HEALTH) ? 1 : workers_of(plan, pool);
}

/* So soon that a request may be on its way to what idles: until the balancer hears of the last stream's end, one that
 * joins it is not on an idle connection. Then its end is a failure of the worker as any other. */
static bool idles_unseen(const struct plan *plan, uint32_t pool)
{
    int64_t ms = 2 * (plan->net.delay_ns + plan->net.jitter_ns) / 1000000 + 3;
    bool unseen = false;
    for (uint32_t i = 0; i < plan->workers; i++)
        unseen |=
            plan->worker[i].pool == pool && plan->worker[i].idle_close_ms > 0 && plan->worker[i].idle_close_ms <= ms;
    return unseen;
}

/* A stream that was refused is sent again whatever its method, to the same worker if there is no other. */
static const char *h2_try_excuse(const struct plan *plan, const struct plan_request *request)
{
    bool leaves = plan->worker[request->pool].leave_at > 0, refused = request->answer.cut_first;
    if (!plan_pool_is_h2(plan, request->pool))
        return NULL;
    if (plan_pool_cuts(plan, request->pool))
        return "its worker cuts connections with all that is on them";
    if (idles_unseen(plan, request->pool) && steady_workers(plan, request->pool) < 2)
        return "its worker closes what is not known to idle";
    if ((leaves || refused) && request->body_bytes >= REPLAY_SAFE_BYTES)
        return "its body is too long to be sent again";
    if (plan->tries < 1u + leaves + refused + plan_has(plan, FAMILY_IDLE_CLOSE) + plan_has(plan, FAMILY_KEEP_ALIVE))
        return "its stream is refused";
    return NULL;
}

static bool first_try_is_refused(const struct plan *plan, const struct plan_request *request)
{
    bool by_h1 = request->tunnel.asked && !plan_tunnels_by_h2(plan, request->pool);
    return plan_pool_is_h2(plan, request->pool) && !plan_pool_is_mixed(plan, request->pool) && !by_h1 &&
           !request->answer.cut_resets;
}

/* A handshake that comes to nothing has cost a try; what else costs some is not counted beside it. */
static bool tries_are_few(const struct plan *plan, const struct plan_request *request, uint32_t lost)
{
    bool more = request->answer.cut_first || plan_has(plan, FAMILY_IDLE_CLOSE) || plan_has(plan, FAMILY_KEEP_ALIVE) ||
                plan_has(plan, FAMILY_CROWD) || plan->worker[request->pool].leave_at > 0;
    return lost > 0 && (more || plan->tries <= lost);
}

static const char *tls_excuse(const struct plan *plan, const struct plan_request *request)
{
    for (uint32_t i = 0; i < plan->workers; i++)
        if (plan->worker[i].pool == request->pool && plan->worker[i].tls.garbles_per > 0)
            return "its worker's records are garbled";
    return tries_are_few(plan, request, plan_pool_unsure(plan, request->pool)) ? "handshakes with its workers fail"
                                                                               : NULL;
}

/* So has a worker that takes no tunnel. */
static const char *tunnel_excuse(const struct plan *plan, bool client_h2, const struct plan_request *request)
{
    uint32_t deaf = plan_pool_deaf(plan, request->pool);
    if (!request->tunnel.asked)
        return NULL;
    if (request->tunnel.lies)
        return "its worker accepts another key";
    if (client_h2 && request->tunnel.refused && request->answer.status < 300)
        return "its worker answers as if it were asked for no tunnel";
    if (deaf == workers_of(plan, request->pool) ||
        (deaf > 0 && tries_are_few(plan, request, deaf + plan_pool_unsure(plan, request->pool))))
        return "its workers take no tunnels";
    return NULL;
}

static const char *try_excuse(const struct plan *plan, const struct plan_request *request)
{
    bool repeatable = plan_method_repeatable(request->method) && request->body_bytes < REPLAY_SAFE_BYTES;
    const char *excuse = h2_try_excuse(plan, request);
    if (excuse == NULL)
        excuse = tls_excuse(plan, request);
    if (excuse != NULL)
        return excuse;
    if (request->answer.cut_first && !first_try_is_refused(plan, request) &&
        (!repeatable || plan->tries < 3 || steady_workers(plan, request->pool) < 2))
        return "its first try is cut";
    if (request->answer.cut_first && places_are_held(plan))
        return "it may wait for its turn too long";
    if ((plan_has(plan, FAMILY_IDLE_CLOSE) || plan_has(plan, FAMILY_KEEP_ALIVE)) && (!repeatable || plan->tries < 2))
        return "its worker closes idle connections";
    return NULL;
}

static const char *client_excuse(const struct plan *plan, const struct plan_client *client, uint32_t index)
{
    const struct plan_request *request = &client->requests[index];
    bool last = index + 1 == client->count;
    if (client->stop != STOP_NONE)
        return "its client stops";
    if (client->garble > 0)
        return "its client's records are garbled";
    if (request->cancel_ms > 0 || request->tunnel.quits)
        return "its client resets it";
    if (!client->half_close || (!client->pipelined && !last))
        return NULL;
    if (plan->timeouts.half_closed_ms < 200 || plan_has(plan, FAMILY_SLOW_WORKER) || plan_has(plan, FAMILY_TIGHT) ||
        plan_has(plan, FAMILY_SLOW_READER) || client->pipelined || request->body_bytes > SMALL_BODY_BYTES ||
        plan_pool_unsure(plan, request->pool) > 0)
        return "its client has ended its sending";
    return NULL;
}

static const char *own_excuse(const struct plan *plan, uint32_t client, uint32_t index)
{
    const struct plan_request *request = &plan->client[client].requests[index];
    const struct plan_answer *answer = &request->answer;
    const char *excuse = world_excuse(plan, client);
    if (excuse == NULL)
        excuse = client_excuse(plan, &plan->client[client], index);
    if (excuse != NULL || request->metrics)
        return excuse;
    if (request->hostile)
        return "hostile";
    if (answer->kind != ANSWER_RIGHT)
        return "its answer is faulty";
    bool h2 = plan_pool_is_h2(plan, request->pool) && !plan_pool_is_mixed(plan, request->pool);
    if (answer->early && (answer->close_after || answer->framing == PLAN_CLOSE) && !h2)
        return "its worker closes before it was read";
    excuse = tunnel_excuse(plan, plan->client[client].h2, request);
    return excuse != NULL ? excuse : try_excuse(plan, request);
}

const char *plan_excuse(const struct plan *plan, uint32_t client, uint32_t request)
{
    const struct plan_client *from = &plan->client[client];
    for (uint32_t i = 0; from->pipelined && !from->h2 && i < request; i++)
        if (from->requests[i].answer.early || own_excuse(plan, client, i) != NULL)
            return "behind another on its connection";
    /* RFC 9112 section 9.6: what stands behind the answer that says so is to be sent again. */
    if (from->pipelined && !from->h2 && request > 0 && plan_has(plan, FAMILY_UPGRADE))
        return "its connection may end with the answer before";
    return own_excuse(plan, client, request);
}

/* ---- cuts ---- */

static bool parse_cut(struct plan_cuts *cuts, const char *word)
{
    unsigned client, requests;
    char rest;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        if (strcmp(word, plan_family_name((enum plan_family)f)) == 0) {
            cuts->families |= plan_bit((enum plan_family)f);
            return true;
        }
    if (sscanf(word, "c%ur%u%c", &client, &requests, &rest) == 2 && client < PLAN_CLIENTS && requests < PLAN_REQUESTS) {
        cuts->requests[client] = (uint8_t)requests;
        return true;
    }
    if (sscanf(word, "c%u%c", &client, &rest) != 1 || client >= PLAN_CLIENTS)
        return false;
    cuts->clients |= 1u << client;
    return true;
}

bool plan_cuts_parse(struct plan_cuts *cuts, const char *text)
{
    while (*text != 0) {
        char word[32];
        size_t n = strcspn(text, ",");
        if (n >= sizeof(word))
            return false;
        memcpy(word, text, n);
        word[n] = 0;
        if (n > 0 && !parse_cut(cuts, word))
            return false;
        text += n + (text[n] == ',');
    }
    return true;
}

struct text {
    char *out;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->out, text->room, format, arguments);
    va_end(arguments);
    ASSERT(n >= 0 && (size_t)n < text->room);
    text->out += n;
    text->room -= (size_t)n;
}

void plan_cuts_print(const struct plan_cuts *cuts, char *out, size_t n)
{
    struct text text = {out, n};
    const char *comma = "";
    *out = 0;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        if (cuts->families & plan_bit((enum plan_family)f)) {
            put(&text, "%s%s", comma, plan_family_name((enum plan_family)f));
            comma = ",";
        }
    for (uint32_t c = 0; c < PLAN_CLIENTS; c++) {
        if (cuts->clients & 1u << c)
            put(&text, "%sc%u", comma, c);
        else if (cuts->requests[c] > 0)
            put(&text, "%sc%ur%u", comma, c, cuts->requests[c]);
        else
            continue;
        comma = ",";
    }
}

/* ---- the configuration ---- */

static void put_pool(struct text *text, const struct plan *plan, uint32_t pool, const uint16_t *ports)
{
    bool tls = plan->worker[pool].tls.spoken, h2 = plan_pool_is_h2(plan, pool); /* the first of a pool has its number */
    put(text, "  p%u:\n    protocol: %s\n", pool,
        plan->pool_asks[pool] ? "auto"
        : h2 && tls           ? "h2"
        : h2                  ? "h2c"
                              : "http1");
    if (tls)
        put(text, "    worker_tls: { enabled: true, ca: %s, name: sim.test }\n", sim_tls_believed_path());
    put(text, "    workers:\n");
    for (uint32_t i = 0; i < plan->workers; i++)
        if (plan->worker[i].pool == pool)
            put(text, "      - { address: \"127.0.0.1:%u\", name: w%u, weight: %u }\n", ports[1 + i], i,
                plan->worker[i].weight);
    put(text, "    health: { interval: %ums, interval_doubt: %ums, timeout: %ums, rise: %u, fall: %u }\n",
        plan->health.interval_ms, plan->health.doubt_ms, plan->health.timeout_ms, plan->health.rise, plan->health.fall);
}

void plan_yaml(const struct plan *plan, const uint16_t *ports, char *out, size_t n)
{
    struct text text = {out, n};
    const struct plan_timeouts *timeouts = &plan->timeouts;
    put(&text, "listeners:\n  - address: 127.0.0.1:%u\n", ports[0]);
    if (plan_has(plan, FAMILY_TLS))
        put(&text, "    tls: { certificates: [ { chain: %s, key: %s } ] }\n", sim_tls_path(), sim_tls_path());
    put(&text, "pools:\n");
    for (uint32_t i = 0; i < plan->pools; i++)
        put_pool(&text, plan, i, ports);
    put(&text, "routes:\n");
    for (uint32_t i = 0; i < plan->pools; i++)
        put(&text, "  - { path: /p%u/, pool: p%u }\n", i, i);
    put(&text, "limits: { tries: %u, idle_per_worker: %u, warm_per_worker: %u }\n", plan->tries, plan->idle_per_worker,
        plan->warm_per_worker);
    put(&text,
        "timeouts: { connect: %ums, request_head: %ums, request_body: %ums, response_head: %ums, response_idle: %ums,\n"
        "  client_idle: %ums, client_stall: %ums, worker_idle: %ums, half_closed: %ums, tls_handshake: %ums,\n"
        "  tunnel_idle: %ums, tunnel_drain: %ums }\n",
        timeouts->connect_ms, timeouts->request_head_ms, timeouts->request_body_ms, timeouts->response_head_ms,
        timeouts->response_idle_ms, timeouts->client_idle_ms, timeouts->client_stall_ms, timeouts->worker_idle_ms,
        timeouts->half_closed_ms, timeouts->tls_handshake_ms, timeouts->tunnel_idle_ms, timeouts->tunnel_drain_ms);
}

/* ---- for people ---- */

static void print_tunnel(const struct plan_tunnel *tunnel)
{
    static const char *const ends[] = {"each ends", "the client ends first", "the worker ends first", "nobody ends"};
    if (tunnel->refused) {
        printf("; a tunnel, refused");
        return;
    }
    printf("; a tunnel: %u up in %u pieces, %u down in %u, %s", tunnel->up_bytes, tunnel->up_pieces, tunnel->down_bytes,
           tunnel->down_pieces, ends[tunnel->end]);
    if (tunnel->early_bytes > 0)
        printf(", %u early", tunnel->early_bytes);
    if (tunnel->down_from > 0)
        printf(", down after %u", tunnel->down_from);
    if (tunnel->worker_pause_ms > 0)
        printf(", worker reads every %u ms", tunnel->worker_pause_ms);
    if (tunnel->client_pause_ms > 0)
        printf(", its client gives credit after %u ms", tunnel->client_pause_ms);
    printf("%s%s%s", tunnel->quits ? ", its client resets it at its end" : "",
           tunnel->lies ? ", accepted with a wrong key" : "", tunnel->cuts_link ? ", cut with its link" : "");
}

static void print_client(const struct plan *plan, uint32_t index)
{
    static const char *const stops[] = {"", " then resets", " then leaves", " then stalls", " then stops reading"};
    static const char *const kinds[] = {"", " hangs", " stalls", " cut", " reset", " garbage"};
    const struct plan_client *client = &plan->client[index];
    printf("  c%u at %lld ms, %u requests%s%s%s%s%s", index, (long long)client->start_ms, client->count,
           client->h2 ? ", HTTP/2" : "", client->old_tls ? ", TLS 1.2" : "", client->pipelined ? ", pipelined" : "",
           client->half_close ? ", half-closes" : "", stops[client->stop]);
    if (client->stop != STOP_NONE)
        printf(" after %u bytes %s", client->stop_at, client->stop_on_received ? "received" : "sent");
    if (client->garble > 0)
        printf(", byte %u garbled", client->garble);
    printf("\n");
    for (uint32_t i = 0; i < client->count; i++) {
        const struct plan_request *request = &client->requests[i];
        const struct plan_answer *answer = &request->answer;
        const char *excuse = plan_excuse(plan, index, i);
        printf("    q%u %s%s", request->id, request->metrics ? "metrics" : plan_method_name(request->method),
               request->hostile ? " (hostile)" : "");
        printf(" body %u%s%s -> %u body %u%s%s%s%s", request->body_bytes,
               request->framing == PLAN_CHUNKED ? " chunked" : "", request->expect ? " expect" : "", answer->status,
               answer->body_bytes,
               answer->framing == PLAN_CHUNKED ? " chunked"
               : answer->framing == PLAN_CLOSE ? " till the end"
                                               : "",
               kinds[answer->kind], answer->early ? " early" : "", answer->cut_first ? " first try cut" : "");
        if (request->tunnel.asked)
            print_tunnel(&request->tunnel);
        if (request->cancel_ms > 0)
            printf("; its stream is reset after %u ms", request->cancel_ms);
        printf("%s%s%s\n", answer->extra ? " and more" : "", excuse ? "; excused: " : "", excuse ? excuse : "");
    }
}

static void print_tls(const struct plan *plan, const struct plan_worker *worker)
{
    static const char *const shows[] = {"", "another name", "a stranger's", "one that has run out"};
    const struct plan_worker_tls *tls = &worker->tls;
    printf(", TLS%s%s%s%s%s%s, %u tickets, records of %u", tls->old ? " 1.2" : "",
           plan->pool_asks[worker->pool] ? " of either protocol" : "", tls->mute ? ", mute" : "",
           tls->resumes ? ", resumes" : "", tls->silent ? ", silent" : "", tls->lingers ? ", lingers" : "",
           tls->tickets, tls->record_bytes);
    if (tls->renews_every > 0)
        printf(", renews every %u", tls->renews_every);
    if (tls->h1_from_ms > 0)
        printf(", HTTP/1 from %lld ms", (long long)tls->h1_from_ms);
    if (tls->stops_per > 0)
        printf(", stops in %u %% of handshakes", tls->stops_per);
    if (tls->garbles_per > 0)
        printf(", %u %% of connections garbled", tls->garbles_per);
    if (tls->wrong != SHOWN_RIGHT)
        printf(", shows %s from %lld to %lld ms", shows[tls->wrong], (long long)tls->wrong_from_ms,
               (long long)tls->wrong_to_ms);
}

static void print_worker(const struct plan *plan, uint32_t index)
{
    static const char *const kinds[] = {
        "unwell by status",      "hangs when asked", "cuts when asked", "garbles when asked", "dies",
        "stops as if restarted", "cannot be reached"};
    const struct plan_worker *worker = &plan->worker[index];
    printf("  w%u of p%u, weight %u", index, worker->pool, worker->weight);
    if (worker->h2)
        printf(", HTTP/2: %u streams, windows of %u, credit after %u ms%s%s", worker->streams, worker->h2_window,
               worker->credit_ms, worker->rude ? ", rude" : "", worker->takes_tunnels ? ", takes tunnels" : "");
    if (worker->leave_at > 0)
        printf(", leaves at request %u", worker->leave_at);
    if (worker->tls.spoken)
        print_tls(plan, worker);
    if (worker->idle_close_ms > 0)
        printf(", closes after %u ms", worker->idle_close_ms);
    if (worker->close_on_request_per > 0)
        printf(", closes on %u %% of requests", worker->close_on_request_per);
    for (uint32_t i = 0; i < worker->windows; i++)
        printf(", %s from %lld to %lld ms", kinds[worker->window[i].kind], (long long)worker->window[i].from_ms,
               (long long)worker->window[i].to_ms);
    printf("\n");
}

void plan_print(const struct plan *plan)
{
    printf("scenario of seed %llu:%s", (unsigned long long)plan->seed, plan->calm ? " calm" : "");
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        if (plan_has(plan, (enum plan_family)f))
            printf(" %s", plan_family_name((enum plan_family)f));
    printf("\n  %u reactors, %u tries, %u idle, %u warm; segments of %zu, buffers of %zu, delay %lld + %lld us\n",
           plan->reactors, plan->tries, plan->idle_per_worker, plan->warm_per_worker, plan->net.segment_bytes,
           plan->net.buffer_bytes, (long long)plan->net.delay_ns / 1000, (long long)plan->net.jitter_ns / 1000);
    for (uint32_t i = 0; i < plan->workers; i++)
        print_worker(plan, i);
    for (uint32_t i = 0; i < plan->clients; i++)
        if (plan->client[i].there)
            print_client(plan, i);
    for (int i = 0; i < PLAN_RELOADS && plan->reload_ms[i] > 0; i++)
        printf("  another configuration at %lld ms\n", (long long)plan->reload_ms[i]);
    if (plan->upgrade.at_ms > 0)
        printf("  another server at %lld ms%s\n", (long long)plan->upgrade.at_ms,
               plan->upgrade.fails ? ", which does not come up" : "");
    if (plan->drain_ms > 0)
        printf("  told to stop at %lld ms\n", (long long)plan->drain_ms);
}
