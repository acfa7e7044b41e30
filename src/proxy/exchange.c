/* The life of a request, step by step in the order of exchange.def. Owned by its reactor. Events from the streams only
 * set bits and queue the task; the driver runs the steps later in the same turn, so that nothing here is ever called
 * from inside a session, and whatever a step frees nobody above it holds. */
#include "proxy/exchange.h"

#include "base/clock.h"
#include "http/date.h"
#include "http/target.h"
#include "proxy/pace.h"
#include "proxy/reply.h"

enum { EXCHANGE_MAGIC = 0x65786368, EXCHANGE_ARENA_BYTES = 262144, EXCHANGE_REPLY_BYTES = 16384 };

/* Ended exchanges kept with their arena's first block, so that a small request allocates nothing. None where the
 * sanitizer is to see each lifetime. */
#ifdef BALLAST_SANITIZE
enum { EXCHANGE_SPARE_MAX = 0 };
#else
enum { EXCHANGE_SPARE_MAX = 256 };
#endif

struct exchange {
    uint32_t magic;
    /* the driver's */
    uint8_t step; /* enum exchange_step */
    bool entered; /* the present step has run before: it is waiting */
    bool timed_out;
    unsigned client_events, worker_events; /* enum stream_event, since the step last looked */
    struct io_task task;
    struct timer deadline;
    struct exchange_home *home;
    /* who and where */
    struct arena arena;
    struct stream client, worker;
    struct flow up, down;
    struct str id, client_host;
    struct pool *pool;
    struct worker *target; /* the worker of the present try */
    struct pick_tried tried;
    struct lease *connecting;
    struct session *leased; /* between LEASE and FORWARD */
    struct bufq own_body;
    /* how it went */
    bool counted; /* everything but requests for the metrics */
    bool rewritten;
    bool answering; /* the answer's head was sent to the client */
    bool own_answer;
    bool interim;    /* a 1xx head waits to be passed on */
    bool continued;  /* one was: a client that asked for it goes on with its body */
    bool fresh_only; /* an idle connection failed: the next try connects */
    bool reused;
    uint32_t tries;
    int status;
    int error;
    int64_t gone_at_ms;   /* the client has ended its sending: from then on it counts as gone; 0: it has not */
    uint64_t read;        /* read_so_far when the deadline was set */
    int64_t silent_at_ms; /* when its silence until then is too long */
    struct pace pace;     /* of the client, where there is a least rate */
    int64_t connected_ns, first_byte_ns;
    struct exchange *next_spare; /* of the home's, once ended */
};

static int64_t now_ms(const struct exchange *x)
{
    return io_now_ms(x->home->io);
}

/* A client that has ended its sending and has no answer yet may have gone: nothing is waited for beyond gone_at_ms. */
static void set_deadline_in(struct exchange *x, int64_t ms)
{
    int64_t due_ms = now_ms(x) + ms;

    if (x->gone_at_ms && !x->answering && x->gone_at_ms < due_ms)
        due_ms = x->gone_at_ms;
    io_timer_set(x->home->io, &x->deadline, due_ms);
}

static bool waited_long_enough(const struct exchange *x)
{
    return x->gone_at_ms && !x->answering && now_ms(x) >= x->gone_at_ms;
}

static enum exchange_step fail(struct exchange *x, int error, enum exchange_step next)
{
    x->error = error;
    return next;
}

/* The Date of now, formatted once a second. */
static struct str date_of(struct exchange_home *home)
{
    int64_t wall_s = clock_wall_ns() / 1000000000;

    if (wall_s != home->date_s) {
        home->date_s = wall_s;
        date_format(home->date, wall_s);
    }
    return str_slice(home->date, sizeof(home->date));
}

static bool client_gone(const struct exchange *x)
{
    return x->client.failed && x->client.error == -ERR_CLIENT_GONE;
}

/* ---- ADMIT ---- */

static bool asks_for_metrics(const struct exchange *x)
{
    const struct exchange_rules *rules = x->home->rules;
    const struct msg *head = &x->client.head;

    return rules->metrics_path.n > 0 && (head->method == METHOD_GET || head->method == METHOD_HEAD) &&
           str_eq(head->path, rules->metrics_path);
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
    if (!x->id.p || !host)
        return fail(x, -ERR_NO_MEMORY, EXCHANGE_ACCOUNT);
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

    x->pool = route_find(&x->home->rules->routes, target_host_name(head->authority), head->path);
    return x->pool ? EXCHANGE_PICK : fail(x, -ERR_NO_ROUTE, EXCHANGE_REPLY);
}

static enum exchange_step pick(struct exchange *x)
{
    x->target = x->pool->pick->pick(x->pool, &x->tried);
    if (!x->target)
        return x->error ? EXCHANGE_REPLY : fail(x, -ERR_NO_WORKER, EXCHANGE_REPLY);
    x->tries++;
    account_note_dispatch(x->home->account, x->target);
    return EXCHANGE_LEASE;
}

/* ---- LEASE ---- */

static void on_leased(void *context, struct session *session, int error)
{
    struct exchange *x = context;

    ASSERT_MAGIC(x, EXCHANGE_MAGIC);
    x->connecting = NULL;
    x->leased = session;
    x->error = error;
    x->connected_ns = io_now_ns(x->home->io);
    io_task_queue(x->home->io, &x->task);
}

static enum exchange_step start_lease(struct exchange *x)
{
    x->reused = false;
    x->error = 0;
    x->leased = x->fresh_only ? NULL : lease_take(x->home->leases, x->target);
    if (x->leased) {
        x->reused = true;
        x->connected_ns = io_now_ns(x->home->io);
        return EXCHANGE_FORWARD;
    }
    int error = lease_connect(x->home->leases, x->target, on_leased, x, &x->connecting);
    if (error)
        return fail(x, error, EXCHANGE_RETRY);
    set_deadline_in(x, x->home->rules->connect_ms);
    return EXCHANGE_LEASE;
}

static enum exchange_step lease(struct exchange *x)
{
    if (!x->entered)
        return start_lease(x);
    if (x->error)
        return EXCHANGE_RETRY;
    if (!x->connecting)
        return EXCHANGE_FORWARD;
    if (!client_gone(x) && !x->timed_out)
        return EXCHANGE_LEASE;
    lease_cancel(x->connecting);
    x->connecting = NULL;
    if (client_gone(x) || waited_long_enough(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    return fail(x, -ERR_CONNECT_TIMEOUT, EXCHANGE_RETRY);
}

/* ---- FORWARD ---- */

static int rewrite_once(struct exchange *x)
{
    const struct conn *conn = &x->client.session->conn;
    struct rewrite_client from = {.conn = conn, .host = x->client_host, .scheme = STR("http")};

    if (x->rewritten)
        return 0;
    x->rewritten = true;
    return rewrite_request(&x->client.head, &from, x->id, &x->home->rules->rewrite, &x->arena);
}

static enum exchange_step forward(struct exchange *x)
{
    struct session *session = x->leased;

    x->leased = NULL;
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

/* Who is waited for, and what its silence comes to. */
struct wait {
    int64_t ms;
    int error;
};

static struct wait waiting_for(const struct exchange *x)
{
    const struct exchange_rules *rules = x->home->rules;
    bool client_waits = x->client.head.expect_continue && !x->continued && x->up.bytes == 0;

    if (x->answering && (x->down.done || x->down.blocked || x->own_answer))
        return (struct wait){rules->client_stall_ms, -ERR_CLIENT_STALLED};
    if (x->answering)
        return (struct wait){rules->response_idle_ms, -ERR_ANSWER_STALLED};
    if (x->up.blocked)
        return (struct wait){rules->response_idle_ms, -ERR_SEND_TIMEOUT};
    if (x->up.done || client_waits)
        return (struct wait){rules->response_head_ms, -ERR_ANSWER_TIMEOUT};
    return (struct wait){rules->request_body_ms, -ERR_REQUEST_BODY_TIMEOUT};
}

/* The side that is waited for to read, if one is. */
static const struct conn *reader_of(const struct exchange *x)
{
    if (x->answering)
        return x->down.done || x->down.blocked || x->own_answer ? &x->client.session->conn : NULL;
    return x->up.blocked ? &x->worker.session->conn : NULL;
}

/* What that side has taken so far. While a send waits, what fills the system's buffers is not taken either: they make
 * room for more only when a good part of them is, which takes a slow reader long. */
static uint64_t read_so_far(const struct exchange *x)
{
    const struct conn *conn = reader_of(x);

    if (!conn)
        return 0;
    return conn->sent - (conn->sock.tx ? io_untaken(&conn->sock) : 0);
}

/* A reader may take bytes without an event up here: it is slow then, not silent. */
static bool is_silent(const struct exchange *x)
{
    return read_so_far(x) == x->read;
}

/* How the client is waited for, as the code of its being too slow; 0 when it is not. */
static int pace_of(const struct exchange *x)
{
    int error = waiting_for(x).error;

    return error == -ERR_CLIENT_STALLED || error == -ERR_REQUEST_BODY_TIMEOUT ? error : 0;
}

/* What it has moved in that way. What waits in the system's buffers it has not read. */
static uint64_t paced_bytes(const struct exchange *x)
{
    const struct conn *conn = &x->client.session->conn;

    return pace_of(x) == -ERR_CLIENT_STALLED ? conn->sent - io_untaken(&conn->sock) : x->up.bytes;
}

static void set_patience(struct exchange *x)
{
    int64_t ms = waiting_for(x).ms;
    int64_t pace_ms = x->home->rules->min_rate ? pace_wait(&x->pace, pace_of(x), now_ms(x)) : INT64_MAX;

    x->read = read_so_far(x);
    x->silent_at_ms = now_ms(x) + ms;
    set_deadline_in(x, pace_ms < ms ? pace_ms : ms);
}

/* The deadline has passed: was it for a silence, or for too low a rate? */
static bool is_too_slow(struct exchange *x)
{
    uint64_t min_rate = x->home->rules->min_rate;

    if (min_rate && x->pace.what == pace_of(x) && pace_is_due(&x->pace, now_ms(x)))
        return pace_is_slow(&x->pace, paced_bytes(x), min_rate, now_ms(x));
    return now_ms(x) >= x->silent_at_ms && is_silent(x);
}

/* A 1xx is passed on and the next head waited for. */
static int pass_interim(struct exchange *x)
{
    x->interim = false;
    x->continued = true;
    rewrite_answer(&x->worker.head, STR("1.1 ballast"), STR_NONE, &x->home->rules->rewrite);
    int error = session_send_head(&x->client, &x->worker.head);
    session_consumed(&x->worker);
    return error;
}

static int pass_head(struct exchange *x)
{
    struct msg *head = &x->worker.head;
    struct str via = head->minor ? STR("1.1 ballast") : STR("1.0 ballast");

    rewrite_answer(head, via, date_of(x->home), &x->home->rules->rewrite);
    x->answering = true;
    x->status = head->status;
    x->first_byte_ns = io_now_ns(x->home->io);
    flow_forget(&x->up);
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

static enum exchange_step relay(struct exchange *x)
{
    unsigned worker_events = x->worker_events;

    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    x->client_events &= STREAM_SENT; /* told once, and maybe before the flow was done */
    x->worker_events = 0;

    int error = x->up.done ? 0 : flow_step(&x->up);
    if (!error)
        error = pass_answer(x, worker_events);
    if (error)
        return cut(x, error);
    if (x->worker.failed)
        return x->answering ? cut(x, x->worker.error) : fail(x, x->worker.error, EXCHANGE_RETRY);
    if (x->client.failed)
        return cut(x, x->client.error);
    if (x->down.done && (x->client_events & STREAM_SENT))
        return EXCHANGE_ACCOUNT;
    /* Only now: after a pause of the whole process a deadline may have passed beside data that is there. */
    if (x->timed_out && waited_long_enough(x))
        return cut(x, -ERR_CLIENT_GONE);
    if (x->timed_out && is_too_slow(x))
        return cut(x, waiting_for(x).error);
    set_patience(x);
    return EXCHANGE_RELAY;
}

/* ---- RETRY ---- */

static bool may_repeat(const struct exchange *x)
{
    switch (err_retry(x->error)) {
    case ERR_RETRY_UNSENT: return true;
    case ERR_RETRY_REPEAT:
        return (msg_method_repeatable(x->client.head.method) || !x->worker.sent_bytes) && flow_rewindable(&x->up);
    case ERR_RETRY_NEVER: break;
    }
    return false;
}

static enum exchange_step retry(struct exchange *x)
{
    bool stale = x->reused && err_retry(x->error) == ERR_RETRY_REPEAT;

    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (!may_repeat(x) || x->tries >= x->home->rules->tries_max)
        return EXCHANGE_REPLY;
    if (x->worker.session)
        session_abort(&x->worker);
    stream_reset(&x->worker);
    if (flow_rewind(&x->up))
        return fail(x, -ERR_NO_MEMORY, EXCHANGE_REPLY);
    x->worker_events = 0;
    /* An idle connection that was closed says nothing of its worker: that one may be asked again, afresh. */
    if (stale)
        x->fresh_only = true;
    else
        x->tried.workers[x->tried.count++] = x->target;
    account_note_retry(x->home->account, x->target, x->error);
    x->target = NULL;
    return EXCHANGE_PICK;
}

/* ---- REPLY ---- */

static int64_t retry_after_s(const struct exchange *x)
{
    if (x->error != -ERR_NO_WORKER)
        return 0;
    int64_t wait_ms = atomic_load(&x->pool->next_probe_ms) - now_ms(x);
    return wait_ms > 1000 ? (wait_ms + 999) / 1000 : 1;
}

static int metrics_reply(struct exchange *x, struct reply *reply)
{
    int error = x->home->rules->metrics(x->home->rules->metrics_context, &x->own_body);

    if (!error)
        error =
            reply_text(reply, STR_NONE, STR("text/plain; version=0.0.4; charset=utf-8"), date_of(x->home), &x->arena);
    if (!error)
        reply->head.length = (int64_t)bufq_bytes(&x->own_body);
    return error;
}

static int make_reply(struct exchange *x, struct reply *reply)
{
    const struct msg *head = &x->client.head;
    struct str date = date_of(x->home);

    if (x->error) {
        const struct field *accept = fields_find(head->fields, head->count, FIELD_ACCEPT);
        return reply_error(reply, x->error, x->id, date, accept ? accept->value : STR_NONE, retry_after_s(x),
                           &x->arena);
    }
    if (!x->counted)
        return metrics_reply(x, reply);
    if (head->method == METHOD_TRACE)
        return reply_trace(reply, head, date, &x->arena);
    return reply_text(reply, STR_NONE, STR("text/plain"), date, &x->arena);
}

static int send_reply(struct exchange *x)
{
    struct reply reply;
    int error = make_reply(x, &reply);

    if (!error && reply.body.n > 0)
        error = bufq_append(&x->own_body, reply.body.p, reply.body.n);
    if (error)
        return error;
    x->own_answer = true;
    x->answering = true;
    x->status = reply.head.status;
    x->first_byte_ns = io_now_ns(x->home->io);
    error = session_send_head(&x->client, &reply.head);
    if (!error && x->client.head.method != METHOD_HEAD)
        error = session_send_body(&x->client, &x->own_body, bufq_bytes(&x->own_body));
    return error ? error : session_send_end(&x->client, NULL, 0);
}

static enum exchange_step reply(struct exchange *x)
{
    if (client_gone(x))
        return fail(x, -ERR_CLIENT_GONE, EXCHANGE_ACCOUNT);
    if (!x->entered) {
        if (x->worker.session)
            session_abort(&x->worker);
        x->client_events = 0;
        x->arena.max_bytes += EXCHANGE_REPLY_BYTES; /* what used the arena up is to be answered all the same */
        int error = send_reply(x);
        set_patience(x);
        return error ? fail(x, error, EXCHANGE_ACCOUNT) : EXCHANGE_REPLY;
    }
    if (x->client_events & STREAM_SENT)
        return EXCHANGE_ACCOUNT;
    if (x->timed_out && is_too_slow(x))
        return fail(x, -ERR_CLIENT_STALLED, EXCHANGE_ACCOUNT);
    if (x->timed_out)
        set_patience(x);
    return EXCHANGE_REPLY;
}

/* ---- ACCOUNT ---- */

static enum account_outcome outcome_of(const struct exchange *x)
{
    if (!x->error)
        return ACCOUNT_OK;
    return err_http_status(x->error) == 499 ? ACCOUNT_ABORTED : ACCOUNT_FAILED;
}

static int64_t since_start_us(const struct exchange *x, int64_t at_ns)
{
    return at_ns ? (at_ns - x->client.began_ns) / 1000 : -1;
}

static void write_access_line(struct exchange *x, int64_t total_us)
{
    const struct msg *head = &x->client.head;
    struct access_log_facts facts = {
        .wall_ns = clock_wall_ns(),
        .id = x->id,
        .client = x->client_host,
        .method = head->method_text,
        .host = head->authority,
        .target = head->target,
        .protocol = head->minor ? STR("HTTP/1.1") : STR("HTTP/1.0"),
        .pool = x->pool ? x->pool->name : STR(""),
        .worker = x->target ? x->target->name : STR(""),
        .tries = x->tries,
        .status = outcome_of(x) == ACCOUNT_ABORTED ? 499 : x->status,
        .own = x->own_answer,
        .reused = x->reused,
        .bytes_in = x->up.bytes,
        .bytes_out = x->down.bytes,
        .connect_us = since_start_us(x, x->connected_ns),
        .first_byte_us = since_start_us(x, x->first_byte_ns),
        .total_us = total_us,
        .reason = err_reason(x->error),
    };

    access_log_write(x->home->log, &facts);
}

static void count(struct exchange *x)
{
    int64_t total_us = since_start_us(x, io_now_ns(x->home->io));
    struct account_record record = {
        .outcome = outcome_of(x),
        .error = x->error,
        .status = x->status,
        .answered = x->own_answer || !x->answering ? NULL : x->target,
        .duration_us = (uint64_t)total_us,
        .request_bytes = x->up.bytes,
        .answer_bytes = x->down.bytes,
    };

    account_note_ended(x->home->account, x->target, &record);
    if (x->home->log->sink)
        write_access_line(x, total_us);
}

static void release_worker(struct exchange *x)
{
    struct session *session = x->worker.session;

    if (!session)
        return;
    if (x->error)
        session_abort(&x->worker);
    else if (session_finish(&x->worker))
        lease_return(x->home->leases, session);
}

static void free_exchange(struct exchange *x)
{
    struct exchange_home *home = x->home;

    if (home->spare_count < home->spare_max) {
        arena_reset(&x->arena);
        x->next_spare = home->spare;
        home->spare = x;
        home->spare_count++;
        return;
    }
    arena_fini(&x->arena);
    slab_give(&home->exchanges, x);
}

static enum exchange_step account(struct exchange *x)
{
    struct exchange_home *home = x->home;
    bool whole = x->answering && (!x->error || x->own_answer) && (x->client_events & STREAM_SENT);

    if (x->counted)
        count(x);
    release_worker(x);
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
    free_exchange(x); /* only the driver stands above, and it looks no more */
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
    if (events & STREAM_PEER_ENDED) {
        x->gone_at_ms = now_ms(x) + x->home->rules->half_closed_ms;
        if (timer_is_set(&x->deadline) && !x->answering && x->gone_at_ms < x->deadline.due_ms)
            io_timer_set(x->home->io, &x->deadline, x->gone_at_ms);
    }
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

/* All zero but for its arena, which is ready. */
static struct exchange *take_exchange(struct exchange_home *home)
{
    struct exchange *x = home->spare;
    struct arena arena;

    if (x) {
        home->spare = x->next_spare;
        home->spare_count--;
        arena = x->arena;
        arena.max_bytes = EXCHANGE_ARENA_BYTES;
    } else {
        x = slab_take(&home->exchanges);
        arena_init(&arena, EXCHANGE_ARENA_BYTES);
    }
    if (!x)
        return NULL;
    memset(x, 0, sizeof(*x));
    x->arena = arena;
    return x;
}

struct stream *exchange_open(struct exchange_home *home, struct session *session)
{
    struct buf_pool *buffers = io_buffers(home->io);
    struct exchange *x = take_exchange(home);

    if (!x)
        return NULL;
    x->magic = EXCHANGE_MAGIC;
    x->home = home;
    x->step = EXCHANGE_ADMIT;
    stream_init(&x->client, on_client, &x->arena, buffers);
    stream_init(&x->worker, on_worker, &x->arena, buffers);
    x->client.spare_fields = REWRITE_REQUEST_FIELDS;
    x->worker.spare_fields = REWRITE_ANSWER_FIELDS;
    flow_init(&x->up, &x->client, &x->worker, true, buffers);
    flow_init(&x->down, &x->worker, &x->client, false, buffers);
    bufq_init(&x->own_body, buffers);
    io_task_init(&x->task, run);
    timer_init(&x->deadline, on_deadline);
    return &x->client;
}

void exchange_home_init(struct exchange_home *home, size_t max_exchanges)
{
    slab_init(&home->exchanges, sizeof(struct exchange), max_exchanges, 0);
    home->spare = NULL;
    home->spare_count = 0;
    home->spare_max = EXCHANGE_SPARE_MAX;
    home->date_s = -1;
}

void exchange_home_fini(struct exchange_home *home)
{
    while (home->spare) {
        struct exchange *x = home->spare;
        home->spare = x->next_spare;
        arena_fini(&x->arena);
        slab_give(&home->exchanges, x);
    }
    slab_fini(&home->exchanges);
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
