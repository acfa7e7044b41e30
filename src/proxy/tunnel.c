/* Few lines, because a tunnel is two flows as any exchange has them: they are told to begin anew, and to end each for
 * itself. */
#include "proxy/tunnel.h"

#include "proxy/exchange_parts.h"

bool tunnel_is_wanted(const struct exchange *x)
{
    return field_list_has(x->client.head.upgrade, x->worker.head.upgrade);
}

void tunnel_open(struct exchange *x)
{
    x->tunnel = true;
    flow_fini(&x->up);
    flow_init(&x->up, &x->client, &x->worker, false, io_buffers(x->home->io));
    account_note_tunnel(x->home->account);
}

void tunnel_note_drain(struct exchange *x)
{
    x->tunnel_ends_ms = exchange_now_ms(x) + x->rules->tunnel_drain_ms;
}

bool tunnel_has_drained(const struct exchange *x)
{
    return x->tunnel_ends_ms && exchange_now_ms(x) >= x->tunnel_ends_ms;
}

bool tunnel_is_over(const struct exchange *x)
{
    bool sent = x->client_events & STREAM_SENT;

    return x->down.done && sent && (x->up.done || x->worker.failed);
}
