/* A reactor's worker-side sessions. A lease is a session with the worker it leads to; it lives from connect to close
 * and is on its worker's shelf exactly while it idles. */
#include "balance/lease.h"

struct lease {
    struct h1_client client; /* first: found from its session */
    struct lease_book *book;
    struct worker *worker;
    lease_ready_fn ready; /* NULL once told or cancelled */
    void *context;
    bool shelved;
    int64_t idle_since_ms; /* when its last answer was whole */
    int64_t taken_ms;      /* when it was leased last */
    struct io_reap reap;
};

static struct lease_book *of_owner(struct h1_client_owner *owner)
{
    return CONTAINER_OF(owner, struct lease_book, owner);
}

static struct lease *of_client(struct h1_client *client)
{
    return CONTAINER_OF(client, struct lease, client);
}

static struct lease_shelf *shelf_at(const struct lease_book *book, const struct worker *worker)
{
    struct lease_shelf *shelf = table_at(&book->shelves, worker->index);

    if (!shelf->idle.next)
        list_init(&shelf->idle);
    return shelf;
}

static struct lease_shelf *shelf_of(const struct lease *lease)
{
    return shelf_at(lease->book, lease->worker);
}

static void unshelve(struct lease *lease)
{
    if (!lease->shelved)
        return;
    lease->shelved = false;
    list_remove(&lease->client.session.link);
    shelf_of(lease)->count--;
    lease->book->idle--;
}

static void on_ready(struct h1_client_owner *owner, struct h1_client *client, int error)
{
    struct lease *lease = of_client(client);
    lease_ready_fn ready = lease->ready;

    lease->ready = NULL;
    if (error || !ready)
        h1_client_close(client);
    if (ready)
        ready(lease->context, error ? NULL : &client->session, error);
}

static int64_t idle_ms(const struct lease *lease)
{
    return io_now_ms(lease->book->options.io) - lease->idle_since_ms;
}

/* Off the shelf, whichever way it stood there. */
static void take_down(struct lease *lease)
{
    unshelve(lease);
    if (shelf_of(lease)->scout == lease)
        shelf_of(lease)->scout = NULL;
}

static void set_idle_deadline(struct lease *lease, int64_t ms)
{
    conn_set_deadline(&lease->client.session.conn, lease->idle_since_ms + ms);
}

/* It is too old to be used: one for each worker stays, to be closed by it. */
static bool becomes_scout(struct lease *lease)
{
    if (!lease->shelved || shelf_of(lease)->scout || idle_ms(lease) >= lease->book->options.worker_idle_ms)
        return false;
    unshelve(lease);
    shelf_of(lease)->scout = lease;
    set_idle_deadline(lease, lease->book->options.worker_idle_ms);
    return true;
}

/* What the end of an idle session says about how long its worker keeps them. */
static void learn(struct lease *lease)
{
    if (conn_peer_ended(&lease->client.session.conn))
        idle_age_note_closed(&lease->worker->idle_age, idle_ms(lease), io_now_ms(lease->book->options.io));
    else if (shelf_of(lease)->scout == lease && idle_ms(lease) >= lease->book->options.worker_idle_ms)
        idle_age_note_kept(&lease->worker->idle_age);
}

static void on_lost(struct h1_client_owner *owner, struct h1_client *client)
{
    struct lease *lease = of_client(client);
    bool ended = conn_peer_ended(&client->session.conn) || !conn_quiet(&client->session.conn);

    if (!ended && becomes_scout(lease))
        return;
    if (lease->shelved || shelf_of(lease)->scout == lease)
        learn(lease);
    take_down(lease);
    h1_client_close(client);
}

static void give_back(struct io_reap *reap)
{
    struct lease *lease = CONTAINER_OF(reap, struct lease, reap);
    struct lease_book *book = lease->book;

    slab_give(&book->leases, lease);
    book->open--;
}

static void on_closed(struct h1_client_owner *owner, struct h1_client *client)
{
    struct lease *lease = of_client(client);

    take_down(lease);
    lease->reap.reap = give_back;
    io_reap_queue(of_owner(owner)->options.io, &lease->reap);
}

int lease_book_init(struct lease_book *book, const struct lease_options *options)
{
    *book = (struct lease_book){.owner = {on_ready, on_lost, on_closed}, .options = *options};
    table_init(&book->shelves, sizeof(struct lease_shelf));
    slab_init(&book->leases, sizeof(struct lease), options->max_sessions, options->max_sessions / 4);
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
    table_fini(&book->shelves);
}

/* Closes idle sessions: all of them, or those with removed workers. */
static void close_idle(struct lease_book *book, bool all)
{
    for (uint32_t i = 0; i < book->options.workers; i++) {
        struct lease_shelf *shelf = table_at(&book->shelves, i);
        if (shelf->count > 0)
            LIST_FOREACH_SAFE (link, &shelf->idle) {
                struct lease *lease = CONTAINER_OF(link, struct lease, client.session.link);
                if (!all && !atomic_load(&lease->worker->removed))
                    break;
                unshelve(lease);
                h1_client_close(&lease->client);
            }
        if (shelf->scout && (all || atomic_load(&shelf->scout->worker->removed)))
            h1_client_close(&shelf->scout->client); /* closed takes it down */
    }
}

void lease_book_adopt(struct lease_book *book, const struct lease_options *options)
{
    struct io *io = book->options.io;

    book->options = *options;
    book->options.io = io;
    book->leases.max_objects = options->max_sessions;
    book->leases.keep = options->max_sessions / 4;
    close_idle(book, false);
}

void lease_book_drain(struct lease_book *book)
{
    book->draining = true;
    close_idle(book, true);
}

struct session *lease_take(struct lease_book *book, const struct worker *worker)
{
    int64_t retire_ms = idle_age_retire_ms(&worker->idle_age);

    LIST_FOREACH_SAFE (link, &shelf_at(book, worker)->idle) {
        struct lease *lease = CONTAINER_OF(link, struct lease, client.session.link);
        if (idle_ms(lease) >= retire_ms)
            continue; /* it has its deadline */
        if (!conn_quiet(&lease->client.session.conn))
            learn(lease);
        unshelve(lease);
        lease->taken_ms = io_now_ms(book->options.io);
        if (conn_quiet(&lease->client.session.conn))
            return &lease->client.session;
        h1_client_close(&lease->client);
    }
    return NULL;
}

int lease_connect(struct lease_book *book, struct worker *worker, lease_ready_fn ready, void *context,
                  struct lease **ret_lease)
{
    struct lease *lease = slab_take(&book->leases);
    if (!lease)
        return -ERR_FULL;
    lease->book = book;
    lease->worker = worker;
    lease->ready = ready;
    lease->context = context;
    lease->shelved = false;
    int error = h1_client_start(&lease->client, book->options.io, &worker->addr.storage, worker_transport(worker),
                                &book->options.limits, &book->owner);
    if (error) {
        slab_give(&book->leases, lease);
        return error;
    }
    book->open++;
    *ret_lease = lease;
    return 0;
}

void lease_cancel(struct lease *lease)
{
    ASSERT(lease->ready);
    lease->ready = NULL;
    h1_client_close(&lease->client);
}

void lease_note_stale(struct session *session)
{
    struct lease *lease = CONTAINER_OF(session, struct lease, client.session);

    ASSERT(!lease->shelved);
    idle_age_note_closed(&lease->worker->idle_age, lease->taken_ms - lease->idle_since_ms,
                         io_now_ms(lease->book->options.io));
}

void lease_return(struct lease_book *book, struct session *session, int64_t whole_ms)
{
    struct lease *lease = CONTAINER_OF(session, struct lease, client.session);
    struct lease_shelf *shelf = shelf_of(lease);

    ASSERT(!lease->shelved && session_idle(session));
    if (book->draining || atomic_load(&lease->worker->removed) || shelf->count >= book->options.idle_max) {
        h1_client_close(&lease->client);
        return;
    }
    lease->shelved = true;
    lease->idle_since_ms = whole_ms;
    list_prepend(&shelf->idle, &session->link);
    shelf->count++;
    book->idle++;
    int64_t retire_ms = idle_age_retire_ms(&lease->worker->idle_age);
    set_idle_deadline(lease, retire_ms < book->options.worker_idle_ms ? retire_ms : book->options.worker_idle_ms);
}
