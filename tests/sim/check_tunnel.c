/* The checks on tunnels: what asks for one, the 101, and what both ends see of each other. */
#include <stdio.h>

#include "tests/sim/check.h"
#include "tests/sim/tunnel_h2.h"

enum { RETIRE_MS = 3000 }; /* of upgrade.c: what is open then is ended */

#define NS_PER_MS INT64_C(1000000)

static int client_of(const struct plan_request *request)
{
    return (int)(request->id - 1000) / 100;
}

static bool says(const struct wire_reader *reader, const char *name, const char *wanted)
{
    struct str value;
    return wire_reader_field(reader, name, &value) == 1 && str_eq(value, str_of(wanted));
}

/* ---- heads ---- */

/* Its client's, or, where that speaks HTTP/2 and has none, one of our own. */
static bool key_is_right(const struct sim_worker *worker, const struct wire_reader *reader,
                         const struct plan_request *request)
{
    struct str value;
    char key[TUNNEL_KEY_ROOM];
    sim_tunnel_key(request, key);
    if (!worker->world->plan->client[client_of(request)].h2)
        return says(reader, "Sec-WebSocket-Key", key);
    return wire_reader_field(reader, "Sec-WebSocket-Key", &value) == 1 && value.n == TUNNEL_KEY_BYTES;
}

void check_switch_asked(const struct sim_worker *worker, const struct wire_reader *reader,
                        const struct plan_request *request)
{
    struct str value;
    bool asks = wire_reader_field(reader, "Upgrade", &value) > 0;
    bool rightly = says(reader, "Upgrade", "websocket") && key_is_right(worker, reader, request) &&
                   wire_reader_field(reader, "Connection", &value) == 1 && str_ieq(value, STR("upgrade"));
    if (asks != request->tunnel.asked || (asks && !rightly))
        check_fail("one-answer", client_of(request), (int)request->id, "w%u is asked for a tunnel wrongly: %.*s",
                   worker->index, (int)reader->head_n, reader->head);
}

/* RFC 8441 section 5: of a connection's fields there are none, nor keys. */
static bool has_no_switch(const struct wire_reader *reader)
{
    struct str value;
    return wire_reader_field(reader, "Upgrade", &value) == 0 && wire_reader_field(reader, "Connection", &value) == 0 &&
           wire_reader_field(reader, "Sec-WebSocket-Key", &value) == 0 &&
           wire_reader_field(reader, "Sec-WebSocket-Accept", &value) == 0;
}

void check_connect_asked(const struct sim_worker *worker, const struct wire_reader *reader,
                         const struct plan_request *request, bool connects)
{
    if (connects != request->tunnel.asked || !has_no_switch(reader))
        check_fail("one-answer", client_of(request), (int)request->id, "w%u is asked for a tunnel wrongly: %.*s",
                   worker->index, (int)reader->head_n, reader->head);
}

void check_connected(const struct sim_client *stream)
{
    const struct plan_request *request = &stream->plan->requests[stream->awaiting];
    const struct wire_reader *reader = &stream->reader;
    const struct tunnel_log *log = &stream->world->logs[stream->index][stream->awaiting].tunnel;
    struct str value;
    char id[16];
    snprintf(id, sizeof(id), "%u.", request->id);
    bool named = wire_reader_field(reader, "X-Sim", &value) == 1 && str_starts(value, str_of(id));
    if (!log->switched || log->lied)
        check_fail("one-answer", (int)stream->index, (int)request->id,
                   "c%u gets a tunnel to q%u that nobody gave: %.*s", stream->index, request->id, (int)reader->head_n,
                   reader->head);
    if (!named || reader->status != 200 || !has_no_switch(reader) || wire_reader_field(reader, "X-Hop", &value) != 0 ||
        wire_reader_field(reader, "Via", &value) != 1)
        check_fail("one-answer", (int)stream->index, (int)request->id, "c%u gets a wrong 200: %.*s", stream->index,
                   (int)reader->head_n, reader->head);
}

void check_tunnel_word(const struct sim_client *client, struct str proxy_status)
{
    const struct plan_request *request = &client->plan->requests[client->awaiting];
    bool garbage = request->answer.kind == ANSWER_GARBAGE;
    bool untaken = str_ends(proxy_status, STR("\"no_websocket\"")),
         kept = str_ends(proxy_status, STR("\"answer_not_switched\"")),
         switched = str_ends(proxy_status, STR("\"answer_switched\""));
    if ((untaken && (!request->tunnel.asked || plan_pool_deaf(client->world->plan, request->pool) == 0)) ||
        (kept && !request->tunnel.refused && !garbage) || (switched && !request->tunnel.lies && !garbage))
        check_fail("one-answer", (int)client->index, (int)request->id, "q%u fails by what no worker has done: %.*s",
                   request->id, STR_ARG(proxy_status));
}

void check_switched(struct sim_client *client)
{
    const struct plan_request *request = &client->plan->requests[client->awaiting];
    struct wire_reader *reader = &client->reader;
    struct str value;
    char key[TUNNEL_KEY_ROOM], accept[TUNNEL_KEY_ROOM], id[16];
    sim_tunnel_key(request, key);
    sim_tunnel_accept(str_of(key), accept);
    snprintf(id, sizeof(id), "%u.", request->id);
    if (!world_log(client->world, request->id)->tunnel.switched)
        check_fail("one-answer", (int)client->index, (int)request->id, "c%u gets a 101 to q%u that nobody gave",
                   client->index, request->id);
    bool named = wire_reader_field(reader, "X-Sim", &value) == 1 && str_starts(value, str_of(id));
    bool connection = wire_reader_field(reader, "Connection", &value) == 1 && str_ieq(value, STR("upgrade"));
    if (!named || !connection || !says(reader, "Upgrade", "websocket") ||
        !says(reader, "Sec-WebSocket-Accept", accept) || wire_reader_field(reader, "X-Hop", &value) != 0 ||
        wire_reader_field(reader, "Via", &value) != 1)
        check_fail("one-answer", (int)client->index, (int)request->id, "c%u gets a wrong 101: %.*s", client->index,
                   (int)reader->head_n, reader->head);
    reader->key = world_answer_key(client->world, request->id);
}

/* ---- bytes ---- */

static const char *name_of(const struct tunnel_end *end)
{
    return end->client ? "the client" : "the worker";
}

static uint64_t expected(const struct tunnel_end *end)
{
    return end->client ? end->request->tunnel.down_bytes : end->request->tunnel.up_bytes;
}

static uint64_t arrived(const struct tunnel_end *end)
{
    const struct tunnel_log *log = sim_tunnel_log_of(end);
    return end->client ? log->down_read : log->up_read;
}

void check_tunnel_bytes(const struct tunnel_end *end, const struct wire_reader *reader)
{
    if (reader->wrong)
        check_fail("no-mixing", client_of(end->request), (int)end->request->id,
                   "%s gets %llu bytes of the tunnel q%u, wrong from byte %llu", name_of(end),
                   (unsigned long long)reader->body_n, end->request->id, (unsigned long long)reader->wrong_at);
    if (reader->body_n > expected(end))
        check_fail("no-mixing", client_of(end->request), (int)end->request->id,
                   "%s gets %llu bytes of the tunnel q%u, of %llu that were sent", name_of(end),
                   (unsigned long long)reader->body_n, end->request->id, (unsigned long long)expected(end));
}

/* ---- ends ---- */

/* Beside what is planned: a server that was replaced ends what is left when its time is over. */
static const char *excuse_of(const struct tunnel_end *end)
{
    const struct world *world = end->world;
    if (world->upgraded_ns > 0 && world_now_ns(world) >= world->upgraded_ns + RETIRE_MS * NS_PER_MS)
        return "its server was replaced";
    return plan_excuse(world->plan, (uint32_t)client_of(end->request), (end->request->id - 1000) % 100);
}

/* Whose connection has credit for all that it is to carry at once: nothing waits behind others' bytes. */
static bool is_roomy(const struct plan_client *client)
{
    enum { ROOMY_BYTES = 50000 };
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < client->count; i++)
        bytes += client->requests[i].tunnel.asked ? client->requests[i].tunnel.down_bytes
                                                  : client->requests[i].answer.body_bytes;
    return bytes < ROOMY_BYTES;
}

/* What was sent last is known to the moment: nothing waits for a reader, nor behind what others on its connection have.
 */
static bool times_are_plain(const struct tunnel_end *end)
{
    const struct sim_client *client = &end->world->clients[client_of(end->request)];
    const struct plan *plan = end->world->plan;
    const struct plan_tunnel *tunnel = &end->request->tunnel;
    if (tunnel->worker_pause_ms > 0 || tunnel->client_pause_ms > 0)
        return false;
    if (!client->plan->h2)
        return check_times_are_plain(client);
    return !plan_has(plan, FAMILY_TIGHT) && !plan_has(plan, FAMILY_MEMORY) && !plan_has(plan, FAMILY_TLS) &&
           client->plan->pause_ms == 0 && client->plan->piece == 0 && client->plan->stop != STOP_READING &&
           client->plan->stop != STOP_STALL && is_roomy(client->plan);
}

/* Both were silent, for as long as is allowed; or the other has ended, which is told at once. */
static void check_end_is_timely(const struct tunnel_end *end, bool ended)
{
    int64_t slack_ns = check_slack_ns(end->world), idle_ns = end->world->plan->timeouts.tunnel_idle_ms * NS_PER_MS;
    int64_t took_ns = world_now_ns(end->world) - sim_tunnel_log_of(end)->moved_ns;
    int64_t least_ns = ended ? 0 : idle_ns - slack_ns - 2 * NS_PER_MS;
    int64_t most_ns = ended ? 2 * slack_ns : idle_ns + slack_ns;
    if (!times_are_plain(end) || excuse_of(end) != NULL)
        return;
    if (took_ns < least_ns || took_ns > most_ns)
        check_fail("deadlines", client_of(end->request), (int)end->request->id,
                   "%s sees the end of the tunnel q%u %.3f ms after its last byte, %s", name_of(end), end->request->id,
                   (double)took_ns / 1e6, ended ? "though the other side had ended" : "of silence");
}

/* What one side has reset must not look like an end to the other, unless the balancer ended it for another reason. */
static void check_reset_is_told(const struct tunnel_end *end)
{
    const struct tunnel_log *log = sim_tunnel_log_of(end);
    const struct world *world = end->world;
    const struct plan *plan = world->plan;
    bool drained =
        world->drain_ns > 0 && world_now_ns(world) >= world->drain_ns + plan->timeouts.tunnel_drain_ms * NS_PER_MS;
    bool ended = drained || world->upgraded_ns > 0 || plan_has(plan, FAMILY_DARK) ||
                 log->reset_ns - log->moved_ns > plan->timeouts.tunnel_idle_ms * NS_PER_MS - check_slack_ns(world);
    if (log->reset_ns > 0 && times_are_plain(end) && !ended)
        check_fail("one-answer", client_of(end->request), (int)end->request->id,
                   "the tunnel q%u was reset, and %s sees an orderly end", end->request->id, name_of(end));
}

/* And that is told at once, behind what was on its way. */
static void check_reset_is_timely(const struct tunnel_end *end)
{
    const struct tunnel_log *log = sim_tunnel_log_of(end);
    const struct world *world = end->world;
    int64_t since_ns = log->reset_ns > log->moved_ns ? log->reset_ns : log->moved_ns;
    if (log->reset_ns > 0 && times_are_plain(end) && !plan_has(world->plan, FAMILY_DARK) &&
        world_now_ns(world) > since_ns + 2 * check_slack_ns(world))
        check_fail("deadlines", client_of(end->request), (int)end->request->id,
                   "%s is told only %.3f ms later that the tunnel q%u was reset", name_of(end),
                   (double)(world_now_ns(world) - since_ns) / 1e6, end->request->id);
}

void check_tunnel_end(const struct tunnel_end *end, bool clean)
{
    struct tunnel_log *log = sim_tunnel_log_of(end);
    bool silent = end->request->tunnel.end == TUNNEL_NEVER;
    bool ended = end->client ? log->down_ended : log->up_ended;
    bool whole = clean && arrived(end) == expected(end) && (ended || silent);
    *(end->client ? &log->down_whole : &log->up_whole) = whole;
    if (whole)
        check_end_is_timely(end, ended);
    if (!whole && excuse_of(end) == NULL)
        check_fail("one-answer", client_of(end->request), (int)end->request->id,
                   "nothing stood in the way of the tunnel q%u, and %s sees %s after %llu of %llu bytes",
                   end->request->id, name_of(end), clean ? "its end" : "it reset", (unsigned long long)arrived(end),
                   (unsigned long long)expected(end));
    if (clean && !whole)
        check_reset_is_told(end);
    if (!clean)
        check_reset_is_timely(end);
}

bool check_tunnel_may_be_closed(const struct world *world, const struct plan_request *request)
{
    const struct plan_timeouts *timeouts = &world->plan->timeouts;
    const struct request_log *log = &world->logs[client_of(request)][(request->id - 1000) % 100];
    int64_t now = world_now_ns(world) + check_slack_ns(world);
    return now >= log->tunnel.down_ns + timeouts->tunnel_idle_ms * NS_PER_MS ||
           (world->drain_ns > 0 && now >= world->drain_ns + timeouts->tunnel_drain_ms * NS_PER_MS) ||
           (world->upgraded_ns > 0 && now >= world->upgraded_ns + RETIRE_MS * NS_PER_MS);
}

/* Told to stop, tunnels may end by themselves for a while, and then their clients are told the end. */
static void check_drains(const struct sim_client *client, const struct tunnel_end *end)
{
    const struct world *world = client->world;
    const struct tunnel_log *log = sim_tunnel_log_of(end);
    int64_t since_ns = world->drain_ns > log->opened_ns ? world->drain_ns : log->opened_ns;
    int64_t limit_ns = world->plan->timeouts.tunnel_drain_ms * NS_PER_MS + check_slack_ns(world);
    if (end->heard_end || world_now_ns(world) <= since_ns + limit_ns ||
        !(client->plan->h2 ? times_are_plain(end) : check_times_are_plain(client)))
        return;
    check_fail("deadlines", (int)client->index, (int)end->request->id,
               "told to stop, c%u's tunnel q%u is not ended after %u ms", client->index, end->request->id,
               world->plan->timeouts.tunnel_drain_ms);
}

void check_tunnels_drain(const struct world *world)
{
    for (uint32_t c = 0; c < world->plan->clients && world->drain_ns > 0; c++) {
        const struct sim_client *client = &world->clients[c];
        if (client->done || client->peer == NULL)
            continue;
        if (client->tunnel.request != NULL)
            check_drains(client, &client->tunnel);
        for (uint32_t i = 0; client->streams != NULL && i < client->next; i++) {
            const struct h2_tunnel *tunnel = client->streams[i].h2_tunnel;
            if (tunnel != NULL && tunnel->peer != NULL)
                check_drains(client, &tunnel->end);
        }
    }
}

void check_tunnels(const struct world *world)
{
    for (uint32_t c = 0; c < world->plan->clients; c++)
        for (uint32_t i = 0; world->plan->client[c].there && i < world->plan->client[c].count; i++) {
            const struct tunnel_log *log = &world->logs[c][i].tunnel;
            bool excused = world->upgraded_ns > 0 || plan_excuse(world->plan, c, i) != NULL;
            if (log->opened && !excused && (!log->up_whole || !log->down_whole))
                check_fail("one-answer", (int)c, (int)world->plan->client[c].requests[i].id,
                           "the tunnel q%u is over, and %s has not seen it whole",
                           world->plan->client[c].requests[i].id, log->up_whole ? "its client" : "its worker");
        }
}
