/* Handshakes of workers, the wrong ones too: each connection draws from its worker's stream what will become of it. */
#include "tests/sim/worker_line.h"

#include <stdlib.h>

#include "tests/sim/check.h"

enum { HANDSHAKE_BYTES = 1400, RECORDS_MOST = 400, HALF_BYTES = 300 };

#define NS_PER_MS INT64_C(1000000)

/* A handshake that is not over. */
struct greeting {
    struct list link; /* the worker's */
    struct worker_line line;
    worker_line_ready_fn ready;
};

static uint32_t index_of(const struct worker_line *line)
{
    return line->worker->index;
}

static bool speaks(const struct worker_line *line)
{
    return line->tls != NULL && sim_tls_is_ready(line->tls);
}

/* ---- what is sent ---- */

static void garble(struct worker_line *line)
{
    if (line->garble_at < line->sent || line->garble_at - line->sent >= line->cipher.n)
        return;
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "byte %llu of a connection of w%u is garbled",
               (unsigned long long)line->garble_at, index_of(line));
    line->garbled = true;
    line->worker->garbled++;
    line->cipher.p[line->cipher.head + (line->garble_at - line->sent)] ^= 0x10;
}

static void stop(struct worker_line *line)
{
    trace_line(TRACE_NOBODY, TRACE_NOBODY, "w%u %s a handshake after %llu bytes", index_of(line),
               line->stop_stalls              ? "stalls in"
               : line->stop_how == LINE_RESET ? "resets"
                                              : "cuts",
               (unsigned long long)line->sent);
    line->stopped = true;
    line->worker->stopped++;
    if (!line->stop_stalls)
        io_sim_peer_close(&line->peer, line->stop_how == LINE_RESET);
}

static void flush(struct worker_line *line)
{
    size_t all = line->cipher.n, n = all;
    if (line->stopped || line->shut || line->peer == NULL)
        return;
    garble(line);
    if (n > line->stop_at - line->sent)
        n = (size_t)(line->stop_at - line->sent);
    if (n > 0)
        io_sim_peer_send(line->peer, sim_bytes_all(&line->cipher).p, n);
    sim_bytes_drop(&line->cipher, all);
    line->sent += n;
    if (n < all)
        stop(line);
}

/* Beside every n-th of what is sent, before it or behind it. */
static void renew(struct worker_line *line, bool before)
{
    uint32_t every = line->worker->plan->tls.renews_every, n = every > 0 ? line->sends / every : 0;
    if (every == 0 || line->sends % every != 0 || before != (n % 2 == 0))
        return;
    sim_tls_renew(line->tls, n % 3 == 0, &line->cipher);
}

static void seal(struct worker_line *line, struct str words)
{
    size_t record = line->worker->plan->tls.record_bytes;
    if (record > 0 && words.n / record > RECORDS_MOST)
        record = words.n / RECORDS_MOST;
    sim_bytes_append(&line->words, words.p, words.n);
    sim_tls_seal(line->tls, &line->words, record, &line->cipher);
}

void worker_line_send(struct worker_line *line, struct str words)
{
    if (line->tls == NULL) {
        io_sim_peer_send(line->peer, words.p, words.n);
        return;
    }
    line->sends++;
    renew(line, true);
    seal(line, words);
    renew(line, false);
    flush(line);
}

void worker_line_send_half(struct worker_line *line, struct str words)
{
    if (line->tls == NULL || line->peer == NULL)
        return;
    seal(line, str_slice(words.p, words.n < HALF_BYTES ? words.n : HALF_BYTES));
    line->cipher.n -= line->cipher.n / 2;
    flush(line);
}

/* ---- what comes in ---- */

/* What it tells of must be what is wrong. */
static void check_alert(const struct worker_line *line)
{
    const struct plan *plan = line->worker->world->plan;
    int alert = sim_tls_alert(line->tls);
    if (alert == 0 || line->garbled || plan_has(plan, FAMILY_MEMORY) || alert == sim_tls_alert_for(line->shown))
        return;
    check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u is told of TLS's error %d, and shows %s", index_of(line),
               alert, line->shown == SHOWN_RIGHT ? "nothing wrong" : "another");
}

static void check_tls(const struct worker_line *line)
{
    const char *flaw = sim_tls_flaw(line->tls);
    if (flaw != NULL && !line->garbled)
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u gets what is no TLS to it: %s", index_of(line), flaw);
    check_alert(line);
    if (sim_tls_is_ready(line->tls) && line->shown != SHOWN_RIGHT)
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "w%u shows a wrong certificate, and is believed",
                   index_of(line));
}

/* Where its side of the handshake ends: what comes later goes as it should. With 1.3, and in a session that is taken
 * up, the other side has all of it before this side knows. */
static void end_handshake(struct worker_line *line, size_t said)
{
    bool last_is_ours = line->worker->plan->tls.old && said < line->cipher.n;
    if (line->stop_at >= line->sent + (last_is_ours ? line->cipher.n : said))
        line->stop_at = UINT64_MAX;
}

struct str worker_line_received(struct worker_line *line)
{
    if (line->tls == NULL)
        return io_sim_peer_received(line->peer);
    struct str got = io_sim_peer_received(line->peer);
    bool shaken = sim_tls_is_ready(line->tls);
    size_t said = line->cipher.n;
    if (got.n > 0) {
        sim_tls_receive(line->tls, got, &line->cipher);
        io_sim_peer_take(line->peer, got.n);
        if (!shaken && sim_tls_is_ready(line->tls))
            end_handshake(line, said);
        check_tls(line);
        flush(line);
    }
    return line->peer == NULL || line->stopped ? STR("") : sim_bytes_all(sim_tls_words(line->tls));
}

void worker_line_take(struct worker_line *line, size_t n)
{
    if (line->tls == NULL)
        io_sim_peer_take(line->peer, n);
    else
        sim_bytes_drop(sim_tls_words(line->tls), n);
}

bool worker_line_ended_well(const struct worker_line *line)
{
    return io_sim_peer_state(line->peer) == IO_SIM_PEER_ENDED && (line->tls == NULL || sim_tls_has_ended(line->tls));
}

/* ---- ends ---- */

void worker_line_say_end(struct worker_line *line)
{
    if (!speaks(line) || line->end_said)
        return;
    line->end_said = true;
    sim_tls_end(line->tls, &line->cipher);
    flush(line);
}

void worker_line_shutdown(struct worker_line *line)
{
    worker_line_say_end(line);
    line->shut = true;
    io_sim_peer_shutdown(line->peer);
}

void worker_line_close(struct worker_line *line, enum line_close how)
{
    if (how == LINE_WORD && io_sim_peer_state(line->peer) != IO_SIM_PEER_RESET)
        worker_line_say_end(line);
    io_sim_peer_close(&line->peer, how == LINE_RESET);
}

void worker_line_fini(struct worker_line *line)
{
    if (line->peer != NULL)
        io_sim_peer_close(&line->peer, true);
    sim_tls_destroy(&line->tls);
    sim_bytes_free(&line->cipher);
    sim_bytes_free(&line->words);
}

/* ---- handshakes ---- */

static int64_t now_ms(const struct sim_worker *worker)
{
    return (world_now_ns(worker->world) - worker->world->start_ns) / NS_PER_MS;
}

static enum plan_shown shown_now(const struct sim_worker *worker)
{
    const struct plan_worker_tls *tls = &worker->plan->tls;
    int64_t now = now_ms(worker);
    return now >= tls->wrong_from_ms && now < tls->wrong_to_ms ? tls->wrong : SHOWN_RIGHT;
}

static bool speaks_h2(const struct sim_worker *worker)
{
    int64_t until_ms = worker->plan->tls.h1_from_ms;
    return worker->plan->h2 && (until_ms == 0 || now_ms(worker) < until_ms);
}

static void draw_fate(struct worker_line *line)
{
    struct sim_worker *worker = line->worker;
    const struct plan_worker_tls *plan = &worker->plan->tls;
    struct rand_gen *gen = &worker->tls_rand;
    bool stops = rand_below(gen, 100) < plan->stops_per, garbles = rand_below(gen, 100) < plan->garbles_per;
    uint64_t at = rand_below(gen, HANDSHAKE_BYTES), how = rand_below(gen, 3);
    uint64_t byte = rand_below(gen, rand_below(gen, 2) == 0 ? HANDSHAKE_BYTES : 20 * HANDSHAKE_BYTES);
    line->stop_at = stops ? at : UINT64_MAX;
    line->stop_stalls = how == 0;
    line->stop_how = how == 1 ? LINE_CUT : LINE_RESET;
    line->garble_at = garbles ? byte : UINT64_MAX;
}

static void begin(struct worker_line *line)
{
    struct sim_worker *worker = line->worker;
    line->shown = shown_now(worker);
    worker->unbelieved += line->shown != SHOWN_RIGHT;
    line->tls = sim_tls_accept(&worker->plan->tls, worker->index, speaks_h2(worker), line->shown);
    line->began_ns = world_now_ns(worker->world);
    draw_fate(line);
}

static void on_greeting(struct io_sim_peer *peer, void *context)
{
    struct greeting *greeting = context;
    struct worker_line *line = &greeting->line;
    worker_line_received(line);
    if (line->peer == NULL)
        return;
    enum io_sim_peer_state state = io_sim_peer_state(peer);
    if (state == IO_SIM_PEER_ENDED || state == IO_SIM_PEER_RESET) {
        check_greeting_end(line);
        io_sim_peer_close(&line->peer, false);
    } else if (speaks(line) && !line->stopped) {
        struct worker_line whole = *line;
        line->peer = NULL;
        line->tls = NULL;
        line->cipher = line->words = (struct sim_bytes){0};
        greeting->ready(whole.worker, &whole);
    }
}

void worker_line_greet(struct sim_worker *worker, struct io_sim_peer *peer, worker_line_ready_fn ready)
{
    struct worker_line line = {.worker = worker, .peer = peer};
    if (!worker->plan->tls.spoken) {
        ready(worker, &line);
        return;
    }
    struct greeting *greeting = sim_take(sizeof(*greeting));
    greeting->line = line;
    greeting->ready = ready;
    list_init(&greeting->link);
    list_append(&worker->greetings, &greeting->link);
    io_sim_peer_on_event(peer, on_greeting, greeting);
    begin(&greeting->line);
}

void worker_line_leave(struct sim_worker *worker, enum plan_window_kind how)
{
    LIST_FOREACH (link, &worker->greetings) {
        struct worker_line *line = &CONTAINER_OF(link, struct greeting, link)->line;
        if (line->peer != NULL && how == WINDOW_DARK)
            io_sim_peer_dark(line->peer);
        else if (line->peer != NULL)
            io_sim_peer_close(&line->peer, how == WINDOW_DIE);
    }
}

void worker_line_fini_greetings(struct sim_worker *worker)
{
    struct list *link;
    while ((link = list_pop(&worker->greetings)) != NULL) {
        struct greeting *greeting = CONTAINER_OF(link, struct greeting, link);
        worker_line_fini(&greeting->line);
        free(greeting);
    }
}
