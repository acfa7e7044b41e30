/* Worker-side sessions of one reactor: an idle one is leased out and returned, or a new one is connected.
 *
 * One book for each reactor, on its thread: nothing is shared, which costs up to (reactors x idle) connections to each
 * worker (ADR 0004). The most recently used session is leased first; those idle for worker_idle_ms are closed. A
 * session whose worker is known to have ended it is never leased, nor one as old as its worker has been seen closing
 * them (balance/idle_age); of those one is kept, as a scout, to see when it is closed. What a personal transport
 * carried is closed when it is returned.
 *
 * A session of HTTP/2 is never returned: whoever asks gets the first one with room for another stream, and those that
 * ask while one is connecting wait for it together.
 */
#ifndef BALANCE_LEASE_H
#define BALANCE_LEASE_H

#include "balance/pool.h"
#include "base/table.h"
#include "http/rest.h"
#include "http/worker_door.h"

struct lease_options {
    struct io *io;
    struct worker_door_options door; /* h2.idle_ms is worker_idle_ms */
    int64_t worker_idle_ms;
    uint32_t idle_max;   /* idle sessions kept for each worker */
    uint32_t idle_total; /* and for all of them: of more the one that has idled for longest is closed */
    uint32_t workers;    /* worker->index is below it, until lease_book_grow */
    size_t max_sessions;
};

struct lease;

struct lease_shelf {
    struct list idle;       /* most recently used first */
    struct list shared;     /* those of many streams; the one used last is first */
    struct list connecting; /* those that will be shared, unless the worker wants something else */
    uint32_t count;         /* of idle */
    struct lease *scout;    /* too old to be used, kept to be closed; NULL: none */
};

struct lease_book {
    struct session_user user; /* first */
    struct lease_options options;
    struct table shelves; /* struct lease_shelf by worker index; never used ones are all zero */
    struct slab leases, sessions;
    struct rest rest;
    struct list idlers; /* idle for longest first */
    uint32_t open;      /* sessions that exist */
    uint32_t idle;
    bool draining;
};

/* Told once after lease_connect: session is connected and has a place (error 0), to be opened in this turn; or NULL
 * with a code. */
typedef void (*lease_ready_fn)(void *context, struct session *session, int error);

/* One that waits for a connection: the caller's, all zero before but for `switches`. */
struct lease_wait {
    bool switches; /* as for lease_take */
    struct list link;
    struct lease *lease; /* NULL: it does not wait */
    lease_ready_fn ready;
    void *context;
};

MUST_CHECK int lease_book_init(struct lease_book *book, const struct lease_options *options);
/* Control thread, before the book's own is told of them: memory for workers with an index below `workers`. 0,
 * -ERR_NO_MEMORY, -ERR_FULL. */
MUST_CHECK int lease_book_grow(struct lease_book *book, uint32_t workers);
/* Other options from now on (its io is kept); it has grown to their workers. Idle sessions with workers that were
 * removed are closed, as others will be when they are returned. */
void lease_book_adopt(struct lease_book *book, const struct lease_options *options);
/* No session may exist (lease_book_drain, and turns until `open` is 0). */
void lease_book_fini(struct lease_book *book);
/* Closes idle sessions now and others as they are returned. */
void lease_book_drain(struct lease_book *book);

/* Those that have idled for long enough rest. Called now and then. */
void lease_book_rest(struct lease_book *book);

/* Descriptors have run out: closes idle sessions, those that have idled for longest, at most so many. How many it were.
 */
enum { LEASE_YIELD = 16 };
uint32_t lease_book_yield(struct lease_book *book, uint32_t most);
/* So many requests to this worker would find a connection: those that idle; UINT32_MAX where one for many streams is
 * there or on its way. */
uint32_t lease_spare(const struct lease_book *book, const struct worker *worker);
/* A session to this worker that is idle, or has room for a stream, which is to be opened in this turn; or NULL: then
 * lease_connect. switches: the request asks for another protocol, to go on in; where HTTP/1 is spoken too, it goes over
 * that. */
struct session *lease_take(struct lease_book *book, const struct worker *worker, bool switches);
/* Starts a connection, or joins those who wait for one; ready is told later, never from inside. whom: the one client
 * that a personal transport tells of (its `room`), looked at during the call. 0, or a code and nothing was started. */
MUST_CHECK int lease_connect(struct lease_book *book, struct worker *worker, void *whom, lease_ready_fn ready,
                             void *context, struct lease_wait *wait);
/* The connection is no longer wanted; ready is not told. Only before ready. */
void lease_cancel(struct lease_wait *wait);
/* A leased session that had been idle was ended as its request came: that tells how long its worker keeps them. Not of
 * one that is shared: there the worker can say it. */
void lease_note_stale(struct session *session);
/* Sessions that idle now: one of many streams is not counted by `idle`. */
uint32_t lease_book_idle(const struct lease_book *book);
/* What ready brought is not for a request of now: it waits for whoever comes. */
void lease_keep(struct lease_book *book, struct session *session);
/* Gives a session back after session_finish said true. whole_ms: when its worker's answer was whole, in io_now_ms; the
 * worker counts from then, however slow the client is. */
void lease_return(struct lease_book *book, struct session *session, int64_t whole_ms);

#endif
