/* Chooses the version. Owned by a reactor, on its thread. The decision falls with the first bytes that are not the
 * preface of HTTP/2, for almost every client with its first packet; until then the door answers for the session. */
#include "http/client_door.h"

static union client_door *of_conn(struct conn *conn)
{
    struct session *session = CONTAINER_OF(conn, struct session, conn);

    ASSERT_MAGIC(session, SESSION_MAGIC);
    return CONTAINER_OF(session, union client_door, session);
}

/* What came and whatever comes is for HTTP/1. */
static void become_h1(union client_door *door)
{
    struct client_undecided before = door->undecided;

    h1_server_begin(&door->h1, before.options->h1, before.owner, before.began_ns);
}

static void become_h2(union client_door *door)
{
    const struct client_undecided *undecided = &door->undecided;
    const struct client_door_options *options = undecided->options;
    struct session_owner *owner = undecided->owner;

    if (h2_server_begin(&door->h2, options->h2, options->h1, options->room, owner) == 0) {
        if (owner->retiring || door->session.conn.seat->leaving)
            session_retire(&door->session);
        return;
    }
    owner->head_lost(owner, -ERR_NO_MEMORY);
    door->undecided.options = options;
    door->undecided.owner = owner;
    conn_close(&door->session.conn, CONN_CLOSE_NOW);
}

/* How much of the preface the bytes are: all of them 1, a beginning 0, none -1. */
static int match_preface(struct bufq *in)
{
    size_t n = bufq_bytes(in) < H2_PREFACE_BYTES ? bufq_bytes(in) : H2_PREFACE_BYTES;
    struct str front = bufq_front(in);

    if (n == 0 || memcmp(front.p, H2_PREFACE, front.n < n ? front.n : n) != 0)
        return n == 0 ? 0 : -1;
    if (bufq_gather(in, n, BUF_CHUNK_CAP) != 0 || memcmp(bufq_front(in).p, H2_PREFACE, n) != 0)
        return -1;
    return n == H2_PREFACE_BYTES;
}

/* RFC 9113 section 3.2: over TLS nothing but the handshake's word makes it HTTP/2. */
static void on_ready(struct conn *conn)
{
    union client_door *door = of_conn(conn);
    struct str agreed = conn_alpn(conn);

    if (str_eq(agreed, STR("h2")) && door->undecided.options->h2->enabled) {
        become_h2(door);
        return;
    }
    if (agreed.n > 0 || str_eq(conn_scheme(conn), STR("https")))
        become_h1(door);
    conn_read(conn, true);
}

static void on_received(struct conn *conn)
{
    union client_door *door = of_conn(conn);
    const struct client_door_options *options = door->undecided.options;
    int matches = options->h2->enabled ? match_preface(&conn->in) : -1;

    if (matches > 0) {
        become_h2(door);
    } else if (matches < 0) {
        become_h1(door);
        conn->events->on_received(conn);
    } else if (!door->undecided.began_ns) {
        door->undecided.began_ns = io_now_ns(conn->io);
        conn_set_deadline(conn, io_now_ms(conn->io) + options->h1->request_head_ms);
    }
}

/* Bytes that could still have been the preface are a head that was begun. */
static void give_up(struct conn *conn)
{
    become_h1(of_conn(conn));
    if (bufq_bytes(&conn->in) > 0)
        conn->events->on_received(conn);
}

static void on_ended(struct conn *conn, int error)
{
    give_up(conn);
    conn->events->on_ended(conn, error);
}

static void on_send_failed(struct conn *conn, int error)
{
    conn_close(conn, CONN_CLOSE_NOW);
}

/* Most of the preface is a whole head to HTTP/1: that one is answered, and not late. */
static void on_timeout(struct conn *conn)
{
    give_up(conn);
    if (!of_conn(conn)->h1.stream && !conn_closing(conn))
        conn->events->on_timeout(conn);
}

static void on_closed(struct conn *conn)
{
    struct client_undecided *undecided = &of_conn(conn)->undecided;

    undecided->owner->closed(undecided->owner, &undecided->session);
}

static const struct conn_events undecided_events = {
    .on_ready = on_ready,
    .on_received = on_received,
    .on_ended = on_ended,
    .on_send_failed = on_send_failed,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

static void undecided_drain(struct session *session)
{
    struct conn *conn = &session->conn;

    if (bufq_bytes(&conn->in) == 0) {
        if (!conn->ready || seat_quiet(conn->seat))
            conn_close(conn, CONN_CLOSE_IDLE);
        return;
    }
    become_h1(of_conn(&session->conn));
    session->conn.events->on_received(&session->conn);
    session_drain(session);
}

static bool undecided_idle(struct session *session)
{
    return !conn_closing(&session->conn);
}

static const struct session_ops undecided_ops = {
    .name = "none",
    .drain = undecided_drain,
    .idle = undecided_idle,
};

static void init_undecided(struct client_undecided *undecided, const struct client_door_options *options,
                           struct session_owner *owner)
{
    memset(undecided, 0, sizeof(*undecided));
    undecided->session.magic = SESSION_MAGIC;
    undecided->session.ops = &undecided_ops;
    list_init(&undecided->session.link);
    undecided->options = options;
    undecided->owner = owner;
}

int client_door_open(union client_door *door, struct seat *seat, struct io *io, int fd,
                     const struct sockaddr_storage *peer, const struct transport_use *transport,
                     const struct client_door_options *options, struct session_owner *owner)
{
    struct conn *conn = &door->session.conn;

    init_undecided(&door->undecided, options, owner);
    conn_init(conn, seat, io, &undecided_events);
    int error = transport ? conn_use(conn, transport) : 0;
    if (!error)
        error = conn_accept(conn, fd, peer);
    if (!error)
        conn_set_deadline(conn, io_now_ms(io) + options->h1->client_idle_ms);
    return error;
}

/* Whoever was answered before has spoken HTTP/1: nothing else rests. */
void client_door_sit(union client_door *door, struct seat *seat, const struct client_door_options *options,
                     struct session_owner *owner)
{
    if (seat->sent > 0 || !options->h2->enabled) {
        h1_server_resume(&door->h1, seat, options->h1, owner);
        return;
    }
    init_undecided(&door->undecided, options, owner);
    conn_sit(&door->session.conn, seat, &undecided_events);
}
