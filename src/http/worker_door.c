/* Chooses the version. Owned by a lease book or a prober, on its thread. Where only HTTP/1 can come of it the session
 * is one from the start. */
#include "http/worker_door.h"

static union worker_door *of_conn(struct conn *conn)
{
    struct session *session = CONTAINER_OF(conn, struct session, conn);

    ASSERT_MAGIC(session, SESSION_MAGIC);
    return CONTAINER_OF(session, union worker_door, session);
}

static bool speaks_h2(const struct conn *conn, enum worker_protocol protocol)
{
    return protocol == WORKER_H2C || str_eq(conn_alpn(conn), STR("h2"));
}

/* Tells ready itself, once it is. */
static int become_h2(union worker_door *door)
{
    const struct worker_undecided before = door->undecided;
    int error = h2_client_begin(&door->h2, &before.options->h2, &before.options->limits, before.user);

    if (error) { /* what stands in its place is the other session's */
        door->undecided.options = before.options;
        door->undecided.user = before.user;
    }
    return error;
}

static void on_ready(struct conn *conn)
{
    union worker_door *door = of_conn(conn);
    const struct worker_undecided before = door->undecided;
    bool h2 = speaks_h2(conn, before.protocol);
    int error = h2 ? become_h2(door) : before.protocol == WORKER_H2 ? -ERR_NO_HTTP2 : 0;

    if (h2 && !error)
        return;
    if (!error)
        h1_client_begin(&door->h1, &before.options->limits, before.user);
    before.user->ready(before.user, &door->session, error);
}

static void on_ended(struct conn *conn, int error)
{
    struct worker_undecided *undecided = &of_conn(conn)->undecided;

    undecided->user->ready(undecided->user, &undecided->session, error ? error : -ERR_CONN_CLOSED);
}

static void on_nothing(struct conn *conn)
{
}

static void on_send_failed(struct conn *conn, int error)
{
}

static void on_closed(struct conn *conn)
{
    struct worker_undecided *undecided = &of_conn(conn)->undecided;

    undecided->user->closed(undecided->user, &undecided->session);
}

/* Nothing is sent or read before it is ready, and it has no deadline of its own. */
static const struct conn_events undecided_events = {
    .on_ready = on_ready,
    .on_received = on_nothing,
    .on_sent = on_nothing,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_nothing,
    .on_closed = on_closed,
};

static void undecided_close(struct session *session)
{
    conn_close(&session->conn, CONN_CLOSE_NOW);
}

static bool undecided_idle(struct session *session)
{
    return false;
}

static const struct session_ops undecided_ops = {
    .name = "none",
    .drain = undecided_close,
    .idle = undecided_idle,
    .close = undecided_close,
};

int worker_door_open(union worker_door *door, struct seat *seat, struct io *io, struct sockaddr_storage *to,
                     const struct transport_use *transport, enum worker_protocol protocol,
                     const struct worker_door_options *options, struct session_user *user)
{
    struct session *session = &door->session;

    if (protocol == WORKER_HTTP1)
        return h1_client_start(&door->h1, seat, io, to, transport, &options->limits, user);
    memset(&door->undecided, 0, sizeof(door->undecided));
    session->magic = SESSION_MAGIC;
    session->ops = &undecided_ops;
    list_init(&session->link);
    door->undecided.options = options;
    door->undecided.user = user;
    door->undecided.protocol = protocol;
    conn_init(&session->conn, seat, io, &undecided_events);
    int error = transport ? conn_use(&session->conn, transport) : 0;
    return error ? error : conn_connect(&session->conn, to);
}
