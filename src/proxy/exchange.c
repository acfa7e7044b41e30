/* The life of a request, step by step in the order of exchange.def. Owned by its reactor. Events from the streams only
 * set bits and queue the task; the driver runs the steps later in the same turn, so that nothing here is ever called
 * from inside a session, and whatever a step frees nobody above it holds. */
#include "proxy/exchange.h"

#include "http/target.h"
#include "net/telling.h"
#include "proxy/ending.h"
#include "proxy/exchange_parts.h"
#include "proxy/grpc.h"
#include "proxy/own_answer.h"
#include "proxy/patience.h"
#include "proxy/server_timing.h"
#include "proxy/tracing.h"
#include "proxy/tunnel.h"

static enum exchange_step fail(struct exchange *x, int error, enum exchange_step next)
{
    x->error = error;
    return next;
}

static void leave_budget(struct exchange *x)
{
    retry_budget_leave(&x->home->retries, &x->again, x->home->account->totals.active);
}

static bool client_gone(const struct exchange *x)
{
    return x->client.failed && x->client.error == -ERR_CLIENT_GONE;
}

/* ---- ADMIT ---- */

static bool asks_for_metrics(const struct exchange *x)
{
    const struct exchange_rules *rules = x->rules;
    const struct msg *head = &x->client.head;

    return rules->metrics_path.n > 0 && (head->method == METHOD_GET || head->method == METHOD_HEAD) &&
           str_eq(head->path, rules->metrics_path);
}

static void note_call(struct exchange *x)
{
    int64_t ms = grpc_timeout_ms(&x->client.head);

    x->grpc = true;
    x->expires_ms = ms < 0 ? 0 : exchange_now_ms(x) + ms + GRPC_GRACE_MS;
}

static enum exchange_step admit(struct exchange *x)
{
    bool refused = x->client.failed && !x->client.head.method_text.n;

    x->id = rewrite_request_id(&x->client.head, &x->arena, &x->home->rand);
    char *host = arena_take(&x->arena, SOCK_TEXT_MAX);
    if (host)
        x->client_host = conn_peer_host(&x->client.session->conn, host);
    x->counted = refused || !asks_for_metrics(x);
    if (x->counted)
        account_note_begun(x->home->account);
    bool traced = x->rules->trace.enabled && x->counted;
    if (!x->id.p || !host || (traced && tracing_begin(x)))
        return fail(x, -ERR_NO_MEMORY, EXCHANGE_ACCOUNT);
    if (grpc_is_call(&x->client.head))
        note_call(x);
    if (x->client.failed)
        return fail(x, x->client.error, client_gone(x) ? EXCHANGE_ACCOUNT : EXCHANGE_REPLY);
    if (!x->counted || rewrite_max_forwards(&x->client.head) == 0)
        return EXCHANGE_REPLY;
    return EXCHANGE_ROUTE;
}

/* ---- ROUTE, PICK ---- */

static enum exchange_step route(struct exchange *x)
{
    const struct msg *head = &x->client.head;
    const struct route_table *routes = &x->rules->routes;
    bool https = routes->by_scheme && rewrite_is_https(head, &x->client.session->conn, &x->rules->rewrite);
    const struct route *found = route_match(routes, target_host_name(head->authority), head->path, https);

    if (!found)
        return fail(x, -ERR_NO_ROUTE, EXCHANGE_REPLY);
    if (!found->pool) {
        x->redirect = &found->redirect;
        return EXCHANGE_REPLY;
    }
    x->pool = found->pool;
    x->server_timing = found->server_timing;
    return EXCHANGE_PICK;
}

/* A worker that only let go of an idle connection may be asked again, but after the others: one that dies does that
 * too. */
static struct worker *pick_worker(struct exchange *x)
{
    struct worker *worker = x->pool->pick->pick(x->pool, &x->tried);

    if (worker || !x->let_go)
        return worker;
    pick_forget(&x->tried, x->let_go);
    x->let_go = NULL;
    return x->pool->pick->pick(x->pool, &x->tried);
}

/* The grace is for a client that ends the call itself: nobody waits for what a worker would begin in it. */
static bool is_call_over(const struct exchange *x)
{
    return x->expires_ms && exchange_now_ms(x) >= x->expires_ms - GRPC_GRACE_MS;
}

static enum exchange_step pick(struct exchange *x)
{
    if (is_call_over(x))
        return fail(x, x->tries ? -ERR_DEADLINE : -ERR_DEADLINE_OVER, EXCHANGE_REPLY);
    x->target = pick_worker(x);
    if (!x->target)
        return x->error ? EXCHANGE_REPLY : fail(x, -ERR_NO_WORKER, EXCHANGE_REPLY);
    x->tries++;
    *exchange_present_try(x) = (struct exchange_try){
        .worker = x->target, .picked_us = exchange_age_us(x), .connected_us = RECENT_NEVER, .waited = x->waited};
    x->waited = false;
    account_note_dispatch(x->home->account, x->target);
    return EXCHANGE_LEASE;
}

/* ---- LEASE ---- */

static void note_connected(struct exchange *x)
{
    x->connected_ns = io_now_ns(x->home->io);
    if (x->error)
        return;
    exchange_present_try(x)->connected_us = exchange_age_us(x);
    exchange_present_try(x)->reused = x->reused;
}

static void on_leased(void *context, struct session *session, int error)
{
    struct exchange *x = context;

    ASSERT_MAGIC(x, EXCHANGE_MAGIC);
    x->leased = session;
    x->error = error;
    note_connected(x);
    io_task_queue(x->home->io, &x->task);
}

static enum exchange_step start_lease(struct exchange *x)
{
    x->reused = false;
    x->unheard = false;
    x->error = 0;
    x->connecting.switches = rewrite_upgrades(&x->client.head, &x->rules->rewrite);
    x->leased = x->fresh_only ? NULL : lease_take(x->home->leases, x->target, x->connecting.switches);
    if (x->leased) {
        x->reused = session_idle(x->leased);
        x->leased->unheard |= x->reused;
        x->unheard = x->leased->unheard;
        note_connected(x);
        return EXCHANGE_FORWARD;
    }
    struct telling_client whom = {&x->client.session->conn, x->id};
    int error = lease_connect(x->home->leases, x->target, &whom, on_leased, x, &x->connecting);
    if (error)
        return fail(x, error, EXCHANGE_RETRY);
    patience_set_for(x, x->rules->connect_ms);
    return EXCHANGE_LEASE;
}

static enum exchange_step lease(struct exchange *x)
{
    if (!x->entered)
        return start_lease(x);
    if (x->error)
        return EXCHANGE_RETRY;
    if (!x->connecting.lease)
        return EXCHANGE_FORWARD;
    if (!client_gone(x) && !x->timed_out)
        return EXCHANGE_LEASE;
    lease_cancel(&x->connecting);
    if (client_gone(x) || patience_with_half_closed_ends(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    return fail(x, patience_has_expired(x) ? -ERR_DEADLINE : -ERR_CONNECT_TIMEOUT, EXCHANGE_RETRY);
}

/* ---- FORWARD ---- */

static int rewrite_once(struct exchange *x)
{
    const struct conn *conn = &x->client.session->conn;
    struct rewrite_client from = {.conn = conn, .host = x->client_host};

    if (x->rewritten)
        return 0;
    x->rewritten = true;
    int error = rewrite_request(&x->client.head, &from, x->id, &x->rules->rewrite, &x->arena);
    if (!error && x->client.head.must_switch)
        error = tunnel_add_key(x);
    return error || !x->trace ? error : tracing_rewrite(x);
}

static enum exchange_step forward(struct exchange *x)
{
    struct session *session = x->leased;

    x->leased = NULL;
    x->up.once = !msg_method_repeatable(x->client.head.method);
    int error = session_open(session, &x->worker);
    if (!error)
        error = rewrite_once(x);
    if (!error)
        error = session_send_head(&x->worker, &x->client.head);
    return error ? fail(x, error, EXCHANGE_REPLY) : EXCHANGE_RELAY;
}

/* ---- RELAY ---- */

static enum exchange_step cut(struct exchange *x, int error)
{
    return fail(x, error, x->answering || error == -ERR_CLIENT_GONE ? EXCHANGE_ACCOUNT : EXCHANGE_REPLY);
}

/* A 1xx is passed on and the next head waited for. */
static int pass_interim(struct exchange *x)
{
    x->interim = false;
    x->continued = true;
    rewrite_answer(&x->worker.head, msg_via(&x->worker.head), STR_NONE, &x->rules->rewrite);
    int error = session_send_head(&x->client, &x->worker.head);
    session_consumed(&x->worker);
    return error;
}

static int pass_head(struct exchange *x)
{
    struct msg *head = &x->worker.head;
    bool tunnel = head->status == 101;

    int error = tunnel_judge(x);
    if (error)
        return error;
    rewrite_answer(head, msg_via(head), exchange_home_date(x->home), &x->rules->rewrite);
    if (x->server_timing && server_timing_add(x))
        return -ERR_NO_MEMORY;
    rewrite_secure(head, &x->client.session->conn);
    x->answering = true;
    x->status = head->status;
    x->first_byte_ns = io_now_ns(x->home->io);
    x->worker.session->unheard = false;
    leave_budget(x);
    flow_forget(&x->up);
    if (tunnel)
        tunnel_open(x);
    return session_send_head(&x->client, head);
}

static int pass_answer(struct exchange *x, unsigned events)
{
    int error = 0;

    x->interim |= (events & STREAM_INTERIM) != 0;
    if (x->interim && session_room(&x->client) > 0)
        error = pass_interim(x);
    if (!error && (events & STREAM_HEAD))
        error = pass_head(x);
    if (!error && x->answering && !x->down.done)
        error = flow_step(&x->down);
    return error;
}

static enum exchange_step close_tunnel(struct exchange *x, int why)
{
    int error = tunnel_close(x, why);

    return error ? cut(x, error) : EXCHANGE_RELAY;
}

static enum exchange_step relay(struct exchange *x)
{
    unsigned worker_events = x->worker_events;

    if (x->tunnel_closing)
        return tunnel_is_closed(x) ? fail(x, x->tunnel_closing, EXCHANGE_ACCOUNT) : EXCHANGE_RELAY;
    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (x->client_events & STREAM_DRAIN)
        tunnel_note_drain(x);
    bool idle = patience_is_idle(x, worker_events || (x->client_events & ~(unsigned)STREAM_SENT));
    x->client_events &= STREAM_SENT; /* told once, and maybe before the flow was done */
    x->worker_events = 0;

    /* A flow that is done may still be blocked, by what its pipe holds. */
    int error = x->up.done && !x->up.blocked ? 0 : flow_step(&x->up);
    if (!error)
        error = pass_answer(x, worker_events);
    if (worker_events & STREAM_END)
        x->whole_ms = exchange_now_ms(x);
    if (error)
        return cut(x, error);
    if (x->tunnel && tunnel_is_over(x))
        return EXCHANGE_ACCOUNT;
    if (x->worker.failed && !(x->tunnel && tunnel_waits_for_client(x)))
        return x->answering ? cut(x, x->worker.error) : fail(x, x->worker.error, EXCHANGE_RETRY);
    if (x->client.failed)
        return cut(x, x->client.error);
    if (x->down.done && (x->client_events & STREAM_SENT) && !x->tunnel)
        return EXCHANGE_ACCOUNT;
    /* Only now: after a pause of the whole process a deadline may have passed beside data that is there. */
    if (x->timed_out && patience_with_half_closed_ends(x))
        return cut(x, -ERR_CLIENT_GONE);
    if (x->timed_out && patience_has_expired(x))
        return cut(x, -ERR_DEADLINE);
    if (x->timed_out && tunnel_has_drained(x))
        return close_tunnel(x, -ERR_TUNNEL_DRAINED);
    if (x->timed_out && patience_is_lost(x))
        return x->tunnel ? close_tunnel(x, patience_error(x)) : cut(x, patience_error(x));
    if (idle)
        patience_go_on(x);
    else
        patience_set(x);
    return EXCHANGE_RELAY;
}

/* ---- RETRY ---- */

static struct retry_facts facts_of(const struct exchange *x)
{
    return (struct retry_facts){
        .error = x->error,
        .repeatable = msg_method_repeatable(x->client.head.method),
        .replayable = flow_rewindable(&x->up),
        .sent = x->worker.sent_bytes,
        .reused = x->unheard,
        .age_ms = (io_now_ns(x->home->io) - x->connected_ns) / 1000000,
        .tries = x->tries,
        .tries_max = x->rules->tries_max,
    };
}

static enum exchange_step refuse_retry(struct exchange *x, enum retry_refusal why)
{
    account_note_retry_refused(x->home->account, why);
    return EXCHANGE_REPLY;
}

static enum exchange_step send_again(struct exchange *x)
{
    bool refused = x->error == -ERR_STREAM_REFUSED, reset = x->error == -ERR_STREAM_RESET;
    bool stale = x->unheard && err_retry(x->error) == ERR_RETRY_REPEAT && !reset;

    stream_reset(&x->worker);
    if (flow_rewind(&x->up))
        return fail(x, -ERR_NO_MEMORY, EXCHANGE_REPLY);
    x->worker_events = 0;
    x->tried.workers[x->tried.count++] = x->target;
    x->fresh_only |= stale;
    if (stale || refused)
        x->let_go = x->target;
    account_note_retry(x->home->account, x->target, x->error);
    x->target = NULL;
    return EXCHANGE_PICK;
}

/* As long as for an answer: the client is waiting for one. */
static enum exchange_step wait_in_line(struct exchange *x)
{
    account_note_retry_waits(x->home->account);
    x->waited = true;
    patience_set_for(x, x->rules->response_head_ms);
    return EXCHANGE_RETRY;
}

static enum exchange_step start_retry(struct exchange *x)
{
    const struct retry_facts facts = facts_of(x);
    enum retry_refusal why;
    enum retry_verdict verdict = retry_judge(&facts, &why);

    exchange_present_try(x)->error = (uint16_t)-x->error;
    exchange_present_try(x)->failed_us = exchange_age_us(x);
    if (retry_is_stale(&facts) && x->worker.session)
        lease_note_stale(x->worker.session);

    if (verdict == RETRY_REFUSED)
        return refuse_retry(x, why);
    if (x->worker.session)
        session_abort(&x->worker);
    if (verdict == RETRY_CHEAP || retry_budget_ask(&x->home->retries, &x->again, x->home->account->totals.active))
        return send_again(x);
    return wait_in_line(x);
}

static enum exchange_step retry(struct exchange *x)
{
    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (!x->entered)
        return start_retry(x);
    if (x->again.held)
        return send_again(x);
    if (!x->timed_out)
        return EXCHANGE_RETRY;
    if (patience_with_half_closed_ends(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (patience_has_expired(x))
        x->error = -ERR_DEADLINE;
    return refuse_retry(x, RETRY_BUDGET);
}

/* ---- REPLY ---- */

/* What the answer is made of, over as many turns as that takes. */
static enum exchange_step make_reply(struct exchange *x)
{
    int error = own_answer_prepare(x);

    if (error == 1) {
        io_timer_set(x->home->io, &x->deadline, exchange_now_ms(x) + 1);
        return EXCHANGE_REPLY;
    }
    if (!error)
        error = own_answer_send(x);
    if (error)
        return fail(x, error, EXCHANGE_ACCOUNT);
    patience_set(x);
    return EXCHANGE_REPLY;
}

static enum exchange_step reply(struct exchange *x)
{
    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (!x->entered) {
        leave_budget(x);
        if (x->worker.session)
            session_abort(&x->worker);
        x->client_events = 0;
        x->arena.max_bytes += EXCHANGE_REPLY_BYTES; /* what used the arena up is to be answered all the same */
        return make_reply(x);
    }
    if (x->page)
        return x->timed_out ? make_reply(x) : EXCHANGE_REPLY;
    if (x->client_events & STREAM_SENT)
        return EXCHANGE_ACCOUNT;
    if (x->timed_out && patience_is_lost(x))
        return fail(x, -ERR_CLIENT_STALLED, EXCHANGE_ACCOUNT);
    if (x->timed_out)
        patience_set(x);
    return EXCHANGE_REPLY;
}

/* ---- ACCOUNT ---- */

static void release_worker(struct exchange *x)
{
    struct session *session = x->worker.session;

    if (!session)
        return;
    if (!exchange_in_order(x))
        session_abort(&x->worker);
    else if (session_finish(&x->worker))
        lease_return(x->home->leases, session, x->whole_ms);
}

static enum exchange_step account(struct exchange *x)
{
    struct exchange_home *home = x->home;
    bool sent = (x->client_events & STREAM_SENT) || x->tunnel;
    bool whole = x->answering && (exchange_in_order(x) || x->own_answer) && sent;

    if (x->counted)
        ending_note(x);
    release_worker(x);
    leave_budget(x);
    if (x->page)
        x->rules->metrics_drop(&x->page);
    io_timer_fini(home->io, &x->deadline);
    io_task_cancel(&x->task);
    flow_fini(&x->up);
    flow_fini(&x->down);
    bufq_clear(&x->own_body);
    stream_fini(&x->worker);
    if (whole)
        session_finish(&x->client);
    else
        session_abort(&x->client);
    stream_fini(&x->client);
    x->magic = 0;
    exchange_home_give(home, x); /* only the driver stands above, and it looks no more */
    return EXCHANGE_ACCOUNT;
}

/* ---- the driver ---- */

#define NEXT(step) (1u << EXCHANGE_##step)
static const struct {
    const char *name, *what;
    unsigned next;
    enum exchange_step (*run)(struct exchange *x);
} steps[EXCHANGE_STEPS] = {
#define STEP(name, function, next, what) {#name, what, next, function},
#include "proxy/exchange.def"
#undef STEP
};
#undef NEXT

static void run(struct io_task *task)
{
    struct exchange *x = CONTAINER_OF(task, struct exchange, task);

    ASSERT_MAGIC(x, EXCHANGE_MAGIC);
    for (;;) {
        enum exchange_step step = (enum exchange_step)x->step;
        enum exchange_step next = steps[step].run(x);
        if (step == EXCHANGE_ACCOUNT)
            return; /* x is gone */
        x->timed_out = false;
        x->entered = true;
        if (next == step)
            return; /* it waits */
        ASSERT(steps[step].next & (1u << next));
        x->step = (uint8_t)next;
        x->entered = false;
        timer_stop(&x->deadline);
    }
}

static void on_client(struct stream *stream, unsigned events)
{
    struct exchange *x = CONTAINER_OF(stream, struct exchange, client);

    x->client_events |= events;
    if (events & STREAM_PEER_ENDED)
        patience_note_half_closed(x);
    io_task_queue(x->home->io, &x->task);
}

static void on_worker(struct stream *stream, unsigned events)
{
    struct exchange *x = CONTAINER_OF(stream, struct exchange, worker);

    x->worker_events |= events;
    io_task_queue(x->home->io, &x->task);
}

static void on_deadline(struct timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, deadline);

    x->timed_out = true;
    io_task_queue(x->home->io, &x->task);
}

struct stream *exchange_open(struct exchange_home *home, struct session *session)
{
    struct buf_pool *buffers = io_buffers(home->io);
    struct exchange *x = exchange_home_take(home);

    if (!x)
        return NULL;
    x->magic = EXCHANGE_MAGIC;
    x->step = EXCHANGE_ADMIT;
    stream_init(&x->client, on_client, &x->arena, buffers);
    stream_init(&x->worker, on_worker, &x->arena, buffers);
    x->client.spare_fields = REWRITE_REQUEST_FIELDS;
    x->worker.spare_fields = REWRITE_ANSWER_FIELDS;
    flow_init(&x->up, &x->client, &x->worker, true, buffers);
    x->up.withheld = x->rules->rewrite.client_subject;
    flow_init(&x->down, &x->worker, &x->client, false, buffers);
    bufq_init(&x->own_body, buffers);
    io_task_init(&x->task, run);
    timer_init(&x->deadline, on_deadline);
    return &x->client;
}

const char *exchange_step_name(enum exchange_step step)
{
    return steps[step].name;
}

const char *exchange_step_what(enum exchange_step step)
{
    return steps[step].what;
}

unsigned exchange_step_next(enum exchange_step step)
{
    return steps[step].next;
}
