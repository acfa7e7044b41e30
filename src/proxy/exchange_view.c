/* A look at every exchange of a reactor, between two turns of traffic. Called by orders (proxy/reactor.h). */
#include "proxy/exchange_view.h"

#include "proxy/exchange_parts.h"

void exchange_view_each(const struct exchange_home *home, void (*tell)(void *context, const struct exchange_view *view),
                        void *context)
{
    LIST_FOREACH (link, &home->alive) {
        const struct exchange *x = CONTAINER_OF(link, struct exchange, link);
        struct exchange_view view = {
            .id = x->id,
            .client = x->client_host,
            .method = x->client.head.method_text,
            .host = x->client.head.authority,
            .target = x->client.head.target,
            .pool = x->pool,
            .worker = x->target,
            .step = (enum exchange_step)x->step,
            .tries = x->tries,
            .status = x->status,
            .bytes_in = x->up.bytes,
            .bytes_out = x->down.bytes,
            .age_us = (io_now_ns(home->io) - x->client.began_ns) / 1000,
        };
        if (x->id.p) /* else it has not begun */
            tell(context, &view);
    }
}
