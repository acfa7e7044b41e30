/* A reactor's life, its sessions, what crosses from other threads, draining. Everything that happens to a request is
 * the exchange's. */
#include "proxy/reactor.h"

#include "base/lines.h"
#include "proxy/reactor_change.h"
#include "proxy/reactor_doors.h"

enum {
    MAIL_SLOTS = 128, /* well above REACTOR_ORDERS_MAX and TEAM_COMING_MAX */
    LOG_FLUSH_MS = 100,
    /* Chunks for a connection that moves bodies both ways with all four queues full, each chunk at least half full
     * (BUFQ_JOIN_BYTES), and what is being received and written. */
    CONNECTION_BYTES_MAX = 4 * 2 * 65536 + 4 * BUF_CHUNK_BYTES,
};

/* ---- sessions ---- */

/* Words that another thread may be reading. */
static void copy_counts(struct h2_counts *to, const struct h2_counts *from)
{
    uint64_t *words = (uint64_t *)to;
    const uint64_t *now = (const uint64_t *)from;

    for (size_t i = 0; i < sizeof(*to) / sizeof(*words); i++)
        __atomic_store_n(&words[i], now[i], __ATOMIC_RELAXED);
}

static void note_connections(struct reactor *reactor)
{
    struct account_totals *totals = &reactor->account.totals;

    account_begin(&reactor->account);
    copy_counts(&totals->h2, &reactor->h2.counts);
    copy_counts(&totals->h2_workers, &reactor->h2_workers.counts);
    __atomic_store_n(&totals->clients_open, reactor->clients.count, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_open, reactor->leases.open, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_idle, lease_book_idle(&reactor->leases), __ATOMIC_RELAXED);
    account_end(&reactor->account);
}

static struct stream *on_request(void *context, struct session *session)
{
    return exchange_open(&((struct reactor *)context)->home, session);
}

static void on_client_left(void *context)
{
    reactor_note_load(context);
    reactor_doors_accept(context);
}

/* ---- what lower floors tell ---- */

static void note_handshake(void *context, enum tls_note note)
{
    struct reactor *reactor = context;

    reactor_count_one(reactor, &reactor->account.totals.handshakes[note]);
}

static void note_proxied(void *context, enum proxied_note note)
{
    struct reactor *reactor = context;

    reactor_count_one(reactor, &reactor->account.totals.proxied[note]);
}

static bool admit_proxied(void *context, struct conn *conn)
{
    return clients_admit(&((struct reactor *)context)->clients, conn->seat);
}

/* ---- from other threads ---- */

/* Its doors stay, since who was passed on to it by another reactor still comes in. */
static void retire(struct reactor *reactor)
{
    if (reactor->draining || reactor->retiring)
        return;
    reactor->retiring = true;
    reactor_note_load(reactor);
    reactor_doors_accept(reactor);
    clients_retire(&reactor->clients);
    note_connections(reactor); /* whoever waits for the last of them begins to count */
}

static void drain(struct reactor *reactor)
{
    if (reactor->draining)
        return;
    reactor->draining = true;
    reactor_note_load(reactor);
    reactor_doors_stop(reactor);
    clients_drain(&reactor->clients);
    warm_stop(&reactor->warm);
    lease_book_drain(&reactor->leases);
}

struct lease_options reactor_lease_options(struct reactor *reactor)
{
    const struct reactor_options *options = &reactor->options;
    struct worker_door_options door = {.limits = options->answer_limits, .h2 = options->worker_h2};

    door.h2.idle_ms = options->worker_idle_ms;
    door.h2.room = &reactor->h2_workers;
    return (struct lease_options){
        .door = door,
        .worker_idle_ms = options->worker_idle_ms,
        .idle_max = options->idle_per_worker,
        .idle_total = options->connections, /* as many as descriptors are reckoned with for them */
        .workers = options->workers,
        /* Twice: a session that closes is still there when the next try takes another. */
        .max_sessions = 2 * (size_t)options->connections + ((size_t)options->idle_per_worker + 1) * options->workers,
    };
}

static void on_wake(void *context)
{
    struct reactor *reactor = context;
    struct mail mail;

    while (mailbox_take(&reactor->mail, &mail)) {
        if (mail.kind == MAIL_RETIRE)
            retire(reactor);
        else if (mail.kind == MAIL_DRAIN)
            drain(reactor);
        else if (mail.kind == MAIL_CHANGE)
            reactor_change_apply(reactor, mail.subject);
        else if (mail.kind == MAIL_CLIENT)
            reactor_take_passed_on(reactor, mail.subject);
        else
            ((struct reactor_order *)mail.subject)->run(mail.subject, reactor);
    }
}

int reactor_post(struct reactor *reactor, struct reactor_order *order)
{
    int error = mailbox_post(&reactor->mail, (struct mail){.kind = MAIL_ORDER, .subject = order});

    if (!error)
        io_wake(reactor->io);
    return error;
}

void reactor_each_exchange(const struct reactor *reactor, void (*tell)(void *context, const struct exchange_view *view),
                           void *context)
{
    exchange_view_each(&reactor->home, tell, context);
}

void reactor_each_client(const struct reactor *reactor, clients_tell_fn tell, void *context)
{
    clients_each(&reactor->clients, tell, context);
}

static void tell(struct reactor *reactor, enum mail_kind kind)
{
    /* Never full: of orders there are few at once (REACTOR_ORDERS_MAX), and these are posted once or twice. */
    int error = mailbox_post(&reactor->mail, (struct mail){.kind = kind});

    ASSERT(error == 0 || error == -ERR_FULL);
    io_wake(reactor->io);
}

void reactor_retire(struct reactor *reactor)
{
    tell(reactor, MAIL_RETIRE);
}

void reactor_drain(struct reactor *reactor)
{
    tell(reactor, MAIL_DRAIN);
}

/* ---- life ---- */

static void on_flush(struct timer *timer)
{
    struct reactor *reactor = CONTAINER_OF(timer, struct reactor, flush);

    access_log_flush(&reactor->log);
    clients_rest(&reactor->clients);
    lease_book_rest(&reactor->leases);
    reactor_heed_shortages(reactor);
    warm_look(&reactor->warm, &reactor->options.rules->routes, reactor->options.warm_per_worker);
    note_connections(reactor);
    io_timer_set(reactor->io, &reactor->flush, io_now_ms(reactor->io) + LOG_FLUSH_MS);
}

static int start_parts(struct reactor *reactor)
{
    const struct reactor_options *options = &reactor->options;
    struct io_options io = {
        .backend = options->backend,
        .buffers = &reactor->buffers,
        .pipes = options->pipes,
        .max_sockets = 2 * options->connections,
        .on_wake = on_wake,
        .context = reactor,
    };
    struct lease_options leases = reactor_lease_options(reactor);
    struct exchange_epoch *epoch = reactor_epoch_make(options);
    if (!epoch)
        return -ERR_NO_MEMORY;
    exchange_home_turn(&reactor->home, epoch);
    int error = io_create(&io, &reactor->io);

    leases.io = reactor->io;
    reactor->clients.options.io = reactor->io;
    if (!error) {
        tls_room_init(&reactor->handshakes, reactor->io, options->handshakes);
        reactor->handshakes.note = note_handshake;
        reactor->handshakes.context = reactor;
        error = lease_book_init(&reactor->leases, &leases);
        warm_init(&reactor->warm, &reactor->leases);
    }
    if (!error)
        error = account_init(&reactor->account, options->workers);
    if (!error)
        error = access_log_init(&reactor->log, options->access_sink, options->access_format, options->access_sample);
    if (!error)
        error = recent_init(&reactor->recent);
    if (!error)
        error = mailbox_init(&reactor->mail, MAIL_SLOTS);
    return error;
}

static void start_clients(struct reactor *reactor, size_t most)
{
    clients_init(&reactor->clients, &(struct clients_options){
                                        .entry = {&reactor->options.client, &reactor->options.client_h2, &reactor->h2},
                                        .most = most,
                                        .gate = reactor->options.gate,
                                        .account = &reactor->account,
                                        .on_request = on_request,
                                        .on_left = on_client_left,
                                        .context = reactor,
                                    });
}

/* start-up only: one for each thread. */
int reactor_create(const struct reactor_options *options, struct reactor **ret_reactor)
{
    struct reactor *reactor = lines_take(1, sizeof(*reactor));
    if (!reactor)
        return -ERR_NO_MEMORY;
    reactor->options = *options;
    list_init(&reactor->doors);
    timer_init(&reactor->flush, on_flush);
    buf_pool_init(&reactor->buffers, ((size_t)options->connections + 64) * CONNECTION_BYTES_MAX);
    /* One connection may be on its way from each listener when the last place is taken, and some from each other. */
    size_t most = (size_t)options->connections + options->door_count + (options->team ? TEAM_COMING_MAX : 0);
    h2_room_init(&reactor->h2, options->streams,
                 H2_LIBRARY_SESSION_BYTES * most + H2_LIBRARY_STREAM_BYTES * options->streams);
    /* No more sessions than exchanges: each has one at most. */
    h2_room_init(&reactor->h2_workers, most + 1 + options->streams,
                 (H2_LIBRARY_SESSION_BYTES + H2_LIBRARY_STREAM_BYTES) * (most + 1 + options->streams));
    reactor->proxied = (struct proxied_room){&reactor->handshakes, admit_proxied, note_proxied, reactor};
    start_clients(reactor, most);
    /* While one exchange ends, a pipelined request may begin the next. Streams of HTTP/2 take nothing from HTTP/1. */
    exchange_home_init(&reactor->home, most + 1 + options->streams);
    int error = start_parts(reactor);
    if (!error)
        error = reactor_doors_start(reactor);
    reactor->options.doors = NULL; /* the caller's */
    if (error) {
        reactor_destroy(&reactor); /* the process ends: sockets taken over so far go with it */
        return error;
    }
    reactor->home.io = reactor->io;
    reactor->home.leases = &reactor->leases;
    reactor->home.account = &reactor->account;
    reactor->home.log = &reactor->log;
    reactor->home.recent = &reactor->recent;
    reactor->home.spans = reactor->options.spans;
    if (options->seed)
        rand_seed(&reactor->home.rand, options->seed);
    else
        rand_init(&reactor->home.rand);
    io_timer_set(reactor->io, &reactor->flush, io_now_ms(reactor->io) + LOG_FLUSH_MS);
    if (options->team)
        team_join(options->team, options->index, reactor);
    *ret_reactor = reactor;
    return 0;
}

bool reactor_has_stopped(const struct reactor *reactor)
{
    return reactor->draining && reactor->clients.count == 0 && reactor->leases.open == 0 && reactor->doors_open == 0;
}

void reactor_read_use(const struct reactor *reactor, struct reactor_use *ret_use)
{
    *ret_use = (struct reactor_use){
        .clients = reactor->clients.seats.used,
        .exchanges = reactor->home.exchanges.used - reactor->home.spare_count,
        .leases = reactor->leases.leases.used,
        .clients_whole = reactor->clients.sessions.used,
        .leases_whole = reactor->leases.sessions.used,
        .chunks = reactor->buffers.chunks.used,
        .chunks_max = reactor->buffers.chunks.used_max,
        .slices = reactor->buffers.nodes.used,
        .timers = io_timers(reactor->io),
        .idle = lease_book_idle(&reactor->leases),
        .retries = reactor->home.retries.running,
        .retries_waiting = reactor->home.retries.waiting,
        .pipes = io_pipes_taken(reactor->io),
    };
}

static void *run(void *argument)
{
    struct reactor *reactor = argument;

    for (uint64_t turns = 1; !reactor_has_stopped(reactor); turns++) {
        io_turn(reactor->io, -1);
        atomic_store_explicit(&reactor->turns, turns, memory_order_relaxed);
    }
    atomic_store(&reactor->turns, REACTOR_ENDED);
    access_log_flush(&reactor->log);
    note_connections(reactor);
    reactor->stopped = true;
    reactor->options.on_stopped(reactor->options.context);
    return NULL;
}

int reactor_start(struct reactor *reactor)
{
    return pthread_create(&reactor->thread, NULL, run, reactor) == 0 ? 0 : -ERR_SYSTEM;
}

uint64_t reactor_turns(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->turns, memory_order_relaxed);
}

void reactor_wake(struct reactor *reactor)
{
    io_wake(reactor->io);
}

void reactor_join(struct reactor *reactor)
{
    pthread_join(reactor->thread, NULL);
}

/* What came when nothing was looked at any more: clients that were passed on, another configuration. */
static void drop_mail(struct reactor *reactor)
{
    struct mail mail;

    while (reactor->mail.slots && mailbox_take(&reactor->mail, &mail)) {
        if (mail.kind == MAIL_CLIENT)
            reactor_take_passed_on(reactor, mail.subject);
        else if (mail.kind == MAIL_CHANGE)
            reactor_change_drop(mail.subject);
    }
}

/* start-up only: the other end of reactor_create. */
void reactor_destroy(struct reactor **destroyed)
{
    struct reactor *reactor = *destroyed;

    *destroyed = NULL;
    drop_mail(reactor);
    access_log_fini(&reactor->log);
    mailbox_fini(&reactor->mail);
    if (reactor->leases.shelves.element_bytes)
        lease_book_fini(&reactor->leases);
    if (reactor->io) {
        io_timer_fini(reactor->io, &reactor->flush);
        tls_room_fini(&reactor->handshakes);
        io_destroy(&reactor->io);
    }
    exchange_home_fini(&reactor->home);
    clients_fini(&reactor->clients);
    h2_room_fini(&reactor->h2);
    h2_room_fini(&reactor->h2_workers);
    buf_pool_fini(&reactor->buffers);
    account_fini(&reactor->account);
    recent_fini(&reactor->recent);
    if (reactor->home.epoch)
        exchange_home_turn(&reactor->home, NULL);
    lines_give(reactor);
}

const struct recent *reactor_recent(const struct reactor *reactor)
{
    return &reactor->recent;
}

const struct account *reactor_account(const struct reactor *reactor)
{
    return &reactor->account;
}
