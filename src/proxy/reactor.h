/* A reactor: one thread with its loop, its listeners' sockets, its sessions and its exchanges. Shares nothing on the
 * data path.
 */
#ifndef PROXY_REACTOR_H
#define PROXY_REACTOR_H

#include "proxy/clients.h"
#include "proxy/exchange_view.h"
#include "proxy/recent.h"
#include "proxy/team.h"

struct reactor;

/* A listening socket with its own settings, and by which number it is known over all reactors. */
struct reactor_door {
    uint32_t id;
    int fd;                         /* taken over when reactor_create or reactor_publish succeeds */
    struct transport_use transport; /* `room` is the reactor's to fill in */
};

/* A pipe, which takes two descriptors, for so many connections. */
enum { REACTOR_CONNECTIONS_PER_PIPE = 8 };

struct reactor_options {
    uint32_t index;
    uint64_t seed; /* of request ids; 0: from the system */
    const struct io_backend *backend;
    const struct exchange_rules *rules; /* until on_released */
    struct h1_server_options client;
    struct h2_server_options client_h2; /* not enabled: HTTP/1 alone */
    uint32_t streams;                   /* of HTTP/2, over all its connections at once */
    struct h1_limits answer_limits;
    struct h2_client_options worker_h2; /* its room and idle_ms are the reactor's to set */
    int64_t worker_idle_ms;
    uint32_t idle_per_worker;
    uint32_t warm_per_worker;         /* idle ones that are connected before a request needs them */
    uint32_t workers;                 /* worker->index is below it, until reactor_publish */
    uint32_t connections;             /* client connections at most; then the listeners wait */
    uint32_t pipes;                   /* for long bodies at most; beyond they are copied */
    struct gate *gate;                /* shared by all reactors; NULL: no limit for one client */
    struct team *team;                /* the same, which it joins; NULL: it is alone */
    const struct reactor_door *doors; /* needed until reactor_create has returned */
    uint32_t door_count;
    uint32_t handshakes;                       /* of TLS with clients, at the same time */
    struct span_queue *spans;                  /* shared by all reactors; NULL: nobody exports them */
    struct sink *access_sink;                  /* NULL: no access log */
    const struct access_format *access_format; /* as long as the rules */
    uint32_t access_sample;                    /* percent */
    /* Told on the reactor's thread when nothing goes by the rules any more. NULL: nobody asks. */
    void (*on_released)(void *rules_context);
    void *rules_context;
    /* Told on the reactor's thread when it has stopped: nothing open, nothing in flight. */
    void (*on_stopped)(void *context);
    void *context;
};

MUST_CHECK int reactor_create(const struct reactor_options *options, struct reactor **ret_reactor);
/* Starts its thread. 0 or -ERR_SYSTEM. */
MUST_CHECK int reactor_start(struct reactor *reactor);
/* Another configuration: made ready by the control thread, which may fail, and then published, which may not. Of the
 * options count rules, client, answer_limits, worker_idle_ms, idle_per_worker, warm_per_worker, workers, access_sink,
 * access_format, on_released and rules_context. Exchanges that began go on by the rules that they have; idle worker
 * connections are kept, but for workers that were removed. */
struct reactor_change_options {
    const struct reactor_options *options;
    const struct reactor_door *opened; /* their sockets are taken over by reactor_publish */
    uint32_t opened_count;
    const struct reactor_door *kept; /* those that go on, and what they speak from now on; fd is not looked at */
    uint32_t kept_count;
    const uint32_t *closed; /* ids: accepted from no more, and their connections end after the request at hand */
    uint32_t closed_count;
    /* Told on the reactor's thread when it goes by all of it. */
    void (*on_applied)(void *context);
    void *context;
};

struct reactor_change;
/* 0, or -ERR_NO_MEMORY or -ERR_FULL with nothing changed. */
MUST_CHECK int reactor_prepare(struct reactor *reactor, const struct reactor_change_options *options,
                               struct reactor_change **ret_change);
/* One at a time: the next only after on_applied. Takes the change over. */
void reactor_publish(struct reactor *reactor, struct reactor_change *change);
/* Instead of publishing it: frees and nulls. */
void reactor_change_destroy(struct reactor_change **change);

/* Any thread, before reactor_drain: another process has the same listeners and goes on. No new connections; those that
 * are there end with their next answer, so that none is closed on a request that is on its way; tunnels go on. */
void reactor_retire(struct reactor *reactor);
/* Any thread: no new connections, idle ones end, exchanges go on to their ends; then on_stopped. */
void reactor_drain(struct reactor *reactor);
/* Any thread: how many turns its thread has finished; REACTOR_ENDED when there will be no more. */
#define REACTOR_ENDED UINT64_MAX
uint64_t reactor_turns(const struct reactor *reactor);
/* Any thread: makes an idle one turn. */
void reactor_wake(struct reactor *reactor);
/* Something to be looked at on the reactor's own thread, between two turns of traffic: embedded in what it needs. */
struct reactor_order {
    void (*run)(struct reactor_order *order, struct reactor *reactor);
};
/* Any thread. The order is run once, or never if the reactor stops before; it stays the caller's, who has at most
 * REACTOR_ORDERS_MAX under way. 0 or -ERR_FULL. */
enum { REACTOR_ORDERS_MAX = 32 };
MUST_CHECK int reactor_post(struct reactor *reactor, struct reactor_order *order);
/* For orders: tells of each exchange, and of each client's connection. */
void reactor_each_exchange(const struct reactor *reactor, void (*tell)(void *context, const struct exchange_view *view),
                           void *context);
void reactor_each_client(const struct reactor *reactor, clients_tell_fn tell, void *context);
/* Waits for the thread, which must be stopping. */
void reactor_join(struct reactor *reactor);
/* Its own thread, or whoever turns its loop in place of a thread (the simulation). Told to drain, and nothing is open
 * or in flight any more. */
bool reactor_has_stopped(const struct reactor *reactor);
/* What a reactor holds at the moment; the same callers. */
struct reactor_use {
    size_t clients, exchanges, leases;  /* exchanges: those kept warm not counted */
    size_t clients_whole, leases_whole; /* those that do not rest */
    size_t chunks, chunks_max;          /* of BUF_CHUNK_BYTES; chunks_max: the most at once so far */
    size_t slices;                      /* nodes of queues */
    size_t timers;                      /* in the wheel, set or not */
    uint32_t idle;                      /* worker connections that wait for a request */
    uint32_t retries, retries_waiting;  /* places in their budget that are held, and those who wait for one */
    uint32_t pipes;                     /* with a body in them */
};
void reactor_read_use(const struct reactor *reactor, struct reactor_use *ret_use);
/* Stopped, or never started. Nulls. */
void reactor_destroy(struct reactor **reactor);
/* For readers on any thread. */
const struct account *reactor_account(const struct reactor *reactor);
/* Its own thread (by an order), or whoever turns its loop. */
const struct recent *reactor_recent(const struct reactor *reactor);

#endif
