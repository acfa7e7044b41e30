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
    if (!flow->from->ended)
        session_consumed(flow->from);
    return 0;
}

int flow_step(struct flow *flow)
{
    struct stream *from = flow->from;

    flow->blocked = false;
    while (bufq_bytes(&from->body) > 0) {
        size_t room = session_room(flow->to);
        if (room == 0) {
            flow->blocked = true;
            return 0;
        }
        size_t waiting = bufq_bytes(&from->body);
        int error = send_some(flow, waiting < room ? waiting : room);
        if (error)
            return error;
    }
    if (!from->ended || flow->done)
        return 0;
    flow->done = true;
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
