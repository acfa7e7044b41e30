/* The checks on TLS to workers: how long a handshake may take, and that what is said of one that fails is so. */
#include <stdio.h>

#include "tests/sim/check.h"

#define NS_PER_MS INT64_C(1000000)

void check_greeting_end(const struct worker_line *line)
{
    const struct world *world = line->worker->world;
    const struct plan *plan = world->plan;
    int64_t took_ns = world_now_ns(world) - line->began_ns;
    if (plan_has(plan, FAMILY_TIGHT) || plan_has(plan, FAMILY_MEMORY))
        return;
    if (took_ns > plan->timeouts.tls_handshake_ms * NS_PER_MS + check_slack_ns(world))
        check_fail("deadlines", TRACE_NOBODY, TRACE_NOBODY,
                   "w%u: a handshake is given up after %.3f ms, the limit is %u ms", line->worker->index,
                   (double)took_ns / 1e6, plan->timeouts.tls_handshake_ms);
}

/* Whoever ends a connection says so before (RFC 8446 section 6.1). */
void check_line_end(const struct worker_line *line, bool idle)
{
    const struct plan *plan = line->worker->world->plan;
    bool ended = io_sim_peer_state(line->peer) == IO_SIM_PEER_ENDED;
    if (ended && idle && !worker_line_ended_well(line) && !line->garbled && !plan_has(plan, FAMILY_MEMORY))
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "an idle connection to w%u is ended without close_notify",
                   line->worker->index);
}

/* What it says of them is so: the network may be dark, and memory out, for others. */
static bool is_so(const struct sim_worker *worker, int error)
{
    const struct plan *plan = worker->world->plan;
    bool unsure = plan_has(plan, FAMILY_MEMORY) || plan_has(plan, FAMILY_DARK);
    switch (-error) {
    case ERR_TLS_CERTIFICATE: return worker->unbelieved + worker->garbled > 0;
    case ERR_TLS_TIMEOUT: return unsure || worker->stopped + worker->garbled > 0;
    case ERR_TLS_HANDSHAKE:
    case ERR_TLS_RECORD: return unsure || worker->garbled > 0;
    case ERR_TLS_PLAIN: return false;
    default: return true;
    }
}

void check_tls_error(const struct sim_worker *worker, int error)
{
    if (!is_so(worker, error))
        check_fail("strict", TRACE_NOBODY, TRACE_NOBODY, "it is said of w%u, which has done nothing of the kind: %s",
                   worker->index, err_reason(error));
}

bool check_tls_excuses(const struct sim_worker *worker, int error)
{
    return error == -ERR_TLS_CERTIFICATE || worker->stopped + worker->garbled > 0;
}

void check_tls_word(const struct sim_client *client, struct str proxy_status)
{
    static const int errors[] = {ERR_TLS_CERTIFICATE, ERR_TLS_TIMEOUT, ERR_TLS_HANDSHAKE, ERR_TLS_RECORD,
                                 ERR_TLS_PLAIN};
    const struct plan_request *request = &client->plan->requests[client->awaiting];
    char word[40];
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        bool so = false;
        snprintf(word, sizeof(word), "\"%s\"", err_reason(-errors[i]));
        for (uint32_t w = 0; w < client->world->plan->workers; w++)
            so |= client->world->plan->worker[w].pool == request->pool && is_so(&client->world->workers[w], -errors[i]);
        if (str_ends(proxy_status, str_of(word)) && !so)
            check_fail("strict", (int)client->index, (int)request->id, "q%u fails by what no worker has done: %.*s",
                       request->id, STR_ARG(proxy_status));
    }
}
