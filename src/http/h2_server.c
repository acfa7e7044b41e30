/* The client side's HTTP/2 session: requests as streams of one connection. Owned by a reactor, on its thread. A request
 * is handed over when its head is whole; what the library refuses before that (RFC 9113 sections 5 to 8) never becomes
 * one. */
#include "http/h2_server.h"

#include "http/h2_head.h"
#include "http/h2_library.h"

static struct h2_server *of_h2(struct h2_session *h2)
{
    return CONTAINER_OF(h2, struct h2_server, h2);
}

static struct h2_server *of_conn(struct conn *conn)
{
    struct h2_server *server = CONTAINER_OF(conn, struct h2_server, h2.session.conn);
    ASSERT_MAGIC(&server->h2.session, SESSION_MAGIC);
    return server;
}

/* ---- requests ---- */

static void refuse(struct h2_session *h2, int32_t id)
{
    h2->room->counts.streams_refused++;
    of_h2(h2)->owner->head_lost(of_h2(h2)->owner, -ERR_FULL);
    if (nghttp2_submit_rst_stream(h2->library, NGHTTP2_FLAG_NONE, id, H2_REFUSED_STREAM) != 0)
        h2_session_die(h2);
}

static void begin_request(struct h2_session *h2, int32_t id, bool ended)
{
    struct h2_server *server = of_h2(h2);
    uint64_t most = server->common->body_bytes;

    struct h2_stream *h2s = slab_take(&h2->room->streams);
    struct stream *stream = h2s ? server->owner->open(server->owner, &h2->session) : NULL;
    if (!stream) {
        if (h2s)
            slab_give(&h2->room->streams, h2s);
        refuse(h2, id);
        return;
    }
    h2_stream_begin(h2s, h2, id, stream);
    stream->began_ns = io_now_ns(h2->session.conn.io);
    int error = h2_head_request(stream, &h2->block, h2->limits, ended);
    if (!error && most && stream->head.body == MSG_BODY_LENGTH && (uint64_t)stream->head.length > most)
        error = -ERR_REQUEST_BODY_SIZE;
    h2s->whole = ended;
    if (error) {
        h2_stream_fail(h2s, error);
        return;
    }
    stream->notify(stream, STREAM_HEAD);
    if (ended)
        h2_stream_note_whole(h2s, 0);
    h2s->upgrading = stream->head.must_switch;
    if (h2s->upgrading) { /* whole as it is, until the answer makes a tunnel of it */
        stream->ended = true;
        stream->notify(stream, STREAM_END);
    }
}

static void on_head(struct h2_session *h2, int32_t id, struct h2_stream *h2s, bool ended)
{
    if (!h2s) {
        if (!h2->ending && nghttp2_session_get_stream_local_close(h2->library, id) == 0)
            begin_request(h2, id, ended);
        return;
    }
    if (h2s->stream->failed)
        return;
    int error = h2_head_trailers(h2s->stream, &h2->block);
    if (error)
        h2_stream_fail(h2s, error);
    else
        h2_stream_note_whole(h2s, 0);
}

static int on_body(struct h2_session *h2, struct h2_stream *h2s)
{
    uint64_t most = of_h2(h2)->common->body_bytes;

    if (h2s->upgrading)
        return h2s->tunnel ? 0 : -ERR_REQUEST_STREAM; /* nobody has taken it yet */
    return most && h2s->received > most ? -ERR_REQUEST_BODY_SIZE : 0;
}

/* ---- ends ---- */

/* conn has one deadline; the notice of an end has its own time. */
static void set_timer(struct h2_server *server)
{
    int64_t notice_ends_ms = h2_session_notice_ends_ms(&server->h2);

    conn_set_deadline(&server->h2.session.conn,
                      notice_ends_ms < server->silent_at_ms ? notice_ends_ms : server->silent_at_ms);
}

static void set_deadline(struct h2_session *h2)
{
    const struct h1_server_options *common = of_h2(h2)->common;
    int64_t ms = h2->block_of || h2->begun == 0 ? common->request_head_ms : common->client_idle_ms;
    bool waits = h2->block_of != 0 || h2->stream_count == 0;

    of_h2(h2)->silent_at_ms = waits ? io_now_ms(h2->session.conn.io) + ms : TIMER_NEVER;
    set_timer(of_h2(h2));
}

static void on_over(struct h2_session *h2)
{
    struct conn *conn = &h2->session.conn;

    conn_close(conn, h2->dead ? CONN_CLOSE_NOW : CONN_CLOSE_LINGER);
}

/* A client that has all of its answer, and has said all, may end the connection in the same moment. What a tunnel still
 * carries is cut off by any reset. */
static int end_error(const struct h2_stream *h2s, uint32_t h2_code)
{
    if (h2_code == H2_BROKEN)
        return -ERR_REQUEST_STREAM;
    bool has_left = h2s->out_framed && list_empty(&h2s->leaving);
    bool cut_off = !h2s->whole && (h2_code != H2_NO_ERROR || h2s->tunnel);
    bool lost = (h2_code == H2_LOST && !has_left) || !h2s->out_framed || cut_off;
    return lost ? -ERR_CLIENT_GONE : 0;
}

static const struct h2_role server_role = {
    .on_head = on_head,
    .on_body = on_body,
    .set_deadline = set_deadline,
    .on_over = on_over,
    .end_error = end_error,
    .gone_error = -ERR_CLIENT_GONE,
    .tells_sent = true,
};

static void on_received(struct conn *conn)
{
    h2_session_take(&of_conn(conn)->h2);
}

static void on_sent(struct conn *conn)
{
    h2_session_note_sent(&of_conn(conn)->h2);
}

static void on_ended(struct conn *conn, int error)
{
    struct h2_server *server = of_conn(conn);

    if (server->h2.block_of || error == -ERR_NO_MEMORY)
        server->owner->head_lost(server->owner, error == -ERR_NO_MEMORY ? error : -ERR_CLIENT_GONE);
    h2_session_die(&server->h2);
}

static void on_send_failed(struct conn *conn, int error)
{
    h2_session_die(&of_conn(conn)->h2);
}

/* Told by each flush: one that is dead already has nothing to die of any more. */
static void on_broken(struct conn *conn)
{
    struct h2_session *h2 = &of_conn(conn)->h2;

    if (!conn->seat->sock.rx && !h2->dead)
        h2_session_die(h2);
}

static void on_timeout(struct conn *conn)
{
    struct h2_server *server = of_conn(conn);

    h2_session_note_unseen(&server->h2);
    if (io_now_ms(conn->io) < server->silent_at_ms) {
        set_timer(server);
        return;
    }
    if (server->h2.block_of)
        server->owner->head_lost(server->owner, -ERR_REQUEST_HEAD_TIMEOUT);
    if (server->h2.stream_count > 0)
        h2_session_punish(&server->h2, H2_ENHANCE_YOUR_CALM);
    else
        h2_session_goodbye(&server->h2);
}

static void on_closed(struct conn *conn)
{
    struct h2_server *server = of_conn(conn);

    h2_session_fini(&server->h2);
    server->owner->closed(server->owner, &server->h2.session);
}

static const struct conn_events server_events = {
    .on_received = on_received,
    .on_sent = on_sent,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_broken = on_broken,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- what goes out ---- */

/* What was a whole request goes on. RFC 8441 section 5: a 200 is what a 101 is in HTTP/1.1. */
static int send_switch(struct h2_stream *h2s, const struct msg *msg)
{
    struct msg head = *msg;

    head.status = 200;
    head.length = -1;
    h2s->headed = true;
    h2s->tunnel = true;
    h2s->stream->ended = h2s->whole;
    if (of_h2(h2s->h2)->stops)
        h2s->stream->notify(h2s->stream, STREAM_DRAIN);
    h2_session_flush(h2s->h2);
    return h2_library_send_answer(h2s, &head, false);
}

static int server_send_head(struct stream *stream, const struct msg *msg)
{
    struct h2_stream *h2s = h2_stream_of(stream);
    bool final = msg->status >= 200;

    if (msg->status == 101)
        return send_switch(h2s, msg);

    if (final) {
        bool never = stream->head.method == METHOD_HEAD || msg->status == 204 || msg->status == 304;
        h2s->headed = true;
        h2s->bodiless = never || msg->body == MSG_BODY_NONE || (msg->body == MSG_BODY_LENGTH && msg->length == 0);
        if (!h2s->bodiless && msg->body == MSG_BODY_LENGTH)
            h2s->out_left = msg->length;
    }
    h2_session_flush(h2s->h2);
    return h2_library_send_answer(h2s, msg, final && h2s->bodiless);
}

/* RFC 9113 section 8.1: an answer that does not need the rest of the request ends in a reset without error. */
static bool server_finish(struct stream *stream)
{
    h2_stream_release(h2_stream_of(stream), H2_NO_ERROR);
    return true;
}

static void server_abort(struct stream *stream)
{
    h2_stream_release(h2_stream_of(stream), stream->failed ? H2_PROTOCOL_ERROR : H2_INTERNAL_ERROR);
}

static void server_drain(struct session *session)
{
    struct h2_session *h2 = CONTAINER_OF(session, struct h2_session, session);

    of_h2(h2)->stops = true;
    h2_session_drain(h2);
    set_timer(of_h2(h2));
    LIST_FOREACH (link, &h2->streams) {
        struct h2_stream *h2s = CONTAINER_OF(link, struct h2_stream, link);
        if (h2s->tunnel)
            h2s->stream->notify(h2s->stream, STREAM_DRAIN);
    }
}

static void server_retire(struct session *session)
{
    struct h2_session *h2 = CONTAINER_OF(session, struct h2_session, session);

    h2_session_retire(h2);
    set_timer(of_h2(h2));
}

static bool server_idle(struct session *session)
{
    struct h2_session *h2 = CONTAINER_OF(session, struct h2_session, session);

    return h2->stream_count == 0 && !conn_closing(&session->conn);
}

static const struct session_ops server_ops = {
    .name = "HTTP/2",
    .via = {"2", 1},
    .send_head = server_send_head,
    .send_body = h2_stream_send_body,
    .send_end = h2_stream_send_end,
    .room = h2_stream_room,
    .taken = h2_stream_taken,
    .consumed = h2_stream_consumed,
    .finish = server_finish,
    .abort = server_abort,
    .drain = server_drain,
    .retire = server_retire,
    .idle = server_idle,
};

int h2_server_begin(struct h2_server *server, const struct h2_server_options *options,
                    const struct h1_server_options *common, struct h2_room *room, struct session_owner *owner)
{
    struct h2_session *h2 = &server->h2;

    server->owner = owner;
    server->common = common;
    server->stops = false;
    int error = h2_session_init(h2, &server_role, room, &common->limits, options->floods, true, options->streams,
                                options->tunnels);
    if (error)
        return error;
    h2->session.ops = &server_ops;
    h2->session.conn.events = &server_events;
    set_deadline(h2);
    conn_read(&h2->session.conn, true);
    h2_session_take(h2);
    return 0;
}
