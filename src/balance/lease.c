/* A reactor's worker-side sessions. A lease is a session with the worker it leads to; it lives from connect to close
 * and is on its worker's shelf exactly while it idles. */
#include "balance/lease.h"

#include <stdlib.h>

struct lease {
    struct h1_client client; /* first: found from its session */
    struct lease_book *book;
    struct worker *worker;
    lease_ready_fn ready; /* NULL once told or cancelled */
    void *context;
    bool shelved;
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

static void unshelve(struct lease *lease)
{
    if (!lease->shelved)
        return;
    lease->shelved = false;
    list_remove(&lease->client.session.link);
    lease->book->shelves[lease->worker->index].count--;
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

static void on_lost(struct h1_client_owner *owner, struct h1_client *client)
{
    unshelve(of_client(client));
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

    unshelve(lease);
    lease->reap.reap = give_back;
    io_reap_queue(of_owner(owner)->options.io, &lease->reap);
}

int lease_book_init(struct lease_book *book, const struct lease_options *options)
{
    *book = (struct lease_book){.owner = {on_ready, on_lost, on_closed}, .options = *options};
    book->shelves = calloc(options->workers, sizeof(*book->shelves)); /* start-up only: a shelf for each worker */
    if (!book->shelves)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < options->workers; i++)
        list_init(&book->shelves[i].idle);
    slab_init(&book->leases, sizeof(struct lease), options->max_sessions, options->max_sessions / 4);
    return 0;
}

void lease_book_fini(struct lease_book *book)
{
    ASSERT(book->open == 0);
    slab_fini(&book->leases);
    free(book->shelves); /* start-up only: see lease_book_init */
    book->shelves = NULL;
}

void lease_book_drain(struct lease_book *book)
{
    book->draining = true;
    for (uint32_t i = 0; i < book->options.workers; i++)
        LIST_FOREACH_SAFE (link, &book->shelves[i].idle) {
            struct lease *lease = CONTAINER_OF(link, struct lease, client.session.link);
            unshelve(lease);
            h1_client_close(&lease->client);
        }
}

struct session *lease_take(struct lease_book *book, const struct worker *worker)
{
    LIST_FOREACH_SAFE (link, &book->shelves[worker->index].idle) {
        struct lease *lease = CONTAINER_OF(link, struct lease, client.session.link);
        unshelve(lease);
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
    int error = h1_client_start(&lease->client, book->options.io, &worker->addr.storage, &worker->transport,
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

void lease_return(struct lease_book *book, struct session *session)
{
    struct lease *lease = CONTAINER_OF(session, struct lease, client.session);
    struct lease_shelf *shelf = &book->shelves[lease->worker->index];

    ASSERT(!lease->shelved && session_idle(session));
    if (book->draining || shelf->count >= book->options.idle_max) {
        h1_client_close(&lease->client);
        return;
    }
    lease->shelved = true;
    list_prepend(&shelf->idle, &session->link);
    shelf->count++;
    book->idle++;
    conn_set_deadline(&session->conn, io_now_ms(book->options.io) + book->options.worker_idle_ms);
}
