/* Fields by name and not by number: only requests with tracing on are looked through. */
#include "proxy/tracing.h"

#include "base/clock.h"
#include "proxy/ending.h"
#include "proxy/exchange_parts.h"
#include "proxy/span.h"

#define PARENT STR("traceparent")
#define STATE  STR("tracestate")

static struct field *find(const struct msg *head, struct str name, uint32_t from)
{
    for (uint32_t i = from; i < head->count; i++)
        if (!head->fields[i].dropped && str_ieq(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}

static void drop_all(struct msg *head, struct str name)
{
    for (struct field *field = find(head, name, 0); field; field = find(head, name, 0))
        field->dropped = true;
}

/* One that is repeated is none. */
static bool read_parent(const struct msg *head, struct trace *trace)
{
    const struct field *field = find(head, PARENT, 0);

    return field && !find(head, PARENT, (uint32_t)(field - head->fields) + 1) && trace_read(field->value, trace) == 0;
}

int tracing_begin(struct exchange *x)
{
    const struct trace_options *options = &x->rules->trace;
    struct trace *trace = arena_take(&x->arena, sizeof(*trace));

    if (!trace)
        return -ERR_NO_MEMORY;
    if (options->restart || !read_parent(&x->client.head, trace))
        trace_begin(trace, options->ratio_percent, &x->home->rand);
    trace_take_span(trace, &x->home->rand);
    x->trace = trace;
    return 0;
}

int tracing_rewrite(struct exchange *x)
{
    struct msg *head = &x->client.head;
    char *value = arena_take(&x->arena, TRACE_PARENT_CHARS);

    if (!value)
        return -ERR_NO_MEMORY;
    drop_all(head, PARENT);
    if (trace_is_zero(x->trace->parent, TRACE_SPAN_BYTES))
        drop_all(head, STATE);
    trace_print(x->trace, value);
    msg_add_field(head, FIELD_OTHER, PARENT, str_slice(value, TRACE_PARENT_CHARS));
    return 0;
}

static void set_texts(struct span *span, const struct exchange *x)
{
    const struct msg *head = &x->client.head;
    const struct field *agent = fields_find(head->fields, head->count, FIELD_USER_AGENT);
    size_t path = head->path.n < head->target.n ? head->path.n + 1 : head->target.n; /* behind it, the query */

    span_set_text(span, SPAN_METHOD, head->method_text);
    span_set_text(span, SPAN_SCHEME, conn_scheme(&x->client.session->conn));
    span_set_text(span, SPAN_HOST, head->authority);
    span_set_text(span, SPAN_PATH, head->path);
    span_set_text(span, SPAN_QUERY, str_slice(head->target.p + path, head->target.n - path));
    span_set_text(span, SPAN_CLIENT, x->client_host);
    span_set_text(span, SPAN_AGENT, agent ? agent->value : STR_NONE);
    span_set_text(span, SPAN_REQUEST_ID, x->id);
    span_set_text(span, SPAN_POOL, x->pool ? x->pool->name : STR_NONE);
}

static void set_tries(struct span *span, const struct exchange *x)
{
    for (uint32_t i = 0; i < x->tries && i < SPAN_TRIES_MAX; i++) {
        const struct exchange_try *from = &x->attempts[i];
        struct span_try *to = &span->attempts[span->tries++];
        struct str name = worker_name(from->worker);
        size_t n = name.n < SPAN_WORKER_MAX ? name.n : SPAN_WORKER_MAX;
        if (n > 0)
            memcpy(to->worker, name.p, n);
        to->worker[n] = '\0';
        to->picked_us = from->picked_us;
        to->error = from->error;
    }
}

void tracing_note(const struct exchange *x)
{
    const struct msg *head = &x->client.head;

    if (!x->trace || !x->trace->sampled || !x->home->spans)
        return;
    struct span span;
    memset(&span, 0, offsetof(struct span, text)); /* its texts are set whole */
    span.trace = *x->trace;
    span.end_ns = clock_wall_ns();
    span.start_ns = span.end_ns - (io_now_ns(x->home->io) - x->client.began_ns);
    span.bytes_in = x->up.bytes;
    span.bytes_out = x->down.bytes;
    span.status = (uint16_t)x->status;
    span.error = (uint16_t)-x->error;
    span.major = head->major;
    span.minor = head->minor;
    span.known_method = head->method != METHOD_OTHER;
    span.own = x->own_answer;
    span.failed = ending_outcome(x) == ACCOUNT_FAILED || x->status >= 500;
    set_tries(&span, x);
    set_texts(&span, x);
    span_queue_put(x->home->spans, &span);
}
