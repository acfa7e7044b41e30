/* One scenario under way: the real balancer (configuration, reactors, prober, accounts, metrics) over the simulated
 * net, scripted clients in front of it and scripted workers behind it.
 *
 * One thread. Everything lives from world_run's start to its end; scripts are never freed in between, so that a timer
 * of theirs may come late.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "balance/probe.h"
#include "control/metric_text.h"
#include "control/snapshot.h"
#include "tests/sim/plan.h"
#include "tests/sim/tls.h"
#include "tests/sim/trace.h"
#include "tests/sim/wire.h"

enum { WORLD_REACTORS = 4, WORLD_SERVERS = 2 };

struct world;

/* Sends bytes on a peer: all at once or in pieces, and stops where it is told to. */
struct pacer {
    struct world *world;
    struct io_sim_peer **peer; /* NULL in there: closed */
    struct sim_bytes bytes;    /* still to be sent */
    uint64_t sent;             /* of all that was ever queued */
    uint64_t stop_at;          /* UINT64_MAX: never */
    size_t piece;              /* 0: all at once */
    int64_t gap_ns;
    bool waiting; /* a timer is on its way */
    bool stopped;
    void (*send)(void *context, struct str bytes); /* NULL: as they are */
    void (*on_progress)(void *context);            /* some bytes were sent; may be NULL */
    void (*on_sent)(void *context);                /* nothing is left */
    void (*on_stop)(void *context);
    void *context;
};

void pacer_init(struct pacer *pacer, struct world *world, struct io_sim_peer **peer, void *context);
/* After bytes were appended: sends what is due. */
void pacer_kick(struct pacer *pacer);

enum outcome { OUTCOME_NONE, OUTCOME_RIGHT, OUTCOME_OURS, OUTCOME_CUT, OUTCOME_NEVER_SENT };

/* Of a tunnel, as both its ends see it. */
struct tunnel_log {
    bool switched;               /* a worker has said 101 */
    bool lied;                   /* accepting another key */
    bool opened;                 /* its client has got that, */
    int64_t opened_ns;           /* then */
    bool up_ended, down_ended;   /* its client, its worker has sent all, and ended its sending */
    bool up_whole, down_whole;   /* which arrived, with all before it */
    uint64_t up_read, down_read; /* bytes that arrived */
    int64_t moved_ns;            /* the last time that some were sent, or arrived */
    int64_t down_ns;             /* the last time that its client read some */
    int64_t reset_ns;            /* one of both has reset it */
};

/* What became of a request, as its client and the workers saw it. */
struct request_log {
    uint32_t begun;     /* heads of it that reached a worker */
    uint32_t refused;   /* and that the worker would not know of: REFUSED_STREAM, or above its GOAWAY's last */
    uint32_t handled;   /* times it was whole there */
    uint32_t failed_on; /* bits: workers that cut it on a fresh connection */
    bool sent_any;      /* its client sent some byte of it */
    bool sent_whole;
    enum outcome outcome;
    int status;
    int64_t first_sent_ns; /* its first byte */
    int64_t last_sent_ns;  /* its last byte so far */
    int64_t interim_ns;    /* when its client got the last interim answer: what it sends is waited for anew */
    int64_t whole_ns;      /* when a worker had it whole */
    int64_t stalled_ns;    /* when a worker stopped inside its answer */
    int64_t answered_ns;   /* when a worker had sent all of its answer */
    struct tunnel_log tunnel;
};

/* One end of an open tunnel (tunnel.c): of a client, or of a worker's connection. */
struct tunnel_end {
    struct world *world;
    const struct plan_request *request; /* NULL: there is none */
    bool client;
    struct pacer *out;
    struct sim_bytes *words;       /* what is said is written there */
    const struct sim_bytes *queue; /* what `out` has sent waits there to leave; NULL: it leaves at once */
    void (*say)(void *context);    /* and is to be sent */
    void (*shut)(void *context);   /* all was sent: it ends its sending */
    void *context;
    uint64_t said;
    bool said_end, heard_end;
};

struct sim_client {
    struct world *world;
    const struct plan_client *plan;
    uint32_t index;
    struct io_sim_peer *peer;
    struct sim_tls *tls;            /* NULL: in the clear, or not connected yet */
    struct ssl_session_st *session; /* of the connection before */
    struct sim_bytes words;         /* written, and not said yet */
    struct pacer out;
    struct wire_reader reader;
    uint32_t next;     /* the first request that was not queued yet */
    uint32_t awaiting; /* the request whose answer is read */
    /* In out.sent: where it begins, where it is known what it asks for, where it ends. */
    uint64_t begins[PLAN_REQUESTS], asks[PLAN_REQUESTS], ends[PLAN_REQUESTS];
    uint64_t received;
    uint32_t interims;
    int64_t answered_ns; /* the last answer was whole */
    int64_t greeted_ns;  /* TLS: the handshake began */
    bool sending;        /* connected, and the first bytes were queued */
    bool garbled;        /* what plan->garble says has happened */
    bool body_waits;     /* for 100 */
    bool told_close;
    bool own_answer; /* the answer that is read was made by the balancer */
    bool stop_done;  /* what plan->stop says has happened */
    bool not_reading;
    bool paused;
    bool done;
    struct tunnel_end tunnel;
    /* HTTP/2 (client_h2.c) */
    struct nghttp2_session *h2;
    struct sim_client *streams; /* one for each request: a client of it alone, to checks; received: of its body, sent */
    int32_t stream_id;
    bool pumping;
    const struct sim_client *ending; /* the request whose last frame is written just now */
    struct h2_tunnel *h2_tunnel;     /* of a stream, once it is one (tunnel_h2.h) */
    bool settings_came;              /* the other side's */
    bool waits;                      /* for them: a stream that asks for a tunnel */
};

struct sim_worker {
    struct world *world;
    const struct plan_worker *plan;
    uint32_t index;
    struct sockaddr_storage address;
    int listener; /* -1: none */
    struct rand_gen rand;
    struct list greetings, conns, links; /* connections: whose handshake is not over, of HTTP/1, of HTTP/2 */
    struct rand_gen tls_rand;
    uint32_t stopped, garbled, unbelieved; /* of TLS: handshakes, connections, those with a wrong certificate */
    uint64_t good_answers;                 /* to probes */
    uint32_t heads;                        /* HTTP/2: of clients' requests so far */
    uint32_t idle_closings;                /* of clients' connections, apart in time */
    int64_t idle_closed_ns;                /* the last of them */
    bool idle_untold; /* another server took over before they were seen: it may know of some alone */
    uint64_t good;    /* probes that the balancer called good */
};

/* A balancer: the only one, or the one before and after an upgrade. */
struct sim_server {
    struct world *world;
    uint32_t index;
    struct config *config;
    struct roster roster;
    struct snapshot *snapshot; /* the newest */
    struct io *control;
    struct buf_pool buffers;
    struct prober *prober;
    struct team *team;
    struct reactor *reactors[WORLD_REACTORS];
    struct account *inherited; /* what was counted by the one before */
    const struct account *accounts[WORLD_REACTORS + 1];
    struct metric_sources metrics;
    uint32_t applied; /* reactors that go by the newest configuration */
    bool there;       /* it is open, and not taken apart */
    bool draining;
    /* of each reactor, as of the step before */
    struct {
        uint64_t total, active;
        uint32_t retries;
        int64_t alone_ns; /* told to stop, since when it has worker connections and no clients; 0: it is not so */
        uint64_t tunnels;
        int64_t tunnel_ns; /* when the last one was opened */
    } before[WORLD_REACTORS];
    int64_t drain_ns; /* when it was told to stop */
    /* health of each script's worker, as checks see it */
    struct {
        uint64_t probes;
        enum health_state state;
        uint32_t streak;
    } seen[PLAN_WORKERS];
};

struct world {
    const struct plan *plan;
    struct io_sim_net *net;
    int64_t start_ns;
    struct sockaddr_storage address;
    struct sim_server servers[WORLD_SERVERS];
    struct sim_server *server;   /* the one that takes clients in */
    int doors[WORLD_REACTORS];   /* its listening descriptors, or the keeper's, which an upgrade hands on */
    struct sim_upgrade *upgrade; /* NULL: there was none yet (upgrade.c) */
    int64_t upgraded_ns;         /* another took over; 0: none has */
    bool draining;
    int64_t drain_ns; /* when it was told to; 0: not yet */
    uint64_t steps;
    uint64_t baseline[PLAN_WORKERS]; /* dispatches when all workers had come up */
    bool baseline_known[PLAN_POOLS];
    uint32_t clients_done, clients_there;
    uint32_t tunnels_held; /* by workers, of those that nothing excuses */
    struct sim_client clients[PLAN_CLIENTS];
    struct sim_worker workers[PLAN_WORKERS];
    struct request_log logs[PLAN_CLIENTS][PLAN_REQUESTS];
};

/* Counts that a run leaves for the summary. */
struct world_result {
    uint64_t requests, right, ours, cut;
    int64_t virtual_ms;
};

/* Runs it to its end. Does not return when a check fails: check_fail reports and ends the process. */
void world_run(const struct plan *plan, enum trace_mode trace, struct world_result *ret_result);

static inline int64_t world_now_ns(const struct world *world)
{
    return io_sim_now_ns(world->net);
}
struct request_log *world_log(struct world *world, uint32_t id);
/* What bodies are made of. */
uint64_t world_request_key(const struct world *world, uint32_t id);
uint64_t world_answer_key(const struct world *world, uint32_t id);
/* The script behind a worker: they are numbered by pool in the balancer, and as planned here. */
struct sim_worker *world_worker_of(struct world *world, const struct worker *worker);
void world_drain(struct world *world);

/* client.c */
void client_init(struct sim_client *client, struct world *world, uint32_t index);
void client_fini(struct sim_client *client);
/* It is over. */
void client_finish(struct sim_client *client);
/* What was written is to be sent, sealed where it speaks TLS. */
void client_say(struct sim_client *client);
/* What has arrived, in the clear; client_take: of these so many were read. */
struct str client_heard(struct sim_client *client);
void client_take(struct sim_client *client, size_t n);
/* client_h2.c: connected; all was sent; bytes came; the connection is over. */
void client_h2_init(struct sim_client *client);
void client_h2_begin(struct sim_client *client);
void client_h2_sent(struct sim_client *client);
void client_h2_read(struct sim_client *client);
void client_h2_end(struct sim_client *client);
/* It goes, with all that is under way. */
void client_h2_note_cut(struct sim_client *client);
void client_h2_fini(struct sim_client *client);
/* hostile.c: the bytes of a hostile request. */
void hostile_write(struct sim_bytes *out, const struct plan_request *request);
/* Only its body is malformed: a worker may see its head. */
bool hostile_in_body(uint8_t kind);

/* tunnel.c. The head that asks for one, and what the worker says to it that was asked with this key. */
void sim_tunnel_write_fields(struct sim_bytes *out, const struct plan_request *request);
void sim_tunnel_write_switch(struct sim_bytes *out, const struct plan_request *request, uint32_t worker,
                             struct str key);
/* A client's Sec-WebSocket-Key, and the accept that answers a key; NUL-ended. */
enum { TUNNEL_KEY_ROOM = 32, TUNNEL_KEY_BYTES = 24 };
void sim_tunnel_key(const struct plan_request *request, char out[TUNNEL_KEY_ROOM]);
void sim_tunnel_accept(struct str key, char out[TUNNEL_KEY_ROOM]);
/* It is open: what its plan says is said from now on. The rest of `end` is set by then. */
void sim_tunnel_open(struct tunnel_end *end);
/* Some bytes were read. */
void sim_tunnel_read(struct tunnel_end *end, const struct wire_reader *reader);
/* Nothing waits to be sent. */
void sim_tunnel_sent(struct tunnel_end *end);
/* The other side's end has come. */
void sim_tunnel_hear_end(struct tunnel_end *end);
/* Both have ended, and all has left. */
bool sim_tunnel_is_over(const struct tunnel_end *end);
/* Some byte was sent or read just now. */
void sim_tunnel_note_moved(const struct tunnel_end *end);
struct tunnel_log *sim_tunnel_log_of(const struct tunnel_end *end);

/* worker.c; worker.h has what it shares with worker_h2.c */
void worker_init(struct sim_worker *worker, struct world *world, uint32_t index);
void worker_fini(struct sim_worker *worker);
/* Its closings have been seen often enough for its idle age to be known. */
bool worker_closings_are_seen(const struct sim_worker *worker);
/* After each turn: what the balancer has read of each answer, also for check_taken. */
void worker_check(const struct sim_worker *worker);

#endif
