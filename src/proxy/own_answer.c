/* What is answered follows from the exchange's error and its request; nothing here waits. */
#include "proxy/own_answer.h"

#include "proxy/exchange_parts.h"
#include "proxy/grpc.h"
#include "proxy/reply.h"

static int64_t retry_after_s(const struct exchange *x)
{
    if (x->error != -ERR_NO_WORKER)
        return 0;
    int64_t wait_ms = atomic_load(&x->pool->next_probe_ms) - exchange_now_ms(x);
    return wait_ms > 1000 ? (wait_ms + 999) / 1000 : 1;
}

static int metrics_reply(struct exchange *x, struct reply *reply)
{
    int error = reply_text(reply, STR_NONE, STR("text/plain; version=0.0.4; charset=utf-8"),
                           exchange_home_date(x->home), &x->arena);

    if (!error)
        reply->head.length = (int64_t)bufq_bytes(&x->own_body);
    return error;
}

static int redirect_reply(struct exchange *x, struct reply *reply)
{
    struct str location = reply_location(x->redirect, &x->client.head, &x->arena);

    return location.p
               ? reply_redirect(reply, x->redirect->status, location, x->id, exchange_home_date(x->home), &x->arena)
               : -ERR_NO_MEMORY;
}

static int make_reply(struct exchange *x, struct reply *reply)
{
    const struct msg *head = &x->client.head;
    struct str date = exchange_home_date(x->home);

    if (x->error && x->grpc)
        return grpc_reply(reply, x->error, x->id, date, &x->arena);
    if (x->error) {
        const struct field *accept = fields_find(head->fields, head->count, FIELD_ACCEPT);
        return reply_error(reply, x->error, x->id, date, accept ? accept->value : STR_NONE, retry_after_s(x),
                           &x->arena);
    }
    if (!x->counted)
        return metrics_reply(x, reply);
    if (x->redirect)
        return redirect_reply(x, reply);
    if (head->method == METHOD_TRACE)
        return reply_trace(reply, head, date, &x->arena);
    return reply_text(reply, STR_NONE, STR("text/plain"), date, &x->arena);
}

int own_answer_prepare(struct exchange *x)
{
    if (x->error || x->counted)
        return 0;
    return x->rules->metrics(x->rules->metrics_context, &x->page, &x->own_body);
}

int own_answer_send(struct exchange *x)
{
    struct reply reply;
    int error = make_reply(x, &reply);

    if (!error && reply.body.n > 0)
        error = bufq_append(&x->own_body, reply.body.p, reply.body.n);
    if (error)
        return error;
    x->own_answer = true;
    x->answering = true;
    x->status = reply.head.status;
    x->first_byte_ns = io_now_ns(x->home->io);
    rewrite_secure(&reply.head, &x->client.session->conn);
    error = session_send_head(&x->client, &reply.head);
    if (!error && x->client.head.method != METHOD_HEAD)
        error = session_send_body(&x->client, &x->own_body, bufq_bytes(&x->own_body));
    return error ? error : session_send_end(&x->client, NULL, 0);
}
