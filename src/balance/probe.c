/* One probe a worker, each with a session of its own: due -> (connect) -> ask -> answer read to its end -> note -> due.
 * Lives on the control thread; only the copies for readers are under a lock, held for a few hundred bytes. */
#include "balance/probe.h"

#include <pthread.h>
#include <stdlib.h>

#include "balance/grpc_health.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/table.h"
#include "http/msg.h"

enum {
    PROBE_ARENA_BYTES = 65536,
    /* Probes of a large pool come in so many small batches an interval: each batch wakes the thread twice, where each
     * probe would. */
    BATCHES = 100,
    PROBE_STREAMS_MAX = 1 << 20,
};

struct probe {
    struct prober *prober;
    struct worker *worker;
    struct health health;
    struct probe_stats stats;
    struct session *session; /* NULL without a connection */
    struct stream stream;    /* of the probe under way */
    struct arena arena;
    struct timer timer;  /* the next probe, or the end of this one */
    struct io_task task; /* acts on what the stream was told */
    bool asking;
    bool paused;  /* an operator wants no probes */
    bool changed; /* the last result made the worker go up or down */
    bool fresh;   /* this probe's connection was made for it */
    bool retired; /* its worker was removed: it asks no more */
    int64_t began_ns;
    uint8_t answer_bytes;                /* GRPC_HEALTH_ANSWER_MAX + 1: too many */
    char answer[GRPC_HEALTH_ANSWER_MAX]; /* a call's body */
};

/* A pool's schedule follows its workers' health at once, unless it has just been published and is long. */
struct publisher {
    struct prober *prober;
    struct pool *pool;
    struct timer timer; /* set: to publish what has changed since */
    int64_t pause_until_ms;
};

/* A session outlives the probe that gave it up, until its close is done. */
struct probe_session {
    union worker_door door; /* first */
    struct seat seat;
    struct probe *probe; /* NULL once given up */
    struct prober *prober;
    struct io_reap reap;
};

struct prober {
    struct session_user user; /* first */
    struct prober_options options;
    struct worker_door_options door;
    struct h2_room room;
    struct rand_gen rand;
    struct table probes;                            /* struct probe by worker index; never used ones are all zero */
    uint32_t workers;                               /* indexes in use are below it */
    struct publisher *publishers, *publishers_next; /* of the pools now, and of those of prober_adopt to come */
    uint32_t pools;
    uint32_t sessions;
    bool started;
    uint32_t starts; /* so many were to begin together */
    bool stopping;
    pthread_mutex_t lock; /* over each probe's health and stats, for readers */
};

static void begin(struct probe *probe, bool fresh);

static void set_timer_in(struct probe *probe, int64_t ms)
{
    struct io *io = probe->prober->options.io;

    io_timer_set(io, &probe->timer, io_now_ms(io) + ms);
}

static void drop_session(struct probe *probe)
{
    if (!probe->session)
        return;
    CONTAINER_OF(probe->session, struct probe_session, door.session)->probe = NULL;
    if (probe->stream.session)
        session_abort(&probe->stream);
    session_close(probe->session);
    probe->session = NULL;
}

/* The pool's Retry-After: when the first of its workers will be asked again. */
static void note_next_probe(struct pool *pool, int64_t due_ms, int64_t now_ms)
{
    int64_t known = atomic_load(&pool->next_probe_ms);

    if (known <= now_ms || due_ms < known)
        atomic_store(&pool->next_probe_ms, due_ms);
}

static void schedule_next(struct probe *probe)
{
    struct pool *pool = probe->worker->pool;
    int64_t interval = health_interval_ms(&probe->health, &pool->health);
    uint32_t spread = (uint32_t)(rand_u64(&probe->prober->rand) >> 32);
    int64_t wait_ms = probe->changed ? health_spread_ms(interval, spread)
                                     : health_jitter_ms(interval, pool->health.jitter_percent, spread);
    int64_t now_ms = io_now_ms(probe->prober->options.io);

    int64_t batch_ms = interval / BATCHES > 1 ? interval / BATCHES : 1;

    probe->changed = false;
    wait_ms += batch_ms - 1 - (now_ms + wait_ms + batch_ms - 1) % batch_ms;
    set_timer_in(probe, wait_ms);
    note_next_probe(pool, now_ms + wait_ms, now_ms);
}

static void publish_now(struct publisher *publisher)
{
    pool_publish(publisher->pool);
    publisher->pause_until_ms = io_now_ms(publisher->prober->options.io) + pool_publish_pause_ms(publisher->pool);
}

static void on_pause_over(struct timer *timer)
{
    publish_now(CONTAINER_OF(timer, struct publisher, timer));
}

static void publish(struct prober *prober, const struct pool *pool)
{
    struct publisher *publisher = prober->publishers;

    while (publisher->pool != pool)
        publisher++;
    if (io_now_ms(prober->options.io) >= publisher->pause_until_ms)
        publish_now(publisher);
    else if (!timer_is_set(&publisher->timer))
        io_timer_set(prober->options.io, &publisher->timer, publisher->pause_until_ms);
}

static void enter_result(struct probe *probe, const struct probe_result *result)
{
    struct prober *prober = probe->prober;
    struct worker *worker = probe->worker;

    pthread_mutex_lock(&prober->lock);
    enum health_change change = health_note(&probe->health, &worker->pool->health, result->good);
    probe->stats.history[probe->stats.probes % PROBE_HISTORY] = *result;
    probe->stats.probes++;
    probe->stats.failures += !result->good;
    probe->stats.took_us_sum += result->took_us;
    pthread_mutex_unlock(&prober->lock);
    probe->changed = change != HEALTH_SAME;
    if (!probe->changed)
        return;
    atomic_store(&worker->alive, change == HEALTH_WENT_UP);
    publish(prober, worker->pool);
    prober->options.on_change(prober->options.context, worker, change, result);
}

/* What Ballast itself is short of says nothing of the worker. */
static bool is_our_shortage(int error)
{
    return error == -ERR_NO_MEMORY || error == -ERR_NO_DESCRIPTORS;
}

/* What a whole answer to a call says: 0 or -ERR_NOT_SERVING. A call without a message ends with its head. */
static int judge_call(const struct probe *probe)
{
    const struct stream *stream = &probe->stream;
    bool ok = stream->head.status == 200 && probe->answer_bytes <= GRPC_HEALTH_ANSWER_MAX &&
              grpc_health_is_ok(stream->trailers, stream->trailer_count) &&
              grpc_health_serves(str_slice(probe->answer, probe->answer_bytes));

    return ok ? 0 : -ERR_NOT_SERVING;
}

static struct probe_result result_of(const struct probe *probe, int error)
{
    const struct pool *pool = probe->worker->pool;
    int64_t took_ns = io_now_ns(probe->prober->options.io) - probe->began_ns;
    uint16_t status = error ? 0 : probe->stream.head.status;
    int judged = !error && pool->health_grpc ? judge_call(probe) : error;
    bool expected = pool->health_grpc || (status >= pool->health.status_min && status <= pool->health.status_max);

    return (struct probe_result){
        .at_ns = clock_wall_ns(),
        .took_us = (uint32_t)(took_ns / 1000),
        .status = status,
        .error = judged,
        .good = !judged && expected,
    };
}

static void end_probe(struct probe *probe, int error)
{
    const struct probe_result result = result_of(probe, error);

    probe->asking = false;
    io_task_cancel(&probe->task);
    if (error || !session_finish(&probe->stream))
        drop_session(probe);
    stream_fini(&probe->stream);
    arena_fini(&probe->arena); /* its block is warm for the next worker's probe, and not one a worker is held */
    if (!is_our_shortage(error))
        enter_result(probe, &result);
    schedule_next(probe);
}

/* A connection that had idled may have been closed by the worker for its own reasons: that says nothing of its health.
 */
static bool worth_a_fresh_try(const struct probe *probe)
{
    int error = probe->stream.error;

    return !probe->fresh && (error == -ERR_CONN_CLOSED || error == -ERR_CONN_RESET || error == -ERR_STREAM_REFUSED);
}

/* All of it is read; of a call's the beginning is kept. */
static void take_body(struct probe *probe)
{
    struct bufq *body = &probe->stream.body;

    while (bufq_bytes(body) > 0) {
        struct str front = bufq_front(body);
        bool fits = probe->answer_bytes + front.n <= GRPC_HEALTH_ANSWER_MAX;
        if (fits)
            memcpy(probe->answer + probe->answer_bytes, front.p, front.n);
        probe->answer_bytes = fits ? (uint8_t)(probe->answer_bytes + front.n) : GRPC_HEALTH_ANSWER_MAX + 1;
        bufq_consume(body, front.n);
    }
}

static void on_task(struct io_task *task)
{
    struct probe *probe = CONTAINER_OF(task, struct probe, task);
    struct stream *stream = &probe->stream;

    if (!probe->asking || !stream->session)
        return;
    take_body(probe);
    if (stream->failed && worth_a_fresh_try(probe)) {
        drop_session(probe);
        stream_fini(stream);
        begin(probe, true);
    } else if (stream->failed) {
        end_probe(probe, stream->error);
    } else if (stream->ended) {
        end_probe(probe, 0);
    } else {
        session_consumed(stream);
    }
}

static void on_stream(struct stream *stream, unsigned events)
{
    struct probe *probe = CONTAINER_OF(stream, struct probe, stream);

    io_task_queue(probe->prober->options.io, &probe->task);
}

static int send_get(struct probe *probe, struct msg *head)
{
    head->method = METHOD_GET;
    head->method_text = STR("GET");
    head->target = probe->worker->pool->health_path;
    int error = session_send_head(&probe->stream, head);
    return error ? error : session_send_end(&probe->stream, NULL, 0);
}

static int send_call(struct probe *probe, struct msg *head)
{
    char text[GRPC_HEALTH_ASK_MAX];
    size_t n = grpc_health_ask(text, probe->worker->pool->health_service);
    struct bufq body;

    head->method = METHOD_POST;
    head->method_text = STR("POST");
    head->target = STR(GRPC_HEALTH_PATH);
    head->body = MSG_BODY_LENGTH;
    head->length = (int64_t)n;
    head->trailers_wanted = true;
    msg_add_field(head, FIELD_OTHER, STR("Content-Type"), STR("application/grpc"));
    bufq_init(&body, io_buffers(probe->prober->options.io));
    int error = bufq_append(&body, text, n);
    if (!error)
        error = session_send_head(&probe->stream, head);
    if (!error)
        error = session_send_body(&probe->stream, &body, n);
    bufq_clear(&body);
    return error ? error : session_send_end(&probe->stream, NULL, 0);
}

static void ask(struct probe *probe)
{
    struct field fields[2];
    struct msg head = {
        .authority = probe->worker->address,
        .body = MSG_BODY_NONE,
        .length = -1,
        .fields = fields,
        .cap = ARRAY_SIZE(fields),
    };

    probe->answer_bytes = 0;
    msg_add_field(&head, FIELD_USER_AGENT, STR("User-Agent"), STR("ballast-health"));
    int error = session_open(probe->session, &probe->stream);
    if (!error)
        error = probe->worker->pool->health_grpc ? send_call(probe, &head) : send_get(probe, &head);
    if (error)
        end_probe(probe, error);
}

static struct prober *of_user(struct session_user *user)
{
    return CONTAINER_OF(user, struct prober, user);
}

static void on_ready(struct session_user *user, struct session *session, int error)
{
    struct probe *probe = CONTAINER_OF(session, struct probe_session, door.session)->probe;

    if (!probe)
        return; /* given up while it connected: closing already */
    if (error)
        end_probe(probe, error);
    else
        ask(probe);
}

static void on_lost(struct session_user *user, struct session *session)
{
    struct probe *probe = CONTAINER_OF(session, struct probe_session, door.session)->probe;

    if (probe)
        drop_session(probe);
}

static void free_session(struct io_reap *reap)
{
    struct probe_session *session = CONTAINER_OF(reap, struct probe_session, reap);

    session->prober->sessions--;
    free(session); /* not per request: see connect_session */
}

static void on_closed(struct session_user *user, struct session *session)
{
    struct probe_session *closed = CONTAINER_OF(session, struct probe_session, door.session);

    closed->reap.reap = free_session;
    io_reap_queue(of_user(user)->options.io, &closed->reap);
}

static int connect_session(struct probe *probe)
{
    struct prober *prober = probe->prober;
    struct probe_session *session = malloc(sizeof(*session)); /* not per request: one a worker, kept */
    if (!session)
        return -ERR_NO_MEMORY;
    session->probe = probe;
    session->prober = prober;
    seat_init(&session->seat, NULL);
    int error =
        worker_door_open(&session->door, &session->seat, prober->options.io, &probe->worker->addr.storage,
                         worker_transport(probe->worker), worker_protocol(probe->worker), &prober->door, &prober->user);
    if (error) {
        free(session); /* not per request: see above */
        return error;
    }
    prober->sessions++;
    probe->session = &session->door.session;
    return 0;
}

static void begin(struct probe *probe, bool fresh)
{
    struct prober *prober = probe->prober;

    if (!fresh) {
        probe->began_ns = io_now_ns(prober->options.io);
        probe->asking = true;
        set_timer_in(probe, probe->worker->pool->health.timeout_ms);
    }
    if (probe->session && (conn_peer_ended(&probe->session->conn) || !session_idle(probe->session)))
        drop_session(probe);
    stream_init(&probe->stream, on_stream, &probe->arena, io_buffers(prober->options.io));
    probe->fresh = !probe->session;
    int error = probe->session ? 0 : connect_session(probe);
    if (error)
        end_probe(probe, error);
    else if (!probe->fresh)
        ask(probe);
}

static void on_timer(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);

    if (probe->asking)
        end_probe(probe, probe->stream.session ? -ERR_ANSWER_TIMEOUT : -ERR_CONNECT_TIMEOUT);
    else if (!probe->prober->stopping && !probe->paused)
        begin(probe, false);
}

static void init_probe(struct prober *prober, struct probe *probe, struct worker *worker)
{
    probe->prober = prober;
    probe->worker = worker;
    timer_init(&probe->timer, on_timer);
    io_task_init(&probe->task, on_task);
    arena_init(&probe->arena, PROBE_ARENA_BYTES);
}

static struct probe *probe_at(const struct prober *prober, uint32_t index)
{
    return table_at(&prober->probes, index);
}

/* Gives up what is under way; its state and results stay. */
static void halt(struct probe *probe)
{
    io_task_cancel(&probe->task);
    drop_session(probe);
    if (probe->asking)
        stream_fini(&probe->stream);
    probe->asking = false;
    io_timer_fini(probe->prober->options.io, &probe->timer);
}

/* What was known of one that comes back is long ago; under the lock. */
static void forget(struct prober *prober, struct probe *probe)
{
    probe->health = (struct health){.state = HEALTH_UNKNOWN};
    atomic_store(&probe->worker->alive, false);
    pool_publish(probe->worker->pool);
}

/* Kept ones keep state, connection and schedule, unless that is longer than it may be now. */
static void add_worker(struct prober *prober, struct worker *worker)
{
    struct probe *probe = probe_at(prober, worker->index);
    int64_t most_ms = io_now_ms(prober->options.io) + worker->pool->health.interval_ms;

    if (!probe->prober)
        init_probe(prober, probe, worker);
    else if (!probe->retired && (probe->asking || probe->paused || !prober->started || probe->timer.due_ms <= most_ms))
        return;
    if (probe->retired)
        forget(prober, probe);
    probe->retired = false;
    if (prober->started && !probe->paused)
        set_timer_in(probe, prober->starts++ / PROBE_STARTS_PER_MS);
}

/* Nothing waits to be published: snapshots publish their pools when they come into use. */
static void replace_publishers(struct prober *prober, struct pool *const *pools, uint32_t count)
{
    for (uint32_t p = 0; p < prober->pools; p++)
        io_timer_fini(prober->options.io, &prober->publishers[p].timer);
    free(prober->publishers); /* not per request: see prober_grow */
    prober->publishers = prober->publishers_next;
    prober->publishers_next = NULL;
    prober->pools = count;
    for (uint32_t p = 0; p < count; p++) {
        prober->publishers[p] = (struct publisher){.prober = prober, .pool = pools[p]};
        timer_init(&prober->publishers[p].timer, on_pause_over);
    }
}

int prober_grow(struct prober *prober, uint32_t workers, uint32_t pools)
{
    free(prober->publishers_next);                                         /* not per request: once a reload */
    prober->publishers_next = calloc(pools + 1, sizeof(struct publisher)); /* not per request: once a reload */
    if (!prober->publishers_next)
        return -ERR_NO_MEMORY;
    prober->room.library_bytes_max = (size_t)H2_LIBRARY_SESSION_BYTES * (workers + 1); /* one session each */
    pthread_mutex_lock(&prober->lock);
    int error = table_grow(&prober->probes, workers);
    pthread_mutex_unlock(&prober->lock);
    return error;
}

void prober_adopt(struct prober *prober, struct pool *const *pools, uint32_t pool_count, uint32_t workers)
{
    prober->starts = 0;
    replace_publishers(prober, pools, pool_count);
    pthread_mutex_lock(&prober->lock);
    prober->workers = workers > prober->workers ? workers : prober->workers;
    for (uint32_t p = 0; p < pool_count; p++)
        for (uint32_t i = 0; i < pools[p]->count; i++)
            add_worker(prober, pools[p]->workers[i]);
    pthread_mutex_unlock(&prober->lock);
    for (uint32_t i = 0; i < prober->workers; i++) {
        struct probe *probe = probe_at(prober, i);
        if (!probe->prober || probe->retired || !atomic_load(&probe->worker->removed))
            continue;
        halt(probe);
        probe->retired = true;
    }
}

/* start-up only: one prober. */
int prober_create(const struct prober_options *options, struct prober **ret_prober)
{
    struct prober *prober = calloc(1, sizeof(*prober));

    if (!prober)
        return -ERR_NO_MEMORY;
    prober->user = (struct session_user){on_ready, on_lost, on_closed};
    prober->options = *options;
    prober->door = (struct worker_door_options){
        .limits = {.head_bytes = 16384, .fields = 100, .target_bytes = 8192},
        .h2 = {.streams = 1, .floods = {200, 2000, 100}, .idle_ms = TIMER_NEVER / 2, .room = &prober->room},
    };
    h2_room_init(&prober->room, PROBE_STREAMS_MAX, 0);
    table_init(&prober->probes, sizeof(struct probe));
    pthread_mutex_init(&prober->lock, NULL);
    if (options->seed)
        rand_seed(&prober->rand, options->seed);
    else
        rand_init(&prober->rand);
    int error = prober_grow(prober, options->worker_count, options->pool_count);
    if (error) {
        prober_destroy(&prober);
        return error;
    }
    prober_adopt(prober, options->pools, options->pool_count, options->worker_count);
    *ret_prober = prober;
    return 0;
}

static bool is_asked(const struct probe *probe)
{
    return probe->prober && !probe->retired;
}

void prober_restore(struct prober *prober, struct worker *worker, const struct health *health,
                    const struct probe_stats *stats)
{
    struct probe *probe = probe_at(prober, worker->index);

    ASSERT(!prober->started);
    pthread_mutex_lock(&prober->lock);
    probe->health = *health;
    probe->stats = *stats;
    pthread_mutex_unlock(&prober->lock);
    atomic_store(&worker->alive, health->state == HEALTH_UP);
}

void prober_start(struct prober *prober)
{
    prober->started = true;
    for (uint32_t i = 0; i < prober->workers; i++)
        if (is_asked(probe_at(prober, i)))
            set_timer_in(probe_at(prober, i), i / PROBE_STARTS_PER_MS);
}

void prober_pause(struct prober *prober, struct worker *worker, bool paused)
{
    struct probe *probe = probe_at(prober, worker->index);

    if (probe->paused == paused || prober->stopping)
        return;
    probe->paused = paused;
    if (!paused) {
        set_timer_in(probe, 0);
        return;
    }
    halt(probe);
    arena_reset(&probe->arena);
    pthread_mutex_lock(&prober->lock);
    probe->health = (struct health){.state = HEALTH_UNKNOWN};
    pthread_mutex_unlock(&prober->lock);
    atomic_store(&worker->alive, false);
    publish(prober, worker->pool);
}

void prober_stop(struct prober *prober)
{
    prober->stopping = true;
    for (uint32_t i = 0; i < prober->workers; i++)
        if (is_asked(probe_at(prober, i)))
            halt(probe_at(prober, i));
    for (uint32_t p = 0; p < prober->pools; p++)
        io_timer_fini(prober->options.io, &prober->publishers[p].timer);
}

bool prober_stopped(const struct prober *prober)
{
    return prober->sessions == 0;
}

/* start-up only: the other end of prober_create. */
void prober_destroy(struct prober **prober)
{
    ASSERT((*prober)->sessions == 0);
    for (uint32_t i = 0; i < (*prober)->workers; i++)
        if (probe_at(*prober, i)->prober)
            arena_fini(&probe_at(*prober, i)->arena);
    pthread_mutex_destroy(&(*prober)->lock);
    free((*prober)->publishers);
    free((*prober)->publishers_next);
    table_fini(&(*prober)->probes);
    h2_room_fini(&(*prober)->room);
    free(*prober);
    *prober = NULL;
}

void prober_read(struct prober *prober, const struct worker *worker, struct health *ret_health,
                 struct probe_stats *ret_stats)
{
    pthread_mutex_lock(&prober->lock);
    const struct probe *probe = probe_at(prober, worker->index);
    *ret_health = probe->health;
    *ret_stats = probe->stats;
    pthread_mutex_unlock(&prober->lock);
}

struct str probe_detail(const struct worker *worker, const struct probe_result *result, char *out)
{
    if (result->error != -ERR_TLS_CERTIFICATE)
        return STR_NONE;
    return str_slice(out, transport_refusal(worker_transport(worker), out));
}
