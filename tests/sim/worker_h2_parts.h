/* What the parts of the scripted worker of HTTP/2 share: worker_h2.c, its connections and what comes in on them, and
 * worker_h2_answer.c, what it says to that.
 */
#ifndef TESTS_SIM_WORKER_H2_PARTS_H
#define TESTS_SIM_WORKER_H2_PARTS_H

#include "tests/sim/tunnel_h2.h"
#include "tests/sim/worker.h"

struct h2_link {
    struct list link; /* the worker's */
    struct sim_worker *worker;
    struct worker_line line;
    nghttp2_session *h2;
    struct list streams;
    uint32_t open, served;
    int32_t newest; /* the highest number of a stream so far */
    int32_t last;   /* of streams above nothing is known any more */
    int64_t idle_due_ns;
    bool noticed; /* the notice of a GOAWAY is on its way */
    bool leaving; /* ends with its last stream */
    bool ended;   /* has said its end, and waits for the other side's */
    bool cut;     /* goes away as soon as the library has returned */
    bool credit_waits;
    bool pumping;
};

struct h2_script {
    struct list link;
    struct h2_link *conn;
    int32_t id;
    struct wire_reader reader;
    const struct plan_request *request; /* NULL: a probe */
    struct request_log *log;
    uint64_t given, allowed, all; /* of the answer's body: to the library; may be; it has */
    uint64_t stop_at;             /* UINT64_MAX: never */
    bool unknown;                 /* above a GOAWAY: not looked at */
    bool answered, stopped, resets;
    bool closed;
    int32_t uncredited;
    bool connects;            /* asks for a tunnel */
    struct h2_tunnel *tunnel; /* once it is one */
    bool held;                /* which is counted in world->tunnels_held */
};

/* worker_h2.c. A line of the trace; fn in so much time; what waits is sent; it leaves when this is answered. */
void worker_h2_note(const struct h2_script *script, const char *what);
void worker_h2_after(const struct h2_link *conn, int64_t delay_ns, io_sim_timer_fn fn, void *context);
void worker_h2_pump(struct h2_link *conn);
void worker_h2_leave_after(struct h2_script *script);

/* worker_h2_answer.c. From inside the library: as the request's plan has it, in its time; at once, to a probe. */
void worker_h2_answer_later(struct h2_script *script);
void worker_h2_answer_probe(struct h2_script *script);

#endif
