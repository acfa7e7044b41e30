/* Whom an exchange waits for follows from what it has done so far, so nothing is stored of it but the time. */
#include "proxy/patience.h"

#include "proxy/exchange_parts.h"

static int64_t sooner(int64_t due_ms, int64_t other_ms)
{
    return other_ms && other_ms < due_ms ? other_ms : due_ms;
}

void patience_set_for(struct exchange *x, int64_t ms)
{
    int64_t due_ms = exchange_now_ms(x) + ms;

    if (!x->answering)
        due_ms = sooner(due_ms, x->gone_at_ms);
    due_ms = sooner(due_ms, x->tunnel_ends_ms);
    due_ms = sooner(due_ms, x->expires_ms);
    due_ms = sooner(due_ms, x->up.loan_ends_ms);
    due_ms = sooner(due_ms, x->down.loan_ends_ms);
    io_timer_set(x->home->io, &x->deadline, due_ms);
}

bool patience_with_half_closed_ends(const struct exchange *x)
{
    return x->gone_at_ms && !x->answering && exchange_now_ms(x) >= x->gone_at_ms;
}

bool patience_has_expired(const struct exchange *x)
{
    return x->expires_ms && exchange_now_ms(x) >= x->expires_ms;
}

void patience_note_half_closed(struct exchange *x)
{
    x->gone_at_ms = exchange_now_ms(x) + x->rules->half_closed_ms;
    if (timer_is_set(&x->deadline) && !x->answering && x->gone_at_ms < x->deadline.due_ms)
        io_timer_set(x->home->io, &x->deadline, x->gone_at_ms);
}

/* Who is waited for, and what its silence comes to. */
struct wait {
    int64_t ms;
    int error;
};

static struct wait waiting_for(const struct exchange *x)
{
    const struct exchange_rules *rules = x->rules;
    bool client_waits = x->client.head.expect_continue && !x->continued && x->up.bytes == 0;

    if (x->tunnel)
        return (struct wait){rules->tunnel_idle_ms, -ERR_TUNNEL_IDLE};
    if (x->answering && (x->down.done || x->down.blocked || x->own_answer))
        return (struct wait){rules->client_stall_ms, -ERR_CLIENT_STALLED};
    if (x->answering)
        return (struct wait){rules->response_idle_ms, -ERR_ANSWER_STALLED};
    if (x->up.blocked)
        return (struct wait){rules->response_idle_ms, -ERR_SEND_TIMEOUT};
    if (x->up.done || client_waits)
        return (struct wait){rules->response_head_ms, -ERR_ANSWER_TIMEOUT};
    return (struct wait){rules->request_body_ms, -ERR_REQUEST_BODY_TIMEOUT};
}

/* The side that is waited for to read, if one is. */
static struct stream *reader_of(struct exchange *x)
{
    if (x->answering)
        return x->down.done || x->down.blocked || x->own_answer ? &x->client : NULL;
    return x->up.blocked ? &x->worker : NULL;
}

/* What those have taken who are waited for to read; in a tunnel that may be both. */
static uint64_t read_so_far(struct exchange *x)
{
    struct stream *reader = reader_of(x);

    if (x->tunnel)
        return (x->down.blocked ? session_taken(&x->client, false) : 0) +
               (x->up.blocked ? session_taken(&x->worker, false) : 0);
    return reader ? session_taken(reader, false) : 0;
}

/* A reader may take bytes without an event up here: it is slow then, not silent. */
static bool is_silent(struct exchange *x)
{
    return read_so_far(x) == x->read;
}

bool patience_is_idle(struct exchange *x, bool told)
{
    return x->tunnel && x->timed_out && !told && is_silent(x);
}

/* How the client is waited for, as the code of its being too slow; 0 when it is not. */
static int pace_of(const struct exchange *x)
{
    int error = waiting_for(x).error;

    return error == -ERR_CLIENT_STALLED || error == -ERR_REQUEST_BODY_TIMEOUT ? error : 0;
}

/* What it has moved in that way. What waits in the system's buffers it has not read. */
static uint64_t paced_bytes(struct exchange *x)
{
    return pace_of(x) == -ERR_CLIENT_STALLED ? session_taken(&x->client, true) : x->up.bytes;
}

int patience_error(const struct exchange *x)
{
    return waiting_for(x).error;
}

void patience_set(struct exchange *x)
{
    int64_t ms = waiting_for(x).ms;
    int64_t pace_ms = x->rules->min_rate ? pace_wait(&x->pace, pace_of(x), exchange_now_ms(x)) : INT64_MAX;

    x->read = read_so_far(x);
    x->silent_at_ms = exchange_now_ms(x) + ms;
    patience_set_for(x, pace_ms < ms ? pace_ms : ms);
}

void patience_go_on(struct exchange *x)
{
    int64_t left_ms = x->silent_at_ms - exchange_now_ms(x);

    x->read = read_so_far(x);
    patience_set_for(x, left_ms > 0 ? left_ms : 0);
}

bool patience_is_lost(struct exchange *x)
{
    uint64_t min_rate = x->rules->min_rate;

    if (min_rate && x->pace.what == pace_of(x) && pace_is_due(&x->pace, exchange_now_ms(x)))
        return pace_is_slow(&x->pace, paced_bytes(x), min_rate, exchange_now_ms(x));
    return exchange_now_ms(x) >= x->silent_at_ms && is_silent(x);
}
