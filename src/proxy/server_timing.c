/* Three spans that follow one another, from the request's first byte to the answer's head: until the worker was picked
 * (earlier tries included), until a connection to it was ready, until it answered. In milliseconds. */
#include "proxy/server_timing.h"

#include "proxy/exchange_parts.h"

int server_timing_add(struct exchange *x)
{
    const struct exchange_try *attempt = exchange_present_try(x);
    uint32_t picked = attempt->picked_us, now = exchange_age_us(x);
    uint32_t connected = attempt->connected_us < now ? attempt->connected_us : now;
    struct str value = arena_print(&x->arena, "queue;dur=%u.%03u, connect;dur=%u.%03u, worker;dur=%u.%03u",
                                   picked / 1000, picked % 1000, (connected - picked) / 1000,
                                   (connected - picked) % 1000, (now - connected) / 1000, (now - connected) % 1000);

    if (!value.p)
        return -ERR_NO_MEMORY;
    msg_add_field(&x->worker.head, FIELD_OTHER, STR("Server-Timing"), value);
    return 0;
}
