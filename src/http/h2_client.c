/* The worker side's HTTP/2 session: many requests on one connection, answers judged as those of HTTP/1 are. Owned by a
 * lease book (or a prober) on its thread. An answer that nobody reads holds up its own stream alone: the connection's
 * window is as wide as all streams together. */
#include "http/h2_client.h"

#include "http/h2_head.h"
#include "http/h2_library.h"
#include "http/judge.h"
#include "http/websocket.h"

/* A head that came behind an interim one which is still to be passed on. In the stream's arena. */
struct h2_waiting_head {
    struct h2_waiting_head *next;
    struct msg msg;
};

static struct h2_client *of_h2(struct h2_session *h2)
{
    return CONTAINER_OF(h2, struct h2_client, h2);
}

static struct h2_client *of_conn(struct conn *conn)
{
    struct h2_client *client = CONTAINER_OF(conn, struct h2_client, h2.session.conn);
    ASSERT_MAGIC(&client->h2.session, SESSION_MAGIC);
    return client;
}

static struct h2_client *of_session(struct session *session)
{
    return of_conn(&session->conn);
}

/* ---- WebSocket (RFC 8441): asked for as in HTTP/1.1, and answered so ---- */

static bool is_key(const struct field *field)
{
    return str_ieq(field->name, STR("Sec-WebSocket-Key"));
}

/* Empty: it asks for no WebSocket, or not as RFC 6455 section 4.1 wants it. */
static struct str websocket_key_of(const struct msg *msg)
{
    if (!str_ieq(msg->upgrade, STR("websocket")))
        return STR_NONE;
    for (uint32_t i = 0; i < msg->count; i++)
        if (!msg->fields[i].dropped && is_key(&msg->fields[i]) && msg->fields[i].value.n == WEBSOCKET_KEY_BYTES)
            return msg->fields[i].value;
    return STR_NONE;
}

static bool takes_connect(const struct h2_client *client)
{
    return nghttp2_session_get_remote_settings(client->h2.library, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

/* A 2xx is what a 101 is in HTTP/1.1, but that it accepts no key. Anything else is an answer, and our side ends. */
static int take_connect_answer(struct h2_stream *h2s, struct msg *msg)
{
    char *accept = arena_take(h2s->stream->arena, WEBSOCKET_ACCEPT_BYTES);

    if (msg->status >= 300)
        return h2_stream_send_end(h2s->stream, NULL, 0);
    if (!accept)
        return -ERR_NO_MEMORY;
    websocket_accept(h2s->websocket_key, accept);
    h2s->tunnel = true;
    msg->status = 101;
    msg->upgrade = STR("websocket");
    msg->body = MSG_BODY_OPEN;
    msg->length = -1;
    msg_add_field(msg, FIELD_OTHER, STR("Sec-WebSocket-Accept"), str_slice(accept, WEBSOCKET_ACCEPT_BYTES));
    return 0;
}

/* ---- answers ---- */

static bool is_interim(const struct msg *msg)
{
    return msg->status < 200 && msg->status != 101;
}

static void tell_head(struct h2_stream *h2s, const struct msg *msg)
{
    struct stream *stream = h2s->stream;

    stream->head = *msg;
    h2s->interim = is_interim(msg);
    stream->notify(stream, h2s->interim ? STREAM_INTERIM : STREAM_HEAD);
    if (!h2s->interim && h2s->end_waits)
        h2_stream_note_whole(h2s, 0);
}

static int keep_head(struct h2_stream *h2s, const struct msg *msg)
{
    struct h2_waiting_head **last = &h2s->waiting;
    struct h2_waiting_head *head = arena_take(h2s->stream->arena, sizeof(*head));

    if (!head)
        return -ERR_NO_MEMORY;
    if (h2s->waiting_count == H2_CLIENT_WAITING_HEADS)
        return -ERR_ANSWER_MALFORMED;
    h2s->waiting_count++;
    *head = (struct h2_waiting_head){NULL, *msg};
    while (*last)
        last = &(*last)->next;
    *last = head;
    return 0;
}

/* The interim head was passed on: the next may be told. */
static void tell_next_head(struct h2_stream *h2s)
{
    struct h2_waiting_head *head = h2s->waiting;

    h2s->interim = false;
    if (!head)
        return;
    h2s->waiting = head->next;
    h2s->waiting_count--;
    tell_head(h2s, &head->msg);
}

static int take_head(struct h2_session *h2, struct h2_stream *h2s, bool ended)
{
    struct msg msg;
    int error = h2_head_answer(h2s->stream, &h2->block, (enum msg_method)h2s->asked, ended, &msg);

    if (error)
        return error;
    h2s->final = msg.status >= 200;
    error = h2s->final && h2s->upgrading ? take_connect_answer(h2s, &msg) : 0;
    if (error)
        return error;
    /* A client that knows the length may leave with the last byte: by then we shall know that it was the last. */
    if (h2s->final && msg.body == MSG_BODY_LENGTH && msg.length > 0)
        h2s->promised = msg.length;
    if (h2s->interim)
        return keep_head(h2s, &msg);
    tell_head(h2s, &msg);
    return 0;
}

static void on_head(struct h2_session *h2, int32_t id, struct h2_stream *h2s, bool ended)
{
    if (!h2s || h2s->stream->failed)
        return;
    h2s->begun = true;
    int error = h2s->final ? judge_answer_error(h2_head_trailers(h2s->stream, &h2->block)) : take_head(h2, h2s, ended);
    if (error)
        h2_stream_fail(h2s, error);
    else if (ended)
        h2_stream_note_whole(h2s, 0);
}

static int on_body(struct h2_session *h2, struct h2_stream *h2s)
{
    return 0; /* as long as the worker likes: credit bounds what waits */
}

/* ---- ends ---- */

/* Why the answer is not whole. Without a reset of the peer's it is the library that found the answer malformed. */
static int end_error(const struct h2_stream *h2s, uint32_t h2_code)
{
    const struct h2_client *client = of_h2(h2s->h2);
    bool lost = h2_code == H2_LOST, found_bad = !h2s->peer_reset && !lost && h2_code != H2_REFUSED_STREAM;

    if (h2s->whole)
        return 0;
    if (!h2s->stream->sent_bytes && !lost)
        return -ERR_STREAM_REFUSED; /* it was waiting to be sent as the worker said GOAWAY */
    if (lost && client->end_error == -ERR_NO_MEMORY)
        return -ERR_NO_MEMORY;
    if (found_bad)
        return -ERR_ANSWER_MALFORMED;
    if (h2s->begun)
        return -ERR_ANSWER_CUT;
    if (lost)
        return client->end_error ? -ERR_CONN_RESET : -ERR_CONN_CLOSED;
    return h2_code == H2_REFUSED_STREAM ? -ERR_STREAM_REFUSED : -ERR_STREAM_RESET;
}

static bool is_over(const struct h2_client *client)
{
    const struct h2_session *h2 = &client->h2;

    return client->closing || h2->peer_left || h2->ending || h2->dead;
}

static bool takes_no_more(const struct h2_client *client)
{
    return client->spent || is_over(client);
}

static void set_deadline(struct h2_session *h2)
{
    struct h2_client *client = of_h2(h2);
    int64_t ms = takes_no_more(client) ? 0 : client->options->idle_ms;
    bool idles = h2->stream_count == 0 && client->promised == 0 && h2->greeted;

    conn_set_deadline(&h2->session.conn, idles ? io_now_ms(h2->session.conn.io) + ms : TIMER_NEVER);
}

static void tell_ready(struct h2_client *client, int error)
{
    client->ready = true;
    set_deadline(&client->h2);
    client->user->ready(client->user, &client->h2.session, error);
}

static void on_over(struct h2_session *h2)
{
    struct h2_client *client = of_h2(h2);

    if (client->closing)
        conn_close(&h2->session.conn, h2->dead ? CONN_CLOSE_NOW : CONN_CLOSE_LINGER);
    else if (!client->ready)
        tell_ready(client, client->end_error ? client->end_error : -ERR_NO_HTTP2);
    else
        client->user->lost(client->user, &h2->session);
}

static const struct h2_role client_role = {
    .on_head = on_head,
    .on_body = on_body,
    .set_deadline = set_deadline,
    .on_over = on_over,
    .end_error = end_error,
};

static void on_received(struct conn *conn)
{
    struct h2_client *client = of_conn(conn);

    client->heard_ms = io_now_ms(conn->io);
    h2_session_frame(&client->h2); /* behind a GOAWAY the library would send no request that waits in it */
    h2_session_take(&client->h2);
    if (client->h2.greeted && !client->ready && !client->closing && !takes_no_more(client))
        tell_ready(client, 0);
}

static void on_sent(struct conn *conn)
{
    h2_session_note_sent(&of_conn(conn)->h2);
}

static void on_ended(struct conn *conn, int error)
{
    struct h2_client *client = of_conn(conn);

    client->end_error = error;
    h2_session_die(&client->h2);
}

/* Answers may be on their way all the same, but those to what was not sent; HTTP/2 cannot go on without sending. */
static void on_send_failed(struct conn *conn, int error)
{
    struct h2_client *client = of_conn(conn);

    client->end_error = error;
    h2_session_die(&client->h2);
}

static void on_timeout(struct conn *conn)
{
    struct h2_client *client = of_conn(conn);

    if (client->h2.stream_count == 0)
        client->user->lost(client->user, &client->h2.session);
}

static void on_closed(struct conn *conn)
{
    struct h2_client *client = of_conn(conn);

    h2_session_fini(&client->h2);
    client->user->closed(client->user, &client->h2.session);
}

static const struct conn_events client_events = {
    .on_received = on_received,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- what goes out ---- */

static bool can_open(const struct h2_client *client)
{
    return !is_over(client) && nghttp2_session_check_request_allowed(client->h2.library);
}

static bool may_open(const struct h2_client *client)
{
    return !client->spent && can_open(client);
}

/* It never leaves. */
static void refuse(struct h2_stream *h2s, int error)
{
    h2s->h2->room->counts.streams_refused += error == -ERR_STREAM_REFUSED;
    h2s->closed = true;
    h2_stream_fail(h2s, error);
}

/* A place that was promised is kept, though no other is promised any more. */
static int client_open(struct session *session, struct stream *stream)
{
    struct h2_client *client = of_session(session);
    bool open = client->promised > 0 ? can_open(client) : may_open(client);
    struct h2_stream *h2s = slab_take(&client->h2.room->streams);

    if (h2s)
        h2_stream_begin(h2s, &client->h2, 0, stream);
    client->promised -= client->promised > 0;
    set_deadline(&client->h2);
    if (!h2s)
        return -ERR_FULL;
    stream->reused = client->h2.begun > 1;
    h2s->opened_ms = io_now_ms(session->conn.io);
    if (!open)
        refuse(h2s, -ERR_STREAM_REFUSED); /* since it was chosen */
    return 0;
}

/* What asks for a tunnel is none, and has no end yet. */
static void note_body(struct h2_stream *h2s, const struct msg *msg)
{
    bool sized = msg->body == MSG_BODY_LENGTH;

    if (h2s->upgrading)
        return;
    h2s->bodiless = msg->body == MSG_BODY_NONE || (sized && msg->length == 0);
    if (!h2s->bodiless && sized)
        h2s->out_left = msg->length;
}

static int client_send_head(struct stream *stream, const struct msg *msg)
{
    struct h2_stream *h2s = h2_stream_of(stream);

    h2s->asked = (uint8_t)msg->method;
    h2s->headed = true;
    h2s->websocket_key = websocket_key_of(msg);
    h2s->upgrading = h2s->websocket_key.n > 0;
    if (h2s->upgrading && !h2s->closed && !takes_connect(of_h2(h2s->h2))) {
        refuse(h2s, -ERR_NO_WEBSOCKET);
        return 0;
    }
    note_body(h2s, msg);
    h2_session_flush(h2s->h2);
    int error = h2_library_send_request(h2s, msg, h2s->bodiless);
    if (error != -ERR_STREAM_REFUSED)
        return error;
    refuse(h2s, error);
    return 0;
}

/* What asks for a tunnel is whole as it is, and goes on once it is one. */
static int client_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    struct h2_stream *h2s = h2_stream_of(stream);

    if (h2s->upgrading && !h2s->tunnel)
        return 0;
    stream->unsent = h2s->tunnel && !h2s->closed && !h2s->h2->ending;
    return h2_stream_send_end(stream, trailers, count);
}

static void client_consumed(struct stream *stream)
{
    struct h2_stream *h2s = h2_stream_of(stream);

    if (h2s->interim)
        tell_next_head(h2s);
    h2_stream_consumed(stream);
}

static bool client_finish(struct stream *stream)
{
    struct h2_client *client = of_session(stream->session);

    struct h2_stream *h2s = h2_stream_of(stream);

    h2_stream_release(h2s, h2s->tunnel ? H2_NO_ERROR : H2_CANCEL);
    return !takes_no_more(client);
}

/* Nothing has come since this stream began, and it was waited for: so will others be, on a connection that is cut
 * somewhere. */
static bool is_deaf(const struct h2_client *client, const struct h2_stream *h2s)
{
    int64_t now_ms = io_now_ms(client->h2.session.conn.io);

    return client->heard_ms <= h2s->opened_ms && now_ms - h2s->opened_ms >= H2_CLIENT_DEAF_MS;
}

static void client_abort(struct stream *stream)
{
    struct h2_client *client = of_session(stream->session);
    struct h2_stream *h2s = h2_stream_of(stream);

    client->spent |= is_deaf(client, h2s);
    h2_stream_release(h2s, H2_CANCEL);
}

static void client_drain(struct session *session)
{
    struct h2_client *client = of_session(session);

    client->spent = true;
    client->promised = session->claimed;
    set_deadline(&client->h2);
}

static bool client_idle(struct session *session)
{
    const struct h2_client *client = of_session(session);

    return client->h2.stream_count == 0 && !takes_no_more(client) && !conn_closing(&session->conn);
}

static void client_close(struct session *session)
{
    struct h2_client *client = of_session(session);

    ASSERT(client->h2.stream_count == 0);
    if (client->closing)
        return;
    client->closing = true;
    if (client->h2.dead)
        conn_close(&session->conn, CONN_CLOSE_NOW);
    else
        h2_session_goodbye(&client->h2);
}

static uint32_t client_slots(struct session *session)
{
    const struct h2_client *client = of_session(session);
    uint32_t most = client->options->streams;

    if (conn_peer_ended(&session->conn) || !may_open(client))
        return 0;
    uint32_t theirs = nghttp2_session_get_remote_settings(client->h2.library, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    most = theirs < most ? theirs : most;
    return most > client->h2.stream_count ? most - client->h2.stream_count : 0;
}

static const struct session_ops client_ops = {
    .name = "HTTP/2",
    .via = {"2", 1},
    .open = client_open,
    .send_head = client_send_head,
    .send_body = h2_stream_send_body,
    .send_end = client_send_end,
    .room = h2_stream_room,
    .taken = h2_stream_taken,
    .consumed = client_consumed,
    .finish = client_finish,
    .abort = client_abort,
    .drain = client_drain,
    .idle = client_idle,
    .close = client_close,
    .slots = client_slots,
};

int h2_client_begin(struct h2_client *client, const struct h2_client_options *options, const struct h1_limits *limits,
                    struct session_user *user)
{
    struct h2_session *h2 = &client->h2;

    memset((char *)client + sizeof(*h2), 0, sizeof(*client) - sizeof(*h2));
    client->user = user;
    client->options = options;
    int error =
        h2_session_init(h2, &client_role, options->room, limits, options->floods, false, options->streams, false);
    if (error)
        return error;
    h2->session.ops = &client_ops;
    h2->session.conn.events = &client_events;
    set_deadline(h2);
    conn_read(&h2->session.conn, true);
    return 0;
}
