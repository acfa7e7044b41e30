/* One place reads what the steps have left in the exchange, so that counters and the access line cannot differ. */
#include "proxy/ending.h"

#include "base/clock.h"
#include "proxy/exchange_parts.h"
#include "proxy/tracing.h"

enum account_outcome ending_outcome(const struct exchange *x)
{
    if (exchange_in_order(x))
        return ACCOUNT_OK;
    return err_http_status(x->error) == 499 ? ACCOUNT_ABORTED : ACCOUNT_FAILED;
}

static int64_t since_start_us(const struct exchange *x, int64_t at_ns)
{
    return at_ns ? (at_ns - x->client.began_ns) / 1000 : -1;
}

/* Only what the format has: a request has many fields to look through. */
static struct str asked_of(const struct exchange *x, enum access_field field, enum field_id id)
{
    const struct msg *head = &x->client.head;
    bool wanted = access_format_has(x->home->log->format, field);
    const struct field *found = wanted ? fields_find(head->fields, head->count, id) : NULL;

    return found ? found->value : STR_NONE;
}

static void write_access_line(struct exchange *x, int64_t total_us)
{
    const struct msg *head = &x->client.head;
    char hex[2 * (TRACE_ID_BYTES + TRACE_SPAN_BYTES)] = "";
    struct str trace = str_slice(hex, 2 * TRACE_ID_BYTES), span = str_slice(hex + trace.n, 2 * TRACE_SPAN_BYTES);

    if (x->trace) {
        trace_hex(hex, x->trace->id, TRACE_ID_BYTES);
        trace_hex(hex + trace.n, x->trace->span, TRACE_SPAN_BYTES);
    }
    struct access_log_facts facts = {
        .wall_ns = clock_wall_ns(),
        .id = x->id,
        .client = x->client_host,
        .method = head->method_text,
        .host = head->authority,
        .target = head->target,
        .path = head->path,
        .protocol = msg_protocol(head),
        .pool = x->pool ? x->pool->name : STR_NONE,
        .worker = x->target ? worker_name(x->target) : STR_NONE,
        .tries = x->tries,
        .status = ending_outcome(x) == ACCOUNT_ABORTED ? 499 : x->status,
        .by = x->own_answer ? STR("ballast") : STR("worker"),
        .reused = x->reused,
        .bytes_in = (int64_t)x->up.bytes,
        .bytes_out = (int64_t)x->down.bytes,
        .queue_us = x->tries ? (int64_t)x->attempts[x->tries - 1].picked_us : -1,
        .connect_us = since_start_us(x, x->connected_ns),
        .first_byte_us = since_start_us(x, x->first_byte_ns),
        .total_us = total_us,
        .reason = str_of(err_reason(x->error)),
        .referer = asked_of(x, ACCESS_FIELD_REFERER, FIELD_REFERER),
        .user_agent = asked_of(x, ACCESS_FIELD_USER_AGENT, FIELD_USER_AGENT),
        .trace = x->trace ? trace : STR_NONE,
        .span = x->trace ? span : STR_NONE,
        .notable = ending_outcome(x) != ACCOUNT_OK || x->status >= 500,
    };

    access_log_write(x->home->log, &facts);
}

static uint32_t as_recent(int64_t us)
{
    return us >= 0 && us < RECENT_NEVER ? (uint32_t)us : RECENT_NEVER;
}

/* A worker that failed when it was too late to ask another: no retry was thought of, so its try says nothing yet. */
static void blame_last(struct recent_record *record)
{
    struct recent_try *last = &record->attempts[record->tries - 1];

    if (last->error)
        return;
    last->error = record->error;
    last->failed_us = record->total_us;
}

/* More of why its last try failed, where the reason's name does not say it. */
static struct str detail_of(const struct exchange *x, char out[TRANSPORT_REFUSAL_MAX])
{
    const struct exchange_try *last = x->tries ? &x->attempts[x->tries - 1] : NULL;
    bool refused = last && (last->error == ERR_TLS_CERTIFICATE || x->error == -ERR_TLS_CERTIFICATE);

    return refused ? str_slice(out, transport_refusal(worker_transport(last->worker), out)) : STR_NONE;
}

/* For who asks later what had become of it. */
static void remember(const struct exchange *x, int64_t total_us)
{
    bool ill = x->error || x->status >= 500 || total_us >= RECENT_SLOW_US;
    struct recent_record *record = recent_next(x->home->recent, ill);
    char detail[TRANSPORT_REFUSAL_MAX];
    struct recent_texts texts = {
        .id = x->id,
        .client = x->client_host,
        .method = x->client.head.method_text,
        .pool = x->pool ? x->pool->name : STR_NONE,
        .target = x->client.head.target,
        .detail = detail_of(x, detail),
    };

    record->ended_ns = io_now_ns(x->home->io);
    record->bytes_in = x->up.bytes;
    record->bytes_out = x->down.bytes;
    record->first_byte_us = as_recent(since_start_us(x, x->first_byte_ns));
    record->total_us = as_recent(total_us);
    record->status = (int16_t)x->status;
    record->error = (uint16_t)-x->error;
    record->own = x->own_answer;
    record->tries = (uint8_t)x->tries;
    recent_set_texts(record, &texts);
    for (uint32_t i = 0; i < x->tries; i++) {
        const struct exchange_try *from = &x->attempts[i];
        struct recent_try *to = &record->attempts[i];
        recent_set_worker(to, worker_name(from->worker));
        to->picked_us = from->picked_us;
        to->connected_us = from->connected_us;
        to->failed_us = from->failed_us;
        to->error = from->error;
        to->reused = from->reused;
        to->waited = from->waited;
    }
    if (record->tries > 0 && err_fault(x->error) == ERR_FAULT_WORKER)
        blame_last(record);
}

void ending_note(struct exchange *x)
{
    int64_t total_us = since_start_us(x, io_now_ns(x->home->io));
    struct account_record record = {
        .outcome = ending_outcome(x),
        .tunnel = x->tunnel,
        .error = x->error,
        .status = x->status,
        .answered = x->own_answer || !x->answering ? NULL : x->target,
        .duration_us = (uint64_t)total_us,
        .request_bytes = x->up.bytes,
        .answer_bytes = x->down.bytes,
    };

    account_note_ended(x->home->account, x->target, &record);
    remember(x, total_us);
    if (x->trace)
        tracing_note(x);
    if (x->home->log->sink)
        write_access_line(x, total_us);
}
