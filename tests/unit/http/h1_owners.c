/* What a proxy does with sessions, at its smallest: bytes are moved as there is room, every failure ends the session,
 * and everything is given back. Called by session tests and the session fuzzer. */
#include "tests/unit/http/h1_owners.h"

enum { ARENA_BYTES = 1 << 18 };

static void count_events(unsigned *told, unsigned events)
{
    for (unsigned i = 0; i < OWNER_EVENTS; i++)
        told[i] += events >> i & 1;
}

/* ---- echo ---- */

static void on_request_event(struct stream *stream, unsigned events)
{
    struct echo_request *request = CONTAINER_OF(stream, struct echo_request, stream);

    ASSERT(events != 0);
    request->events |= events;
    count_events(request->told, events);
    if (!request->echo->by_hand)
        io_task_queue(request->echo->io, &request->task);
}

static void release_request(struct echo_request *request)
{
    io_task_cancel(&request->task);
    stream_fini(&request->stream);
    arena_fini(&request->arena);
    request->used = false;
}

bool echo_finish(struct echo_request *request)
{
    bool goes_on = session_finish(&request->stream);
    request->echo->finished++;
    release_request(request);
    return goes_on;
}

void echo_abort(struct echo_request *request)
{
    session_abort(&request->stream);
    request->echo->aborted++;
    release_request(request);
}

/* What was refused gets an answer without a body; after the client has gone there is nobody to tell. */
static int echo_refusal(struct echo_request *request)
{
    struct stream *stream = &request->stream;
    struct msg head = {.body = MSG_BODY_LENGTH};
    int status = err_http_status(stream->error);

    if (request->answered || request->echo->aborts_failed || status == 499)
        return request->refused && status != 499 ? 0 : stream->error;
    request->answered = true;
    request->refused = true;
    request->out_ended = true;
    head.status = (uint16_t)status;
    head.reason = msg_reason_of(status);
    int error = session_send_head(stream, &head);
    return error ? error : session_send_end(stream, NULL, 0);
}

static int echo_head(struct echo_request *request)
{
    struct stream *stream = &request->stream;
    struct msg interim = {.status = 100, .reason = STR("Continue"), .length = -1};
    struct msg head = {.status = 200, .reason = STR("OK"), .length = -1, .body = MSG_BODY_OPEN};
    int error = stream->head.expect_continue ? session_send_head(stream, &interim) : 0;

    request->answered = true;
    if (stream->head.body != MSG_BODY_OPEN) {
        head.body = MSG_BODY_LENGTH;
        head.length = stream->head.length < 0 ? 0 : stream->head.length;
    }
    return error ? error : session_send_head(stream, &head);
}

static int echo_body(struct echo_request *request)
{
    struct stream *stream = &request->stream;
    bool bodiless = stream->head.method == METHOD_HEAD;

    while (bufq_bytes(&stream->body) > 0) {
        size_t n = bufq_bytes(&stream->body);
        if (bodiless) {
            bufq_consume(&stream->body, n);
        } else {
            size_t room = session_room(stream);
            if (room == 0)
                return 0;
            n = n < room ? n : room;
            int error = session_send_body(stream, &stream->body, n);
            if (error)
                return error;
        }
        session_consumed(stream);
    }
    return 0;
}

static int echo_step(struct echo_request *request)
{
    struct stream *stream = &request->stream;
    int error = 0;

    if (stream->failed)
        return echo_refusal(request);
    if (!request->answered)
        error = echo_head(request);
    if (!error)
        error = echo_body(request);
    if (!error && !stream->ended)
        session_consumed(stream); /* a long body waits for it behind the head */
    if (!error && stream->ended && bufq_bytes(&stream->body) == 0 && !request->out_ended) {
        request->out_ended = true;
        error = session_send_end(stream, stream->trailers, stream->trailer_count);
    }
    return error;
}

static void run_request(struct io_task *task)
{
    struct echo_request *request = CONTAINER_OF(task, struct echo_request, task);

    request->events = 0;
    int error = echo_step(request);
    if (error) {
        request->echo->error = error;
        echo_abort(request);
    } else if (request->told[__builtin_ctz(STREAM_SENT)] > 0) {
        echo_finish(request);
    }
}

static struct stream *open_request(struct session_owner *owner, struct session *session)
{
    struct echo *echo = CONTAINER_OF(owner, struct echo, owner);
    struct echo_request *request = echo->requests;

    ASSERT(session == &echo->server.session);
    if (echo->refuses_open)
        return NULL;
    while (request < echo->requests + ECHO_REQUESTS && request->used)
        request++;
    if (request == echo->requests + ECHO_REQUESTS)
        return NULL; /* HTTP/2 alone comes here */
    memset(request, 0, sizeof(*request));
    request->used = true;
    request->echo = echo;
    arena_init(&request->arena, ARENA_BYTES);
    io_task_init(&request->task, run_request);
    stream_init(&request->stream, on_request_event, &request->arena, io_buffers(echo->io));
    request->stream.spare_fields = echo->spare_fields;
    echo->current = request;
    echo->opened++;
    return &request->stream;
}

static void on_session_closed(struct session_owner *owner, struct session *session)
{
    struct echo *echo = CONTAINER_OF(owner, struct echo, owner);

    for (int i = 0; i < ECHO_REQUESTS; i++)
        ASSERT(!echo->requests[i].used);
    ASSERT(!session_idle(session));
    echo->closed++;
}

static void on_head_lost(struct session_owner *owner, int code)
{
    struct echo *echo = CONTAINER_OF(owner, struct echo, owner);

    ASSERT(code < 0);
    echo->heads_lost++;
    echo->lost_code = code;
}

void echo_init(struct echo *echo, struct io *io)
{
    memset(echo, 0, sizeof(*echo));
    echo->io = io;
    echo->owner = (struct session_owner){.open = open_request, .closed = on_session_closed, .head_lost = on_head_lost};
}

int echo_start(struct echo *echo, int fd, const struct h1_server_options *options)
{
    struct sockaddr_storage from = {.ss_family = AF_UNIX};

    seat_init(&echo->seat, NULL);
    return h1_server_start(&echo->server, &echo->seat, echo->io, fd, &from, NULL, options, &echo->owner);
}

int echo_start_door(struct echo *echo, int fd, const struct client_door_options *options)
{
    struct sockaddr_storage from = {.ss_family = AF_UNIX};

    seat_init(&echo->seat, NULL);
    return client_door_open(&echo->door, &echo->seat, echo->io, fd, &from, NULL, options, &echo->owner);
}

/* ---- asker ---- */

static void on_answer_event(struct stream *stream, unsigned events)
{
    struct asker *asker = CONTAINER_OF(stream, struct asker, stream);

    ASSERT(events != 0);
    asker->events |= events;
    count_events(asker->told, events);
    if (!asker->by_hand)
        io_task_queue(asker->io, &asker->task);
}

static void release_answer(struct asker *asker)
{
    asker->busy = false;
    io_task_cancel(&asker->task);
    stream_fini(&asker->stream);
    arena_fini(&asker->arena);
}

int asker_ask(struct asker *asker)
{
    ASSERT(!asker->busy);
    asker->busy = true;
    asker->body_sent = 0;
    asker->events = 0;
    memset(asker->told, 0, sizeof(asker->told));
    arena_init(&asker->arena, ARENA_BYTES);
    stream_init(&asker->stream, on_answer_event, &asker->arena, io_buffers(asker->io));
    int error = session_open(&asker->client.session, &asker->stream);
    return error ? error : session_send_head(&asker->stream, &asker->ask);
}

bool asker_finish(struct asker *asker)
{
    asker->reusable = session_finish(&asker->stream);
    release_answer(asker);
    return asker->reusable;
}

void asker_abort(struct asker *asker)
{
    session_abort(&asker->stream);
    asker->reusable = false;
    release_answer(asker);
}

/* The request's body goes as there is room, then its end. */
static int asker_send(struct asker *asker)
{
    struct bufq piece;
    int error = 0;

    if (asker->client.out_ended)
        return 0;
    bufq_init(&piece, io_buffers(asker->io));
    while (!error && asker->body_sent < asker->body.n) {
        size_t room = session_room(&asker->stream);
        size_t left = asker->body.n - asker->body_sent;
        if (room == 0)
            return 0;
        size_t n = left < room ? left : room;
        error = bufq_push_static(&piece, str_slice(asker->body.p + asker->body_sent, n));
        if (!error)
            error = session_send_body(&asker->stream, &piece, n);
        asker->body_sent += n;
    }
    bufq_clear(&piece);
    return error ? error : session_send_end(&asker->stream, NULL, 0);
}

static void asker_take(struct asker *asker)
{
    struct stream *stream = &asker->stream;

    if (asker->events & STREAM_INTERIM)
        asker->interims++;
    bool took = (asker->events & (STREAM_INTERIM | STREAM_HEAD)) != 0; /* a long body waits for it behind the head */
    asker->events = 0;
    while (took || bufq_bytes(&stream->body) > 0) {
        took = false;
        asker->body_bytes += bufq_bytes(&stream->body);
        bufq_clear(&stream->body);
        session_consumed(stream);
        if (asker->events & STREAM_INTERIM)
            return; /* the next one has its turn */
    }
}

static void ask_now(struct asker *asker)
{
    int error = asker_ask(asker);

    if (error) {
        asker->error = error;
        asker->failures++;
        asker_abort(asker);
    } else {
        io_task_queue(asker->io, &asker->task);
    }
}

static void ask_again(struct asker *asker)
{
    if (asker->repeats == 0) {
        session_close(&asker->client.session);
    } else {
        asker->repeats--;
        ask_now(asker);
    }
}

static void run_asker(struct io_task *task)
{
    struct asker *asker = CONTAINER_OF(task, struct asker, task);
    int error = asker->stream.failed ? 0 : asker_send(asker);

    if (!error)
        asker_take(asker);
    if (!error && asker->stream.failed)
        error = asker->stream.error;
    if (error) {
        asker->error = error;
        asker->failures++;
        asker_abort(asker);
    } else if (asker->stream.ended) {
        asker->answers++;
        asker->last_status = asker->stream.head.status;
        if (asker_finish(asker))
            ask_again(asker);
    }
}

static void on_client_ready(struct session_user *user, struct session *session, int error)
{
    struct asker *asker = CONTAINER_OF(user, struct asker, user);

    ASSERT(session == &asker->client.session);
    asker->ready++;
    asker->error = error;
    if (asker->by_hand)
        return;
    if (error)
        session_close(session);
    else
        ask_now(asker);
}

static void on_client_lost(struct session_user *user, struct session *session)
{
    struct asker *asker = CONTAINER_OF(user, struct asker, user);

    ASSERT(!asker->busy);
    asker->lost++;
    session_close(session);
}

static void on_client_closed(struct session_user *user, struct session *session)
{
    struct asker *asker = CONTAINER_OF(user, struct asker, user);

    ASSERT(!asker->busy);
    asker->closed++;
}

void asker_init(struct asker *asker, struct io *io)
{
    memset(asker, 0, sizeof(*asker));
    asker->io = io;
    asker->user = (struct session_user){.ready = on_client_ready, .lost = on_client_lost, .closed = on_client_closed};
    asker->ask = (struct msg){.method = METHOD_GET,
                              .method_text = STR("GET"),
                              .target = STR("/"),
                              .authority = STR("w"),
                              .minor = 1,
                              .length = -1};
    io_task_init(&asker->task, run_asker);
}

int asker_start(struct asker *asker, struct sockaddr_storage *to, const struct h1_limits *limits)
{
    seat_init(&asker->seat, NULL);
    return h1_client_start(&asker->client, &asker->seat, asker->io, to, NULL, limits, &asker->user);
}
