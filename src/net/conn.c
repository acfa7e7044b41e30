/* A conn's life: opening, the two directions, the end. Owned by one session on one thread; told of completions by the
 * transport. Kept apart from sessions so that TLS and every HTTP version share one place that knows how sockets end. */
#include "net/conn.h"

#include "base/err.h"

enum { CONN_MAGIC = 0x636f6e6e };

enum conn_state {
    CONN_UNOPENED,
    CONN_CONNECTING,
    CONN_OPEN,
    CONN_FLUSHING,  /* lingering: unsent bytes leave */
    CONN_LINGERING, /* lingering: our end is said, the peer's is awaited */
    CONN_PARTING,   /* closing at once, but for the transport's word of it */
    CONN_CLOSING,   /* the close op is in flight */
    CONN_CLOSED
};

static void receive_more(struct conn *conn)
{
    if (conn->seat->sock.rx || conn->ended || !conn->ready)
        return;
    bool lingering = conn->state == CONN_FLUSHING || conn->state == CONN_LINGERING;
    if (!lingering && !conn->reading)
        return;
    if (lingering || !conn->in_pipe || conn->in_left == 0 || bufq_bytes(&conn->in) > 0)
        conn->transport->receive(conn);
    else if (conn->in_pipe->held == 0)
        conn->transport->splice_in(conn);
}

static void drop_pipe(struct io_pipe **pipe)
{
    io_pipe_unref(*pipe);
    *pipe = NULL;
}

/* Sends what comes next. False: there is nothing. */
static bool send_more(struct conn *conn)
{
    if (bufq_bytes(&conn->out) > 0)
        conn->transport->send(conn);
    else if (conn->out_pipe)
        conn->transport->splice_out(conn);
    else
        return false;
    return true;
}

static void on_io_closed(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, closer);

    ASSERT(conn->state == CONN_CLOSING);
    conn->state = CONN_CLOSED;
    conn->seat->conn = NULL;
    bufq_clear(&conn->in);
    bufq_clear(&conn->out);
    drop_pipe(&conn->in_pipe);
    drop_pipe(&conn->out_pipe);
    conn->transport->fini(conn);
    conn->events->on_closed(conn);
}

static void start_closing(struct conn *conn, bool reset)
{
    conn->state = CONN_CLOSING;
    io_timer_fini(conn->io, &conn->seat->timer);
    io_task_cancel(&conn->flush);
    conn->closer.done = on_io_closed;
    io_close(&conn->seat->sock, &conn->closer, reset);
}

static void say_end(struct conn *conn)
{
    if (conn->end_said || conn->send_failed)
        return;
    conn->end_said = true;
    conn->end_said_ms = io_now_ms(conn->io);
    conn->transport->end(conn);
}

/* A peer that takes no byte is waited for no longer than one that lingers. */
static void part(struct conn *conn)
{
    conn->state = CONN_PARTING;
    conn->reading = false;
    io_timer_set(conn->io, &conn->seat->timer, io_now_ms(conn->io) + CONN_LINGER_MS);
    say_end(conn);
}

/* Lingering, step by step: what waits is sent, our end is said, the peer's end is awaited. */
static void linger_on(struct conn *conn)
{
    bool sent = conn->state == CONN_FLUSHING && conn_unsent(conn) == 0;

    if (sent && conn->ended && conn->transport->says_end && !conn->end_said && !conn->send_failed) {
        part(conn);
        return;
    }
    if (sent) {
        conn->state = CONN_LINGERING;
        if (!conn->ended)
            say_end(conn);
    }
    if (conn->state != CONN_LINGERING)
        return;
    if (conn->ended || conn->send_failed || conn->lingered > CONN_LINGER_BYTES)
        start_closing(conn, false);
    else
        receive_more(conn);
}

static void on_flush(struct io_task *task)
{
    struct conn *conn = CONTAINER_OF(task, struct conn, flush);

    if (conn->seat->sock.broken && conn->state == CONN_OPEN && conn->events->on_broken)
        conn->events->on_broken(conn);
    if (conn->seat->sock.tx || !conn->ready || conn->state > CONN_FLUSHING)
        return;
    if (send_more(conn))
        return;
    if (conn->state == CONN_FLUSHING)
        linger_on(conn);
    else if (conn->end_when_sent && conn->state == CONN_OPEN)
        say_end(conn);
}

void conn_note_timeout(struct conn *conn)
{
    if (conn->state >= CONN_FLUSHING && conn->state <= CONN_PARTING)
        start_closing(conn, false);
    else if (conn->state < CONN_FLUSHING)
        conn->events->on_timeout(conn);
}

static void take_seat(struct conn *conn, struct seat *seat, struct io *io, const struct conn_events *events)
{
    ASSERT(!seat->conn && !seat->closing);
    memset(conn, 0, sizeof(*conn));
    conn->magic = CONN_MAGIC;
    conn->io = io;
    conn->events = events;
    conn->transport = &transport_plain;
    conn->seat = seat;
    seat->conn = conn;
    bufq_init(&conn->in, io_buffers(io));
    bufq_init(&conn->out, io_buffers(io));
    io_task_init(&conn->flush, on_flush);
}

void conn_init(struct conn *conn, struct seat *seat, struct io *io, const struct conn_events *events)
{
    ASSERT(seat->sock.fd < 0);
    take_seat(conn, seat, io, events);
}

void conn_sit(struct conn *conn, struct seat *seat, const struct conn_events *events)
{
    ASSERT(seat->sock.fd >= 0);
    take_seat(conn, seat, seat->sock.io, events);
    seat->sock.on_broken = &conn->flush;
    conn->state = CONN_OPEN;
    conn->ready = true;
    conn->reading = true;
}

/* What waits is a receive like that of a free seat, and neither its bytes nor its end are there yet. */
static bool awaits_bytes(const struct conn *conn)
{
    const struct io_op *rx = conn->seat->sock.rx;

    return rx && rx->kind == IO_OP_RECV && !rx->completed && !rx->cancelled && !conn->lent;
}

bool conn_rise(struct conn *conn)
{
    struct seat *seat = conn->seat;
    bool settled = conn->transport->rises && conn->state == CONN_OPEN && conn->reading && !conn->end_when_sent &&
                   !conn->send_failed && !list_linked(&conn->flush.link);

    if (!settled || !awaits_bytes(conn) || seat->sock.tx || seat->sock.broken || !conn_quiet(conn) ||
        conn_unsent(conn) > 0 || conn->in_pipe)
        return false;
    seat->sock.on_broken = NULL;
    seat->conn = NULL;
    conn->magic = 0;
    return true;
}

int conn_use(struct conn *conn, const struct transport_use *use)
{
    ASSERT(conn->state == CONN_UNOPENED);
    if (!use->transport)
        return 0;
    conn->transport = use->transport;
    return use->transport->init(conn, use->settings, use->room);
}

int conn_accept(struct conn *conn, int fd, const struct sockaddr_storage *peer)
{
    ASSERT_MAGIC(conn, CONN_MAGIC);
    int error = io_adopt(conn->io, &conn->seat->sock, fd);
    if (error) {
        conn->transport->fini(conn);
        return error;
    }
    conn->seat->sock.on_broken = &conn->flush;
    seat_keep_peer(conn->seat, peer);
    conn->state = CONN_OPEN;
    conn->transport->start(conn);
    return 0;
}

static void on_connected(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, tx);

    if (conn->state != CONN_CONNECTING)
        return; /* closed meanwhile: on_closed follows */
    conn->state = CONN_OPEN;
    if (op->result) {
        conn_note_ready(conn, op->result);
        return;
    }
    conn->transport->start(conn);
}

int conn_connect(struct conn *conn, struct sockaddr_storage *to)
{
    ASSERT_MAGIC(conn, CONN_MAGIC);
    int error = io_open(conn->io, &conn->seat->sock, to->ss_family);
    if (error) {
        conn->transport->fini(conn);
        return error;
    }
    seat_keep_peer(conn->seat, to);
    conn->state = CONN_CONNECTING;
    conn->tx.done = on_connected;
    io_connect(&conn->seat->sock, &conn->tx, to);
    return 0;
}

static void note_end(struct conn *conn, int error)
{
    if (conn->ended)
        return;
    conn->ended = true;
    if (conn->state == CONN_FLUSHING || conn->state == CONN_LINGERING)
        linger_on(conn);
    else if (conn->state <= CONN_OPEN)
        conn->events->on_ended(conn, error);
}

void conn_note_ready(struct conn *conn, int error)
{
    if (error) {
        note_end(conn, error);
        return;
    }
    conn->ready = true;
    if (bufq_bytes(&conn->out) > 0)
        conn_flush(conn);
    conn->events->on_ready(conn);
    if (conn->state == CONN_OPEN)
        receive_more(conn);
}

/* What every receive comes to; false when there are bytes for the owner. */
static bool receive_ended(struct conn *conn, int result)
{
    if (conn->state >= CONN_CLOSING)
        return true;
    if (result == -ERR_CANCELLED) { /* to make way for a splice, or the other way round */
        receive_more(conn);
        return true;
    }
    if (result <= 0) {
        note_end(conn, result);
        return true;
    }
    if (conn->state == CONN_OPEN)
        return false;
    conn->lingered += (uint32_t)result;
    bufq_clear(&conn->in);
    linger_on(conn);
    if (conn->state < CONN_CLOSING)
        receive_more(conn);
    return true;
}

void conn_note_received(struct conn *conn, int result)
{
    if (receive_ended(conn, result))
        return;
    conn->events->on_received(conn);
    if (conn->state < CONN_CLOSING)
        receive_more(conn);
}

/* By conn_splice_in_stop: what had come all the same is as if it had been received. */
static void note_stopped(struct conn *conn, int result)
{
    int error = result > 0 ? io_pipe_drain(conn->in_pipe, &conn->in) : 0;

    drop_pipe(&conn->in_pipe);
    conn_note_received(conn, error ? error : result);
}

void conn_note_spliced(struct conn *conn, int result)
{
    if (conn->in_pipe && conn->seat->rx.cancelled) {
        note_stopped(conn, result);
        return;
    }
    if (receive_ended(conn, result))
        return;
    if (conn->in_pipe) { /* else the owner has given up on what it is about */
        conn->in_left -= (uint32_t)result;
        if (conn->in_left == 0)
            drop_pipe(&conn->in_pipe);
        conn->events->on_spliced(conn, (size_t)result);
    }
    if (conn->state < CONN_CLOSING)
        receive_more(conn);
}

/* What finds no memory goes on through the pipe. */
static void copy_out(struct conn *conn)
{
    if (io_pipe_drain(conn->out_pipe, &conn->out) == 0)
        drop_pipe(&conn->out_pipe);
}

void conn_note_sent(struct conn *conn, int result)
{
    if (conn->state >= CONN_CLOSING)
        return;
    if (result == -ERR_CANCELLED) { /* by conn_splice_out_stop: nothing has left */
        copy_out(conn);
        (void)send_more(conn);
        return;
    }
    if (result < 0) {
        conn->send_failed = true;
        bufq_clear(&conn->out);
        drop_pipe(&conn->out_pipe);
        if (conn->state == CONN_OPEN)
            conn->events->on_send_failed(conn, result);
        else if (conn->state == CONN_PARTING)
            start_closing(conn, false);
        else
            linger_on(conn);
        return;
    }
    if (conn->state == CONN_PARTING) {
        start_closing(conn, false);
        return;
    }
    conn->seat->sent += (uint32_t)result;
    if (conn->out_pipe && (conn->out_pipe->held == 0 || conn->tx.cancelled))
        copy_out(conn);
    if (!send_more(conn) && conn->end_when_sent && conn->state == CONN_OPEN)
        say_end(conn);
    if (conn->state == CONN_OPEN)
        conn->events->on_sent(conn);
    else if (conn->state == CONN_FLUSHING)
        linger_on(conn);
}

void conn_note_leaving(struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        conn->events->on_sent(conn);
}

void conn_read(struct conn *conn, bool wanted)
{
    conn->reading = wanted;
    if (wanted && conn->state == CONN_OPEN)
        receive_more(conn);
}

void conn_flush(struct conn *conn)
{
    if (conn->send_failed)
        bufq_clear(&conn->out);
    else if (conn->state <= CONN_FLUSHING)
        io_task_queue(conn->io, &conn->flush);
}

/* A segment saved, and its receiver woken once. Not where the transport has to say the end first. */
void conn_note_last(struct conn *conn)
{
    conn->seat->sock.more = !conn->transport->says_end;
}

void conn_end_sending(struct conn *conn)
{
    conn->end_when_sent = true;
    conn_flush(conn);
}

bool conn_splices(const struct conn *conn)
{
    return conn->transport->splice_in != NULL;
}

void conn_splice_in(struct conn *conn, struct io_pipe *pipe, uint64_t n)
{
    struct io_pipe *before = conn->in_pipe;

    ASSERT(!pipe || n > 0);
    conn->in_pipe = pipe ? io_pipe_ref(pipe) : NULL;
    conn->in_left = n;
    io_pipe_unref(before);
    if (before != pipe && conn->state == CONN_OPEN && conn->seat->sock.rx)
        io_cancel(conn->seat->sock.rx);
}

void conn_splice_out(struct conn *conn, struct io_pipe *pipe)
{
    if (pipe->held == 0 || conn->send_failed)
        return;
    ASSERT(!conn->out_pipe);
    conn->out_pipe = io_pipe_ref(pipe);
    conn_flush(conn);
}

void conn_splice_in_stop(struct conn *conn)
{
    struct io_op *rx = conn->seat->sock.rx;

    if (conn->in_pipe && rx && rx->kind == IO_OP_SPLICE_IN)
        io_cancel(rx);
    else
        drop_pipe(&conn->in_pipe);
}

void conn_splice_out_stop(struct conn *conn)
{
    struct io_op *tx = conn->seat->sock.tx;

    if (!conn->out_pipe)
        return;
    if (tx && tx->kind == IO_OP_SPLICE_OUT)
        io_cancel(tx);
    else
        copy_out(conn);
    conn_flush(conn);
}

size_t conn_unsent(const struct conn *conn)
{
    return bufq_bytes(&conn->out) + (conn->out_pipe ? conn->out_pipe->held : 0);
}

void conn_set_deadline(struct conn *conn, int64_t due_ms)
{
    if (conn->state > CONN_OPEN)
        return;
    if (due_ms == TIMER_NEVER)
        timer_stop(&conn->seat->timer);
    else
        io_timer_set(conn->io, &conn->seat->timer, due_ms);
}

/* Nothing is cut off by the close, and the peer would take silence for a cut. */
static bool may_part(const struct conn *conn)
{
    return conn->transport->says_end && conn->state == CONN_OPEN && conn->ready && !conn->end_said &&
           !conn->send_failed && !conn->seat->sock.broken && conn_unsent(conn) == 0;
}

void conn_close(struct conn *conn, enum conn_close_how how)
{
    ASSERT_MAGIC(conn, CONN_MAGIC);
    if (conn->state >= CONN_CLOSING)
        return;
    ASSERT(conn->state != CONN_UNOPENED);
    if (how == CONN_CLOSE_NOW && may_part(conn)) {
        part(conn);
        return;
    }
    bool lingers = how == CONN_CLOSE_LINGER || how == CONN_CLOSE_IDLE;
    if (!lingers || conn->state == CONN_CONNECTING || !conn->ready) {
        start_closing(conn, how == CONN_CLOSE_RESET);
        return;
    }
    if (conn->state != CONN_OPEN)
        return;
    conn->state = CONN_FLUSHING;
    drop_pipe(&conn->in_pipe);
    bufq_clear(&conn->in);
    int64_t linger_ms = how == CONN_CLOSE_IDLE ? SEAT_LINGER_MS : CONN_LINGER_MS;
    int64_t since_ms = conn->end_said ? conn->end_said_ms : io_now_ms(conn->io);
    io_timer_set(conn->io, &conn->seat->timer, since_ms + linger_ms);
    /* From a task: the owner may be in the middle of its own end, and events never come from inside a call. */
    io_task_queue(conn->io, &conn->flush);
    receive_more(conn);
}

bool conn_closing(const struct conn *conn)
{
    return conn->state > CONN_OPEN;
}

uint64_t conn_taken(const struct conn *conn, bool settled)
{
    uint64_t sent = conn->seat->sent, untaken = settled || conn->seat->sock.tx ? io_untaken(&conn->seat->sock) : 0;

    return untaken < sent ? sent - untaken : 0; /* where the kernel encrypts, it counts more than was given to it */
}

bool conn_peer_ended(const struct conn *conn)
{
    return conn->ended || seat_peer_ended(conn->seat);
}

bool conn_quiet(const struct conn *conn)
{
    return !conn->ended && seat_quiet(conn->seat) && bufq_bytes(&conn->in) == 0;
}

struct str conn_alpn(const struct conn *conn)
{
    return conn->transport->word(conn, TRANSPORT_ALPN);
}

struct str conn_word(const struct conn *conn, enum transport_word word)
{
    return conn->transport->word(conn, word);
}

struct str conn_scheme(const struct conn *conn)
{
    return conn->transport->scheme;
}

struct str conn_peer_host(const struct conn *conn, char *out)
{
    return seat_peer_host(conn->seat, out);
}
