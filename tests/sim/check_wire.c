/* The checks on what clients and workers see: every byte that the balancer sends is judged here. */
#include <stdio.h>

#include "tests/sim/check.h"

#define NS_PER_MS INT64_C(1000000)

static const struct plan_request *awaited(const struct sim_client *client)
{
    return &client->plan->requests[client->awaiting];
}

static struct request_log *log_of(const struct sim_client *client)
{
    return &client->world->logs[client->index][client->awaiting];
}

static const char *excuse_of(const struct sim_client *client)
{
    return plan_excuse(client->world->plan, client->index, client->awaiting);
}

/* ---- what workers get ---- */

static struct str field_of(const struct wire_reader *reader, const char *name)
{
    struct str value = STR("");
    if (wire_reader_field(reader, name, &value) != 1)
        return STR("");
    return value;
}

static bool says_id(struct str text, uint32_t id, char end)
{
    char wanted[16];
    int n = snprintf(wanted, sizeof(wanted), "%u", id);
    return text.n >= (size_t)n && memcmp(text.p, wanted, (size_t)n) == 0 && (text.n == (size_t)n || text.p[n] == end);
}

static bool head_is_right(const struct wire_reader *reader, const struct plan_request *request)
{
    struct str value;
    const char *method = request->hostile ? "POST" : plan_method_name(request->method);
    return str_eq(reader->method, str_of(method)) && says_id(field_of(reader, "X-Sim-Id"), request->id, 0) &&
           str_eq(field_of(reader, "Host"), STR("sim.test")) && field_of(reader, "X-Request-ID").n == 32 &&
           wire_reader_field(reader, "Via", &value) == 1 && wire_reader_field(reader, "X-Hop", &value) == 0;
}

void check_request_head(const struct sim_worker *worker, const struct wire_reader *reader,
                        const struct plan_request *request)
{
    struct world *world = worker->world;
    const struct request_log *log = world_log(world, request->id);
    int client = (int)(request->id - 1000) / 100, id = (int)request->id;
    if (request->hostile && !hostile_in_body(request->hostile))
        check_fail("strict", client, id, "w%u gets a hostile request: %.*s", worker->index, (int)reader->head_n,
                   reader->head);
    if (!head_is_right(reader, request) || worker->plan->pool != request->pool)
        check_fail("no-mixing", client, id, "w%u gets q%d with a wrong head: %.*s", worker->index, id,
                   (int)reader->head_n, reader->head);
    if (!plan_method_repeatable(request->method) && log->begun > 1)
        check_fail("post-once", client, id, "w%u gets q%d, which another worker has had", worker->index, id);
    if (log->begun + log->refused > world->plan->tries)
        check_fail("tries", client, id, "q%d is tried %u times, %u are allowed", id, log->begun + log->refused,
                   world->plan->tries);
    if (log->failed_on & 1u << worker->index)
        check_fail("tries", client, id, "w%u gets q%d again, which it has failed", worker->index, id);
}

void check_request_whole(const struct sim_worker *worker, const struct wire_reader *reader,
                         const struct plan_request *request)
{
    const struct request_log *log = world_log(worker->world, request->id);
    int client = (int)(request->id - 1000) / 100, id = (int)request->id;
    if (request->hostile)
        check_fail("strict", client, id, "w%u gets all of a hostile request", worker->index);
    if (reader->body_n != request->body_bytes || reader->wrong)
        check_fail("no-mixing", client, id, "w%u gets q%d with %llu bytes of body instead of %u%s%llu", worker->index,
                   id, (unsigned long long)reader->body_n, request->body_bytes,
                   reader->wrong ? ", wrong from byte " : "; ", (unsigned long long)reader->wrong_at);
    if (!log->sent_whole)
        check_fail("no-mixing", client, id, "w%u gets all of q%d, which its client has not sent", worker->index, id);
    struct str trailer = str_slice(reader->trailers, reader->trailers_n);
    bool ended = trailer.n > 11 && str_ieq(str_slice(trailer.p, 11), STR("X-Sim-End: "));
    if (request->trailers != (ended && says_id(str_slice(trailer.p + 11, trailer.n - 11), request->id, 0)))
        check_fail("no-mixing", client, id, "w%u gets q%d with trailers: %.*s", worker->index, id, STR_ARG(trailer));
}

/* Bytes of an answer that may be on their way: in both connections' buffers, and in the balancer 64 KiB of body and
 * 64 KiB to be sent, each a receive more; heads and chunk lines beside. */
void check_taken(const struct world *world, const struct plan_request *request, uint64_t bytes)
{
    const struct sim_client *client = &world->clients[(request->id - 1000) / 100];
    if (client->streams != NULL)
        client = &client->streams[(request->id - 1000) % 100];
    uint64_t most = 2 * world->plan->net.buffer_bytes + 4 * 65536 + 16384 + bytes / 50;
    bool read = client->awaiting < client->plan->count && client->plan->requests[client->awaiting].id == request->id;
    if (client->peer == NULL || client->awaiting > (request->id - 1000) % 100 || bytes <= most ||
        (request->tunnel.asked && check_tunnel_may_be_closed(world, request)))
        return;
    if (!read || bytes - most > client->reader.body_n)
        check_fail("bounded", (int)client->index, (int)request->id,
                   "%llu bytes of the answer to q%u are taken, its client has %llu", (unsigned long long)bytes,
                   request->id, read ? (unsigned long long)client->reader.body_n : 0);
}

/* ---- what clients get ---- */

static _Noreturn void needless(const struct sim_client *client, const char *what)
{
    check_fail("one-answer", (int)client->index, (int)awaited(client)->id,
               "nothing stood in the way of q%u, and c%u gets %s (%d)", awaited(client)->id, client->index, what,
               client->reader.status);
}

/* How exactly the time of a client's event can be known: the way there and back, a connect to a worker, and a tick. */
int64_t check_slack_ns(const struct world *world)
{
    return 5 * (world->plan->net.delay_ns + world->plan->net.jitter_ns) + 3 * NS_PER_MS;
}

bool check_times_are_plain(const struct sim_client *client)
{
    const struct plan *plan = client->world->plan;
    return !client->plan->h2 && !plan_has(plan, FAMILY_TIGHT) && !plan_has(plan, FAMILY_MEMORY) &&
           !plan_has(plan, FAMILY_TLS) && client->plan->pause_ms == 0 && client->plan->stop != STOP_READING &&
           !client->plan->half_close;
}

/* Between two servers nobody takes connections: what is sent then may be read so much later. */
static int64_t untaken_ns(const struct world *world, int64_t since_ns)
{
    int64_t open_ns = world->upgraded_ns + world->plan->upgrade.open_ms * NS_PER_MS;
    bool between =
        world->upgraded_ns > 0 && since_ns > world->upgraded_ns - check_slack_ns(world) && since_ns < open_ns;
    return between ? open_ns - since_ns : 0;
}

/* Something happened limit_ms after since_ns: not before, not much later. early_ns: how much sooner the balancer may
 * have begun to count. */
static void check_deadline(const struct sim_client *client, const char *what, int64_t since_ns, uint32_t limit_ms,
                           int64_t early_ns)
{
    int64_t took_ns = world_now_ns(client->world) - since_ns, limit_ns = limit_ms * NS_PER_MS;
    uint32_t request = client->awaiting < client->plan->count ? awaited(client)->id : 0;
    int64_t late_ns = check_slack_ns(client->world) + untaken_ns(client->world, since_ns);
    if (took_ns < limit_ns - early_ns - 2 * NS_PER_MS || took_ns > limit_ns + late_ns)
        check_fail("deadlines", (int)client->index, request > 0 ? (int)request : TRACE_NOBODY,
                   "c%u: %s after %.3f ms, the limit is %u ms", client->index, what, (double)took_ns / 1e6, limit_ms);
}

/* It counts from when the worker can be given the body: two ways there and back later, where TLS is spoken to it. */
static int64_t greeting_ns(const struct sim_client *client)
{
    const struct plan *plan = client->world->plan;
    return plan->worker[awaited(client)->pool].tls.spoken ? 4 * (plan->net.delay_ns + plan->net.jitter_ns) : 0;
}

/* Since its client's last byte, or since it passed on an interim answer if that came later. */
static void check_body_timeout(const struct sim_client *client, const struct request_log *log)
{
    uint32_t limit_ms = client->world->plan->timeouts.request_body_ms;
    bool anew = log->interim_ns > log->last_sent_ns;
    int64_t greeting = anew ? 0 : greeting_ns(client);
    check_deadline(client, "request_body_timeout", anew ? log->interim_ns : log->last_sent_ns + greeting, limit_ms,
                   anew ? check_slack_ns(client->world) : greeting);
}

static void check_timed_answer(const struct sim_client *client, struct str reason)
{
    const struct plan *plan = client->world->plan;
    const struct request_log *log = log_of(client);
    int64_t early_ns = check_slack_ns(client->world);
    if (!check_times_are_plain(client) || client->plan->pipelined)
        return;
    if (str_ends(reason, STR("\"answer_timeout\"")) && log->whole_ns > 0 && awaited(client)->framing == PLAN_NO_BODY &&
        log->begun == 1 && awaited(client)->answer.kind == ANSWER_HANG)
        check_deadline(client, "answer_timeout", log->whole_ns, plan->timeouts.response_head_ms, early_ns);
    if (str_ends(reason, STR("\"request_head_timeout\"")) && !plan_has(plan, FAMILY_CROWD))
        check_deadline(client, "request_head_timeout", log->first_sent_ns, plan->timeouts.request_head_ms, 0);
    if (str_ends(reason, STR("\"request_body_timeout\"")) && !plan_has(plan, FAMILY_CROWD) && log->begun == 1 &&
        !plan_has(plan, FAMILY_OUTAGE) && !plan_has(plan, FAMILY_DARK) && !plan_pool_is_h2(plan, awaited(client)->pool))
        check_body_timeout(client, log);
}

static void own_answer(struct sim_client *client, struct str proxy_status)
{
    const struct plan_request *request = awaited(client);
    client->own_answer = true;
    if (client->reader.status < 400)
        check_fail("one-answer", (int)client->index, (int)request->id, "an error with status %d",
                   client->reader.status);
    check_timed_answer(client, proxy_status);
    check_tls_word(client, proxy_status);
    check_tunnel_word(client, proxy_status);
    if (excuse_of(client) == NULL) {
        char what[160];
        snprintf(what, sizeof(what), "an error: %.*s", STR_ARG(proxy_status));
        needless(client, what);
    }
}

static void workers_answer(struct sim_client *client)
{
    const struct plan_request *request = awaited(client);
    const struct plan_answer *answer = &request->answer;
    struct wire_reader *reader = &client->reader;
    struct str value;
    if (!says_id(field_of(reader, "X-Sim"), request->id, '.'))
        check_fail("no-mixing", (int)client->index, (int)request->id, "c%u gets another's answer to q%u: %.*s",
                   client->index, request->id, (int)reader->head_n, reader->head);
    if (answer->kind == ANSWER_GARBAGE ? answer->garbage != 3 : reader->status != answer->status)
        check_fail("one-answer", (int)client->index, (int)request->id, "c%u gets an answer that nobody gave: %.*s",
                   client->index, (int)reader->head_n, reader->head);
    if (wire_reader_field(reader, "X-Hop", &value) != 0 || wire_reader_field(reader, "Via", &value) != 1 ||
        wire_reader_field(reader, "Date", &value) != 1)
        check_fail("one-answer", (int)client->index, (int)request->id, "c%u gets a head with wrong fields: %.*s",
                   client->index, (int)reader->head_n, reader->head);
    reader->key = world_answer_key(client->world, request->id);
}

void check_answer_head(struct sim_client *client)
{
    const struct plan_request *request = awaited(client);
    struct wire_reader *reader = &client->reader;
    struct str value;
    client->own_answer = false;
    if (reader->status == 101) {
        check_switched(client);
        return;
    }
    if (reader->status < 200) {
        bool named = says_id(field_of(reader, "X-Sim-Hint"), request->id, 0);
        if (request->old || client->interims > 12 || (!named && (reader->status != 100 || !request->expect)))
            check_fail("one-answer", (int)client->index, (int)request->id, "c%u gets an interim answer: %.*s",
                       client->index, (int)reader->head_n, reader->head);
        log_of(client)->interim_ns = world_now_ns(client->world);
        return;
    }
    if (wire_reader_field(reader, "Proxy-Status", &value) == 1)
        own_answer(client, value);
    else if (request->metrics)
        client->own_answer = true;
    else
        workers_answer(client);
}

/* Nobody is slow: an answer comes as soon as the way allows, not when some time-out looks after it. */
static void check_prompt(const struct sim_client *client)
{
    const struct request_log *log = log_of(client);
    int64_t took_ns = world_now_ns(client->world) - log->answered_ns;
    if (!check_times_are_plain(client) || log->answered_ns == 0 || client->plan->piece > 0)
        return;
    int64_t rounds = 4 + awaited(client)->answer.body_bytes / 100000; /* so many windows full */
    if (took_ns > rounds * check_slack_ns(client->world))
        check_fail("deadlines", (int)client->index, (int)awaited(client)->id,
                   "c%u has its answer to q%u only %.3f ms after the worker gave it", client->index,
                   awaited(client)->id, (double)took_ns / 1e6);
}

void check_answer_whole(struct sim_client *client)
{
    const struct plan_request *request = awaited(client);
    const struct plan_answer *answer = &request->answer;
    const struct wire_reader *reader = &client->reader;
    struct request_log *log = log_of(client);
    bool bodiless = request->method == PLAN_HEAD || reader->status == 204 || reader->status == 304;
    log->status = reader->status;
    log->outcome = client->own_answer && !request->metrics ? OUTCOME_OURS : OUTCOME_RIGHT;
    if (client->own_answer)
        return;
    check_prompt(client);
    uint64_t bytes = bodiless ? 0 : answer->body_bytes;
    if (reader->body_n != bytes || reader->wrong)
        check_fail(reader->wrong ? "no-mixing" : "one-answer", (int)client->index, (int)request->id,
                   "c%u gets an answer to q%u with %llu bytes instead of %llu%s%llu, and it ends as if whole",
                   client->index, request->id, (unsigned long long)reader->body_n, (unsigned long long)bytes,
                   reader->wrong ? ", wrong from byte " : "; ", (unsigned long long)reader->wrong_at);
    if (answer->kind != ANSWER_RIGHT && reader->framing != WIRE_NONE)
        check_fail("one-answer", (int)client->index, (int)request->id, "q%u has an answer that was never whole",
                   request->id);
    if (request->method == PLAN_HEAD && reader->length != UINT64_MAX && reader->length != answer->body_bytes)
        check_fail("one-answer", (int)client->index, (int)request->id, "a HEAD of %llu bytes",
                   (unsigned long long)reader->length);
}

void check_answer_cut(struct sim_client *client, bool clean)
{
    const struct plan_request *request = awaited(client);
    struct request_log *log = log_of(client);
    bool inside = client->reader.state != WIRE_HEAD || client->reader.head_n > 0;
    log->outcome = log->sent_any ? OUTCOME_CUT : OUTCOME_NEVER_SENT;
    if (excuse_of(client) == NULL)
        needless(client, "no answer");
    if (inside && clean && !client->own_answer)
        check_fail("one-answer", (int)client->index, (int)request->id,
                   "c%u: the answer to q%u ends in the middle, and orderly", client->index, request->id);
    if (inside && log->stalled_ns > 0 && request->answer.kind == ANSWER_STALL && check_times_are_plain(client) &&
        client->plan->stop == STOP_NONE && !client->plan->pipelined && client->world->plan->drain_ms == 0 &&
        !plan_has(client->world->plan, FAMILY_DARK) && !plan_has(client->world->plan, FAMILY_OUTAGE) &&
        !plan_has(client->world->plan, FAMILY_BREAK) && !plan_pool_cuts(client->world->plan, request->pool) &&
        request->framing == PLAN_NO_BODY && request->answer.at_byte < client->world->plan->net.buffer_bytes) {
        /* The lines around chunks move nothing on: a worker that stalls behind one was silent since its last byte of
         * body. */
        uint32_t limit_ms = client->world->plan->timeouts.response_idle_ms;
        bool chunked = request->answer.framing == PLAN_CHUNKED;
        check_deadline(client, "answer_stalled", log->stalled_ns, limit_ms,
                       chunked ? limit_ms * NS_PER_MS : check_slack_ns(client->world));
    }
    wire_reader_start(&client->reader);
}

void check_idle_end(struct sim_client *client)
{
    const struct plan *plan = client->world->plan;
    if (client->told_close || client->answered_ns == 0 || !check_times_are_plain(client) ||
        client->plan->stop != STOP_NONE || plan_has(plan, FAMILY_BREAK) || client->next < client->plan->count ||
        client->world->upgraded_ns > 0)
        return;
    if (client->world->drain_ns > 0) {
        int64_t since_ns =
            client->world->drain_ns > client->answered_ns ? client->world->drain_ns : client->answered_ns;
        if (client->answered_ns + plan->timeouts.client_idle_ms * NS_PER_MS > client->world->drain_ns)
            check_deadline(client, "idle connection closed when told to stop", since_ns, 0, 0);
        return;
    }
    check_deadline(client, "idle connection closed", client->answered_ns, plan->timeouts.client_idle_ms,
                   check_slack_ns(client->world));
}

void check_handshake_end(struct sim_client *client)
{
    const struct world *world = client->world;
    const struct plan *plan = world->plan;
    if (!client->out.stopped || plan_has(plan, FAMILY_TIGHT) || plan_has(plan, FAMILY_MEMORY) ||
        plan_has(plan, FAMILY_CROWD) || plan_has(plan, FAMILY_BREAK) || plan_has(plan, FAMILY_UPGRADE) ||
        world->drain_ns > 0)
        return;
    uint32_t idle_ms = plan->timeouts.client_idle_ms, handshake_ms = plan->timeouts.tls_handshake_ms;
    check_deadline(client, "tls_handshake", client->greeted_ns, idle_ms < handshake_ms ? idle_ms : handshake_ms,
                   check_slack_ns(world));
}
