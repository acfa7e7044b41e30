/* How scripts send: at the pace and as far as their plan says. */
#include <stdlib.h>

#include "tests/sim/world.h"

void pacer_init(struct pacer *pacer, struct world *world, struct io_sim_peer **peer, void *context)
{
    *pacer = (struct pacer){.world = world, .peer = peer, .context = context, .stop_at = UINT64_MAX};
}

static void on_timer(void *context)
{
    struct pacer *pacer = context;
    pacer->waiting = false;
    pacer_kick(pacer);
}

static size_t next_piece(const struct pacer *pacer)
{
    size_t n = pacer->bytes.n;
    if (pacer->piece > 0 && pacer->piece < n)
        n = pacer->piece;
    if (n > pacer->stop_at - pacer->sent)
        n = (size_t)(pacer->stop_at - pacer->sent);
    return n;
}

void pacer_kick(struct pacer *pacer)
{
    while (!pacer->waiting && !pacer->stopped && *pacer->peer != NULL && pacer->bytes.n > 0) {
        size_t n = next_piece(pacer);
        if (n > 0 && pacer->send != NULL)
            pacer->send(pacer->context, str_slice(sim_bytes_all(&pacer->bytes).p, n));
        else if (n > 0)
            io_sim_peer_send(*pacer->peer, sim_bytes_all(&pacer->bytes).p, n);
        sim_bytes_drop(&pacer->bytes, n);
        pacer->sent += n;
        if (pacer->on_progress != NULL)
            pacer->on_progress(pacer->context);
        if (pacer->sent >= pacer->stop_at) {
            pacer->stopped = true;
            pacer->on_stop(pacer->context);
            return;
        }
        if (pacer->bytes.n == 0) {
            pacer->on_sent(pacer->context);
            return;
        }
        if (pacer->gap_ns > 0) {
            pacer->waiting = true;
            io_sim_after(pacer->world->net, pacer->gap_ns, on_timer, pacer);
        }
    }
}
