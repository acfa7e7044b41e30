/* Few lines, because a tunnel is two flows as any exchange has them: they are told to begin anew, and to end each for
 * itself. */
#include "proxy/tunnel.h"

#include "http/websocket.h"
#include "proxy/exchange_parts.h"

static struct field *find(const struct msg *msg, struct str name)
{
    for (uint32_t i = 0; i < msg->count; i++)
        if (!msg->fields[i].dropped && str_ieq(msg->fields[i].name, name))
            return &msg->fields[i];
    return NULL;
}

int tunnel_add_key(struct exchange *x)
{
    struct field *theirs;

    uint64_t nonce[2] = {rand_u64(&x->home->rand), rand_u64(&x->home->rand)};
    char *key = arena_take(&x->arena, WEBSOCKET_KEY_BYTES);

    if (!key)
        return -ERR_NO_MEMORY;
    while ((theirs = find(&x->client.head, STR("Sec-WebSocket-Key"))))
        theirs->dropped = true; /* it means nothing there */
    websocket_key((const uint8_t *)nonce, key);
    x->websocket_key = str_slice(key, WEBSOCKET_KEY_BYTES);
    msg_add_field(&x->client.head, FIELD_OTHER, STR("Sec-WebSocket-Key"), x->websocket_key);
    return 0;
}

/* It is not the client's to see: it gave no key. */
static bool takes_our_key(struct exchange *x)
{
    struct field *field = find(&x->worker.head, STR("Sec-WebSocket-Accept"));
    char wanted[WEBSOCKET_ACCEPT_BYTES];

    if (!field)
        return false;
    websocket_accept(x->websocket_key, wanted);
    field->dropped = true;
    return str_eq(field->value, str_slice(wanted, sizeof(wanted)));
}

int tunnel_judge(struct exchange *x)
{
    const struct msg *asked = &x->client.head, *head = &x->worker.head;

    if (head->status != 101)
        return asked->must_switch && head->status < 300 ? -ERR_ANSWER_NOT_SWITCHED : 0;
    if (!field_list_has(asked->upgrade, head->upgrade) || (x->websocket_key.n > 0 && !takes_our_key(x)))
        return -ERR_ANSWER_SWITCHED;
    return 0;
}

static void follow_worker(struct exchange *x)
{
    bool removed = atomic_load(&x->target->removed);

    if (removed && !x->tunnel_ends_ms) {
        x->tunnel_leaves = true;
        x->tunnel_ends_ms = exchange_now_ms(x) + x->rules->tunnel_leave_ms;
        if (timer_is_set(&x->deadline) && x->tunnel_ends_ms < x->deadline.due_ms)
            io_timer_set(x->home->io, &x->deadline, x->tunnel_ends_ms);
    } else if (!removed && x->tunnel_leaves) {
        x->tunnel_leaves = false;
        x->tunnel_ends_ms = 0;
    }
}

void tunnel_follow_workers(struct exchange_home *home)
{
    LIST_FOREACH (link, &home->alive) {
        struct exchange *x = CONTAINER_OF(link, struct exchange, link);
        if (x->tunnel && !x->tunnel_closing)
            follow_worker(x);
    }
}

void tunnel_open(struct exchange *x)
{
    x->tunnel = true;
    flow_fini(&x->up);
    flow_init(&x->up, &x->client, &x->worker, false, io_buffers(x->home->io));
    x->up.borrows = true;
    x->down.borrows = true;
    account_note_tunnel(x->home->account);
    follow_worker(x); /* it may have been removed before it answered */
}

void tunnel_note_drain(struct exchange *x)
{
    int64_t ends_ms = exchange_now_ms(x) + x->rules->tunnel_drain_ms;

    if (!x->tunnel_leaves || ends_ms < x->tunnel_ends_ms)
        x->tunnel_ends_ms = ends_ms;
    x->tunnel_leaves = false;
}

bool tunnel_has_drained(const struct exchange *x)
{
    return x->tunnel_ends_ms && exchange_now_ms(x) >= x->tunnel_ends_ms;
}

bool tunnel_is_over(const struct exchange *x)
{
    bool sent = x->client_events & STREAM_SENT;

    return x->down.done && sent && ((x->up.done && !x->worker.unsent) || x->worker.failed);
}

bool tunnel_waits_for_client(const struct exchange *x)
{
    return x->down.done && x->up.done && !x->worker.unsent && !(x->client_events & STREAM_SENT);
}

int tunnel_close(struct exchange *x, int why)
{
    int error = flow_give_back(&x->down);

    if (!error)
        error = flow_give_back(&x->up);
    x->tunnel_closing = why;
    x->tunnel_ends_ms = exchange_now_ms(x) + TUNNEL_CLOSE_MS;
    io_timer_set(x->home->io, &x->deadline, x->tunnel_ends_ms);
    if (!error && !x->down.done)
        error = session_send_end(&x->client, NULL, 0);
    if (!error && !x->up.done)
        error = session_send_end(&x->worker, NULL, 0);
    x->down.done = true;
    x->up.done = true;
    return error;
}

static void drop_body(struct stream *stream)
{
    bufq_clear(&stream->body);
    if (!stream->ended && !stream->failed)
        session_consumed(stream);
}

bool tunnel_is_closed(struct exchange *x)
{
    bool sent = x->client_events & STREAM_SENT;

    drop_body(&x->client);
    drop_body(&x->worker);
    bool client_over = x->client.failed || (x->client.ended && sent);
    bool worker_over = x->worker.failed || (x->worker.ended && !x->worker.unsent);
    return (client_over && worker_over) || exchange_now_ms(x) >= x->tunnel_ends_ms;
}
