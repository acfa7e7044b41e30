/* The client side's HTTP/1 session: one request at a time, in order; what a client pipelines waits in conn->in. Owned
 * by a reactor, on its thread. A request is handed over as soon as its head is parsed; its body follows through
 * stream->body. */
#include "http/h1_server.h"

#include "http/h1_write.h"

enum { PIPELINED_BYTES_MAX = BUF_CHUNK_BYTES }; /* read ahead of the present request */

enum {
    STATE_IDLE,  /* no request, or only the beginning of a head */
    STATE_BODY,  /* head handed over, body still coming */
    STATE_WHOLE, /* request complete; its answer is not */
    STATE_BROKEN /* the rest of what the client sends means nothing */
};

static void take_body(struct h1_server *server);
static void take_head(struct h1_server *server);

static struct h1_server *of_conn(struct conn *conn)
{
    struct h1_server *server = CONTAINER_OF(conn, struct h1_server, session.conn);
    ASSERT_MAGIC(&server->session, SESSION_MAGIC);
    return server;
}

static struct h1_server *of_stream(struct stream *stream)
{
    struct h1_server *server = CONTAINER_OF(stream->session, struct h1_server, session);
    ASSERT(server->stream == stream);
    return server;
}

static void set_deadline_in(struct h1_server *server, int64_t ms)
{
    conn_set_deadline(&server->session.conn, io_now_ms(server->session.conn.io) + ms);
}

static void fail_stream(struct h1_server *server, int error)
{
    struct stream *stream = server->stream;

    server->state = STATE_BROKEN;
    server->must_close = true;
    conn_splice_in(&server->session.conn, NULL, 0);
    stream->failed = true;
    stream->error = error;
    stream->notify(stream, STREAM_FAILED);
}

/* ---- what comes in ---- */

static void wait_for_head(struct h1_server *server)
{
    memset(&server->scan, 0, sizeof(server->scan));
    server->state = STATE_IDLE;
    server->head_begun = false;
    server->must_close = false;
    server->out_ended = false;
    server->wants_room = false;
    server->tunnel = false;
    server->minor = 1;
    server->asked = METHOD_OTHER;
    set_deadline_in(server, server->options->client_idle_ms);
}

static int parse_head(struct h1_server *server, struct stream *stream, size_t bytes)
{
    struct bufq *in = &server->session.conn.in;
    struct h1_head head;
    uint32_t cap = server->scan.lines + stream->spare_fields;
    struct field *fields = h1_take_fields(stream, in, cap);
    if (!fields)
        return -ERR_NO_MEMORY;
    int error = h1_parse_request(str_slice(bufq_front(in).p, bytes), &server->options->limits, fields, cap, &head);
    if (error)
        return error;
    stream->head = head.msg;
    server->minor = head.msg.minor;
    server->asked = (uint8_t)head.msg.method;
    server->peer_keeps = head.keep_alive;
    if (server->options->body_bytes && head.msg.body == MSG_BODY_LENGTH &&
        (uint64_t)head.msg.length > server->options->body_bytes)
        return -ERR_REQUEST_BODY_SIZE;
    h1_body_in_init(&server->in, &head);
    server->body_seen = 0;
    server->held = conn_splices(&server->session.conn) && h1_body_in_plain(&server->in) >= SESSION_SPLICE_MIN;
    bufq_consume(in, bytes);
    return 0;
}

/* A refused HEAD gets no body either (RFC 9110 section 9.3.2). */
static void note_head_method(struct h1_server *server)
{
    struct str begun = bufq_front(&server->session.conn.in);

    if (!str_starts(begun, STR("HEAD ")))
        return;
    server->asked = METHOD_HEAD;
    server->stream->head.method = METHOD_HEAD;
}

/* A head is whole (`refused` 0), or will never be. */
static void begin_stream(struct h1_server *server, int refused, size_t bytes)
{
    struct conn *conn = &server->session.conn;
    struct stream *stream = server->owner->open(server->owner, &server->session);

    if (!stream) {
        server->owner->head_lost(server->owner, -ERR_NO_MEMORY);
        conn_close(conn, CONN_CLOSE_NOW);
        return;
    }
    conn_set_deadline(conn, TIMER_NEVER);
    stream->session = &server->session;
    stream->began_ns = server->began_ns;
    server->stream = stream;
    if (!refused)
        refused = parse_head(server, stream, bytes);
    if (refused) {
        note_head_method(server);
        fail_stream(server, refused);
        return;
    }
    server->state = STATE_BODY;
    stream->notify(stream, STREAM_HEAD);
    take_body(server);
}

/* RFC 9112 section 2.2: empty lines before a request line are no part of it. True when there is something behind them.
 */
static bool skip_empty_lines(struct bufq *in)
{
    while (bufq_bytes(in) >= 2 && bufq_gather(in, 2, BUF_CHUNK_CAP) == 0 && memcmp(bufq_front(in).p, "\r\n", 2) == 0)
        bufq_consume(in, 2);
    return bufq_bytes(in) > 1 || (bufq_bytes(in) == 1 && bufq_front(in).p[0] != '\r');
}

static void take_head(struct h1_server *server)
{
    struct conn *conn = &server->session.conn;
    size_t bytes = 0;

    if (server->scan.at == 0 && !skip_empty_lines(&conn->in)) {
        if (conn->seat->leaving)
            conn_close(conn, CONN_CLOSE_IDLE); /* that was all that was waited for */
        return;
    }
    if (!server->head_begun)
        server->began_ns = io_now_ns(conn->io);
    int found = h1_scan_queue(&server->scan, &conn->in, &server->options->limits, &bytes);
    if (found != 0)
        begin_stream(server, found < 0 ? found : 0, bytes);
    else if (!server->head_begun)
        set_deadline_in(server, server->options->request_head_ms);
    server->head_begun = true;
}

/* No byte will come any more: in a tunnel that is how they end, in a request it is too early. */
static void take_end(struct h1_server *server)
{
    if (!server->tunnel) {
        fail_stream(server, -ERR_CLIENT_GONE);
        return;
    }
    server->state = STATE_WHOLE;
    server->stream->ended = true;
    server->stream->notify(server->stream, STREAM_END);
}

static bool body_too_large(const struct h1_server *server)
{
    return server->options->body_bytes && server->body_seen > server->options->body_bytes && !server->tunnel;
}

static void take_body(struct h1_server *server)
{
    struct conn *conn = &server->session.conn;
    struct stream *stream = server->stream;
    size_t before = bufq_bytes(&stream->body);
    int done = h1_body_in_take(&server->in, &conn->in, stream, &server->options->limits);
    size_t grown = bufq_bytes(&stream->body) - before;

    server->body_seen += grown;
    conn->in_left = h1_body_in_plain(&server->in); /* counts where a pipe is set: what came past it before */
    if (done >= 0 && body_too_large(server))
        done = -ERR_REQUEST_BODY_SIZE;
    if (done < 0) {
        fail_stream(server, done);
        return;
    }
    conn_read(conn, done == 1 || (!server->held && bufq_bytes(&stream->body) < STREAM_BODY_HIGH));
    unsigned events = grown ? STREAM_BODY : 0;
    if (done == 1) {
        server->state = STATE_WHOLE;
        stream->ended = true;
        events |= STREAM_END | (conn->ended ? STREAM_PEER_ENDED : 0);
    }
    if (events)
        stream->notify(stream, events);
    if (done == 0 && conn->ended && bufq_bytes(&stream->body) < STREAM_BODY_HIGH)
        take_end(server);
}

static void on_spliced(struct conn *conn, size_t n)
{
    struct h1_server *server = of_conn(conn);
    unsigned events = STREAM_BODY;

    server->body_seen += n;
    if (h1_body_in_spliced(&server->in, n)) {
        server->state = STATE_WHOLE;
        server->stream->ended = true;
        events |= STREAM_END;
    }
    server->stream->notify(server->stream, events);
}

static void on_received(struct conn *conn)
{
    struct h1_server *server = of_conn(conn);

    switch (server->state) {
    case STATE_IDLE: take_head(server); break;
    case STATE_BODY: take_body(server); break;
    case STATE_WHOLE:
        if (bufq_bytes(&conn->in) >= PIPELINED_BYTES_MAX)
            conn_read(conn, false);
        break;
    default: bufq_clear(&conn->in); break;
    }
}

/* ---- ends ---- */

/* Bytes that found no memory are not the client's doing. */
static int end_error(int error)
{
    return error == -ERR_NO_MEMORY ? error : -ERR_CLIENT_GONE;
}

/* All was said both ways, and the client's part has left: it may end the connection in the same moment. */
static bool is_over(const struct h1_server *server)
{
    const struct conn *conn = &server->session.conn;

    return server->state == STATE_WHOLE && server->out_ended && conn_unsent(conn) == 0 && !conn->send_failed;
}

static void on_ended(struct conn *conn, int error)
{
    struct h1_server *server = of_conn(conn);

    if (!server->stream) {
        if (bufq_bytes(&conn->in) > 0 || error == -ERR_NO_MEMORY)
            server->owner->head_lost(server->owner, end_error(error));
        conn_close(conn, CONN_CLOSE_NOW);
    } else if (!error && server->tunnel && server->state == STATE_BODY) {
        take_body(server);
    } else if (is_over(server)) {
        return;
    } else if (error || server->state == STATE_BODY) {
        fail_stream(server, end_error(error));
    } else if (server->state == STATE_WHOLE) {
        server->stream->notify(server->stream, STREAM_PEER_ENDED);
    }
}

/* Told once, whichever way it is found out. */
static void client_is_gone(struct h1_server *server)
{
    if (!is_over(server) && (!server->stream->failed || server->stream->error != -ERR_CLIENT_GONE))
        fail_stream(server, -ERR_CLIENT_GONE);
}

static void on_send_failed(struct conn *conn, int error)
{
    struct h1_server *server = of_conn(conn);

    if (server->stream)
        client_is_gone(server);
    else
        conn_close(conn, CONN_CLOSE_NOW);
}

/* A client whose body nobody reads at the moment may leave all the same. A tunnel that has ended in both directions is
 * no broken one: its last bytes are still to be read. */
static void on_broken(struct conn *conn)
{
    struct h1_server *server = of_conn(conn);
    bool over = server->tunnel && server->out_ended;

    if (server->stream && !conn->seat->sock.rx && !over)
        client_is_gone(server);
}

static void on_timeout(struct conn *conn)
{
    struct h1_server *server = of_conn(conn);

    ASSERT(!server->stream);
    if (server->head_begun)
        begin_stream(server, -ERR_REQUEST_HEAD_TIMEOUT, 0);
    else
        conn_close(conn, CONN_CLOSE_IDLE);
}

static void on_sent(struct conn *conn)
{
    struct h1_server *server = of_conn(conn);
    unsigned events = 0;

    if (!server->stream)
        return;
    if (server->wants_room && bufq_bytes(&conn->out) <= SESSION_OUT_LOW) {
        server->wants_room = conn->out_pipe; /* each step of a pipe is told: whoever loses patience sees it go on */
        events |= STREAM_ROOM;
    }
    if (server->out_ended && conn_unsent(conn) == 0)
        events |= STREAM_SENT;
    if (events)
        server->stream->notify(server->stream, events);
}

static void on_ready(struct conn *conn)
{
    conn_read(conn, true);
}

static void on_closed(struct conn *conn)
{
    struct h1_server *server = of_conn(conn);

    ASSERT(!server->stream);
    server->owner->closed(server->owner, &server->session);
}

static const struct conn_events server_events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_spliced = on_spliced,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_broken = on_broken,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- what goes out ---- */

static int send_interim(struct h1_server *server, const struct msg *msg)
{
    struct h1_framing none = {.length = -1};

    if (server->minor == 0)
        return 0; /* RFC 9110 section 15.2: never to a 1.0 client */
    int error = h1_write_answer(&server->session.conn.out, msg, &none);
    conn_flush(&server->session.conn);
    return error;
}

/* What was a whole request goes on as a tunnel; what the client has sent behind it belongs there. */
static int send_switch(struct h1_server *server, const struct msg *msg)
{
    struct h1_framing none = {.length = -1};

    ASSERT(server->state == STATE_WHOLE && server->minor == 1);
    int error = h1_write_answer(&server->session.conn.out, msg, &none);
    if (error)
        return error;
    conn_flush(&server->session.conn);
    if (server->must_close)
        server->stream->notify(server->stream, STREAM_DRAIN);
    server->tunnel = true;
    server->must_close = true;
    server->in = (struct h1_body_in){.kind = H1_BODY_CLOSE};
    server->out = (struct h1_body_out){.kind = H1_BODY_CLOSE};
    server->state = STATE_BODY;
    server->stream->ended = false;
    take_body(server);
    return 0;
}

/* How the body goes out to this client. RFC 9112 section 6.3. */
static void frame_answer(struct h1_server *server, const struct msg *msg, struct h1_framing *framing)
{
    bool bodiless = server->asked == METHOD_HEAD || msg->status == 204 || msg->status == 304;

    *framing = (struct h1_framing){.length = msg->status == 204 ? -1 : msg->length};
    if (bodiless) {
        server->out.kind = H1_BODY_NONE;
    } else if (msg->body != MSG_BODY_OPEN) {
        server->out.kind = H1_BODY_LENGTH;
        framing->length = msg->body == MSG_BODY_NONE ? 0 : msg->length;
        server->out.left = (uint64_t)framing->length;
    } else if (server->minor > 0) {
        server->out.kind = H1_BODY_CHUNKED;
        framing->chunked = true;
    } else {
        server->out.kind = H1_BODY_CLOSE;
        framing->length = -1;
        server->must_close = true;
    }
}

static int server_send_head(struct stream *stream, const struct msg *msg)
{
    struct h1_server *server = of_stream(stream);
    struct h1_framing framing;

    if (msg->status == 101)
        return send_switch(server, msg);
    if (msg->status < 200)
        return send_interim(server, msg);
    frame_answer(server, msg, &framing);
    if (server->owner->retiring || server->session.conn.seat->leaving)
        server->must_close = true;
    if (server->state != STATE_WHOLE)
        server->must_close = true; /* an early answer: what may still come of the request is not waited for */
    if (server->must_close || !server->peer_keeps)
        framing.connection = H1_CONNECTION_CLOSE;
    else if (server->minor == 0)
        framing.connection = H1_CONNECTION_KEEP_ALIVE;
    conn_flush(&server->session.conn);
    return h1_write_answer(&server->session.conn.out, msg, &framing);
}

static int server_send_body(struct stream *stream, struct bufq *from, size_t n)
{
    struct h1_server *server = of_stream(stream);

    conn_flush(&server->session.conn);
    return h1_body_out_send(&server->out, &server->session.conn.out, from, n);
}

static int server_send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    struct h1_server *server = of_stream(stream);
    struct conn *conn = &server->session.conn;
    int error = h1_body_out_end(&server->out, &conn->out, trailers, count);

    if (error)
        return error;
    server->out_ended = true;
    if (server->tunnel)
        conn_end_sending(conn);
    else if (server->must_close || !server->peer_keeps)
        conn_note_last(conn);
    conn_flush(conn);
    if (conn_unsent(conn) == 0)
        stream->notify(stream, STREAM_SENT);
    return 0;
}

static size_t server_room(struct stream *stream)
{
    struct h1_server *server = of_stream(stream);
    size_t waiting = bufq_bytes(&server->session.conn.out);

    if (waiting < SESSION_OUT_HIGH && !server->session.conn.out_pipe)
        return SESSION_OUT_HIGH - waiting;
    server->wants_room = true;
    return 0;
}

static uint64_t server_splice_left(struct stream *stream)
{
    struct h1_server *server = of_stream(stream);
    struct conn *conn = &server->session.conn;

    bool plain = server->state == STATE_BODY && !conn->ended;

    return plain && conn_splices(conn) ? h1_body_in_plain(&server->in) : 0;
}

static void server_splice_from(struct stream *stream, struct io_pipe *pipe)
{
    struct h1_server *server = of_stream(stream);

    conn_splice_in(&server->session.conn, pipe, h1_body_in_plain(&server->in));
}

static bool server_splice_takes(struct stream *stream)
{
    struct h1_server *server = of_stream(stream);

    return conn_splices(&server->session.conn) && h1_body_out_plain(&server->out);
}

static int server_splice_to(struct stream *stream, struct io_pipe *pipe)
{
    struct h1_server *server = of_stream(stream);

    server->wants_room = true;
    int error = h1_body_out_spliced(&server->out, pipe->held);
    if (!error)
        conn_splice_out(&server->session.conn, pipe);
    return error;
}

static const struct session_splice server_splice = {
    .left = server_splice_left,
    .from = server_splice_from,
    .takes = server_splice_takes,
    .to = server_splice_to,
};

static uint64_t server_taken(struct stream *stream, bool settled)
{
    return conn_taken(&stream->session->conn, settled);
}

static void server_consumed(struct stream *stream)
{
    struct h1_server *server = of_stream(stream);

    server->held = false;
    if (server->state == STATE_BODY)
        take_body(server);
}

static struct h1_server *detach(struct stream *stream)
{
    struct h1_server *server = of_stream(stream);

    server->stream = NULL;
    stream->session = NULL;
    conn_splice_in(&server->session.conn, NULL, 0);
    return server;
}

static void next_request(struct h1_server *server)
{
    struct conn *conn = &server->session.conn;

    wait_for_head(server);
    conn_read(conn, true);
    take_head(server);
    if (!server->stream && conn->ended && !conn_closing(conn))
        on_ended(conn, 0);
    if (server->owner->idles && !server->stream && !conn_closing(conn))
        server->owner->idles(server->owner, &server->session);
}

static bool server_finish(struct stream *stream)
{
    struct h1_server *server = detach(stream);
    struct conn *conn = &server->session.conn;
    bool whole = server->state == STATE_WHOLE && server->out_ended;

    bool more = !conn->ended || bufq_bytes(&conn->in) > 0; /* pipelined ones are answered after the client's end too */
    if (whole && !server->must_close && server->peer_keeps && more) {
        next_request(server);
        return true;
    }
    /* The client asked for the end and sent nothing behind it: nothing unread can turn the close into a reset. */
    bool quiet = whole && bufq_bytes(&conn->in) == 0 && conn_unsent(conn) == 0 && (!server->peer_keeps || conn->ended);
    conn_close(conn, quiet ? CONN_CLOSE_NOW : CONN_CLOSE_LINGER);
    return false;
}

static void server_abort(struct stream *stream)
{
    struct h1_server *server = detach(stream);

    conn_close(&server->session.conn, CONN_CLOSE_RESET);
}

static bool server_idle(struct session *session)
{
    struct h1_server *server = CONTAINER_OF(session, struct h1_server, session);

    return !server->stream && !conn_closing(&session->conn);
}

static void server_drain(struct session *session)
{
    struct h1_server *server = CONTAINER_OF(session, struct h1_server, session);

    server->must_close = true;
    bool quiet = server_idle(session) && !server->head_begun && seat_quiet(session->conn.seat);
    if (quiet)
        conn_close(&session->conn, CONN_CLOSE_IDLE);
    else if (server->tunnel && server->stream)
        server->stream->notify(server->stream, STREAM_DRAIN);
}

static bool server_rest(struct session *session)
{
    struct h1_server *server = CONTAINER_OF(session, struct h1_server, session);

    return server_idle(session) && !server->head_begun && !server->must_close && conn_rise(&session->conn);
}

static const struct session_ops server_ops = {
    .name = "HTTP/1.1",
    .via = {"1.1", 3},
    .send_head = server_send_head,
    .send_body = server_send_body,
    .send_end = server_send_end,
    .room = server_room,
    .taken = server_taken,
    .consumed = server_consumed,
    .finish = server_finish,
    .abort = server_abort,
    .drain = server_drain,
    .idle = server_idle,
    .rest = server_rest,
    .splice = &server_splice,
};

void h1_server_begin(struct h1_server *server, const struct h1_server_options *options, struct session_owner *owner,
                     int64_t began_ns)
{
    memset((char *)server + sizeof(server->session), 0, sizeof(*server) - sizeof(server->session));
    server->session.ops = &server_ops;
    server->session.conn.events = &server_events;
    server->options = options;
    server->owner = owner;
    wait_for_head(server);
    if (began_ns == 0)
        return;
    server->began_ns = began_ns;
    server->head_begun = true;
    conn_set_deadline(&server->session.conn, began_ns / 1000000 + options->request_head_ms);
}

static void init_session(struct h1_server *server)
{
    memset(&server->session, 0, sizeof(server->session));
    server->session.magic = SESSION_MAGIC;
    list_init(&server->session.link);
}

int h1_server_start(struct h1_server *server, struct seat *seat, struct io *io, int fd,
                    const struct sockaddr_storage *peer, const struct transport_use *transport,
                    const struct h1_server_options *options, struct session_owner *owner)
{
    init_session(server);
    conn_init(&server->session.conn, seat, io, &server_events);
    int error = transport ? conn_use(&server->session.conn, transport) : 0;
    if (!error)
        error = conn_accept(&server->session.conn, fd, peer);
    if (!error)
        h1_server_begin(server, options, owner, 0);
    return error;
}

void h1_server_resume(struct h1_server *server, struct seat *seat, const struct h1_server_options *options,
                      struct session_owner *owner)
{
    init_session(server);
    conn_sit(&server->session.conn, seat, &server_events);
    h1_server_begin(server, options, owner, 0);
}
