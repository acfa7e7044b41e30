/* A reactor's own business: accepting, its sessions, what crosses from other threads, draining. Everything that happens
 * to a request is the exchange's. */
#include "proxy/reactor.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lines.h"
#include "base/mailbox.h"
#include "net/listener.h"
#include "net/proxied.h"
#include "net/tls_room.h"
#include "proxy/warm.h"

enum {
    MAIL_SLOTS = 128, /* well above REACTOR_ORDERS_MAX and TEAM_COMING_MAX */
    LOG_FLUSH_MS = 100,
    DOOR_KNOWN_MS = 1000, /* all reactors have long applied a change by then */
    /* Chunks for a connection that moves bodies both ways with all four queues full, each chunk at least half full
     * (BUFQ_JOIN_BYTES), and what is being received and written. */
    CONNECTION_BYTES_MAX = 4 * 2 * 65536 + 4 * BUF_CHUNK_BYTES,
};

enum mail_kind { MAIL_DRAIN, MAIL_ORDER, MAIL_CHANGE, MAIL_CLIENT };

/* A client that another reactor has accepted. */
struct passed_on {
    int fd;
    uint32_t door;
    struct sockaddr_storage peer;
};

/* A listening socket of this reactor. */
struct door {
    struct listener listener; /* first */
    struct list link;
    struct clients_way way; /* of what is accepted */
    int64_t known_ms;       /* from then on the other reactors know of it too */
};

/* The rules of one configuration, for as long as exchanges here go by them. */
struct epoch {
    struct exchange_epoch exchanges; /* first */
    void (*on_released)(void *context);
    void *context;
};

struct reactor_change {
    struct reactor_options options;
    struct epoch *epoch;
    struct list doors; /* to open; their sockets are in fds */
    int *fds;
    uint32_t *closed;
    uint32_t closed_count;
    struct reactor_door *kept;
    uint32_t kept_count;
    void (*on_applied)(void *context);
    void *context;
};

struct reactor {
    struct exchange_home home;
    struct reactor_options options;
    struct io *io;
    struct buf_pool buffers;
    struct lease_book leases;
    struct warm warm;
    struct account account;
    struct access_log log;
    struct recent recent;
    struct tls_room handshakes;
    struct proxied_room proxied;
    struct list doors;
    uint32_t doors_open; /* those being closed included */
    struct h2_room h2, h2_workers;
    struct clients clients;
    struct timer flush;
    struct mailbox mail;
    pthread_t thread;
    bool draining;
    bool stopped;
    uint32_t shortages;     /* of the team, those that it has seen */
    _Atomic uint64_t turns; /* for whoever watches that it does not stand still */
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
    __atomic_store_n(&totals->clients_open, reactor->clients.count, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_open, reactor->leases.open, __ATOMIC_RELAXED);
    __atomic_store_n(&totals->workers_idle, lease_book_idle(&reactor->leases), __ATOMIC_RELAXED);
    account_end(&reactor->account);
}

static void accept_if_room(struct reactor *reactor)
{
    bool room = !reactor->draining && reactor->clients.count < reactor->options.connections;

    LIST_FOREACH_SAFE (link, &reactor->doors)
        listener_accept(&CONTAINER_OF(link, struct door, link)->listener, room);
}

static struct stream *on_request(void *context, struct session *session)
{
    return exchange_open(&((struct reactor *)context)->home, session);
}

static void note_load(struct reactor *reactor)
{
    if (reactor->options.team)
        team_note(reactor->options.team, reactor->options.index,
                  reactor->draining ? TEAM_GONE : reactor->clients.count);
}

static void on_client_left(void *context)
{
    note_load(context);
    accept_if_room(context);
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

static void note_proxied(void *context, enum proxied_note note)
{
    struct reactor *reactor = context;

    count_one(reactor, &reactor->account.totals.proxied[note]);
}

static bool admit_proxied(void *context, struct conn *conn)
{
    return clients_admit(&((struct reactor *)context)->clients, conn->seat);
}

/* door: NULL when it is closed meanwhile. */
static void let_in(struct reactor *reactor, const struct door *door, int fd, const struct sockaddr_storage *peer)
{
    if (reactor->draining || !door) {
        count_one(reactor, &reactor->account.totals.accepts_refused);
        io_discard(reactor->io, fd);
        return;
    }
    clients_enter(&reactor->clients, fd, peer, &door->way);
    note_load(reactor);
    accept_if_room(reactor);
}

/* To a reactor that has clearly fewer. False: it is to be served here. */
static bool pass_on(struct reactor *reactor, uint32_t door, int fd, const struct sockaddr_storage *peer)
{
    struct team *team = reactor->options.team;
    uint32_t at;
    struct reactor *other = team && !reactor->draining ? team_choose(team, reactor->options.index, &at) : NULL;
    struct passed_on *client = other ? malloc(sizeof(*client)) : NULL; /* not per request: a few connections */

    if (client) {
        *client = (struct passed_on){fd, door, *peer};
        if (mailbox_post(&other->mail, (struct mail){.kind = MAIL_CLIENT, .subject = client}) == 0) {
            count_one(reactor, &reactor->account.totals.clients_passed_on);
            io_wake(other->io);
            return true;
        }
    }
    if (other)
        team_arrived(team, at);
    free(client); /* not per request: see above */
    return false;
}

static void on_accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct reactor *reactor = listener->owner;
    const struct door *door = CONTAINER_OF(listener, struct door, listener);

    bool known = io_now_ms(reactor->io) >= door->known_ms;

    if (!known || !pass_on(reactor, door->way.door, fd, peer))
        let_in(reactor, door, fd, peer);
}

static struct door *door_of(struct reactor *reactor, uint32_t id)
{
    LIST_FOREACH (link, &reactor->doors)
        if (CONTAINER_OF(link, struct door, link)->way.door == id)
            return CONTAINER_OF(link, struct door, link);
    return NULL;
}

static void take_passed_on(struct reactor *reactor, struct passed_on *client)
{
    let_in(reactor, door_of(reactor, client->door), client->fd, &client->peer);
    team_arrived(reactor->options.team, reactor->options.index);
    free(client); /* not per request: see pass_on */
}

/* Descriptors are the process's: when this reactor has none to give back, others may. */
static void note_shortage(struct reactor *reactor)
{
    warm_pause(&reactor->warm);
    if (lease_book_yield(&reactor->leases, LEASE_YIELD) == 0 && reactor->options.team)
        team_note_shortage(reactor->options.team);
}

static void heed_shortages(struct reactor *reactor)
{
    uint32_t said = reactor->options.team ? team_shortages(reactor->options.team) : 0;

    if (said == reactor->shortages)
        return;
    reactor->shortages = said;
    lease_book_yield(&reactor->leases, LEASE_YIELD);
    warm_pause(&reactor->warm);
}

static void on_refused(struct listener *listener, int error)
{
    struct reactor *reactor = listener->owner;

    count_one(reactor, &reactor->account.totals.accepts_refused);
    if (error == -ERR_NO_DESCRIPTORS)
        note_shortage(reactor);
}

static void on_listener_closed(struct listener *listener)
{
    struct reactor *reactor = listener->owner;

    reactor->doors_open--;
    free(CONTAINER_OF(listener, struct door, listener)); /* not per request: see make_door */
}

static const struct listener_events listener_events = {on_accepted, on_refused, on_listener_closed};

/* ---- from other threads ---- */

static void stop_door(struct door *door)
{
    list_remove(&door->link);
    listener_stop(&door->listener);
}

static void drain(struct reactor *reactor)
{
    if (reactor->draining)
        return;
    reactor->draining = true;
    note_load(reactor);
    LIST_FOREACH_SAFE (link, &reactor->doors)
        stop_door(CONTAINER_OF(link, struct door, link));
    clients_drain(&reactor->clients);
    warm_stop(&reactor->warm);
    lease_book_drain(&reactor->leases);
}

static void close_door(struct reactor *reactor, uint32_t id)
{
    LIST_FOREACH_SAFE (link, &reactor->doors) {
        struct door *door = CONTAINER_OF(link, struct door, link);
        if (door->way.door == id)
            stop_door(door);
    }
    clients_drain_of(&reactor->clients, id);
}

static void fit_door(struct reactor *reactor, struct door *door)
{
    door->way.proxied = door->way.transport.transport == &transport_proxied;
    door->way.transport.room = door->way.proxied ? (void *)&reactor->proxied : &reactor->handshakes;
}

/* Clients that are there go on as they began. */
static void change_door(struct reactor *reactor, const struct reactor_door *to)
{
    LIST_FOREACH_SAFE (link, &reactor->doors) {
        struct door *door = CONTAINER_OF(link, struct door, link);
        if (door->way.door != to->id)
            continue;
        door->way.transport = to->transport;
        fit_door(reactor, door);
    }
}

static int open_door(struct reactor *reactor, struct door *door, int fd)
{
    int error = listener_start(&door->listener, reactor->io, fd, &listener_events, reactor);

    if (error)
        return error;
    fit_door(reactor, door);
    list_append(&reactor->doors, &door->link);
    reactor->doors_open++;
    return 0;
}

static void open_doors(struct reactor *reactor, struct reactor_change *change)
{
    uint32_t at = 0;

    LIST_FOREACH_SAFE (link, &change->doors) {
        int fd = change->fds[at++];
        list_remove(link);
        CONTAINER_OF(link, struct door, link)->known_ms = io_now_ms(reactor->io) + DOOR_KNOWN_MS;
        if (reactor->draining || open_door(reactor, CONTAINER_OF(link, struct door, link), fd)) {
            io_discard(reactor->io, fd);
            free(CONTAINER_OF(link, struct door, link)); /* not per request: see make_door */
        }
    }
}

static struct lease_options lease_options_of(struct reactor *reactor)
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

/* Pointers and numbers only: traffic waits for it. What is open reads its limits and patience from reactor->options. */
static void apply(struct reactor *reactor, struct reactor_change *change)
{
    struct reactor_options *options = &reactor->options;
    const struct reactor_options *from = &change->options;

    options->rules = from->rules;
    options->client = from->client;
    options->client_h2 = from->client_h2;
    options->answer_limits = from->answer_limits;
    options->worker_h2 = from->worker_h2;
    options->worker_idle_ms = from->worker_idle_ms;
    options->idle_per_worker = from->idle_per_worker;
    options->warm_per_worker = from->warm_per_worker;
    options->workers = from->workers;
    struct lease_options leases = lease_options_of(reactor);
    lease_book_adopt(&reactor->leases, &leases);
    options->access_sample = from->access_sample;
    access_log_turn(&reactor->log, from->access_sink, from->access_format, from->access_sample);
    for (uint32_t i = 0; i < change->closed_count; i++)
        close_door(reactor, change->closed[i]);
    for (uint32_t i = 0; i < change->kept_count; i++)
        change_door(reactor, &change->kept[i]);
    open_doors(reactor, change);
    exchange_home_turn(&reactor->home, &change->epoch->exchanges);
    change->epoch = NULL;
    accept_if_room(reactor);
    change->on_applied(change->context);
    reactor_change_destroy(&change);
}

static void on_wake(void *context)
{
    struct reactor *reactor = context;
    struct mail mail;

    while (mailbox_take(&reactor->mail, &mail)) {
        if (mail.kind == MAIL_DRAIN)
            drain(reactor);
        else if (mail.kind == MAIL_CHANGE)
            apply(reactor, mail.subject);
        else if (mail.kind == MAIL_CLIENT)
            take_passed_on(reactor, mail.subject);
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

static void on_epoch_idle(struct exchange_epoch *exchanges)
{
    struct epoch *epoch = CONTAINER_OF(exchanges, struct epoch, exchanges);

    if (epoch->on_released)
        epoch->on_released(epoch->context);
    free(epoch); /* not per request: see make_epoch */
}

static struct epoch *make_epoch(const struct reactor_options *options)
{
    struct epoch *epoch = malloc(sizeof(*epoch)); /* not per request: once a configuration */

    if (epoch)
        *epoch = (struct epoch){
            {.rules = options->rules, .on_idle = on_epoch_idle}, options->on_released, options->rules_context};
    return epoch;
}

static struct door *make_door(const struct reactor_door *from)
{
    struct door *door = calloc(1, sizeof(*door)); /* not per request: one a listening socket */

    if (door) {
        door->way.door = from->id;
        door->way.transport = from->transport;
        list_init(&door->link);
    }
    return door;
}

void reactor_change_destroy(struct reactor_change **destroyed)
{
    struct reactor_change *change = *destroyed;

    *destroyed = NULL;
    LIST_FOREACH_SAFE (link, &change->doors)
        free(CONTAINER_OF(link, struct door, link)); /* not per request: see make_door */
    free(change->epoch);                             /* not per request: as the whole change */
    free(change->fds);                               /* not per request: as the whole change */
    free(change->closed);                            /* not per request: as the whole change */
    free(change->kept);                              /* not per request: as the whole change */
    free(change);                                    /* not per request: as the whole change */
}

/* not per request: once a configuration. */
static int fill_change(struct reactor_change *change, const struct reactor_change_options *options)
{
    change->epoch = make_epoch(options->options);
    change->fds = calloc(options->opened_count + 1, sizeof(*change->fds));
    change->closed = calloc(options->closed_count + 1, sizeof(*change->closed));
    change->kept = calloc(options->kept_count + 1, sizeof(*change->kept));
    if (!change->epoch || !change->fds || !change->closed || !change->kept)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < options->opened_count; i++) {
        struct door *door = make_door(&options->opened[i]);
        if (!door)
            return -ERR_NO_MEMORY;
        list_append(&change->doors, &door->link);
        change->fds[i] = options->opened[i].fd;
    }
    for (uint32_t i = 0; i < options->closed_count; i++)
        change->closed[change->closed_count++] = options->closed[i];
    for (uint32_t i = 0; i < options->kept_count; i++)
        change->kept[change->kept_count++] = options->kept[i];
    return 0;
}

int reactor_prepare(struct reactor *reactor, const struct reactor_change_options *options,
                    struct reactor_change **ret_change)
{
    struct reactor_change *change = calloc(1, sizeof(*change)); /* not per request: once a configuration */

    if (!change)
        return -ERR_NO_MEMORY;
    list_init(&change->doors);
    change->options = *options->options;
    change->on_applied = options->on_applied;
    change->context = options->context;
    int error = fill_change(change, options);
    if (!error)
        error = lease_book_grow(&reactor->leases, options->options->workers);
    if (!error)
        error = account_grow(&reactor->account, options->options->workers);
    if (error)
        reactor_change_destroy(&change);
    else
        *ret_change = change;
    return error;
}

void reactor_publish(struct reactor *reactor, struct reactor_change *change)
{
    int error = mailbox_post(&reactor->mail, (struct mail){.kind = MAIL_CHANGE, .subject = change});

    ASSERT(!error); /* one change at a time: there is room */
    io_wake(reactor->io);
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
    clients_rest(&reactor->clients);
    lease_book_rest(&reactor->leases);
    heed_shortages(reactor);
    warm_look(&reactor->warm, &reactor->options.rules->routes, reactor->options.warm_per_worker);
    note_connections(reactor);
    io_timer_set(reactor->io, &reactor->flush, io_now_ms(reactor->io) + LOG_FLUSH_MS);
}

static void close_doors(struct reactor *reactor)
{
    LIST_FOREACH_SAFE (link, &reactor->doors)
        stop_door(CONTAINER_OF(link, struct door, link));
    while (reactor->doors_open > 0)
        io_turn(reactor->io, 0);
}

static int start_doors(struct reactor *reactor)
{
    int error = 0;

    for (uint32_t i = 0; i < reactor->options.door_count && !error; i++) {
        struct door *door = make_door(&reactor->options.doors[i]);
        error = door ? open_door(reactor, door, reactor->options.doors[i].fd) : -ERR_NO_MEMORY;
        if (error)
            free(door); /* start-up only: see make_door */
    }
    if (error)
        close_doors(reactor);
    else
        accept_if_room(reactor);
    return error;
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
    struct lease_options leases = lease_options_of(reactor);
    struct epoch *epoch = make_epoch(options);
    if (!epoch)
        return -ERR_NO_MEMORY;
    exchange_home_turn(&reactor->home, &epoch->exchanges);
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
        error = start_doors(reactor);
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

/* A change that came when nothing was looked at any more: its rules are released. */
static void drop_change(struct reactor_change *change)
{
    on_epoch_idle(&change->epoch->exchanges);
    change->epoch = NULL;
    reactor_change_destroy(&change);
}

/* What came when nothing was looked at any more: clients that were passed on, another configuration. */
static void drop_mail(struct reactor *reactor)
{
    struct mail mail;

    while (reactor->mail.slots && mailbox_take(&reactor->mail, &mail)) {
        if (mail.kind == MAIL_CLIENT)
            take_passed_on(reactor, mail.subject);
        else if (mail.kind == MAIL_CHANGE)
            drop_change(mail.subject);
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
