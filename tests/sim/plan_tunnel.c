/* Draws what asks for tunnels, and what becomes of them: the part of plan.c for the families tunnel and tunnel-h2. */
#include "tests/sim/plan_draw.h"

/* Streams of tunnel-h2, beside those of its pools and requests. */
enum { OF_WORKER = 10, OF_CLIENT = 100, OF_FAULTS = 10000 };

/* Words mostly, now and then bulk. */
static uint32_t tunnel_size(const struct plan *plan, struct rand_gen *gen, bool slow)
{
    uint32_t dice = between(gen, 0, 99), few = between(gen, 0, 300), some = between(gen, 0, 20000),
             many = between(gen, 20000, 300000), bulk = between(gen, 1 << 20, 5 << 20);
    uint32_t bytes = dice < 45 ? few : dice < 75 ? some : dice < 93 ? many : bulk;
    if ((slow || plan_has(plan, FAMILY_TIGHT)) && bytes > 400000)
        bytes /= 10;
    return fitting_body(plan, bytes);
}

static void draw_pace(const struct plan *plan, struct plan_tunnel *tunnel, struct rand_gen *gen)
{
    uint32_t gap_ms = plan->timeouts.tunnel_idle_ms / 8;
    tunnel->up_pieces = chance(gen, 50) ? between(gen, 2, 20) : 1;
    tunnel->down_pieces = chance(gen, 50) ? between(gen, 2, 20) : 1;
    tunnel->up_gap_ms = between(gen, 0, gap_ms);
    tunnel->down_gap_ms = between(gen, 0, gap_ms);
}

/* A stream of HTTP/2 ends for itself, and nothing may be said on it before it is a tunnel. */
static void draw_tunnel(const struct plan *plan, const struct plan_client *client, struct plan_request *request,
                        enum plan_family family)
{
    struct rand_gen gen = stream(plan->seed, family, request->id);
    struct plan_tunnel *tunnel = &request->tunnel;
    bool asked_early = chance(&gen, 30), waits = chance(&gen, 30), pauses = chance(&gen, 30);
    *tunnel = (struct plan_tunnel){.asked = true, .refused = chance(&gen, 12)};
    tunnel->end = (enum plan_tunnel_end)between(&gen, TUNNEL_EACH, TUNNEL_NEVER);
    tunnel->worker_pause_ms = between(&gen, 1, plan->timeouts.tunnel_idle_ms / 20);
    if (!pauses || !plan_has(plan, FAMILY_SLOW_READER))
        tunnel->worker_pause_ms = 0;
    tunnel->up_bytes = tunnel_size(plan, &gen, tunnel->worker_pause_ms > 0);
    tunnel->down_bytes = tunnel_size(plan, &gen, client->pause_ms > 0);
    draw_pace(plan, tunnel, &gen);
    tunnel->early_bytes = between(&gen, 0, tunnel->up_bytes);
    tunnel->down_from = between(&gen, 0, tunnel->up_bytes);
    if (!asked_early || tunnel->refused || client->h2)
        tunnel->early_bytes = 0;
    if (!waits)
        tunnel->down_from = 0;
    if (plan_has(plan, FAMILY_TLS) && !client->h2 && tunnel->end < TUNNEL_WORKER_FIRST)
        tunnel->end = TUNNEL_WORKER_FIRST; /* the end of its sending is the end of all */
    if (request->answer.kind != ANSWER_RIGHT && !tunnel->refused)
        request->answer.at_byte = between(&gen, 0, chance(&gen, 30) ? 200 : tunnel->down_bytes + 200);
}

static void become_get(struct plan_request *request)
{
    request->method = PLAN_GET;
    request->framing = PLAN_NO_BODY;
    request->body_bytes = 0;
    request->expect = request->old = request->last_close = request->metrics = request->trailers = false;
    request->answer.early = request->answer.extra = false;
    request->answer.close_after |=
        request->answer.framing == PLAN_CLOSE; /* as it is again where it is asked of HTTP/1 */
}

/* To a pool whose workers speak HTTP/1. */
static void ask_for_tunnel(const struct plan *plan, const struct plan_client *client, struct plan_request *request)
{
    uint32_t other = plan->pools - 1 - request->pool;
    if (plan_pool_is_h2(plan, request->pool) && plan_pool_is_h2(plan, other))
        return;
    if (plan_pool_is_h2(plan, request->pool))
        request->pool = (uint8_t)other;
    become_get(request);
    draw_tunnel(plan, client, request, FAMILY_TUNNEL);
}

void plan_draw_tunnels(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL, 1 + index);
    if (!plan_has(plan, FAMILY_TUNNEL) || client->h2 || !chance(&gen, 60))
        return;
    client->half_close = false;
    for (uint32_t i = 0; i < client->count; i++)
        if ((chance(&gen, 25) || i + 1 == client->count) && client->requests[i].hostile == 0)
            ask_for_tunnel(plan, client, &client->requests[i]);
}

void plan_draw_tunnel_timeouts(struct plan *plan)
{
    static const uint32_t idle[] = {200, 400, 1000, 2000}, drain[] = {0, 50, 200, 1000};
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL, 0);
    plan->timeouts.tunnel_idle_ms = one_of(&gen, idle, 4);
    plan->timeouts.tunnel_drain_ms = one_of(&gen, drain, 4);
}

/* ---- with HTTP/2 on either side ---- */

/* All of its workers take WebSockets over HTTP/2, or all but some behind the first, or none. */
static void draw_takers(struct plan *plan, uint32_t pool)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL_H2, pool);
    uint32_t dice = plan->calm ? 0 : between(&gen, 0, 99);
    for (uint32_t i = pool; i < plan->workers; i += plan->pools) {
        struct rand_gen own = stream(plan->seed, FAMILY_TUNNEL_H2, OF_WORKER + i);
        plan->worker[i].takes_tunnels = dice < 60 || (dice < 88 && (i == pool || chance(&own, 50)));
    }
}

/* No more than so many windows full. */
static uint32_t fitting_window(uint32_t bytes, uint32_t window)
{
    enum { WINDOWS = 30 };
    return window > 0 && bytes / WINDOWS > window ? bytes % (WINDOWS * window) : bytes;
}

/* Who reads slowly gives credit late. */
static void draw_credit(const struct plan *plan, const struct plan_client *client, struct plan_request *request)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL_H2, OF_FAULTS + request->id);
    struct plan_tunnel *tunnel = &request->tunnel;
    const struct plan_worker *first = &plan->worker[request->pool];
    bool late_up = chance(&gen, 25), late_down = chance(&gen, 25);
    uint32_t most_ms = plan->timeouts.tunnel_idle_ms / 10, up_ms = between(&gen, 1, most_ms),
             down_ms = between(&gen, 1, most_ms);
    if (client->h2)
        tunnel->client_pause_ms = late_down ? down_ms : 0;
    if (client->h2)
        tunnel->down_bytes = fitting_window(tunnel->down_bytes, client->window);
    if (!plan_tunnels_by_h2(plan, request->pool))
        return;
    tunnel->worker_pause_ms = late_up ? up_ms : 0;
    tunnel->up_bytes = fitting_window(tunnel->up_bytes, first->h2_window);
    if (tunnel->early_bytes > tunnel->up_bytes)
        tunnel->early_bytes = tunnel->up_bytes;
    if (tunnel->down_from > tunnel->up_bytes)
        tunnel->down_from = tunnel->up_bytes;
}

/* Where an answer that is none would be one, or a success that is no tunnel look like one. */
static void fit_tunnel(const struct plan *plan, struct plan_request *request)
{
    static const uint16_t refusals[] = {400, 403, 404, 426, 500};
    struct plan_answer *answer = &request->answer;
    if (!plan_tunnels_by_h2(plan, request->pool))
        return;
    if (request->tunnel.refused && answer->status < 300)
        answer->status = refusals[request->id % 5];
    if (answer->kind == ANSWER_GARBAGE && answer->garbage == 3)
        answer->garbage = 4;
}

static void draw_tunnel_faults(struct plan *plan, const struct plan_client *client, struct plan_request *request)
{
    static const enum plan_answer_kind kinds[] = {ANSWER_STALL, ANSWER_CUT, ANSWER_RESET};
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL_H2, 2 * OF_FAULTS + request->id);
    struct plan_tunnel *tunnel = &request->tunnel;
    bool resets = chance(&gen, 12), faulty = chance(&gen, 12), lies = chance(&gen, 6), cuts = chance(&gen, 25);
    uint32_t at_ms = between(&gen, 1, 2 * plan->timeouts.tunnel_idle_ms), kind = between(&gen, 0, 2);
    uint32_t at_byte = between(&gen, 0, chance(&gen, 30) ? 200 : tunnel->down_bytes + 200);
    bool quits = chance(&gen, 15);
    if (plan->calm)
        return;
    tunnel->quits = client->h2 && quits;
    if (tunnel->quits)
        tunnel->end = TUNNEL_WORKER_FIRST; /* so that nothing but its end lacks */
    if (client->h2 && resets && !quits)
        request->cancel_ms = at_ms;
    tunnel->lies = client->h2 && lies && !tunnel->refused;
    if (request->answer.kind != ANSWER_RIGHT || !faulty || tunnel->refused)
        return;
    request->answer.kind = kinds[kind];
    request->answer.at_byte = at_byte;
    tunnel->cuts_link = cuts && kind > 0 && plan_tunnels_by_h2(plan, request->pool);
    plan->link_is_cut[request->pool] |= tunnel->cuts_link;
}

/* In calm a success that is no tunnel, of which its client gets an error of ours, would be a failure. */
static void ask_for_h2_tunnel(struct plan *plan, const struct plan_client *client, struct plan_request *request)
{
    become_get(request);
    draw_tunnel(plan, client, request, FAMILY_TUNNEL_H2);
    request->tunnel.refused &= !plan->calm || request->answer.status >= 300;
    draw_credit(plan, client, request);
    draw_tunnel_faults(plan, client, request);
    fit_tunnel(plan, request);
}

/* What its connection carries beside is not to make a tunnel silent. */
static void fit_client(const struct plan *plan, struct plan_client *client)
{
    uint32_t gap_ms = plan->timeouts.tunnel_idle_ms / 60;
    client->half_close = false;
    if (client->h2 && client->gap_ms > gap_ms)
        client->gap_ms = gap_ms;
}

/* A client of HTTP/2 asks any pool, one of HTTP/1 those of HTTP/2. */
static bool may_ask(const struct plan *plan, const struct plan_client *client, const struct plan_request *request)
{
    return request->hostile == 0 && !request->tunnel.asked && (client->h2 || plan_pool_is_h2(plan, request->pool));
}

static void draw_client_tunnels(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_TUNNEL_H2, OF_CLIENT + index);
    bool asks = false;
    if (!chance(&gen, 70))
        return;
    for (uint32_t i = 0; i < client->count; i++) {
        if (!chance(&gen, 35) || !may_ask(plan, client, &client->requests[i]))
            continue;
        ask_for_h2_tunnel(plan, client, &client->requests[i]);
        asks = true;
    }
    if (asks)
        fit_client(plan, client);
}

void plan_draw_h2_tunnels(struct plan *plan)
{
    if (!plan_has(plan, FAMILY_TUNNEL_H2))
        return;
    for (uint32_t i = 0; i < plan->pools; i++)
        if (plan_pool_is_h2(plan, i))
            draw_takers(plan, i);
    for (uint32_t i = 0; i < plan->clients; i++)
        draw_client_tunnels(plan, i);
}
