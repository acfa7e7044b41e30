/* The administration API's transport, on the control thread. Owned by control/admin.
 *
 * A call is what an exchange is to traffic, but far simpler: both messages are held whole, so nothing needs flow
 * control but the one bound on each. Events only queue the call's task; all that may end a call happens there. */
#include "control/admin_http.h"

#include <stdlib.h>

#include "base/clock.h"
#include "http/date.h"
#include "net/listener.h"

enum {
    ARENA_BYTES = 1 << 20,
    REQUEST_MS = 10000, /* for a whole request */
    ANSWER_MS = 30000,  /* for a client to read it */
    IDLE_MS = 60000,
    ANSWER_FIELDS = 12,
};

enum call_state { CALL_READING, CALL_WAITING, CALL_ANSWERING, CALL_STREAMING, CALL_GONE };

struct admin_call {
    struct admin_http *http;
    struct stream stream;
    struct arena arena;
    struct io_task task;
    struct timer deadline;
    struct list link; /* of the http's calls */
    struct bufq in, out;
    struct str body; /* the request's, in one piece */
    uint8_t state;   /* enum call_state */
    bool timed_out;
    bool continued; /* the client was told to send its body, or does so */
    bool sent;
    bool peer_ended;
    void (*on_gone)(void *context);
    void *gone_context;
};

struct admin_client {
    struct h1_server server; /* first */
    struct seat seat;
    struct admin_http *http;
    struct io_reap reap;
};

struct admin_http {
    struct session_owner owner; /* first */
    struct admin_http_options options;
    struct h1_server_options server;
    struct listener listener;
    bool listening;
    bool retiring;
    bool stopping;
    uint32_t clients;
    struct list sessions; /* session.link */
    struct list calls;
};

/* ---- the end of a call ---- */

static void free_call(struct admin_call *call)
{
    ASSERT(!call->stream.session);
    io_task_cancel(&call->task);
    io_timer_fini(call->http->options.io, &call->deadline);
    list_remove(&call->link);
    bufq_clear(&call->in);
    bufq_clear(&call->out);
    stream_fini(&call->stream);
    arena_fini(&call->arena);
    free(call); /* not per request: of traffic; see on_open */
}

/* The client is cut off. Whoever still owes an answer keeps the call until then. */
static void abandon(struct admin_call *call)
{
    bool owed = call->state == CALL_WAITING;

    if (call->stream.session)
        session_abort(&call->stream);
    if (call->state == CALL_STREAMING)
        call->on_gone(call->gone_context);
    call->state = CALL_GONE;
    if (!owed)
        free_call(call);
}

/* ---- a call, step by step ---- */

static void set_deadline_in(struct admin_call *call, int64_t ms)
{
    struct io *io = call->http->options.io;

    io_timer_set(io, &call->deadline, io_now_ms(io) + ms);
}

static int gather_body(struct admin_call *call)
{
    size_t n = bufq_bytes(&call->in), at = 0;
    char *bytes = arena_take(&call->arena, n + 1);

    if (!bytes)
        return -ERR_NO_MEMORY;
    while (at < n) {
        struct str front = bufq_front(&call->in);
        memcpy(bytes + at, front.p, front.n);
        at += front.n;
        bufq_consume(&call->in, front.n);
    }
    bytes[n] = '\0';
    call->body = str_slice(bytes, n);
    return 0;
}

static void refuse(struct admin_call *call, int error)
{
    call->state = CALL_WAITING;
    call->http->options.on_refused(call->http->options.context, call, error);
}

/* A client that asks first waits for that before it sends its body (RFC 9110 section 10.1.1). */
static int ask_for_body(struct admin_call *call)
{
    struct msg go_on = {.status = 100, .reason = msg_reason_of(100), .minor = 1, .body = MSG_BODY_NONE};
    bool asked = call->stream.head.expect_continue && !call->continued && bufq_bytes(&call->in) == 0;

    call->continued = true;
    return asked ? session_send_head(&call->stream, &go_on) : 0;
}

static void read_request(struct admin_call *call)
{
    struct stream *stream = &call->stream;
    int error = 0;

    if (bufq_bytes(&stream->body) > 0)
        error = bufq_move(&call->in, &stream->body, bufq_bytes(&stream->body));
    if (!error && bufq_bytes(&call->in) > ADMIN_BODY_MAX)
        error = -ERR_REQUEST_BODY_SIZE;
    if (!error && stream->failed)
        error = stream->error;
    if (error == -ERR_CLIENT_GONE) {
        abandon(call);
    } else if (error) {
        refuse(call, error);
    } else if (call->timed_out) {
        refuse(call, -ERR_REQUEST_BODY_TIMEOUT);
    } else if (!stream->ended && ask_for_body(call)) {
        refuse(call, -ERR_NO_MEMORY);
    } else if (!stream->ended) {
        session_consumed(stream);
    } else if (gather_body(call)) {
        refuse(call, -ERR_NO_MEMORY);
    } else {
        call->state = CALL_WAITING;
        io_timer_set(call->http->options.io, &call->deadline, TIMER_NEVER);
        call->http->options.on_call(call->http->options.context, call);
    }
}

/* A refused request has failed too, and its client waits to be told. */
static bool client_gone(const struct admin_call *call)
{
    return call->stream.failed && call->stream.error == -ERR_CLIENT_GONE;
}

static void go_on_answering(struct admin_call *call)
{
    if (!call->sent && !client_gone(call) && !call->timed_out)
        return;
    if (!call->sent) {
        abandon(call);
        return;
    }
    session_finish(&call->stream);
    free_call(call);
}

static void run(struct io_task *task)
{
    struct admin_call *call = CONTAINER_OF(task, struct admin_call, task);

    switch ((enum call_state)call->state) {
    case CALL_READING: read_request(call); break;
    case CALL_WAITING:
        if (client_gone(call))
            abandon(call);
        break;
    case CALL_ANSWERING: go_on_answering(call); break;
    case CALL_STREAMING:
        if (call->stream.failed || call->peer_ended)
            abandon(call);
        break;
    case CALL_GONE: break; /* until it is answered */
    }
}

static void on_stream(struct stream *stream, unsigned events)
{
    struct admin_call *call = CONTAINER_OF(stream, struct admin_call, stream);

    call->sent |= (events & STREAM_SENT) != 0;
    call->peer_ended |= (events & STREAM_PEER_ENDED) != 0;
    io_task_queue(call->http->options.io, &call->task);
}

static void on_deadline(struct timer *timer)
{
    struct admin_call *call = CONTAINER_OF(timer, struct admin_call, deadline);

    call->timed_out = true;
    io_task_queue(call->http->options.io, &call->task);
}

/* ---- answers ---- */

const struct msg *admin_call_head(const struct admin_call *call)
{
    return &call->stream.head;
}

struct str admin_call_body(const struct admin_call *call)
{
    return call->body;
}

struct arena *admin_call_arena(struct admin_call *call)
{
    return &call->arena;
}

static void fill_head(struct msg *head, const struct admin_answer *answer, struct field *fields, char date[29])
{
    *head = (struct msg){.status = answer->status,
                         .reason = msg_reason_of(answer->status),
                         .minor = 1,
                         .fields = fields,
                         .cap = ANSWER_FIELDS};
    date_format(date, clock_wall_ns() / 1000000000);
    msg_add_field(head, FIELD_DATE, STR("Date"), str_slice(date, 29));
    if (answer->content_type.n > 0)
        msg_add_field(head, FIELD_OTHER, STR("Content-Type"), answer->content_type);
    for (uint32_t i = 0; i < answer->count; i++)
        msg_add_field(head, answer->fields[i].id, answer->fields[i].name, answer->fields[i].value);
}

static int send_answer(struct admin_call *call, const struct admin_answer *answer)
{
    struct field fields[ANSWER_FIELDS];
    struct msg head;
    char date[29];
    int error = answer->body_lasts ? bufq_push_static(&call->out, answer->body)
                                   : bufq_append(&call->out, answer->body.p, answer->body.n);

    fill_head(&head, answer, fields, date);
    head.body = MSG_BODY_LENGTH;
    head.length = (int64_t)answer->body.n;
    if (!error)
        error = session_send_head(&call->stream, &head);
    bool has_body = call->stream.head.method != METHOD_HEAD && answer->status != 304 && answer->body.n > 0;
    if (!error && has_body)
        error = session_send_body(&call->stream, &call->out, answer->body.n);
    return error ? error : session_send_end(&call->stream, NULL, 0);
}

void admin_call_answer(struct admin_call *call, const struct admin_answer *answer)
{
    if (call->state == CALL_GONE) {
        free_call(call);
        return;
    }
    ASSERT(call->state == CALL_WAITING);
    call->state = CALL_ANSWERING;
    call->timed_out = false;
    set_deadline_in(call, ANSWER_MS);
    if (send_answer(call, answer))
        call->timed_out = true;
    io_task_queue(call->http->options.io, &call->task);
}

int admin_call_stream(struct admin_call *call, struct str content_type, void (*on_gone)(void *context), void *context)
{
    struct admin_answer answer = {.status = 200, .content_type = content_type};
    struct field fields[ANSWER_FIELDS];
    struct msg head;
    char date[29];

    ASSERT(call->state == CALL_WAITING);
    fill_head(&head, &answer, fields, date);
    msg_add_field(&head, FIELD_OTHER, STR("Cache-Control"), STR("no-store"));
    head.body = MSG_BODY_OPEN;
    head.length = -1;
    int error = session_send_head(&call->stream, &head);
    if (error)
        return error;
    call->state = CALL_STREAMING;
    call->on_gone = on_gone;
    call->gone_context = context;
    return 0;
}

void admin_call_push(struct admin_call *call, struct str part)
{
    ASSERT(call->state == CALL_STREAMING);
    bool slow = bufq_bytes(&call->stream.session->conn.out) > ADMIN_STREAM_WAITING_MAX;

    if (slow || bufq_append(&call->out, part.p, part.n) || session_send_body(&call->stream, &call->out, part.n)) {
        call->peer_ended = true;
        io_task_queue(call->http->options.io, &call->task);
    }
}

/* ---- clients ---- */

static struct admin_http *of_owner(struct session_owner *owner)
{
    return CONTAINER_OF(owner, struct admin_http, owner);
}

static void accept_if_room(struct admin_http *http)
{
    if (http->listening && !http->retiring && !http->stopping)
        listener_accept(&http->listener, http->clients < ADMIN_CLIENTS_MAX);
}

static struct stream *on_open(struct session_owner *owner, struct session *session)
{
    struct admin_http *http = of_owner(owner);
    struct admin_call *call = calloc(1, sizeof(*call)); /* not per request: of traffic; people ask here */

    if (!call)
        return NULL;
    call->http = http;
    arena_init(&call->arena, ARENA_BYTES);
    stream_init(&call->stream, on_stream, &call->arena, io_buffers(http->options.io));
    bufq_init(&call->in, io_buffers(http->options.io));
    bufq_init(&call->out, io_buffers(http->options.io));
    io_task_init(&call->task, run);
    timer_init(&call->deadline, on_deadline);
    list_init(&call->link);
    list_append(&http->calls, &call->link);
    set_deadline_in(call, REQUEST_MS);
    return &call->stream;
}

static void free_client(struct io_reap *reap)
{
    struct admin_client *client = CONTAINER_OF(reap, struct admin_client, reap);
    struct admin_http *http = client->http;

    free(client); /* not per request: a connection of an operator */
    http->clients--;
    accept_if_room(http);
}

static void on_session_closed(struct session_owner *owner, struct session *session)
{
    struct admin_client *client = CONTAINER_OF(session, struct admin_client, server.session);

    list_remove(&session->link);
    client->reap.reap = free_client;
    io_reap_queue(client->http->options.io, &client->reap);
}

static void on_head_lost(struct session_owner *owner, int code)
{
}

static void on_accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct admin_http *http = listener->owner;
    struct admin_client *client = calloc(1, sizeof(*client)); /* not per request: a connection of an operator */

    if (client)
        seat_init(&client->seat, NULL);
    if (!client || h1_server_start(&client->server, &client->seat, http->options.io, fd, peer, NULL, &http->server,
                                   &http->owner)) {
        free(client); /* not per request: see above */
        io_discard(http->options.io, fd);
        return;
    }
    client->http = http;
    list_append(&http->sessions, &client->server.session.link);
    http->clients++;
    accept_if_room(http);
}

static void on_refused(struct listener *listener, int error)
{
}

static void on_listener_closed(struct listener *listener)
{
    ((struct admin_http *)listener->owner)->listening = false;
}

static const struct listener_events listener_events = {on_accepted, on_refused, on_listener_closed};

/* ---- life ---- */

int admin_http_create(const struct admin_http_options *options, struct admin_http **ret_http)
{
    struct admin_http *http = calloc(1, sizeof(*http)); /* start-up only: one a server */

    if (!http)
        return -ERR_NO_MEMORY;
    http->owner = (struct session_owner){on_open, on_session_closed, on_head_lost};
    http->options = *options;
    http->server = (struct h1_server_options){
        .limits = {.head_bytes = 16384, .fields = 100, .target_bytes = 8192},
        .body_bytes = ADMIN_BODY_MAX,
        .request_head_ms = REQUEST_MS,
        .client_idle_ms = IDLE_MS,
    };
    list_init(&http->sessions);
    list_init(&http->calls);
    int error = listener_start(&http->listener, options->io, options->fd, &listener_events, http);
    if (error) {
        free(http); /* start-up only: see above */
        return error;
    }
    http->listening = true;
    accept_if_room(http);
    *ret_http = http;
    return 0;
}

void admin_http_retire(struct admin_http *http)
{
    if (http->retiring || http->stopping)
        return;
    http->retiring = true;
    http->owner.retiring = true;
    listener_stop(&http->listener);
    LIST_FOREACH_SAFE (link, &http->calls) {
        struct admin_call *call = CONTAINER_OF(link, struct admin_call, link);
        if (call->state == CALL_STREAMING)
            abandon(call);
    }
}

void admin_http_stop(struct admin_http *http)
{
    if (http->stopping)
        return;
    http->stopping = true;
    if (!http->retiring)
        listener_stop(&http->listener);
    LIST_FOREACH_SAFE (link, &http->calls) {
        struct admin_call *call = CONTAINER_OF(link, struct admin_call, link);
        if (call->state != CALL_GONE)
            abandon(call);
    }
    LIST_FOREACH_SAFE (link, &http->sessions)
        conn_close(&CONTAINER_OF(link, struct session, link)->conn, CONN_CLOSE_NOW);
}

bool admin_http_stopped(const struct admin_http *http)
{
    return http->stopping && !http->listening && http->clients == 0 && list_empty(&http->calls);
}

void admin_http_destroy(struct admin_http **http)
{
    ASSERT(admin_http_stopped(*http));
    free(*http); /* start-up only: see admin_http_create */
    *http = NULL;
}
