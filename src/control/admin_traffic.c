/* An inquiry is one order for each reactor. A reactor copies what it has into the order between two turns and wakes the
 * control thread, which answers when all have told, or none of the rest can. Nothing waits on the data path, and a
 * reactor that stands still only delays the answer. */
#include "control/admin_traffic.h"

#include <stdlib.h>

#include "control/admin_pools.h"
#include "control/admin_story.h"

enum {
    LIST_MAX = 1000,
    TEXT_BYTES = 128,   /* of a host or a target; longer ones are cut */
    INQUIRIES_MAX = 8,  /* at once: well below REACTOR_ORDERS_MAX */
    PATIENCE_MS = 2000, /* then the answer says what is known */
};

struct exchange_row {
    uint64_t bytes_in, bytes_out;
    double age_ms;
    uint32_t tries;
    int status;
    const char *step;
    char id[64], client[64], method[24], host[TEXT_BYTES], target[TEXT_BYTES], pool[66], worker[66];
};

struct client_row {
    uint64_t sent;
    bool busy;
    char client[64];
};

struct inquiry;
struct part;

/* What is asked of the reactors: how each tells, and what is made of it. */
struct inquiry_kind {
    size_t row_bytes;
    void (*take)(struct part *part, struct reactor *reactor); /* on the reactor's thread */
    void (*answer)(struct inquiry *inquiry, struct admin_call *call);
};

struct part {
    struct reactor_order order; /* first */
    struct inquiry *inquiry;
    uint32_t limit, count, total;
    union {
        void *rows;
        struct exchange_row *exchanges;
        struct client_row *clients;
        struct recent_record *record;
    };
    bool posted;
    _Atomic bool told;
};

struct inquiry {
    struct list link; /* of admin->asked */
    struct admin *admin;
    struct admin_call *call; /* NULL once answered */
    const struct inquiry_kind *kind;
    char id[RECENT_ID_MAX + 1]; /* of the request that is asked for */
    struct timer patience;
    uint32_t parts_count;
    struct part parts[];
};

/* ---- on a reactor's thread ---- */

static void copy_text(char *out, size_t room, struct str text)
{
    size_t n = text.n < room - 1 ? text.n : room - 1;

    if (n)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

static void take_exchange(void *context, const struct exchange_view *view)
{
    struct part *part = context;

    part->total++;
    if (part->count == part->limit)
        return;
    struct exchange_row *row = &part->exchanges[part->count++];
    row->bytes_in = view->bytes_in;
    row->bytes_out = view->bytes_out;
    row->age_ms = (double)view->age_us / 1000;
    row->tries = view->tries;
    row->status = view->status;
    row->step = exchange_step_name(view->step);
    copy_text(row->id, sizeof(row->id), view->id);
    copy_text(row->client, sizeof(row->client), view->client);
    copy_text(row->method, sizeof(row->method), view->method);
    copy_text(row->host, sizeof(row->host), view->host);
    copy_text(row->target, sizeof(row->target), view->target);
    copy_text(row->pool, sizeof(row->pool), view->pool ? view->pool->name : STR(""));
    copy_text(row->worker, sizeof(row->worker), view->worker ? worker_name(view->worker) : STR(""));
}

static void take_client(void *context, const struct seat *seat, bool busy)
{
    struct part *part = context;
    char host[SOCK_TEXT_MAX];

    part->total++;
    if (part->count == part->limit)
        return;
    struct client_row *row = &part->clients[part->count++];
    row->sent = seat->sent;
    row->busy = busy;
    copy_text(row->client, sizeof(row->client), seat_peer_host(seat, host));
}

static void take_exchanges(struct part *part, struct reactor *reactor)
{
    reactor_each_exchange(reactor, take_exchange, part);
}

static void take_clients(struct part *part, struct reactor *reactor)
{
    reactor_each_client(reactor, take_client, part);
}

static void take_record(struct part *part, struct reactor *reactor)
{
    const struct recent_record *found = recent_find(reactor_recent(reactor), str_of(part->inquiry->id));

    if (!found)
        return;
    *part->record = *found;
    part->count = 1;
}

static void run_part(struct reactor_order *order, struct reactor *reactor)
{
    struct part *part = CONTAINER_OF(order, struct part, order);
    struct io *io = part->inquiry->admin->options.io;

    part->inquiry->kind->take(part, reactor);
    atomic_store(&part->told, true); /* from here on the control thread may free it */
    io_wake(io);
}

/* ---- on the control thread ---- */

static void free_inquiry(struct inquiry *inquiry)
{
    io_timer_fini(inquiry->admin->options.io, &inquiry->patience);
    list_remove(&inquiry->link);
    for (uint32_t i = 0; i < inquiry->parts_count; i++)
        free(inquiry->parts[i].rows); /* not per request: an operator's question */
    free(inquiry);                    /* not per request: see above */
}

static json_t *exchange_json(const struct exchange_row *row, uint32_t thread)
{
    json_t *json = json_pack("{sIsssfsIsisIsI}", "thread", (json_int_t)thread, "step", row->step, "age_ms", row->age_ms,
                             "tries", (json_int_t)row->tries, "status", row->status, "bytes_in",
                             (json_int_t)row->bytes_in, "bytes_out", (json_int_t)row->bytes_out);

    admin_set_str(json, "id", str_of(row->id));
    admin_set_str(json, "client", str_of(row->client));
    admin_set_str(json, "method", str_of(row->method));
    admin_set_str(json, "host", str_of(row->host));
    admin_set_str(json, "target", str_of(row->target));
    admin_set_str(json, "pool", str_of(row->pool));
    admin_set_str(json, "worker", str_of(row->worker));
    return json;
}

static json_t *client_json(const struct client_row *row, uint32_t thread)
{
    json_t *json =
        json_pack("{sIsbsI}", "thread", (json_int_t)thread, "busy", row->busy, "bytes_sent", (json_int_t)row->sent);

    admin_set_str(json, "client", str_of(row->client));
    return json;
}

/* What all have told, as one list; each thread has told as many as are wanted in all. */
static json_t *rows_json(const struct inquiry *inquiry,
                         json_t *(*row_json)(const struct part *part, uint32_t index, uint32_t thread),
                         uint64_t *ret_total)
{
    json_t *list = json_array();

    *ret_total = 0;
    for (uint32_t i = 0; i < inquiry->parts_count; i++) {
        const struct part *part = &inquiry->parts[i];
        if (!atomic_load(&part->told))
            continue;
        *ret_total += part->total;
        for (uint32_t k = 0; k < part->count && json_array_size(list) < part->limit; k++)
            (void)json_array_append_new(list, row_json(part, k, i));
    }
    return list;
}

static json_t *exchange_row_json(const struct part *part, uint32_t index, uint32_t thread)
{
    return exchange_json(&part->exchanges[index], thread);
}

static json_t *client_row_json(const struct part *part, uint32_t index, uint32_t thread)
{
    return client_json(&part->clients[index], thread);
}

static void answer_exchanges(struct inquiry *inquiry, struct admin_call *call)
{
    uint64_t total;
    json_t *list = rows_json(inquiry, exchange_row_json, &total);

    admin_answer_json(call, json_pack("{sosI}", "exchanges", list, "total", (json_int_t)total));
}

static void answer_clients(struct inquiry *inquiry, struct admin_call *call)
{
    uint64_t total;
    json_t *list = rows_json(inquiry, client_row_json, &total);

    pulse_read(inquiry->admin->pulse);
    admin_answer_json(call, json_pack("{soso}", "counts", admin_counts_json(inquiry->admin), "clients", list));
}

/* An id may have come to several threads: the last one counts. */
static void answer_record(struct inquiry *inquiry, struct admin_call *call)
{
    const struct recent_record *last = NULL;

    for (uint32_t i = 0; i < inquiry->parts_count; i++) {
        const struct part *part = &inquiry->parts[i];
        if (atomic_load(&part->told) && part->count > 0 && (!last || part->record->ended_ns > last->ended_ns))
            last = part->record;
    }
    if (last)
        admin_answer_json(call, admin_story_json(last, io_now_ns(inquiry->admin->options.io)));
    else
        admin_answer_error(call, 404, "not_remembered",
                           "No recent request had this id: each thread remembers the last 1,024 that went well and the "
                           "last 512 that did not.");
}

static const struct inquiry_kind of_exchanges = {sizeof(struct exchange_row), take_exchanges, answer_exchanges};
static const struct inquiry_kind of_clients = {sizeof(struct client_row), take_clients, answer_clients};
static const struct inquiry_kind of_record = {sizeof(struct recent_record), take_record, answer_record};

static void answer(struct inquiry *inquiry)
{
    struct admin_call *call = inquiry->call;

    inquiry->call = NULL;
    inquiry->kind->answer(inquiry, call);
}

static bool is_complete(const struct inquiry *inquiry)
{
    for (uint32_t i = 0; i < inquiry->parts_count; i++)
        if (inquiry->parts[i].posted && !atomic_load(&inquiry->parts[i].told))
            return false;
    return true;
}

void admin_traffic_look(struct admin *admin)
{
    LIST_FOREACH_SAFE (link, &admin->asked) {
        struct inquiry *inquiry = CONTAINER_OF(link, struct inquiry, link);
        if (!is_complete(inquiry))
            continue;
        if (inquiry->call)
            answer(inquiry);
        free_inquiry(inquiry);
    }
}

/* A reactor has not told in time: its part is left out, and freed when it does. */
static void on_patience(struct timer *timer)
{
    struct inquiry *inquiry = CONTAINER_OF(timer, struct inquiry, patience);

    if (inquiry->call)
        answer(inquiry);
}

void admin_traffic_stop(struct admin *admin)
{
    LIST_FOREACH_SAFE (link, &admin->asked) {
        struct inquiry *inquiry = CONTAINER_OF(link, struct inquiry, link);
        if (inquiry->call)
            answer(inquiry); /* a call whose client was cut off goes with that */
        free_inquiry(inquiry);
    }
}

/* not per request: an operator's question. */
static struct inquiry *make_inquiry(struct admin *admin, const struct inquiry_kind *kind, uint32_t limit)
{
    uint32_t count = admin->options.reactor_count;
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry) + count * sizeof(inquiry->parts[0]));

    if (!inquiry)
        return NULL;
    inquiry->admin = admin;
    inquiry->kind = kind;
    inquiry->parts_count = count;
    list_init(&inquiry->link);
    timer_init(&inquiry->patience, on_patience);
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = &inquiry->parts[i];
        *part = (struct part){.order = {run_part}, .inquiry = inquiry, .limit = limit};
        part->rows = calloc(limit, kind->row_bytes);
        if (!part->rows) {
            free_inquiry(inquiry);
            return NULL;
        }
    }
    return inquiry;
}

static uint32_t count_asked(const struct admin *admin)
{
    uint32_t count = 0;

    LIST_FOREACH (link, &admin->asked)
        count++;
    return count;
}

/* id: of the request that is asked for, or empty. */
static void ask(struct admin *admin, struct admin_call *call, const struct inquiry_kind *kind, uint32_t limit,
                struct str id)
{
    struct io *io = admin->options.io;
    struct inquiry *inquiry = count_asked(admin) < INQUIRIES_MAX ? make_inquiry(admin, kind, limit) : NULL;

    if (!inquiry) {
        admin_answer_error(call, 503, "full", "Too much is being asked at once, or memory is short.");
        return;
    }
    inquiry->call = call;
    copy_text(inquiry->id, sizeof(inquiry->id), id);
    list_append(&admin->asked, &inquiry->link);
    for (uint32_t i = 0; i < inquiry->parts_count; i++)
        inquiry->parts[i].posted = reactor_post(admin->options.reactors[i], &inquiry->parts[i].order) == 0;
    io_timer_set(io, &inquiry->patience, io_now_ms(io) + PATIENCE_MS);
}

static void ask_for_list(struct admin *admin, struct admin_call *call, const struct inquiry_kind *kind)
{
    uint64_t limit;

    if (admin_query_number(admin, call, "limit", &limit))
        ask(admin, call, kind, limit < LIST_MAX ? (uint32_t)limit : LIST_MAX, STR(""));
}

void admin_do_exchanges(struct admin *admin, struct admin_call *call)
{
    ask_for_list(admin, call, &of_exchanges);
}

void admin_do_connections(struct admin *admin, struct admin_call *call)
{
    ask_for_list(admin, call, &of_clients);
}

void admin_do_why(struct admin *admin, struct admin_call *call)
{
    struct str id = admin_param(admin, call, "id");

    if (id.n == 0)
        admin_answer_error(call, 400, "bad_id", "A request id is 1 to 128 of letters, digits, `.`, `_` and `-`.");
    else
        ask(admin, call, &of_record, 1, id);
}
