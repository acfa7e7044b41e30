/* Draws a scenario from its seed. Called once before each run; everything random about clients and workers is decided
 * here, so that a scenario can be printed, cut down and run again. */
#include "tests/sim/plan.h"

#include <string.h>

#include "tests/sim/plan_draw.h"

/* Streams that belong to no family. */
enum { STREAM_SHAPE = 100, STREAM_FAMILIES, STREAM_CLIENT, STREAM_REQUEST, STREAM_ANSWER, STREAM_WORKER };

/* Small ones mostly, now and then one that fills every queue on its way. */
static uint32_t body_size(struct rand_gen *gen)
{
    static const uint32_t sizes[] = {0, 1, 10, 300, 2000, 9000, 16384, 40000, 65536, 70000, 200000, 1500000};
    uint32_t pick = (uint32_t)rand_below(gen, 36);
    if (pick >= 12)
        return between(gen, 0, 500);
    return sizes[pick];
}

/* ---- families ---- */

static const struct {
    const char *name;
    uint32_t percent;
    const char *what;
} families[FAMILY_COUNT] = {
#define FAMILY(id, name, percent, what) {name, percent, what},
#include "tests/sim/family.def"
#undef FAMILY
};

const char *plan_family_name(enum plan_family family)
{
    return families[family].name;
}

const char *plan_family_what(enum plan_family family)
{
    return families[family].what;
}

static void draw_families(struct plan *plan)
{
    struct rand_gen gen = stream(plan->seed, STREAM_FAMILIES, 0);
    static const uint64_t harmless = FAMILY_BIT(REACTORS) | FAMILY_BIT(LAZY) | FAMILY_BIT(FRAGMENTS) |
                                     FAMILY_BIT(TIGHT) | FAMILY_BIT(DELAY) | FAMILY_BIT(SLOW_WORKER) |
                                     FAMILY_BIT(WALL) | FAMILY_BIT(INTERIM) | FAMILY_BIT(RELOAD) | FAMILY_BIT(H2) |
                                     FAMILY_BIT(H2_WORKERS) | FAMILY_BIT(UPGRADE) | FAMILY_BIT(TLS) |
                                     FAMILY_BIT(TUNNEL) | FAMILY_BIT(TLS_WORKERS) | FAMILY_BIT(TUNNEL_H2);
    plan->calm = chance(&gen, 20);
    bool few = chance(&gen, 60); /* one or two faults at a time are easier to blame than ten */
    for (uint32_t f = 0; f < FAMILY_COUNT; f++) {
        uint32_t percent =
            few && !(harmless & plan_bit((enum plan_family)f)) ? families[f].percent / 3 : families[f].percent;
        if (chance(&gen, percent) && (!plan->calm || (harmless & plan_bit((enum plan_family)f))))
            plan->families |= plan_bit((enum plan_family)f);
    }
    /* Bytes behind an answer must come with its end: later ones would be an answer to the next request. */
    if (plan_has(plan, FAMILY_EXTRA))
        plan->families &= ~(FAMILY_BIT(FRAGMENTS) | FAMILY_BIT(TIGHT));
    /* A server that memory fails while it is made ends as a process, which cannot be had here. */
    if (plan_has(plan, FAMILY_MEMORY))
        plan->families &= ~FAMILY_BIT(UPGRADE);
}

/* ---- shape ---- */

static void draw_timeouts(struct plan *plan, struct rand_gen *gen)
{
    static const uint32_t shorter[] = {200, 300, 500, 1000};
    static const uint32_t idle[] = {50, 300, 1000, 4000};
    static const uint32_t closed[] = {50, 200, 1000};
    struct plan_timeouts *timeouts = &plan->timeouts;
    timeouts->connect_ms = one_of(gen, shorter, 4);
    timeouts->request_head_ms = one_of(gen, shorter, 4);
    timeouts->request_body_ms = one_of(gen, shorter, 4);
    timeouts->response_head_ms = one_of(gen, shorter, 4) + 100;
    /* It begins when the whole request is on its way: some 300 ms before the smallest windows have let it through. */
    if (plan_has(plan, FAMILY_H2_WORKERS) && timeouts->response_head_ms < 600)
        timeouts->response_head_ms = 600;
    timeouts->response_idle_ms = one_of(gen, shorter, 4) + 50;
    timeouts->client_idle_ms = one_of(gen, shorter, 4) * 2;
    timeouts->client_stall_ms = one_of(gen, shorter, 4) * 2;
    timeouts->worker_idle_ms = one_of(gen, idle, 4);
    timeouts->half_closed_ms = one_of(gen, closed, 3);
    timeouts->tls_handshake_ms = timeouts->request_head_ms;
    plan->health = (struct plan_health){
        .interval_ms = between(gen, 100, 400),
        .doubt_ms = between(gen, 30, 90),
        .timeout_ms = between(gen, 60, 90),
        .rise = between(gen, 1, 3),
        .fall = between(gen, 1, 3),
    };
}

static void draw_net(struct plan *plan)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_FRAGMENTS, 0);
    static const uint32_t segments[] = {1, 7, 100, 1460, 5000};
    plan->net = (struct io_sim_limits){.buffer_bytes = 256 * 1024, .segment_bytes = 64 * 1024, .backlog = 128};
    uint32_t segment = one_of(&gen, segments, 5);
    if (plan_has(plan, FAMILY_FRAGMENTS))
        plan->net.segment_bytes = segment;
    gen = stream(plan->seed, FAMILY_TIGHT, 0);
    uint32_t buffer = between(&gen, 8000, 30000);
    if (plan_has(plan, FAMILY_TIGHT))
        plan->net.buffer_bytes = buffer;
    gen = stream(plan->seed, FAMILY_DELAY, 0);
    if (plan_has(plan, FAMILY_DELAY)) {
        plan->net.delay_ns = (int64_t)between(&gen, 0, 3000) * 1000;
        plan->net.jitter_ns =
            chance(&gen, 70) && !plan_has(plan, FAMILY_EXTRA) ? (int64_t)between(&gen, 0, 2000) * 1000 : 0;
    }
    gen = stream(plan->seed, FAMILY_LAZY, 0);
    if (plan_has(plan, FAMILY_LAZY))
        plan->net.lazy_percent = between(&gen, 5, 60);
}

static void draw_shape(struct plan *plan)
{
    struct rand_gen gen = stream(plan->seed, STREAM_SHAPE, 0);
    plan->workers = between(&gen, 1, PLAN_WORKERS);
    plan->pools = plan->workers >= 4 && chance(&gen, 40) ? 2 : 1;
    plan->clients = between(&gen, 1, PLAN_CLIENTS);
    plan->tries = between(&gen, 1, 4);
    plan->idle_per_worker = between(&gen, 0, 4);
    plan->equal_weights = chance(&gen, 60);
    plan->connections = 64;
    draw_timeouts(plan, &gen);
    if (plan_has(plan, FAMILY_KEEP_ALIVE)) {
        plan->timeouts.worker_idle_ms = 4000;
        plan->timeouts.client_idle_ms = 8000;
        plan->idle_per_worker = 4;
    }
    uint32_t reactors = between(&gen, 2, 4);
    plan->reactors = plan_has(plan, FAMILY_REACTORS) ? reactors : 1;
    gen = stream(plan->seed, STREAM_SHAPE, 1);
    plan->warm_per_worker = chance(&gen, 20) ? between(&gen, 1, 3) : 0;
    gen = stream(plan->seed, FAMILY_CROWD, 0);
    if (plan_has(plan, FAMILY_CROWD))
        plan->connections = between(&gen, 1, 3) * plan->reactors;
}

/* ---- workers ---- */

static void draw_windows(struct plan *plan, uint32_t index, enum plan_family family, enum plan_window_kind low,
                         enum plan_window_kind high)
{
    struct rand_gen gen = stream(plan->seed, (uint32_t)family, index);
    struct plan_worker *worker = &plan->worker[index];
    if (!plan_has(plan, family) || !chance(&gen, 60) || worker->windows == PLAN_WINDOWS)
        return;
    int64_t from = between(&gen, 50, 800);
    worker->window[worker->windows++] = (struct plan_window){
        .kind = (enum plan_window_kind)between(&gen, (uint32_t)low, (uint32_t)high),
        .from_ms = from,
        .to_ms = from + between(&gen, 20, 1500),
    };
}

/* The same of all workers, so that clients can aim at it. */
static uint32_t keep_alive_ms(const struct plan *plan)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_KEEP_ALIVE, 0);
    return between(&gen, 300, 900);
}

static void draw_worker(struct plan *plan, uint32_t index)
{
    struct rand_gen gen = stream(plan->seed, STREAM_WORKER, index);
    struct plan_worker *worker = &plan->worker[index];
    worker->weight = plan->equal_weights ? 1 : between(&gen, 1, 5);
    worker->pool = index % plan->pools;
    gen = stream(plan->seed, FAMILY_IDLE_CLOSE, index);
    if (plan_has(plan, FAMILY_IDLE_CLOSE)) {
        worker->idle_close_ms = chance(&gen, 50) ? between(&gen, 1, 60) : 0;
        worker->close_on_request_per = chance(&gen, 60) ? between(&gen, 5, 60) : 0;
        worker->closes_by_reset = chance(&gen, 50);
    }
    if (plan_has(plan, FAMILY_KEEP_ALIVE)) {
        worker->idle_close_ms = keep_alive_ms(plan);
        worker->close_on_request_per = 0;
    }
    if (index >= plan->pools) /* the first of each pool stays well */
        draw_windows(plan, index, FAMILY_HEALTH, WINDOW_STATUS, WINDOW_GARBAGE);
    draw_windows(plan, index, FAMILY_OUTAGE, WINDOW_DIE, WINDOW_DIE_POLITELY);
    draw_windows(plan, index, FAMILY_DARK, WINDOW_DARK, WINDOW_DARK);
}

/* ---- answers ---- */

static void draw_answer_shape(struct plan *plan, struct plan_answer *answer, struct rand_gen *gen)
{
    static const uint32_t statuses[] = {200, 200, 200, 200, 201, 204, 304, 404, 500, 503};
    answer->status = (uint16_t)one_of(gen, statuses, 10);
    answer->body_bytes = answer->status == 204 || answer->status == 304 ? 0 : fitting_body(plan, body_size(gen));
    answer->framing = chance(gen, 55) ? PLAN_LENGTH : chance(gen, 70) ? PLAN_CHUNKED : PLAN_CLOSE;
    if (answer->status == 204 || answer->status == 304)
        answer->framing = PLAN_LENGTH;
    answer->close_after = chance(gen, 10) || answer->framing == PLAN_CLOSE;
    answer->old = answer->framing != PLAN_CHUNKED && chance(gen, 5);
    answer->trailers = answer->framing == PLAN_CHUNKED && chance(gen, 30);
    answer->pieces = 1;
}

static void draw_answer_faults(struct plan *plan, uint32_t id, struct plan_answer *answer)
{
    static const enum plan_answer_kind kinds[] = {ANSWER_HANG, ANSWER_STALL, ANSWER_CUT, ANSWER_RESET, ANSWER_GARBAGE};
    struct rand_gen gen = stream(plan->seed, FAMILY_ANSWERS, id);
    bool faulty = chance(&gen, 35);
    enum plan_answer_kind kind = kinds[rand_below(&gen, 5)];
    uint32_t at = chance(&gen, 40) ? between(&gen, 0, 200) : between(&gen, 0, answer->body_bytes + 200);
    uint8_t garbage = (uint8_t)rand_below(&gen, PLAN_GARBAGE_KINDS);
    if (plan_has(plan, FAMILY_ANSWERS) && faulty) {
        /* An answer that ends with its connection, ended orderly: nobody can tell that it was cut. */
        answer->kind = kind == ANSWER_CUT && answer->framing == PLAN_CLOSE ? ANSWER_RESET : kind;
        answer->at_byte = at;
        answer->garbage = garbage;
    }
    gen = stream(plan->seed, FAMILY_CUT_ONCE, id);
    answer->cut_first = plan_has(plan, FAMILY_CUT_ONCE) && chance(&gen, 30);
    answer->cut_resets = chance(&gen, 50);
    answer->cut_first |= plan_has(plan, FAMILY_STORM);
    gen = stream(plan->seed, FAMILY_EXTRA, id);
    answer->extra = plan_has(plan, FAMILY_EXTRA) && chance(&gen, 50) && answer->kind == ANSWER_RIGHT &&
                    !answer->close_after && answer->body_bytes < 4000;
}

static void draw_answer(struct plan *plan, const struct plan_request *request, struct plan_answer *answer)
{
    struct rand_gen gen = stream(plan->seed, STREAM_ANSWER, request->id);
    draw_answer_shape(plan, answer, &gen);
    draw_answer_faults(plan, request->id, answer);
    gen = stream(plan->seed, FAMILY_SLOW_WORKER, request->id);
    if (plan_has(plan, FAMILY_SLOW_WORKER) && chance(&gen, 60) && !answer->extra) {
        answer->delay_ms = between(&gen, 0, plan->timeouts.response_head_ms / 3);
        answer->pieces = between(&gen, 1, 5);
        answer->gap_ms = between(&gen, 0, plan->timeouts.response_head_ms / 15); /* its head may come in pieces too */
    }
    gen = stream(plan->seed, FAMILY_STORM, request->id);
    if (plan_has(plan, FAMILY_STORM)) { /* long enough to be many at a time, short enough for all to have their turn */
        answer->delay_ms = between(&gen, 5, 30);
        answer->pieces = 1;
    }
    gen = stream(plan->seed, FAMILY_INTERIM, request->id);
    if (plan_has(plan, FAMILY_INTERIM) && chance(&gen, 50))
        answer->interims = (uint8_t)between(&gen, 1, 3);
    gen = stream(plan->seed, FAMILY_EARLY, request->id);
    answer->early = plan_has(plan, FAMILY_EARLY) && chance(&gen, 40) && request->framing != PLAN_NO_BODY;
}

/* ---- clients ---- */

static void draw_request(struct plan *plan, uint32_t client, uint32_t index)
{
    struct plan_request *request = &plan->client[client].requests[index];
    request->id = 1000 + client * 100 + index;
    struct rand_gen gen = stream(plan->seed, STREAM_REQUEST, request->id);
    uint32_t dice = between(&gen, 0, 99);
    request->method = dice < 45   ? PLAN_GET
                      : dice < 55 ? PLAN_HEAD
                      : dice < 80 ? PLAN_POST
                      : dice < 92 ? PLAN_PUT
                                  : PLAN_DELETE;
    request->pool = (uint8_t)rand_below(&gen, plan->pools);
    request->metrics = request->method == PLAN_GET && chance(&gen, 8);
    if (request->method == PLAN_POST || request->method == PLAN_PUT) {
        request->framing = chance(&gen, 60) ? PLAN_LENGTH : PLAN_CHUNKED;
        request->body_bytes = fitting_body(plan, body_size(&gen));
        request->expect = chance(&gen, 25) && (request->body_bytes > 0 || request->framing == PLAN_CHUNKED);
        request->trailers = request->framing == PLAN_CHUNKED && chance(&gen, 20);
    }
    draw_answer(plan, request, &request->answer);
}

static void draw_last_request(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct plan_request *last = &client->requests[client->count - 1];
    struct rand_gen gen = stream(plan->seed, STREAM_CLIENT, 1000 + index);
    last->last_close = chance(&gen, 20);
    last->old = chance(&gen, 20) && last->framing != PLAN_CHUNKED && !last->expect;
    gen = stream(plan->seed, FAMILY_HOSTILE, index);
    uint8_t kind = (uint8_t)between(&gen, 1, PLAN_HOSTILE_KINDS);
    if (plan_has(plan, FAMILY_HOSTILE) && chance(&gen, 50)) {
        *last = (struct plan_request){.id = last->id, .hostile = kind, .pool = last->pool};
        last->answer = (struct plan_answer){.status = 200, .framing = PLAN_LENGTH, .body_bytes = 5, .pieces = 1};
    }
}

static void draw_stop(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_ABORT, index);
    if (plan_has(plan, FAMILY_ABORT) && chance(&gen, 50)) {
        client->stop = chance(&gen, 50) ? STOP_RESET : STOP_LEAVE;
        client->stop_on_received = chance(&gen, 50);
        client->stop_at = chance(&gen, 60) ? between(&gen, 0, 300) : between(&gen, 0, 50000);
    }
    gen = stream(plan->seed, FAMILY_STALL, index);
    if (plan_has(plan, FAMILY_STALL) && chance(&gen, 40) && client->stop == STOP_NONE) {
        client->stop = chance(&gen, 70) ? STOP_STALL : STOP_READING;
        client->stop_on_received = client->stop == STOP_READING;
        client->stop_at = chance(&gen, 60) ? between(&gen, 1, 300) : between(&gen, 1, 50000);
    }
}

static void draw_client(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, STREAM_CLIENT, index);
    client->there = true;
    client->count = between(&gen, 1, PLAN_REQUESTS);
    client->start_ms = 40 + (int64_t)between(&gen, 0, 800);
    if (plan_has(plan, FAMILY_STORM))
        client->start_ms = 60;
    client->think_ms = chance(&gen, 50) ? 0 : between(&gen, 0, plan->timeouts.client_idle_ms / 4);
    client->lingers = chance(&gen, 30);
    gen = stream(plan->seed, FAMILY_KEEP_ALIVE, 1 + index);
    if (plan_has(plan, FAMILY_KEEP_ALIVE))
        client->think_ms = keep_alive_ms(plan) * between(&gen, 80, 105) / 100;
    gen = stream(plan->seed, FAMILY_PIPELINE, index);
    client->pipelined = plan_has(plan, FAMILY_PIPELINE) && chance(&gen, 60);
    gen = stream(plan->seed, FAMILY_SLOW_CLIENT, index);
    if (plan_has(plan, FAMILY_SLOW_CLIENT) && chance(&gen, 60)) {
        client->piece = between(&gen, 60, 3000);
        client->gap_ms = between(&gen, 0, plan->timeouts.request_head_ms / 20);
    }
    gen = stream(plan->seed, FAMILY_SLOW_READER, index);
    if (plan_has(plan, FAMILY_SLOW_READER) && chance(&gen, 60))
        client->pause_ms = between(&gen, 1, plan->timeouts.client_stall_ms / 20);
    gen = stream(plan->seed, FAMILY_HALF_CLOSE, index);
    client->half_close = plan_has(plan, FAMILY_HALF_CLOSE) && chance(&gen, 50);
    draw_stop(plan, index);
    for (uint32_t i = 0; i < client->count; i++)
        draw_request(plan, index, i);
    draw_last_request(plan, index);
}

/* What HTTP/1 alone has goes; what it has not comes. Last of all, so that clients of HTTP/1 are drawn as ever. */
static void draw_h2(struct plan *plan, uint32_t index)
{
    static const uint32_t windows[] = {2000, 16384, 65535, 1 << 20};
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_H2, index);
    bool resets = chance(&gen, 25) && !plan->calm;
    if (!plan_has(plan, FAMILY_H2) || !chance(&gen, 60))
        return;
    client->h2 = true;
    client->pipelined = chance(&gen, 70);
    client->window = one_of(&gen, windows, 4);
    client->half_close = false;
    client->polite = plan->calm || chance(&gen, 50);
    for (uint32_t i = 0; i < client->count; i++) {
        struct plan_request *request = &client->requests[i];
        if (request->hostile) {
            *request = (struct plan_request){0};
            draw_request(plan, index, i);
        }
        request->expect = request->old = request->last_close = false;
        request->cancel_ms = resets && chance(&gen, 40) ? between(&gen, 1, 60) : 0;
    }
}

/* The end of sending is the end of all for a client of TLS here. */
static void draw_tls(struct plan *plan, uint32_t index)
{
    struct plan_client *client = &plan->client[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS, index);
    if (!plan_has(plan, FAMILY_TLS))
        return;
    client->old_tls = chance(&gen, 25);
    client->half_close = false;
    uint32_t dice = between(&gen, 0, 99), early = between(&gen, 1, 600), late = between(&gen, 1, 20000);
    if (plan->calm || client->stop != STOP_NONE)
        return;
    if (dice < 12)
        client->garble = dice < 6 ? early : late;
    else if (dice < 24) { /* most likely inside the handshake */
        client->stop = dice < 16 ? STOP_STALL : dice < 20 ? STOP_LEAVE : STOP_RESET;
        client->stop_at = early;
        client->stop_on_received = false;
    }
}

/* ---- workers of HTTP/2 ---- */

static void draw_h2_worker(struct plan *plan, uint32_t index, bool leaves)
{
    static const uint32_t streams[] = {1, 2, 3, 8, 100}, windows[] = {4000, 16384, 65535, 1 << 20};
    struct plan_worker *worker = &plan->worker[index];
    struct rand_gen gen = stream(plan->seed, FAMILY_H2_WORKERS, 10 + index);
    worker->h2 = true;
    worker->streams = one_of(&gen, streams, 5);
    worker->h2_window = one_of(&gen, windows, 4);
    worker->credit_ms = chance(&gen, 40) ? between(&gen, 1, 8) : 0;
    worker->rude = chance(&gen, 50);
    uint32_t leave_at = chance(&gen, 60) ? between(&gen, 1, 8) : 0;
    worker->leave_at = leaves ? leave_at : 0;
}

/* An answer's end is told apart from its connection's, and nothing stands behind it. */
static void fit_answer(struct plan *plan, struct plan_request *request)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_H2_WORKERS, request->id);
    request->answer.old = request->answer.extra = false;
    request->answer.close_after = chance(&gen, 15);
}

/* All of a pool; its first worker alone leaves without a notice, and that once: so that none is refused by that twice.
 * Last of all, as draw_h2. */
static void draw_h2_pool(struct plan *plan, uint32_t pool)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_H2_WORKERS, pool);
    if (!plan_has(plan, FAMILY_H2_WORKERS) || !chance(&gen, 70))
        return;
    for (uint32_t i = 0; i < plan->workers; i++)
        if (plan->worker[i].pool == pool)
            draw_h2_worker(plan, i, i == pool && !plan->calm);
    for (uint32_t c = 0; c < plan->clients; c++)
        for (uint32_t i = 0; i < plan->client[c].count; i++)
            if (plan->client[c].requests[i].pool == pool)
                fit_answer(plan, &plan->client[c].requests[i]);
}

/* ---- workers of TLS ---- */

static void draw_tls_faults(struct plan *plan, uint32_t index, bool stops, bool wrong, bool garbles)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS_WORKERS, 20 + index);
    struct plan_worker_tls *tls = &plan->worker[index].tls;
    bool steady = index < plan->pools; /* the first of each pool can be reached */
    uint32_t stops_per = chance(&gen, 70) ? between(&gen, 10, 100) : 0;
    uint32_t shown = chance(&gen, 70) ? between(&gen, SHOWN_OTHER_NAME, SHOWN_KINDS - 1) : SHOWN_RIGHT;
    tls->wrong_from_ms = chance(&gen, 40) ? 0 : between(&gen, 50, 800);
    tls->wrong_to_ms = tls->wrong_from_ms + between(&gen, 50, 1500);
    tls->stops_per = stops && !steady ? stops_per : 0;
    tls->wrong = wrong && !steady ? (enum plan_shown)shown : SHOWN_RIGHT;
    tls->garbles_per = garbles ? between(&gen, 2, 40) : 0;
}

static void draw_tls_worker(struct plan *plan, uint32_t index)
{
    static const uint32_t records[] = {0, 0, 1, 100, 1000, 5000};
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS_WORKERS, 10 + index);
    struct plan_worker_tls *tls = &plan->worker[index].tls;
    tls->spoken = true;
    tls->old = chance(&gen, 25);
    tls->mute = chance(&gen, 20);
    tls->resumes = chance(&gen, 70);
    tls->silent = chance(&gen, 40);
    tls->lingers = chance(&gen, 40);
    tls->record_bytes = one_of(&gen, records, 6);
    tls->tickets = between(&gen, 0, 3);
    tls->renews_every = chance(&gen, 40) ? between(&gen, 1, 4) : 0;
}

/* Its end without close_notify tells a cut answer from a whole one, wherever that is, behind its last byte too. */
static void draw_truncation(struct plan *plan, struct plan_request *request)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS_WORKERS, request->id);
    struct plan_answer *answer = &request->answer;
    bool cut = chance(&gen, 25), behind = chance(&gen, 50);
    uint32_t at = between(&gen, 0, answer->body_bytes + 200);
    if (!cut || answer->framing != PLAN_CLOSE || answer->kind != ANSWER_RIGHT || request->tunnel.asked)
        return;
    answer->kind = ANSWER_CUT;
    answer->at_byte = behind ? UINT32_MAX : at;
}

/* Where each says what it speaks they need not all speak the same, nor for ever; the first stays as it is. An answer
 * that ends with its connection is then one for either. */
static void mix_protocols(struct plan *plan, uint32_t pool)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS_WORKERS, 30 + pool);
    bool mixed = chance(&gen, 50);
    for (uint32_t i = pool + plan->pools; i < plan->workers; i += plan->pools) {
        bool h1 = chance(&gen, 40), turns = chance(&gen, 30);
        int64_t at_ms = between(&gen, 50, 800);
        if (!mixed || !plan->pool_asks[pool] || !plan_pool_is_h2(plan, pool))
            continue;
        plan->worker[i].h2 = !h1;
        plan->worker[i].tls.h1_from_ms = turns && !h1 ? at_ms : 0;
    }
}

/* All of a pool. Last of all, as draw_h2. */
static void draw_tls_pool(struct plan *plan, uint32_t pool)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_TLS_WORKERS, pool);
    bool spoken = chance(&gen, 85), asks = chance(&gen, 50), stops = chance(&gen, 45), wrong = chance(&gen, 45),
         garbles = chance(&gen, 15);
    if (!plan_has(plan, FAMILY_TLS_WORKERS) || !spoken)
        return;
    plan->pool_asks[pool] = asks;
    /* Handshakes cost time: no hundreds of them a second for connections that are kept warm and closed again. */
    if (plan->warm_per_worker > 0 && plan->timeouts.worker_idle_ms < 1000)
        plan->timeouts.worker_idle_ms = 1000;
    for (uint32_t i = pool; i < plan->workers; i += plan->pools) {
        draw_tls_worker(plan, i);
        if (!plan->calm)
            draw_tls_faults(plan, i, stops, wrong, garbles);
    }
    mix_protocols(plan, pool);
    for (uint32_t c = 0; c < plan->clients && !plan->calm && !plan_pool_is_h2(plan, pool); c++)
        for (uint32_t i = 0; i < plan->client[c].count; i++)
            if (plan->client[c].requests[i].pool == pool)
                draw_truncation(plan, &plan->client[c].requests[i]);
}

/* ---- the world ---- */

static void draw_world_faults(struct plan *plan)
{
    struct rand_gen gen = stream(plan->seed, FAMILY_MEMORY, 0);
    if (plan_has(plan, FAMILY_MEMORY)) {
        plan->memory.from_ms = between(&gen, 20, 900);
        plan->memory.to_ms = plan->memory.from_ms + between(&gen, 1, 400);
        plan->memory.every = between(&gen, 1, 12);
        plan->memory.chunks_only = chance(&gen, 40);
    }
    gen = stream(plan->seed, FAMILY_WALL, 0);
    for (int i = 0; i < 2 && plan_has(plan, FAMILY_WALL); i++) {
        plan->wall[i].at_ms = between(&gen, 10, 1000);
        plan->wall[i].by_ms = (int64_t)between(&gen, 0, 200000000) - 100000000;
    }
    gen = stream(plan->seed, FAMILY_BREAK, 0);
    for (int i = 0; i < PLAN_BREAKS && plan_has(plan, FAMILY_BREAK); i++) {
        plan->breaks[i].at_ms = between(&gen, 45, 1200);
        plan->breaks[i].client = (uint32_t)rand_below(&gen, plan->clients);
    }
    gen = stream(plan->seed, FAMILY_DRAIN, 0);
    if (plan_has(plan, FAMILY_DRAIN))
        plan->drain_ms = between(&gen, 30, 1200);
    gen = stream(plan->seed, FAMILY_RELOAD, 0);
    for (int i = 0; i < PLAN_RELOADS && plan_has(plan, FAMILY_RELOAD); i++)
        plan->reload_ms[i] = between(&gen, 30, 1200);
    gen = stream(plan->seed, FAMILY_UPGRADE, 0);
    if (plan_has(plan, FAMILY_UPGRADE)) {
        plan->upgrade.at_ms = between(&gen, 20, 1200);
        plan->upgrade.ready_ms = between(&gen, 1, 60);
        plan->upgrade.open_ms = between(&gen, 0, 40);
        plan->upgrade.fails = chance(&gen, 25);
    }
}

static void apply_cuts(struct plan *plan, const struct plan_cuts *cuts)
{
    for (uint32_t i = 0; i < plan->clients; i++) {
        struct plan_client *client = &plan->client[i];
        if (cuts->clients & 1u << i)
            client->there = false;
        client->count -= cuts->requests[i] < client->count ? cuts->requests[i] : client->count - 1;
    }
}

void plan_make(struct plan *plan, uint64_t seed, const struct plan_cuts *cuts)
{
    memset(plan, 0, sizeof(*plan));
    plan->seed = seed;
    draw_families(plan);
    plan->families &= ~cuts->families;
    draw_net(plan);
    draw_shape(plan);
    for (uint32_t i = 0; i < plan->workers; i++)
        draw_worker(plan, i);
    for (uint32_t i = 0; i < plan->clients; i++)
        draw_client(plan, i);
    for (uint32_t i = 0; i < plan->clients; i++)
        draw_h2(plan, i);
    for (uint32_t i = 0; i < plan->pools; i++)
        draw_h2_pool(plan, i);
    for (uint32_t i = 0; i < plan->clients; i++)
        draw_tls(plan, i);
    plan_draw_tunnel_timeouts(plan);
    for (uint32_t i = 0; i < plan->clients; i++)
        plan_draw_tunnels(plan, i);
    for (uint32_t i = 0; i < plan->pools; i++)
        draw_tls_pool(plan, i);
    plan_draw_h2_tunnels(plan);
    draw_world_faults(plan);
    apply_cuts(plan, cuts);
}

const struct plan_request *plan_find(const struct plan *plan, uint32_t id)
{
    if (id < 1000)
        return NULL;
    uint32_t client = (id - 1000) / 100, index = (id - 1000) % 100;
    if (client >= plan->clients || !plan->client[client].there || index >= plan->client[client].count)
        return NULL;
    return &plan->client[client].requests[index];
}

const char *plan_method_name(enum plan_method method)
{
    static const char *const names[PLAN_METHODS] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    return names[method];
}

bool plan_method_repeatable(enum plan_method method)
{
    return method != PLAN_POST;
}
