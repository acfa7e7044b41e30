/* One batch is under way at a time, on a connection of its own: it is taken from the queue, printed, sent, and kept
 * until the collector has answered. Answers that ask for another try are those of the protocol (OTLP/HTTP, "Retryable
 * response codes"), and silence. */
#include "control/span_export.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rand.h"
#include "control/otlp_text.h"
#include "http/worker_door.h"

enum {
    EXPORT_MS = 1000,      /* from one batch to the next look */
    ANSWER_MS = 10000,     /* a collector that is silent for longer has failed */
    AGAIN_FIRST_MS = 1000, /* until a batch is sent again; doubled each time */
    AGAIN_MAX_MS = 30000,
    AGAIN_TIMES = 8, /* then the batch is given up, for newer ones */
    STOP_MS = 1000,
    ARENA_BYTES = 1 << 16,
    HEAD_BYTES = 16384,
    HEAD_FIELDS = 100,
    HOST_MAX = 256,
    TEXTS_BYTES = 65536,
};

struct exporter_session {
    union worker_door door; /* first */
    struct seat seat;
    struct io_reap reap;
    struct span_export *export;
};

struct span_export {
    struct session_user user; /* first */
    struct span_export_options options;
    struct otlp_resource resource;
    struct arena texts; /* of the next, which a reload would take away */
    struct str path, authority;
    char host[HOST_MAX];
    struct worker_door_options door;
    struct sockaddr_storage to;
    struct rand_gen rand;
    struct timer timer; /* the next look; while a batch is under way, its deadline */
    struct io_task task;
    struct exporter_session *session; /* NULL: none */
    uint32_t sessions;                /* not freed yet */
    struct stream stream;
    struct arena arena;
    bool asking; /* the stream is set up */
    /* the batch that is under way or is to be sent again */
    struct span spans[SPAN_EXPORT_BATCH];
    size_t count;
    uint32_t times; /* it was tried */
    bool stopping, stopped;
    /* shared */
    _Atomic uint64_t sent, failed;
};

static struct span_export *of_user(struct session_user *user)
{
    return CONTAINER_OF(user, struct span_export, user);
}

static struct exporter_session *of_session(struct session *session)
{
    return CONTAINER_OF(session, struct exporter_session, door.session);
}

static void set_timer(struct span_export *export, int64_t ms)
{
    io_timer_set(export->options.io, &export->timer, io_now_ms(export->options.io) + ms);
}

/* ---- the end of a batch ---- */

static void let_go(struct span_export *export)
{
    if (export->asking) {
        io_task_cancel(&export->task);
        if (export->stream.session && export->stream.ended)
            (void)session_finish(&export->stream);
        else if (export->stream.session)
            session_abort(&export->stream);
        stream_fini(&export->stream);
        arena_fini(&export->arena);
        export->asking = false;
    }
    if (export->session) {
        export->session->export = NULL;
        session_close(&export->session->door.session);
        export->session = NULL;
    }
}

static void end_batch(struct span_export *export, _Atomic uint64_t *counter)
{
    let_go(export);
    atomic_fetch_add(counter, export->count);
    export->count = 0;
    export->times = 0;
    if (export->stopping && span_queue_count(export->options.queue) == 0)
        export->stopped = true;
    else
        set_timer(export,
                  export->stopping || span_queue_count(export->options.queue) >= SPAN_EXPORT_BATCH ? 0 : EXPORT_MS);
}

static void try_again_later(struct span_export *export)
{
    let_go(export);
    if (export->stopping || ++export->times == AGAIN_TIMES) {
        end_batch(export, &export->failed);
        export->stopped = export->stopping; /* what is left would fare no better */
        return;
    }
    int64_t wait_ms = (int64_t)AGAIN_FIRST_MS << (export->times - 1);
    if (wait_ms > AGAIN_MAX_MS)
        wait_ms = AGAIN_MAX_MS;
    set_timer(export, wait_ms / 2 + (int64_t)rand_below(&export->rand, (uint64_t)wait_ms));
}

static void judge(struct span_export *export)
{
    switch (export->stream.head.status / 100 == 2 ? 200 : export->stream.head.status) {
    case 200: end_batch(export, &export->sent); break;
    case 429:
    case 502:
    case 503:
    case 504: try_again_later(export); break;
    default: end_batch(export, &export->failed); break;
    }
}

/* ---- the batch under way ---- */

static void on_task(struct io_task *task)
{
    struct span_export *export = CONTAINER_OF(task, struct span_export, task);

    bufq_clear(&export->stream.body);
    if (export->stream.failed)
        try_again_later(export);
    else if (export->stream.ended)
        judge(export);
    else
        session_consumed(&export->stream);
}

static void on_stream(struct stream *stream, unsigned events)
{
    struct span_export *export = CONTAINER_OF(stream, struct span_export, stream);

    io_task_queue(export->options.io, &export->task);
}

/* not per request: once a batch. */
static int print_batch(struct span_export *export, struct bufq *body)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return -ERR_NO_MEMORY;
    otlp_text_print(out, &export->resource, export->spans, export->count);
    int error = fclose(out) ? -ERR_NO_MEMORY : bufq_append(body, text, n);
    free(text);
    return error;
}

static int send_batch(struct span_export *export, struct bufq *body)
{
    struct field fields[2];
    struct msg head = {
        .method = METHOD_POST,
        .method_text = STR("POST"),
        .target = export->path,
        .authority = export->authority,
        .body = MSG_BODY_LENGTH,
        .length = (int64_t)bufq_bytes(body),
        .fields = fields,
        .cap = ARRAY_SIZE(fields),
    };

    msg_add_field(&head, FIELD_USER_AGENT, STR("User-Agent"), STR("ballast/" BALLAST_VERSION));
    msg_add_field(&head, FIELD_OTHER, STR("Content-Type"), STR("application/json"));
    int error = session_open(&export->session->door.session, &export->stream);
    if (!error)
        error = session_send_head(&export->stream, &head);
    if (!error)
        error = session_send_body(&export->stream, body, bufq_bytes(body));
    return error ? error : session_send_end(&export->stream, NULL, 0);
}

static void on_ready(struct session_user *user, struct session *session, int error)
{
    struct span_export *export = of_user(user);
    struct bufq body;

    if (!of_session(session)->export)
        return; /* given up while it connected: closing already */
    if (error) {
        try_again_later(export);
        return;
    }
    arena_init(&export->arena, ARENA_BYTES);
    stream_init(&export->stream, on_stream, &export->arena, io_buffers(export->options.io));
    export->asking = true;
    bufq_init(&body, io_buffers(export->options.io));
    error = print_batch(export, &body);
    if (!error)
        error = send_batch(export, &body);
    bufq_clear(&body);
    if (error)
        try_again_later(export);
}

static void on_lost(struct session_user *user, struct session *session)
{
    session_close(session);
}

static void free_session(struct io_reap *reap)
{
    free(CONTAINER_OF(reap, struct exporter_session, reap)); /* not per request: see begin_batch */
}

static void on_closed(struct session_user *user, struct session *session)
{
    struct exporter_session *closed = of_session(session);
    struct span_export *export = of_user(user);

    export->sessions--;
    closed->reap.reap = free_session;
    io_reap_queue(export->options.io, &closed->reap);
}

static void begin_batch(struct span_export *export)
{
    struct exporter_session *session = calloc(1, sizeof(*session)); /* not per request: one a batch */
    int error = session ? 0 : -ERR_NO_MEMORY;

    if (!error) {
        session->export = export;
        seat_init(&session->seat, NULL);
        error = worker_door_open(&session->door, &session->seat, export->options.io, &export->to, NULL, WORKER_HTTP1,
                                 &export->door, &export->user);
    }
    if (error) {
        free(session); /* not per request: see above */
        try_again_later(export);
        return;
    }
    export->session = session;
    export->sessions++;
    set_timer(export, export->stopping ? STOP_MS : ANSWER_MS);
}

static void on_timer(struct timer *timer)
{
    struct span_export *export = CONTAINER_OF(timer, struct span_export, timer);

    if (export->session) {
        try_again_later(export);
        return;
    }
    if (export->count == 0)
        export->count = span_queue_take(export->options.queue, export->spans, SPAN_EXPORT_BATCH);
    if (export->count > 0)
        begin_batch(export);
    else if (export->stopping)
        export->stopped = true;
    else
        set_timer(export, EXPORT_MS);
}

/* ---- from start to end ---- */

/* start-up only: one for the server. */
int span_export_create(const struct span_export_options *options, struct span_export **ret_export)
{
    struct span_export *export = calloc(1, sizeof(*export));

    if (!export)
        return -ERR_NO_MEMORY;
    export->options = *options;
    export->user = (struct session_user){on_ready, on_lost, on_closed};
    export->door.limits =
        (struct h1_limits){.head_bytes = HEAD_BYTES, .fields = HEAD_FIELDS, .target_bytes = HEAD_BYTES};
    export->to = options->tracing->collector.addr.storage;
    if (gethostname(export->host, sizeof(export->host) - 1))
        export->host[0] = '\0';
    timer_init(&export->timer, on_timer);
    arena_init(&export->texts, TEXTS_BYTES);
    export->path = arena_print(&export->texts, "%.*s", STR_ARG(options->tracing->path));
    export->authority = arena_print(&export->texts, "%.*s", STR_ARG(options->tracing->collector.text));
    struct str service = arena_print(&export->texts, "%.*s", STR_ARG(options->tracing->service));
    if (!export->path.p || !export->authority.p || !service.p) {
        span_export_destroy(&export);
        return -ERR_NO_MEMORY;
    }
    export->resource = (struct otlp_resource){
        .service = service.p,
        .host = export->host,
        .process = (uint32_t)getpid(),
    };
    rand_init(&export->rand);
    io_task_init(&export->task, on_task);
    set_timer(export, EXPORT_MS);
    *ret_export = export;
    return 0;
}

void span_export_stop(struct span_export *export)
{
    export->stopping = true;
    if (!export->session)
        set_timer(export, 0);
    else
        set_timer(export, STOP_MS);
}

bool span_export_stopped(const struct span_export *export)
{
    return export->stopped && export->sessions == 0;
}

void span_export_read(const struct span_export *export, struct span_export_counts *ret_counts)
{
    ret_counts->sent = atomic_load(&export->sent);
    ret_counts->failed = atomic_load(&export->failed);
}

/* start-up only: see span_export_create. */
void span_export_destroy(struct span_export **destroyed)
{
    struct span_export *export = *destroyed;

    ASSERT(export->sessions == 0);
    io_timer_fini(export->options.io, &export->timer);
    arena_fini(&export->texts);
    free(export);
    *destroyed = NULL;
}
