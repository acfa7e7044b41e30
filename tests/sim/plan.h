/* A scenario, written down before it runs: everything that clients, workers and the network are going to do, drawn from
 * one seed.
 *
 * Each family of faults and each client draws from a stream of its own, so that leaving one out (a cut) does not change
 * what the others do: that is how a failing scenario is shrunk and still replays.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/io_sim.h"

enum plan_family {
#define FAMILY(id, name, percent, what) FAMILY_##id,
#include "tests/sim/family.def"
#undef FAMILY
    FAMILY_COUNT
};

enum {
    PLAN_CLIENTS = 10,
    PLAN_REQUESTS = 8,
    PLAN_WORKERS = 5,
    PLAN_POOLS = 2,
    PLAN_WINDOWS = 3,
    PLAN_BREAKS = 3,
    PLAN_RELOADS = 4
};

enum plan_method { PLAN_GET, PLAN_HEAD, PLAN_POST, PLAN_PUT, PLAN_DELETE, PLAN_METHODS };
enum plan_framing { PLAN_NO_BODY, PLAN_LENGTH, PLAN_CHUNKED, PLAN_CLOSE };
enum plan_answer_kind {
    ANSWER_RIGHT,
    ANSWER_HANG,    /* never begins */
    ANSWER_STALL,   /* stops at at_byte */
    ANSWER_CUT,     /* orderly end at at_byte */
    ANSWER_RESET,   /* reset at at_byte */
    ANSWER_GARBAGE, /* no answer at all, or a framing nobody may pass on */
};
/* Who ends its sending when it has sent all: each, or one and then the other, or nobody until it is silent too long. */
enum plan_tunnel_end { TUNNEL_EACH, TUNNEL_CLIENT_FIRST, TUNNEL_WORKER_FIRST, TUNNEL_NEVER };
enum { PLAN_GARBAGE_KINDS = 6, PLAN_HOSTILE_KINDS = 20 };

struct plan_answer {
    enum plan_answer_kind kind;
    enum plan_framing framing;
    uint16_t status;
    uint8_t interims;
    uint8_t garbage;
    bool early;
    bool close_after;
    bool old; /* HTTP/1.0 */
    bool trailers;
    bool extra;     /* a whole answer more behind this one */
    bool cut_first; /* on the first try: closed before any byte, then as kind says */
    bool cut_resets;
    uint32_t body_bytes;
    uint32_t at_byte;
    uint32_t pieces;
    uint32_t gap_ms;
    uint32_t delay_ms;
};

/* What a request asks for that is to become a tunnel. Up: from the client to the worker. */
struct plan_tunnel {
    bool asked;
    bool refused; /* the worker gives its answer instead */
    enum plan_tunnel_end end;
    uint32_t up_bytes, down_bytes;
    uint32_t up_pieces, down_pieces;
    uint32_t up_gap_ms, down_gap_ms;
    uint32_t early_bytes;     /* of those up, sent with the request */
    uint32_t down_from;       /* the worker begins when it has so many of those up */
    uint32_t worker_pause_ms; /* it reads, pauses, reads; HTTP/2: gives credit so late; 0: reads always */
    uint32_t client_pause_ms; /* HTTP/2: gives credit so late */
    bool lies;                /* a worker of HTTP/1 accepts another key than it was asked with */
    bool quits;               /* HTTP/2: its client resets it without an error where it would end it */
    bool cuts_link;           /* where its answer is cut or reset, HTTP/2: with all that is on its connection */
};

struct plan_request {
    uint32_t id;
    enum plan_method method;
    enum plan_framing framing;
    uint32_t body_bytes;
    uint8_t hostile; /* 0: none, else the kind */
    uint8_t pool;
    bool expect;
    bool old; /* HTTP/1.0 without keep-alive; the last one only */
    bool last_close;
    bool metrics;
    bool trailers;
    uint32_t cancel_ms; /* HTTP/2: its stream is reset so long after it began; 0: never */
    struct plan_answer answer;
    struct plan_tunnel tunnel;
};

enum plan_stop { STOP_NONE, STOP_RESET, STOP_LEAVE, STOP_STALL, STOP_READING };

struct plan_client {
    bool there;
    uint32_t count;
    int64_t start_ms;
    bool h2;         /* speaks HTTP/2 */
    bool old_tls;    /* where TLS is spoken: version 1.2 */
    uint32_t garble; /* and this byte of its ciphertext arrives as another; 0: none */
    bool pipelined;  /* all at once; HTTP/2: as so many streams */
    bool polite;     /* HTTP/2: says GOAWAY and waits for the end */
    uint32_t window; /* HTTP/2: of each stream of its own */
    uint32_t piece;  /* bytes sent at once; 0: all */
    uint32_t gap_ms;
    uint32_t think_ms;
    uint32_t pause_ms; /* reads, pauses, reads; 0: reads always */
    bool half_close;
    bool lingers; /* stays until the balancer closes */
    enum plan_stop stop;
    bool stop_on_received; /* counts received bytes instead of sent ones */
    uint32_t stop_at;
    struct plan_request requests[PLAN_REQUESTS];
};

/* What a worker shows of itself. */
enum plan_shown {
    SHOWN_RIGHT,
    SHOWN_OTHER_NAME,
    SHOWN_STRANGER, /* signed by nobody who is believed */
    SHOWN_RUN_OUT,
    SHOWN_KINDS
};

/* Of a worker of a pool with TLS. */
struct plan_worker_tls {
    bool spoken;
    bool old;              /* version 1.2 */
    bool mute;             /* says nothing of protocols (ALPN), where it speaks HTTP/1 */
    bool resumes;          /* takes sessions up again */
    bool silent;           /* closes without close_notify, where that is not the end of an answer */
    bool lingers;          /* closes what idles by close_notify alone, and waits for the other side's end */
    uint32_t record_bytes; /* of a record at most; 0: as many as it holds */
    uint32_t tickets;      /* with a handshake of 1.3 */
    uint32_t renews_every; /* beside each n-th of what it sends (1.3): a ticket, or new keys; 0: never */
    uint32_t stops_per;    /* of 100 handshakes stop after some byte of its side */
    uint32_t garbles_per;  /* of 100 connections have a byte of its side arrive as another */
    int64_t h1_from_ms;    /* of HTTP/2: from then on it speaks HTTP/1 with who asks; 0: never */
    enum plan_shown wrong; /* shown on connections that come */
    int64_t wrong_from_ms, wrong_to_ms; /* from then until then; RIGHT: never */
};

enum plan_window_kind {
    WINDOW_STATUS,
    WINDOW_HANG,
    WINDOW_CUT,
    WINDOW_GARBAGE,
    WINDOW_DIE,
    WINDOW_DIE_POLITELY,
    WINDOW_DARK
};

struct plan_window {
    enum plan_window_kind kind;
    int64_t from_ms, to_ms;
};

struct plan_worker {
    uint32_t weight;
    uint32_t pool;
    uint32_t idle_close_ms;        /* 0: never */
    uint32_t close_on_request_per; /* of 100 requests on a used connection */
    bool closes_by_reset;
    bool h2;            /* speaks HTTP/2: alone, or, where TLS asks it, with who wants that */
    bool rude;          /* HTTP/2: closes without GOAWAY, and with a word that is no frame */
    uint32_t streams;   /* HTTP/2: wants no more at once on a connection */
    uint32_t h2_window; /* HTTP/2: of each stream that comes in */
    uint32_t credit_ms; /* HTTP/2: until it gives it back */
    uint32_t leave_at;  /* HTTP/2: the n-th request finds it gone, by a GOAWAY without a notice; 0: none */
    bool takes_tunnels; /* HTTP/2: extended CONNECT, and says so */
    struct plan_worker_tls tls;
    uint32_t windows;
    struct plan_window window[PLAN_WINDOWS];
};

struct plan_timeouts {
    uint32_t connect_ms, request_head_ms, request_body_ms, response_head_ms, response_idle_ms, client_idle_ms,
        client_stall_ms, worker_idle_ms, half_closed_ms, tls_handshake_ms, tunnel_idle_ms, tunnel_drain_ms;
};

struct plan_health {
    uint32_t interval_ms, doubt_ms, timeout_ms, rise, fall;
};

struct plan_memory {
    int64_t from_ms, to_ms;
    uint32_t every; /* each n-th allocation in that time fails */
    bool chunks_only;
};

struct plan {
    uint64_t seed;
    bool calm;
    bool equal_weights;
    uint64_t families; /* bits that are on */
    uint32_t reactors, pools, workers, clients;
    uint32_t tries, idle_per_worker, warm_per_worker, connections;
    struct plan_timeouts timeouts;
    struct plan_health health;
    struct io_sim_limits net;
    struct plan_worker worker[PLAN_WORKERS];
    bool pool_asks[PLAN_POOLS];   /* TLS to its workers, of which each says which version of HTTP it is */
    bool link_is_cut[PLAN_POOLS]; /* by some tunnel's worker, with all that is on it */
    struct plan_client client[PLAN_CLIENTS];
    struct plan_memory memory;
    struct {
        int64_t at_ms, by_ms;
    } wall[2];
    struct {
        int64_t at_ms;
        uint32_t client;
    } breaks[PLAN_BREAKS];
    int64_t reload_ms[PLAN_RELOADS]; /* 0: none */
    struct {
        int64_t at_ms;              /* another server is made; 0: none */
        uint32_t ready_ms, open_ms; /* until it is ready; until it accepts, from when the one before does no more */
        bool fails;                 /* before it is ready */
    } upgrade;
    int64_t drain_ms; /* 0: when all is over */
};

#define FAMILY_BIT(id) (UINT64_C(1) << FAMILY_##id)

/* What is left out of a seed's scenario. */
struct plan_cuts {
    uint64_t families;
    uint32_t clients;               /* bits */
    uint8_t requests[PLAN_CLIENTS]; /* requests kept by this client are less by that many, from its end */
};

static inline uint64_t plan_bit(enum plan_family family)
{
    return UINT64_C(1) << family;
}
void plan_make(struct plan *plan, uint64_t seed, const struct plan_cuts *cuts);
static inline bool plan_has(const struct plan *plan, enum plan_family family)
{
    return plan->families & plan_bit(family);
}
const char *plan_family_name(enum plan_family family);
const char *plan_family_what(enum plan_family family);
bool plan_pool_is_h2(const struct plan *plan, uint32_t pool);
/* And some of them not, or not always. */
bool plan_pool_is_mixed(const struct plan *plan, uint32_t pool);
/* Its tunnels are asked for by extended CONNECT, not by an upgrade of HTTP/1. */
bool plan_tunnels_by_h2(const struct plan *plan, uint32_t pool);
/* Of those workers so many take none. */
uint32_t plan_pool_deaf(const struct plan *plan, uint32_t pool);
/* Some of its workers' handshakes come to nothing: so many workers. */
uint32_t plan_pool_unsure(const struct plan *plan, uint32_t pool);
/* Its workers cut connections on which others' requests are. */
bool plan_pool_cuts(const struct plan *plan, uint32_t pool);
const char *plan_method_name(enum plan_method method);
bool plan_method_repeatable(enum plan_method method);

/* Why this request need not get its right answer, or NULL: then nothing stands in its way and anything else is a
 * violation. */
const char *plan_excuse(const struct plan *plan, uint32_t client, uint32_t request);
/* For a request that is known by its id; NULL: no such request. */
const struct plan_request *plan_find(const struct plan *plan, uint32_t id);

/* "abort,c3,c0r2": without a family, a client, the last two requests of client 0. False: not understood. */
bool plan_cuts_parse(struct plan_cuts *cuts, const char *text);
/* The same text; empty without cuts. */
void plan_cuts_print(const struct plan_cuts *cuts, char *out, size_t n);
/* The scenario for people. */
void plan_print(const struct plan *plan);

#endif
