/* A reactor's own business: accepting, its sessions, what crosses from other threads, draining. Everything that happens
 * to a request is the exchange's. */
#include "proxy/reactor.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lines.h"
#include "base/mailbox.h"
#include "net/listener.h"
#include "net/tls_room.h"

enum {
    MAIL_SLOTS = 64, /* well above REACTOR_ORDERS_MAX */
    LOG_FLUSH_MS = 100,
    /* What the HTTP/2 library keeps: of a session its tables, both HPACK ones full, and what waits to be sent; of a
     * stream its state and the heads in its queue. */
    LIBRARY_SESSION_BYTES = 64 << 10,
    LIBRARY_STREAM_BYTES = 16 << 10,
    /* Chunks for a connection that moves bodies both ways with all four queues full, each chunk at least half full
     * (BUFQ_JOIN_BYTES), and what is being received and written. */
    CONNECTION_BYTES_MAX = 4 * 2 * 65536 + 4 * BUF_CHUNK_BYTES,
};

enum mail_kind { MAIL_DRAIN, MAIL_ORDER };

struct reactor {
    struct session_owner owner; /* first */
    struct exchange_home home;
    struct reactor_options options;
    struct io *io;
    struct buf_pool buffers;
    struct lease_book leases;
    struct account account;
    struct access_log log;
    struct recent recent;
    struct tls_room handshakes;
    struct door *doors;
    uint32_t doors_open;
    struct slab sessions;
    struct h2_room h2;
    struct client_door_options entry;
    struct list open; /* session.link of client sessions */
    uint32_t clients;
    struct timer flush;
    struct mailbox mail;
    pthread_t thread;
    bool draining;
    bool stopped;
    _Atomic uint64_t turns; /* for whoever watches that it does not stand still */
};

struct door {
    struct listener listener;
    struct transport_use transport;
};

struct client_session {
    union client_door door; /* first */
    struct reactor *reactor;
    struct io_reap reap;
};

static struct reactor *of_owner(struct session_owner *owner)
{
    return CONTAINER_OF(owner, struct reactor, owner);
}

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
    __atomic_store_n(&totals->clients_open, reactor->clients, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_open, reactor->leases.open, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_idle, reactor->leases.idle, __ATOMIC_RELAXED);
    account_end(&reactor->account);
}

static void accept_if_room(struct reactor *reactor)
{
    bool room = !reactor->draining && reactor->clients < reactor->options.connections;

    for (uint32_t i = 0; i < reactor->options.door_count; i++)
        listener_accept(&reactor->doors[i].listener, room);
}

static struct stream *on_open(struct session_owner *owner, struct session *session)
{
    return exchange_open(&of_owner(owner)->home, session);
}

static void free_session(struct io_reap *reap)
{
    struct client_session *client = CONTAINER_OF(reap, struct client_session, reap);
    struct reactor *reactor = client->reactor;

    slab_give(&reactor->sessions, client);
    reactor->clients--;
    accept_if_room(reactor);
}

static void on_session_closed(struct session_owner *owner, struct session *session)
{
    struct client_session *client = CONTAINER_OF(session, struct client_session, door.session);

    list_remove(&session->link);
    if (client->reactor->options.gate)
        gate_leave(client->reactor->options.gate, &session->conn.peer.any);
    client->reap.reap = free_session;
    io_reap_queue(client->reactor->io, &client->reap);
}

static void on_head_lost(struct session_owner *owner, int code)
{
    struct account *account = &of_owner(owner)->account;

    account_begin(account);
    __atomic_store_n(&account->totals.heads_lost, account->totals.heads_lost + 1, __ATOMIC_RELAXED);
    account_end(account);
}

/* ---- listeners ---- */

static void count_one(struct reactor *reactor, uint64_t *counter)
{
    account_begin(&reactor->account);
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
    account_end(&reactor->account);
}

static void note_handshake(void *context, enum tls_note note)
{
    struct reactor *reactor = context;

    count_one(reactor, &reactor->account.totals.handshakes[note]);
}

static int start_client(struct reactor *reactor, const struct door *door, int fd, const struct sockaddr_storage *peer)
{
    struct client_session *client = reactor->draining ? NULL : slab_take(&reactor->sessions);

    if (!client)
        return -ERR_FULL;
    client->reactor = reactor;
    int error =
        client_door_open(&client->door, reactor->io, fd, peer, &door->transport, &reactor->entry, &reactor->owner);
    if (error) {
        slab_give(&reactor->sessions, client);
        return error;
    }
    list_append(&reactor->open, &client->door.session.link);
    reactor->clients++;
    return 0;
}

static void on_accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct reactor *reactor = listener->owner;
    struct account_totals *totals = &reactor->account.totals;
    struct gate *gate = reactor->options.gate;
    const struct sockaddr *client = (const struct sockaddr *)peer;

    if (gate && !gate_enter(gate, client)) {
        count_one(reactor, &totals->clients_turned_away);
        io_discard(reactor->io, fd);
        return;
    }
    int error = start_client(reactor, CONTAINER_OF(listener, struct door, listener), fd, peer);
    if (error) {
        if (gate)
            gate_leave(gate, client);
        io_discard(reactor->io, fd);
    }
    count_one(reactor, error ? &totals->accepts_refused : &totals->clients_accepted);
    accept_if_room(reactor);
}

static void on_refused(struct listener *listener, int error)
{
    struct reactor *reactor = listener->owner;

    count_one(reactor, &reactor->account.totals.accepts_refused);
}

static void on_listener_closed(struct listener *listener)
{
    struct reactor *reactor = listener->owner;

    reactor->doors_open--;
}

static const struct listener_events listener_events = {on_accepted, on_refused, on_listener_closed};

/* ---- from other threads ---- */

static void drain(struct reactor *reactor)
{
    if (reactor->draining)
        return;
    reactor->draining = true;
    for (uint32_t i = 0; i < reactor->options.door_count; i++)
        listener_stop(&reactor->doors[i].listener);
    LIST_FOREACH_SAFE (link, &reactor->open)
        session_drain(CONTAINER_OF(link, struct session, link));
    lease_book_drain(&reactor->leases);
}

static void on_wake(void *context)
{
    struct reactor *reactor = context;
    struct mail mail;

    while (mailbox_take(&reactor->mail, &mail)) {
        if (mail.kind == MAIL_DRAIN)
            drain(reactor);
        else if (mail.kind == MAIL_ORDER)
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

void reactor_each_client(const struct reactor *reactor, void (*tell)(void *context, struct session *session),
                         void *context)
{
    LIST_FOREACH (link, &reactor->open)
        tell(context, CONTAINER_OF(link, struct session, link));
}

void reactor_drain(struct reactor *reactor)
{
    /* Never full: of orders there are few at once (REACTOR_ORDERS_MAX), and a drain is posted once or twice. */
    int error = mailbox_post(&reactor->mail, (struct mail){.kind = MAIL_DRAIN});

    ASSERT(error == 0 || error == -ERR_FULL);
    io_wake(reactor->io);
}

/* ---- life ---- */

static void on_flush(struct timer *timer)
{
    struct reactor *reactor = CONTAINER_OF(timer, struct reactor, flush);

    access_log_flush(&reactor->log);
    note_connections(reactor);
    io_timer_set(reactor->io, &reactor->flush, io_now_ms(reactor->io) + LOG_FLUSH_MS);
}

static void close_listeners(struct reactor *reactor, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        listener_stop(&reactor->doors[i].listener);
    while (reactor->doors_open > 0)
        io_turn(reactor->io, 0);
}

/* start-up only: a listener for each socket. */
static int start_listeners(struct reactor *reactor)
{
    uint32_t count = reactor->options.door_count;

    reactor->doors = calloc(count, sizeof(*reactor->doors));
    if (!reactor->doors)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct reactor_door *from = &reactor->options.doors[i];
        struct door *door = &reactor->doors[i];
        door->transport = from->transport;
        door->transport.room = &reactor->handshakes;
        int error = listener_start(&door->listener, reactor->io, from->fd, &listener_events, reactor);
        if (error) {
            close_listeners(reactor, i);
            return error;
        }
        reactor->doors_open++;
    }
    accept_if_room(reactor);
    return 0;
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
    struct lease_options leases = {
        .limits = options->answer_limits,
        .worker_idle_ms = options->worker_idle_ms,
        .idle_max = options->idle_per_worker,
        .workers = options->workers,
        /* Twice: a session that closes is still there when the next try takes another. */
        .max_sessions = 2 * (size_t)options->connections + ((size_t)options->idle_per_worker + 1) * options->workers,
    };
    int error = io_create(&io, &reactor->io);

    leases.io = reactor->io;
    if (!error) {
        tls_room_init(&reactor->handshakes, reactor->io, options->handshakes);
        reactor->handshakes.note = note_handshake;
        reactor->handshakes.context = reactor;
        error = lease_book_init(&reactor->leases, &leases);
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

/* start-up only: one for each thread. */
int reactor_create(const struct reactor_options *options, struct reactor **ret_reactor)
{
    struct reactor *reactor = lines_take(1, sizeof(*reactor));
    if (!reactor)
        return -ERR_NO_MEMORY;
    reactor->options = *options;
    reactor->owner = (struct session_owner){on_open, on_session_closed, on_head_lost};
    list_init(&reactor->open);
    timer_init(&reactor->flush, on_flush);
    buf_pool_init(&reactor->buffers, ((size_t)options->connections + 64) * CONNECTION_BYTES_MAX);
    /* One connection may be on its way from each listener when the last place is taken. */
    size_t most = (size_t)options->connections + options->door_count;
    slab_init(&reactor->sessions, sizeof(struct client_session), most, most / 4);
    h2_room_init(&reactor->h2, options->streams,
                 LIBRARY_SESSION_BYTES * most + LIBRARY_STREAM_BYTES * options->streams);
    reactor->entry = (struct client_door_options){&reactor->options.client, &reactor->options.client_h2, &reactor->h2};
    /* While one exchange ends, a pipelined request may begin the next. Streams of HTTP/2 take nothing from HTTP/1. */
    exchange_home_init(&reactor->home, most + 1 + options->streams);
    int error = start_parts(reactor);
    if (!error)
        error = start_listeners(reactor);
    if (error) {
        reactor_destroy(&reactor); /* the process ends: sockets taken over so far go with it */
        return error;
    }
    reactor->home.io = reactor->io;
    reactor->home.rules = options->rules;
    reactor->home.leases = &reactor->leases;
    reactor->home.account = &reactor->account;
    reactor->home.log = &reactor->log;
    reactor->home.recent = &reactor->recent;
    if (options->seed)
        rand_seed(&reactor->home.rand, options->seed);
    else
        rand_init(&reactor->home.rand);
    io_timer_set(reactor->io, &reactor->flush, io_now_ms(reactor->io) + LOG_FLUSH_MS);
    *ret_reactor = reactor;
    return 0;
}

bool reactor_has_stopped(const struct reactor *reactor)
{
    return reactor->draining && reactor->clients == 0 && reactor->leases.open == 0 && reactor->doors_open == 0;
}

void reactor_read_use(const struct reactor *reactor, struct reactor_use *ret_use)
{
    *ret_use = (struct reactor_use){
        .clients = reactor->sessions.used,
        .exchanges = reactor->home.exchanges.used - reactor->home.spare_count,
        .leases = reactor->leases.leases.used,
        .chunks = reactor->buffers.chunks.used,
        .chunks_max = reactor->buffers.chunks.used_max,
        .slices = reactor->buffers.nodes.used,
        .timers = io_timers(reactor->io),
        .idle = reactor->leases.idle,
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

/* start-up only: the other end of reactor_create. */
void reactor_destroy(struct reactor **destroyed)
{
    struct reactor *reactor = *destroyed;

    *destroyed = NULL;
    access_log_fini(&reactor->log);
    mailbox_fini(&reactor->mail);
    if (reactor->leases.shelves)
        lease_book_fini(&reactor->leases);
    if (reactor->io) {
        io_timer_fini(reactor->io, &reactor->flush);
        tls_room_fini(&reactor->handshakes);
        io_destroy(&reactor->io);
    }
    exchange_home_fini(&reactor->home);
    slab_fini(&reactor->sessions);
    h2_room_fini(&reactor->h2);
    buf_pool_fini(&reactor->buffers);
    account_fini(&reactor->account);
    recent_fini(&reactor->recent);
    free(reactor->doors);
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
