/* A reactor's worker-side sessions. A lease is a connection with the worker it leads to; it lives from connect to close
 * and is on its worker's shelf exactly while it idles. Its session may rest meanwhile (http/rest). */
#include "balance/lease.h"

struct lease {
    struct seat seat; /* first */
    struct lease_book *book;
    struct worker *worker;
    union {
        struct {
            struct list link; /* of its shelf, while it idles or is shared */
            struct list age;  /* of book->idlers */
        };
        struct io_reap reap; /* once it is closed */
    };
    union {
        struct {               /* until it is connected */
            struct list waits; /* of struct lease_wait */
            uint32_t waiting;
            bool given; /* somebody who waited got it */
        };
        struct {                   /* from its first return on */
            int64_t idle_since_ms; /* when its last answer was whole */
            int64_t taken_ms;      /* when it was leased last */
        };
    };
    bool shelved;
    bool personal;    /* it goes for one client */
    uint8_t protocol; /* enum worker_protocol: it was connected for */
};

/* What a lease needs while a request is under way. */
struct lease_session {
    union worker_door door; /* first */
    struct lease_book *book;
    struct io_reap reap;
};

static struct lease_book *of_user(struct session_user *user)
{
    return CONTAINER_OF(user, struct lease_book, user);
}

static struct lease *of_seat(struct seat *seat)
{
    return CONTAINER_OF(seat, struct lease, seat);
}

static struct lease *of_session(struct session *session)
{
    return of_seat(session->conn.seat);
}

/* NULL while it rests. */
static struct session *session_on(const struct lease *lease)
{
    return lease->seat.conn ? CONTAINER_OF(lease->seat.conn, struct session, conn) : NULL;
}

static void close_lease(struct lease *lease)
{
    struct session *session = session_on(lease);

    if (session)
        session_close(session);
    else
        seat_close(&lease->seat);
}

static bool is_quiet(const struct lease *lease)
{
    return lease->seat.conn ? conn_quiet(lease->seat.conn) : seat_quiet(&lease->seat);
}

static bool peer_ended(const struct lease *lease)
{
    return lease->seat.conn ? conn_peer_ended(lease->seat.conn) : seat_peer_ended(&lease->seat);
}

static struct lease_shelf *shelf_at(const struct lease_book *book, const struct worker *worker)
{
    struct lease_shelf *shelf = table_at(&book->shelves, worker->index);

    if (!shelf->idle.next) {
        list_init(&shelf->idle);
        list_init(&shelf->shared);
        list_init(&shelf->connecting);
    }
    return shelf;
}

static struct lease_shelf *shelf_of(const struct lease *lease)
{
    return shelf_at(lease->book, lease->worker);
}

static void unshelve(struct lease *lease)
{
    list_remove(&lease->link);
    if (!lease->shelved)
        return;
    lease->shelved = false;
    list_remove(&lease->age);
    shelf_of(lease)->count--;
    lease->book->idle--;
}

/* ---- those who wait ---- */

static void stop_waiting(struct lease_wait *wait)
{
    list_remove(&wait->link);
    wait->lease->waiting--;
    wait->lease = NULL;
}

/* Its session may become one of many streams, as far as is known. */
static bool may_be_shared(const struct worker *worker)
{
    enum worker_protocol protocol = worker_protocol(worker);

    return protocol == WORKER_H2C || protocol == WORKER_H2 ||
           (protocol == WORKER_AUTO && atomic_load_explicit(&worker->speaks_h2, memory_order_relaxed));
}

static bool is_personal(const struct transport_use *use)
{
    return use->transport && use->transport->personal;
}

static int join_or_start(struct lease_book *book, struct worker *worker, void *whom, struct lease_wait *wait);

/* There was no place left for it. A connection that would have to tell of its client, since a reload, is not made here,
 * where nobody knows of whom: who waited tries again. */
static void connect_again(struct lease *lease, struct lease_wait *wait)
{
    int error = is_personal(worker_transport(lease->worker)) ? -ERR_STREAM_REFUSED
                                                             : join_or_start(lease->book, lease->worker, NULL, wait);

    if (error)
        wait->ready(wait->context, NULL, error);
}

static bool has_place(const struct lease *lease, struct session *session)
{
    return session_is_shared(session) ? session_slots(session) > 0 : !lease->given;
}

static void tell_waiting(struct lease *lease, int error)
{
    struct session *session = session_on(lease);
    struct list waits;

    list_init(&waits); /* the lease's own list is no more once it is returned */
    list_splice(&waits, &lease->waits);
    while (!list_empty(&waits)) {
        struct lease_wait *wait = CONTAINER_OF(waits.next, struct lease_wait, link);
        bool place = !error && has_place(lease, session);
        stop_waiting(wait);
        if (!error && !place && lease->given) {
            connect_again(lease, wait);
            continue;
        }
        if (!error && !place)
            error = -ERR_STREAM_REFUSED; /* a worker that wants no streams at all */
        lease->given = true;
        session->claimed += place && session_is_shared(session);
        wait->ready(wait->context, place ? session : NULL, error);
    }
}

/* No request of now goes over it. */
static bool is_outdated(const struct lease *lease)
{
    return atomic_load(&lease->worker->removed) || lease->protocol != (uint8_t)worker_protocol(lease->worker);
}

static void on_ready(struct session_user *user, struct session *session, int error)
{
    struct lease *lease = of_session(session);
    bool shared = !error && session_is_shared(session);

    list_remove(&lease->link);
    if (!error && lease->protocol == WORKER_AUTO)
        atomic_store_explicit(&lease->worker->speaks_h2, shared, memory_order_relaxed);
    if (shared && !lease->personal)
        list_prepend(&shelf_of(lease)->shared, &lease->link);
    if (error || lease->waiting == 0)
        session_close(session);
    tell_waiting(lease, error);
    if (shared && (lease->personal || lease->book->draining || is_outdated(lease)))
        session_drain(session); /* for those who have waited alone: nobody gives it back */
}

/* ---- shelves ---- */

static int64_t idle_ms(const struct lease *lease)
{
    return io_now_ms(lease->book->options.io) - lease->idle_since_ms;
}

/* Off the shelf, whichever way it stood there. */
static void take_down(struct lease *lease)
{
    unshelve(lease);
    if (shelf_of(lease)->scout != lease)
        return;
    shelf_of(lease)->scout = NULL;
    list_remove(&lease->age);
}

static void set_idle_deadline(struct lease *lease, int64_t ms)
{
    io_timer_set(lease->book->options.io, &lease->seat.timer, lease->idle_since_ms + ms);
}

/* It is too old to be used: one for each worker stays, to be closed by it. */
static bool becomes_scout(struct lease *lease)
{
    if (!lease->shelved || shelf_of(lease)->scout || idle_ms(lease) >= lease->book->options.worker_idle_ms)
        return false;
    unshelve(lease);
    shelf_of(lease)->scout = lease;
    list_prepend(&lease->book->idlers, &lease->age);
    set_idle_deadline(lease, lease->book->options.worker_idle_ms);
    return true;
}

/* What the end of an idle session says about how long its worker keeps them. */
static void learn(struct lease *lease, bool ended)
{
    if (ended)
        idle_age_note_closed(&lease->worker->idle_age, idle_ms(lease), io_now_ms(lease->book->options.io));
    else if (shelf_of(lease)->scout == lease && idle_ms(lease) >= lease->book->options.worker_idle_ms)
        idle_age_note_kept(&lease->worker->idle_age);
}

/* It has ended, or has bytes that nobody asked for. */
static void lose(struct lease *lease, bool ended)
{
    if (lease->shelved || shelf_of(lease)->scout == lease)
        learn(lease, ended);
    take_down(lease);
    close_lease(lease);
}

static void on_lost(struct session_user *user, struct session *session)
{
    struct lease *lease = of_session(session);

    if (!is_quiet(lease) || !becomes_scout(lease))
        lose(lease, peer_ended(lease));
}

static struct conn *on_stir(struct seat *seat, int result)
{
    lose(of_seat(seat), result <= 0);
    return NULL;
}

static void on_timeout(struct seat *seat)
{
    struct lease *lease = of_seat(seat);

    if (!is_quiet(lease) || !becomes_scout(lease))
        lose(lease, peer_ended(lease));
}

static void free_lease(struct io_reap *reap)
{
    struct lease *lease = CONTAINER_OF(reap, struct lease, reap);
    struct lease_book *book = lease->book;

    slab_give(&book->leases, lease);
    book->open--;
}

static void on_seat_closed(struct seat *seat)
{
    struct lease *lease = of_seat(seat);

    take_down(lease);
    lease->reap.reap = free_lease;
    io_reap_queue(lease->book->options.io, &lease->reap);
}

static const struct seat_events seat_events = {on_stir, on_timeout, on_seat_closed};

static void free_session(struct io_reap *reap)
{
    struct lease_session *session = CONTAINER_OF(reap, struct lease_session, reap);

    slab_give(&session->book->sessions, session);
}

static void drop_session(struct session *dropped)
{
    struct lease_session *session = CONTAINER_OF(dropped, struct lease_session, door.session);

    session->reap.reap = free_session;
    io_reap_queue(session->book->options.io, &session->reap);
}

static void on_closed(struct session_user *user, struct session *session)
{
    rest_remove(&of_user(user)->rest, session);
    on_seat_closed(session->conn.seat);
    drop_session(session);
}

int lease_book_init(struct lease_book *book, const struct lease_options *options)
{
    *book = (struct lease_book){.user = {on_ready, on_lost, on_closed}, .options = *options};
    table_init(&book->shelves, sizeof(struct lease_shelf));
    list_init(&book->idlers);
    rest_init(&book->rest, drop_session);
    slab_init_blocks(&book->leases, sizeof(struct lease), options->max_sessions);
    /* Twice: what has rested is still there when the next request makes another. */
    slab_init(&book->sessions, sizeof(struct lease_session), 2 * options->max_sessions, REST_WHOLE);
    return lease_book_grow(book, options->workers);
}

int lease_book_grow(struct lease_book *book, uint32_t workers)
{
    return table_grow(&book->shelves, workers);
}

void lease_book_fini(struct lease_book *book)
{
    ASSERT(book->open == 0);
    slab_fini(&book->leases);
    slab_fini(&book->sessions);
    table_fini(&book->shelves);
}

static void close_shelf(struct lease_shelf *shelf, bool all)
{
    LIST_FOREACH_SAFE (link, &shelf->idle) {
        struct lease *lease = CONTAINER_OF(link, struct lease, link);
        if (!all && !is_outdated(lease))
            break;
        unshelve(lease);
        close_lease(lease);
    }
    if (shelf->scout && (all || is_outdated(shelf->scout)))
        close_lease(shelf->scout); /* closed takes it down */
    LIST_FOREACH_SAFE (link, &shelf->shared) {
        struct lease *lease = CONTAINER_OF(link, struct lease, link);
        if (all || is_outdated(lease))
            session_drain(session_on(lease));
    }
}

/* Closes idle sessions, and those of many streams as soon as they are: all of them, or those that no request of now
 * goes over. */
static void close_idle(struct lease_book *book, bool all)
{
    for (uint32_t i = 0; i < book->options.workers; i++) {
        struct lease_shelf *shelf = table_at(&book->shelves, i);
        if (shelf->idle.next)
            close_shelf(shelf, all);
    }
}

void lease_book_adopt(struct lease_book *book, const struct lease_options *options)
{
    struct io *io = book->options.io;

    book->options = *options;
    book->options.io = io;
    book->leases.max_objects = options->max_sessions;
    book->sessions.max_objects = 2 * options->max_sessions;
    close_idle(book, false);
}

void lease_book_drain(struct lease_book *book)
{
    book->draining = true;
    close_idle(book, true);
}

void lease_book_rest(struct lease_book *book)
{
    rest_run(&book->rest, io_now_ms(book->options.io));
}

uint32_t lease_book_yield(struct lease_book *book, uint32_t most)
{
    uint32_t closed = 0;

    while (closed < most && !list_empty(&book->idlers)) {
        struct lease *oldest = CONTAINER_OF(book->idlers.next, struct lease, age);
        take_down(oldest);
        close_lease(oldest);
        closed++;
    }
    return closed;
}

static struct lease_session *take_session(struct lease_book *book)
{
    struct lease_session *session = slab_take(&book->sessions);

    if (session)
        session->book = book;
    return session;
}

/* Off its shelf, and whole again if it has rested. NULL without memory: it stays. */
static struct session *take_lease(struct lease_book *book, struct lease *lease)
{
    struct session *session = session_on(lease);
    struct lease_session *fresh = session ? NULL : take_session(book);

    if (!session && !fresh)
        return NULL;
    unshelve(lease);
    lease->taken_ms = io_now_ms(book->options.io);
    if (session) {
        rest_remove(&book->rest, session);
        return session;
    }
    h1_client_resume(&fresh->door.h1, &lease->seat, &book->options.door.limits, &book->user);
    return &fresh->door.session;
}

/* The first with room, which then is the first to be asked. */
static struct session *take_shared(struct lease_shelf *shelf)
{
    LIST_FOREACH (link, &shelf->shared) {
        struct session *session = session_on(CONTAINER_OF(link, struct lease, link));
        if (session_slots(session) == 0)
            continue;
        list_remove(link);
        list_prepend(&shelf->shared, link);
        session->claimed++;
        return session;
    }
    return NULL;
}

static struct session *take_idle(struct lease_book *book, const struct worker *worker)
{
    int64_t retire_ms = idle_age_retire_ms(&worker->idle_age);

    LIST_FOREACH_SAFE (link, &shelf_at(book, worker)->idle) {
        struct lease *lease = CONTAINER_OF(link, struct lease, link);
        if (idle_ms(lease) >= retire_ms)
            continue; /* it has its deadline */
        if (is_quiet(lease))
            return take_lease(book, lease);
        learn(lease, peer_ended(lease));
        unshelve(lease);
        close_lease(lease);
    }
    return NULL;
}

/* Every server that takes an upgrade takes it over HTTP/1, few over HTTP/2. */
static enum worker_protocol protocol_for(const struct worker *worker, bool switches)
{
    enum worker_protocol protocol = worker_protocol(worker);

    return switches && protocol == WORKER_AUTO ? WORKER_HTTP1 : protocol;
}

struct session *lease_take(struct lease_book *book, const struct worker *worker, bool switches)
{
    struct lease_shelf *shelf = shelf_at(book, worker);

    if (is_personal(worker_transport(worker)))
        return NULL; /* those that are there are from before it was */
    if (protocol_for(worker, switches) == WORKER_HTTP1)
        return take_idle(book, worker);
    return list_empty(&shelf->shared) ? take_idle(book, worker) : take_shared(shelf);
}

uint32_t lease_spare(const struct lease_book *book, const struct worker *worker)
{
    const struct lease_shelf *shelf = shelf_at(book, worker);

    return list_empty(&shelf->shared) && list_empty(&shelf->connecting) ? shelf->count : UINT32_MAX;
}

uint32_t lease_book_idle(const struct lease_book *book)
{
    uint32_t idle = book->idle;

    for (uint32_t i = 0; i < book->options.workers; i++) {
        const struct lease_shelf *shelf = table_at(&book->shelves, i);
        if (shelf->idle.next)
            LIST_FOREACH (link, &shelf->shared)
                idle += session_idle(session_on(CONTAINER_OF(link, struct lease, link)));
    }
    return idle;
}

static void begin_waiting(struct lease *lease, struct lease_wait *wait)
{
    wait->lease = lease;
    list_init(&wait->link);
    list_append(&lease->waits, &wait->link);
    lease->waiting++;
}

static int start(struct lease_book *book, struct worker *worker, void *whom, struct lease_wait *wait)
{
    struct transport_use use = *worker_transport(worker);
    struct lease *lease = slab_take(&book->leases);
    struct lease_session *session = lease ? take_session(book) : NULL;
    int error = session ? 0 : -ERR_FULL;

    if (session) {
        lease->book = book;
        lease->worker = worker;
        lease->protocol = (uint8_t)protocol_for(worker, wait->switches);
        lease->given = false;
        lease->waiting = 0;
        lease->shelved = false;
        lease->personal = is_personal(&use);
        if (lease->personal)
            use.room = whom;
        list_init(&lease->waits);
        list_init(&lease->link);
        list_init(&lease->age);
        seat_init(&lease->seat, &seat_events);
        error = worker_door_open(&session->door, &lease->seat, book->options.io, &worker->addr.storage, &use,
                                 (enum worker_protocol)lease->protocol, &book->options.door, &book->user);
    }
    if (!error) {
        book->open++;
        if (!lease->personal && lease->protocol != WORKER_HTTP1 && may_be_shared(worker))
            list_append(&shelf_of(lease)->connecting, &lease->link);
        begin_waiting(lease, wait);
        return 0;
    }
    if (error == -ERR_NO_DESCRIPTORS)
        lease_book_yield(book, LEASE_YIELD); /* for the next one */
    if (session)
        slab_give(&book->sessions, session);
    if (lease)
        slab_give(&book->leases, lease);
    return error;
}

static int join_or_start(struct lease_book *book, struct worker *worker, void *whom, struct lease_wait *wait)
{
    /* Those that connect were begun before a personal transport was there, if one is: they tell of nobody. */
    bool alone = protocol_for(worker, wait->switches) == WORKER_HTTP1 || is_personal(worker_transport(worker));

    LIST_FOREACH (link, &shelf_at(book, worker)->connecting) {
        struct lease *lease = CONTAINER_OF(link, struct lease, link);
        if (!alone && lease->waiting < book->options.door.h2.streams && !is_outdated(lease)) {
            begin_waiting(lease, wait);
            return 0;
        }
    }
    return start(book, worker, whom, wait);
}

int lease_connect(struct lease_book *book, struct worker *worker, void *whom, lease_ready_fn ready, void *context,
                  struct lease_wait *wait)
{
    wait->ready = ready;
    wait->context = context;
    return join_or_start(book, worker, whom, wait);
}

void lease_cancel(struct lease_wait *wait)
{
    struct lease *lease = wait->lease;

    stop_waiting(wait);
    if (lease->waiting > 0)
        return;
    list_remove(&lease->link);
    close_lease(lease);
}

void lease_note_stale(struct session *session)
{
    struct lease *lease = of_session(session);

    ASSERT(!lease->shelved);
    if (session_is_shared(session))
        return;
    idle_age_note_closed(&lease->worker->idle_age, lease->taken_ms - lease->idle_since_ms,
                         io_now_ms(lease->book->options.io));
}

void lease_return(struct lease_book *book, struct session *session, int64_t whole_ms)
{
    struct lease *lease = of_session(session);
    struct lease_shelf *shelf = shelf_of(lease);

    if (session_is_shared(session))
        return;
    ASSERT(!lease->shelved && session_idle(session));
    if (lease->personal || book->draining || is_outdated(lease) || shelf->count >= book->options.idle_max) {
        close_lease(lease);
        return;
    }
    lease->shelved = true;
    lease->idle_since_ms = whole_ms;
    list_prepend(&shelf->idle, &lease->link);
    list_append(&book->idlers, &lease->age);
    shelf->count++;
    book->idle++;
    int64_t retire_ms = idle_age_retire_ms(&lease->worker->idle_age);
    set_idle_deadline(lease, retire_ms < book->options.worker_idle_ms ? retire_ms : book->options.worker_idle_ms);
    rest_add(&book->rest, session);
    if (book->idle > book->options.idle_total)
        lease_book_yield(book, 1);
}

void lease_keep(struct lease_book *book, struct session *session)
{
    if (session_is_shared(session))
        session->claimed -= session->claimed > 0;
    else
        conn_read(&session->conn, true); /* its end must be heard of */
    lease_return(book, session, io_now_ms(book->options.io));
}
