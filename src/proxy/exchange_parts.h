/* What an exchange is made of: for the files in which its life is written, and for nobody else.
 *
 * exchange.c has the steps; patience.c whom it waits for and how long; own_answer.c what we answer ourselves; ending.c
 * what is written down of it.
 */
#ifndef PROXY_EXCHANGE_PARTS_H
#define PROXY_EXCHANGE_PARTS_H

#include "balance/pick.h"
#include "proxy/exchange.h"
#include "proxy/flow.h"
#include "proxy/pace.h"
#include "proxy/recent.h"

enum { EXCHANGE_MAGIC = 0x65786368, EXCHANGE_ARENA_BYTES = 262144, EXCHANGE_REPLY_BYTES = 16384 };

/* One of its tries, for proxy/recent. */
struct exchange_try {
    const struct worker *worker;
    uint32_t picked_us, connected_us, failed_us;
    uint16_t error;
    bool reused, waited;
};

struct exchange {
    uint32_t magic;
    struct list link; /* of the home's alive */
    /* the driver's */
    uint8_t step; /* enum exchange_step */
    bool entered; /* the present step has run before: it is waiting */
    bool timed_out;
    unsigned client_events, worker_events; /* enum stream_event, since the step last looked */
    struct io_task task;
    struct timer deadline;
    struct exchange_home *home;
    struct exchange_epoch *epoch; /* held to the end: its rules, their pools */
    const struct exchange_rules *rules;
    /* who and where */
    struct arena arena;
    struct stream client, worker;
    struct flow up, down;
    struct str id, client_host;
    struct str websocket_key; /* ours; empty: the client has its own, or wants no WebSocket */
    struct pool *pool;
    const struct route_redirect *redirect; /* where the client is sent; NULL: nowhere */
    struct worker *target;                 /* the worker of the present try */
    struct pick_tried tried;
    struct worker *let_go; /* of tried: all that is known of it is that it closed an idle connection */
    struct lease_wait connecting;
    struct session *leased; /* between LEASE and FORWARD */
    struct bufq own_body;
    struct metric_page *page; /* of the metrics, while they are written into own_body piece by piece; else NULL */
    struct trace *trace;      /* NULL: tracing is off */
    struct retry_place again; /* in the budget of retries, from the first costly one to the answer's head */
    /* how it went */
    bool counted; /* everything but requests for the metrics */
    bool rewritten;
    bool answering; /* the answer's head was sent to the client */
    bool own_answer;
    bool interim;    /* a 1xx head waits to be passed on */
    bool continued;  /* one was: a client that asked for it goes on with its body */
    bool fresh_only; /* an idle connection failed: the next try connects */
    bool reused;
    bool unheard;       /* ... or shared with a request that took it so: no answer has begun on it since */
    bool waited;        /* in line among other retries, before the try that comes */
    bool tunnel;        /* the answer is a 101 */
    bool tunnel_leaves; /* tunnel_ends_ms is set because its worker was removed, not because the balancer is to stop */
    bool server_timing; /* the client is told what took how long */
    bool grpc;          /* it is a call */
    uint32_t tries;
    int status;
    int error;
    int64_t expires_ms;     /* the call's own deadline; 0: it has none */
    int64_t gone_at_ms;     /* the client has ended its sending: from then on it counts as gone; 0: it has not */
    uint64_t read;          /* read_so_far when the deadline was set */
    int64_t silent_at_ms;   /* when its silence until then is too long */
    struct pace pace;       /* of the client, where there is a least rate */
    int tunnel_closing;     /* why we close it: both sides were told the end, theirs are awaited; 0: we do not */
    int64_t tunnel_ends_ms; /* until then the tunnel may end by itself, or its sides, once it closes; 0: it may stand */
    int64_t connected_ns, first_byte_ns;
    int64_t whole_ms;            /* when the worker's answer was whole */
    struct exchange *next_spare; /* of the home's, once ended */
    /* the last, and not zeroed: those below `tries` are set */
    struct exchange_try attempts[PICK_TRIED_MAX];
};

/* Nothing went wrong, or nothing that is anybody's fault: both sides are told an end, not a cut. */
static inline bool exchange_in_order(const struct exchange *x)
{
    return !x->error || err_fault(x->error) == ERR_FAULT_NONE;
}

/* Since the request's first byte. */
static inline uint32_t exchange_age_us(const struct exchange *x)
{
    int64_t us = (io_now_ns(x->home->io) - x->client.began_ns) / 1000;

    return us < RECENT_NEVER ? (uint32_t)us : RECENT_NEVER - 1;
}

static inline struct exchange_try *exchange_present_try(struct exchange *x)
{
    return &x->attempts[x->tries - 1];
}

static inline int64_t exchange_now_ms(const struct exchange *x)
{
    return io_now_ms(x->home->io);
}

#endif
