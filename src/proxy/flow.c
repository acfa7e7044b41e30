/* The body pump. It knows streams only by session.h: the same for every version and both directions. Bytes move as
 * slices; a replay shares them. Owned by an exchange, on its reactor's thread. */
#include "proxy/flow.h"

void flow_init(struct flow *flow, struct stream *from, struct stream *to, bool keeping, struct buf_pool *pool)
{
    *flow = (struct flow){.from = from, .to = to, .keeping = keeping};
    bufq_init(&flow->replay, pool);
}

void flow_fini(struct flow *flow)
{
    bufq_clear(&flow->replay);
    io_pipe_unref(flow->pipe);
    flow->pipe = NULL;
}

void flow_forget(struct flow *flow)
{
    flow->keeping = false;
    bufq_clear(&flow->replay);
}

static int send_and_keep(struct flow *flow, size_t n)
{
    struct bufq part;

    bufq_init(&part, flow->replay.pool);
    int error = bufq_move(&part, &flow->from->body, n);
    if (!error)
        error = bufq_share(&flow->replay, &part);
    if (!error)
        error = session_send_body(flow->to, &part, n);
    bufq_clear(&part);
    return error;
}

static int send_some(struct flow *flow, size_t n)
{
    if (flow->keeping && bufq_bytes(&flow->replay) + n > FLOW_REPLAY_MAX)
        flow_forget(flow);
    int error = flow->keeping ? send_and_keep(flow, n) : session_send_body(flow->to, &flow->from->body, n);
    if (error)
        return error;
    flow->bytes += n;
    flow->row = n < BUF_CHUNK_CAP ? 0 : flow->row + n;
    if (!flow->from->ended && !flow->holding)
        session_consumed(flow->from);
    return 0;
}

/* A body that is kept only until a byte has left is not worth receiving before that. False: one has, and nothing is
 * kept any more. */
static bool holds(struct flow *flow)
{
    flow->holding = !flow->to->sent_bytes;
    flow->to->tell_sent = flow->holding;
    if (!flow->holding)
        flow_forget(flow);
    return flow->holding;
}

/* What waits is bulk, and the other side takes all of it. */
static bool may_borrow(struct flow *flow)
{
    size_t waiting = bufq_bytes(&flow->from->body);

    return waiting >= BUF_CHUNK_CAP && flow->row + waiting >= FLOW_BULK_BYTES && session_room(flow->to) >= waiting;
}

static void borrow(struct flow *flow)
{
    flow->row = 0;
    flow->loan_until = flow->bytes + bufq_bytes(&flow->from->body) + FLOW_LOAN_BYTES;
    flow->loan_ends_ms = io_now_ms(flow->pipe->io) + FLOW_LOAN_MS;
}

/* Who is silent keeps no pipe, nor does who reads nothing: then it is not empty. */
static bool loan_is_over(const struct flow *flow)
{
    if (!flow->loan_ends_ms)
        return false;
    return flow->from->ended || io_now_ms(flow->pipe->io) >= flow->loan_ends_ms ||
           (flow->pipe->held == 0 && flow->bytes >= flow->loan_until);
}

int flow_give_back(struct flow *flow)
{
    if (!flow->loan_ends_ms)
        return 0;
    int error = flow->handed ? 0 : io_pipe_drain(flow->pipe, &flow->from->body);
    if (error)
        return error;
    session_splice_stop(flow->from, flow->to);
    io_pipe_unref(flow->pipe);
    flow->pipe = NULL;
    flow->handed = false;
    flow->loan_ends_ms = 0;
    if (!flow->from->ended)
        session_consumed(flow->from);
    return 0;
}

/* Long bodies go around this process from here on, where both sides can and there is a pipe. Before bytes are taken, so
 * that no receive is on its way for what the pipe is to get. */
static void try_pipe(struct flow *flow)
{
    flow->holding = false;
    if (flow->pipe || flow->from->ended || flow->from->failed)
        return;
    if (session_splice_left(flow->from) < SESSION_SPLICE_MIN || (flow->borrows && !may_borrow(flow)))
        return;
    bool takes = session_splice_takes(flow->to);
    if (takes && flow->keeping && flow->once && holds(flow))
        return;
    if (takes && !flow->keeping)
        flow->pipe = io_pipe_take(flow->from->session->conn.io);
    if (flow->pipe && flow->borrows)
        borrow(flow);
    if (flow->pipe)
        session_splice_from(flow->from, flow->pipe);
    session_consumed(flow->from); /* it may have waited for this */
}

/* The pipe's part comes behind all that was copied. While it holds something only `to` is waited for. */
static int step_pipe(struct flow *flow)
{
    struct io_pipe *pipe = flow->pipe;

    if (pipe->held > 0 && !flow->handed) {
        int error = session_splice_to(flow->to, pipe);
        if (error)
            return error;
        flow->handed = true;
        flow->bytes += pipe->held;
    } else if (pipe->held == 0) {
        flow->handed = false;
        if (!flow->from->ended)
            session_consumed(flow->from);
    }
    flow->blocked = pipe->held > 0;
    return 0;
}

int flow_step(struct flow *flow)
{
    struct stream *from = flow->from;
    int error = loan_is_over(flow) ? flow_give_back(flow) : 0;

    flow->blocked = false;
    if (error)
        return error;
    try_pipe(flow);
    while (bufq_bytes(&from->body) > 0) {
        size_t room = session_room(flow->to);
        if (room == 0) {
            flow->blocked = true;
            return 0;
        }
        size_t waiting = bufq_bytes(&from->body);
        error = send_some(flow, waiting < room ? waiting : room);
        if (error)
            return error;
    }
    flow->blocked = flow->holding;
    error = flow->pipe ? step_pipe(flow) : 0;
    if (error || !from->ended || flow->done)
        return error;
    flow->done = true;
    if (flow->withheld.n > 0)
        fields_drop_named(from->trailers, from->trailer_count, flow->withheld);
    return session_send_end(flow->to, from->trailers, from->trailer_count);
}

bool flow_rewindable(const struct flow *flow)
{
    return bufq_bytes(&flow->replay) == flow->bytes;
}

int flow_rewind(struct flow *flow)
{
    ASSERT(flow_rewindable(flow));
    int error = bufq_move(&flow->replay, &flow->from->body, bufq_bytes(&flow->from->body));
    if (!error)
        error = bufq_move(&flow->from->body, &flow->replay, bufq_bytes(&flow->replay));
    flow->bytes = 0;
    flow->done = false;
    flow->blocked = false;
    return error;
}
