/* The worker side's HTTP/1 session: one request at a time, answers judged as strictly as requests are. Owned by a lease
 * book (or a prober) on its thread. While it idles a receive stays in flight, so that a worker's close is seen at once.
 */
#include "http/h1_client.h"

#include "http/h1_write.h"
#include "http/judge.h"

enum {
    STATE_CONNECTING,
    STATE_IDLE,
    STATE_HEAD, /* a request goes out, no final head yet */
    STATE_BODY,
    STATE_WHOLE, /* the answer is complete */
    STATE_BROKEN /* nothing more will be understood from this worker */
};

static struct h1_client *of_conn(struct conn *conn)
{
    struct h1_client *client = CONTAINER_OF(conn, struct h1_client, session.conn);
    ASSERT_MAGIC(&client->session, SESSION_MAGIC);
    return client;
}

static struct h1_client *of_stream(struct stream *stream)
{
    struct h1_client *client = CONTAINER_OF(stream->session, struct h1_client, session);
    ASSERT(client->stream == stream);
    return client;
}

static void fail_stream(struct h1_client *client, int error)
{
    struct stream *stream = client->stream;

    client->state = STATE_BROKEN;
    client->keep_alive = false;
    stream->failed = true;
    stream->error = error;
    conn_read(&client->session.conn, false);
    conn_splice_in(&client->session.conn, NULL, 0);
    stream->notify(stream, STREAM_FAILED);
}

/* ---- what comes in ---- */

static void take_body(struct h1_client *client)
{
    struct conn *conn = &client->session.conn;
    struct stream *stream = client->stream;
    size_t before = bufq_bytes(&stream->body);
    int done = h1_body_in_take(&client->in, &conn->in, stream, client->limits);
    unsigned events = bufq_bytes(&stream->body) > before ? STREAM_BODY : 0;

    conn->in_left = h1_body_in_plain(&client->in); /* counts where a pipe is set: what came past it before */
    if (done < 0) {
        fail_stream(client, judge_answer_error(done));
        return;
    }
    conn_read(conn, done == 1 || (!client->held && bufq_bytes(&stream->body) < STREAM_BODY_HIGH));
    if (done == 1) {
        client->state = STATE_WHOLE;
        stream->ended = true;
        events |= STREAM_END;
    }
    if (events)
        stream->notify(stream, events);
}

/* RFC 9110 section 15.2.2. False: nobody asked for it. */
static bool open_tunnel(struct h1_client *client, struct h1_head *head)
{
    if (!client->upgrading || !client->out_ended || head->msg.upgrade.n == 0)
        return false;
    client->tunnel = true;
    client->out.kind = H1_BODY_CLOSE;
    client->out_ended = false;
    head->msg.body = MSG_BODY_OPEN;
    head->keep_alive = false;
    return true;
}

static void on_spliced(struct conn *conn, size_t n)
{
    struct h1_client *client = of_conn(conn);
    unsigned events = STREAM_BODY;

    if (h1_body_in_spliced(&client->in, n)) {
        client->state = STATE_WHOLE;
        client->stream->ended = true;
        events |= STREAM_END;
    }
    client->stream->notify(client->stream, events);
}

static int parse_head(struct h1_client *client, size_t bytes)
{
    struct bufq *in = &client->session.conn.in;
    struct stream *stream = client->stream;
    struct h1_asked asked = {.method = (enum msg_method)client->asked};
    struct h1_head head;
    uint32_t cap = client->scan.lines + stream->spare_fields;
    struct field *fields = h1_take_fields(stream, in, cap);
    if (!fields)
        return -ERR_NO_MEMORY;
    int error = h1_parse_answer(str_slice(bufq_front(in).p, bytes), asked, client->limits, fields, cap, &head);
    if (error)
        return error;
    if (head.msg.status == 101 && !open_tunnel(client, &head))
        return -ERR_ANSWER_SWITCHED;
    stream->head = head.msg;
    client->keep_alive = head.keep_alive;
    h1_body_in_init(&client->in, &head);
    client->held =
        !client->tunnel && conn_splices(&client->session.conn) && h1_body_in_plain(&client->in) >= SESSION_SPLICE_MIN;
    bufq_consume(in, bytes);
    memset(&client->scan, 0, sizeof(client->scan));
    return 0;
}

/* Bytes that cannot become a status line are seen at once, not after a time-out. */
static bool looks_like_answer(struct str front)
{
    return memcmp(front.p, "HTTP/1.", front.n < 7 ? front.n : 7) == 0;
}

static void take_head(struct h1_client *client)
{
    struct bufq *in = &client->session.conn.in;
    size_t bytes = 0;

    if (client->interim_waits || bufq_bytes(in) == 0)
        return;
    client->answer_begun = true;
    int found = looks_like_answer(bufq_front(in)) ? h1_scan_queue(&client->scan, in, client->limits, &bytes)
                                                  : -ERR_ANSWER_MALFORMED;
    if (found == 0)
        return;
    int error = found < 0 ? found : parse_head(client, bytes);
    if (error) {
        fail_stream(client, judge_answer_error(error));
    } else if (client->stream->head.status < 200 && !client->tunnel) {
        client->interim_waits = true;
        conn_read(&client->session.conn, false); /* until it was passed on: interim heads know back-pressure too */
        client->stream->notify(client->stream, STREAM_INTERIM);
    } else {
        client->state = STATE_BODY;
        client->stream->notify(client->stream, STREAM_HEAD);
        take_body(client);
    }
}

/* What came before any byte of the request had left answers nothing: it belongs to whoever had the connection before,
 * and must not become this client's answer. */
static void take_answer(struct h1_client *client)
{
    if (client->stream->sent_bytes)
        take_head(client);
    else
        fail_stream(client, -ERR_CONN_RESET);
}

static void on_received(struct conn *conn)
{
    struct h1_client *client = of_conn(conn);

    switch (client->state) {
    case STATE_IDLE: client->user->lost(client->user, &client->session); break;
    case STATE_HEAD: take_answer(client); break;
    case STATE_BODY: take_body(client); break;
    case STATE_WHOLE: conn_read(conn, false); break; /* bytes behind the answer: seen at finish */
    default: bufq_clear(&conn->in); break;
    }
}

/* ---- ends ---- */

/* Why the answer is not whole. Bytes that found no memory are not the worker's doing. */
static int cut_error(const struct h1_client *client)
{
    if (client->end_error == -ERR_NO_MEMORY)
        return client->end_error;
    if (client->answer_begun)
        return -ERR_ANSWER_CUT;
    return client->end_error ? -ERR_CONN_RESET : -ERR_CONN_CLOSED;
}

/* The worker has ended; but what came before waits while an interim head does, or while the body has no room. */
static void take_end(struct h1_client *client)
{
    struct stream *stream = client->stream;

    if (client->interim_waits || (client->state != STATE_HEAD && client->state != STATE_BODY))
        return;
    if (client->state == STATE_BODY && bufq_bytes(&stream->body) >= STREAM_BODY_HIGH)
        return;
    if (client->state == STATE_BODY && client->in.kind == H1_BODY_CLOSE && !client->end_error) {
        client->state = STATE_WHOLE;
        stream->ended = true;
        stream->notify(stream, STREAM_END);
    } else {
        fail_stream(client, cut_error(client));
    }
}

static void on_ended(struct conn *conn, int error)
{
    struct h1_client *client = of_conn(conn);

    client->end_error = error;
    switch (client->state) {
    case STATE_CONNECTING: client->user->ready(client->user, &client->session, error ? error : -ERR_CONN_CLOSED); break;
    case STATE_IDLE: client->user->lost(client->user, &client->session); break;
    default: take_end(client); break;
    }
}

/* The worker reads no more; its answer may be on its way all the same, so reading goes on and tells. */
static void on_send_failed(struct conn *conn, int error)
{
    struct h1_client *client = of_conn(conn);

    client->keep_alive = false;
    if (client->stream && client->wants_room) {
        client->wants_room = false;
        client->stream->notify(client->stream, STREAM_ROOM);
    }
    /* In a tunnel no answer is on its way any more: it has nobody to go to. */
    if (client->stream && client->tunnel && client->state == STATE_WHOLE)
        fail_stream(client, -ERR_ANSWER_CUT);
}

static void on_sent(struct conn *conn)
{
    struct h1_client *client = of_conn(conn);
    struct stream *stream = client->stream;

    if (!stream)
        return;
    unsigned events = stream->tell_sent && !stream->sent_bytes ? STREAM_SENT : 0;
    stream->sent_bytes = true;
    if (client->wants_room && bufq_bytes(&conn->out) <= SESSION_OUT_LOW) {
        client->wants_room = conn->out_pipe; /* each step of a pipe is told: whoever loses patience sees it go on */
        events |= STREAM_ROOM;
    }
    if (events)
        stream->notify(stream, events);
}

static void on_ready(struct conn *conn)
{
    struct h1_client *client = of_conn(conn);

    client->state = STATE_IDLE; /* nothing is read yet: it is leased already, and cannot be lost before it is opened */
    client->user->ready(client->user, &client->session, 0);
}

static void on_timeout(struct conn *conn)
{
    struct h1_client *client = of_conn(conn);

    if (client->state == STATE_IDLE)
        client->user->lost(client->user, &client->session);
}

static void on_closed(struct conn *conn)
{
    struct h1_client *client = of_conn(conn);

    ASSERT(!client->stream);
    client->user->closed(client->user, &client->session);
}

static const struct conn_events client_events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_spliced = on_spliced,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- what goes out ---- */

static int client_open(struct session *session, struct stream *stream)
{
    struct h1_client *client = CONTAINER_OF(session, struct h1_client, session);

    ASSERT(client->state == STATE_IDLE && !client->stream && !stream->session);
    conn_set_deadline(&session->conn, TIMER_NEVER);
    conn_read(&session->conn, true);
    memset(&client->scan, 0, sizeof(client->scan));
    client->state = STATE_HEAD;
    client->answer_begun = false;
    client->interim_waits = false;
    client->tunnel = false;
    client->out_ended = false;
    client->wants_room = false;
    client->stream = stream;
    stream->session = session;
    stream->reused = client->served > 0;
    return 0;
}

static int client_send_head(struct stream *stream, const struct msg *msg)
{
    struct h1_client *client = of_stream(stream);
    struct h1_framing framing = {.chunked = msg->body == MSG_BODY_OPEN, .length = -1};

    client->asked = (uint8_t)msg->method;
    client->upgrading = msg->upgrade.n > 0;
    client->out.kind = H1_BODY_NONE;
    if (msg->body == MSG_BODY_OPEN) {
        client->out.kind = H1_BODY_CHUNKED;
    } else if (msg->body == MSG_BODY_LENGTH) {
        client->out.kind = H1_BODY_LENGTH;
        client->out.left = (uint64_t)msg->length;
        framing.length = msg->length;
    }
    conn_flush(&client->session.conn);
    return h1_write_request(&client->session.conn.out, msg, &framing);
}

static int client_send_body(struct stream *stream, struct bufq *from, size_t n)
{
    struct h1_client *client = of_stream(stream);

    conn_flush(&client->session.conn);
    return h1_body_out_send(&client->out, &client->session.conn.out, from, n);
}

static int client_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    struct h1_client *client = of_stream(stream);
    int error = h1_body_out_end(&client->out, &client->session.conn.out, trailers, count);

    if (error)
        return error;
    client->out_ended = true;
    if (client->tunnel)
        conn_end_sending(&client->session.conn);
    conn_flush(&client->session.conn);
    return 0;
}

static size_t client_room(struct stream *stream)
{
    struct h1_client *client = of_stream(stream);
    size_t waiting = bufq_bytes(&client->session.conn.out);

    if (waiting < SESSION_OUT_HIGH && !client->session.conn.out_pipe)
        return SESSION_OUT_HIGH - waiting;
    client->wants_room = true;
    return 0;
}

static uint64_t client_splice_left(struct stream *stream)
{
    struct h1_client *client = of_stream(stream);
    struct conn *conn = &client->session.conn;

    return client->state == STATE_BODY && conn_splices(conn) && !conn->ended ? h1_body_in_plain(&client->in) : 0;
}

static void client_splice_from(struct stream *stream, struct io_pipe *pipe)
{
    struct h1_client *client = of_stream(stream);

    conn_splice_in(&client->session.conn, pipe, h1_body_in_plain(&client->in));
}

static bool client_splice_takes(struct stream *stream)
{
    struct h1_client *client = of_stream(stream);

    return conn_splices(&client->session.conn) && h1_body_out_plain(&client->out);
}

static int client_splice_to(struct stream *stream, struct io_pipe *pipe)
{
    struct h1_client *client = of_stream(stream);

    client->wants_room = true;
    int error = h1_body_out_spliced(&client->out, pipe->held);
    if (!error)
        conn_splice_out(&client->session.conn, pipe);
    return error;
}

static const struct session_splice client_splice = {
    .left = client_splice_left,
    .from = client_splice_from,
    .takes = client_splice_takes,
    .to = client_splice_to,
};

static uint64_t client_taken(struct stream *stream, bool settled)
{
    return conn_taken(&stream->session->conn, settled);
}

static void client_consumed(struct stream *stream)
{
    struct h1_client *client = of_stream(stream);

    client->held = false;
    if (client->state == STATE_BODY) {
        take_body(client);
    } else if (client->state == STATE_HEAD && client->interim_waits) {
        client->interim_waits = false;
        conn_read(&client->session.conn, true);
        take_head(client);
    }
    if (client->session.conn.ended)
        take_end(client);
}

static bool reusable(const struct h1_client *client)
{
    const struct conn *conn = &client->session.conn;

    return client->state == STATE_WHOLE && client->out_ended && client->keep_alive && !client->draining &&
           conn_unsent(conn) == 0 && bufq_bytes(&conn->in) == 0 && !conn->send_failed && !conn_peer_ended(conn);
}

static struct h1_client *detach(struct stream *stream)
{
    struct h1_client *client = of_stream(stream);

    client->stream = NULL;
    stream->session = NULL;
    conn_splice_in(&client->session.conn, NULL, 0);
    return client;
}

static bool client_finish(struct stream *stream)
{
    struct h1_client *client = detach(stream);

    if (!reusable(client)) {
        conn_close(&client->session.conn, client->tunnel ? CONN_CLOSE_LINGER : CONN_CLOSE_NOW);
        return false;
    }
    client->state = STATE_IDLE;
    client->served++;
    conn_read(&client->session.conn, true);
    return true;
}

static void client_abort(struct stream *stream)
{
    struct h1_client *client = detach(stream);

    conn_close(&client->session.conn, CONN_CLOSE_RESET);
}

static bool client_idle(struct session *session)
{
    struct h1_client *client = CONTAINER_OF(session, struct h1_client, session);

    return client->state == STATE_IDLE && !conn_closing(&session->conn);
}

static void client_drain(struct session *session)
{
    struct h1_client *client = CONTAINER_OF(session, struct h1_client, session);

    client->draining = true;
    if (client_idle(session))
        conn_close(&session->conn, CONN_CLOSE_NOW);
}

static void client_close(struct session *session)
{
    ASSERT(!CONTAINER_OF(session, struct h1_client, session)->stream);
    conn_close(&session->conn, CONN_CLOSE_NOW);
}

static bool client_rest(struct session *session)
{
    struct h1_client *client = CONTAINER_OF(session, struct h1_client, session);

    return client_idle(session) && !client->draining && client->served > 0 && conn_rise(&session->conn);
}

static const struct session_ops client_ops = {
    .name = "HTTP/1.1",
    .via = {"1.1", 3},
    .open = client_open,
    .send_head = client_send_head,
    .send_body = client_send_body,
    .send_end = client_send_end,
    .room = client_room,
    .taken = client_taken,
    .consumed = client_consumed,
    .finish = client_finish,
    .abort = client_abort,
    .drain = client_drain,
    .idle = client_idle,
    .rest = client_rest,
    .close = client_close,
    .splice = &client_splice,
};

void h1_client_begin(struct h1_client *client, const struct h1_limits *limits, struct session_user *user)
{
    memset((char *)client + sizeof(client->session), 0, sizeof(*client) - sizeof(client->session));
    client->session.ops = &client_ops;
    client->session.conn.events = &client_events;
    client->user = user;
    client->limits = limits;
    client->state = STATE_IDLE;
}

static void init_session(struct session *session)
{
    memset(session, 0, sizeof(*session));
    session->magic = SESSION_MAGIC;
    list_init(&session->link);
}

int h1_client_start(struct h1_client *client, struct seat *seat, struct io *io, struct sockaddr_storage *to,
                    const struct transport_use *transport, const struct h1_limits *limits, struct session_user *user)
{
    init_session(&client->session);
    conn_init(&client->session.conn, seat, io, &client_events);
    client->session.conn.without_h2 = true;
    h1_client_begin(client, limits, user);
    client->state = STATE_CONNECTING;
    int error = transport ? conn_use(&client->session.conn, transport) : 0;
    return error ? error : conn_connect(&client->session.conn, to);
}

void h1_client_resume(struct h1_client *client, struct seat *seat, const struct h1_limits *limits,
                      struct session_user *user)
{
    init_session(&client->session);
    conn_sit(&client->session.conn, seat, &client_events);
    h1_client_begin(client, limits, user);
    client->served = 1;
}
