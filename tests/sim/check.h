/* What must hold, each as a check with a name. A check that fails reports, and ends the process: scenarios run in a
 * child of ballast-sim.
 */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/sim/worker_line.h"

enum { CHECK_FAILED = 3, CHECK_STUCK = 4, CHECK_NAME_MAX = 32 };

/* Where the name of the check that failed is left for the parent (room for CHECK_NAME_MAX); NULL: nowhere. */
void check_set_name_place(char *place);
/* The running scenario, for checks that are called from inside the balancer; NULL: none. */
void check_set_world(struct world *world);

/* client, request (an id): whom the report is about, or TRACE_NOBODY. */
_Noreturn void check_fail(const char *name, int client, int request, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* After each turn of the loops. */
void check_step(struct world *world);
/* A worker: the head of a request, or all of it, is there. */
void check_request_head(const struct sim_worker *worker, const struct wire_reader *reader,
                        const struct plan_request *request);
void check_request_whole(const struct sim_worker *worker, const struct wire_reader *reader,
                         const struct plan_request *request);
/* A worker has sent this much of its answer, and the balancer has taken it from the connection or could. */
void check_taken(const struct world *world, const struct plan_request *request, uint64_t bytes);
/* A client: an answer's head (interim ones too), a whole answer, an end without one. */
void check_answer_head(struct sim_client *client);
void check_answer_whole(struct sim_client *client);
/* clean: an orderly end, not a reset. */
void check_answer_cut(struct sim_client *client, bool clean);
/* A tunnel: what it asks a worker with; the 101 that its client gets; bytes at one end; the end there, or a reset. */
void check_switch_asked(const struct sim_worker *worker, const struct wire_reader *reader,
                        const struct plan_request *request);
void check_switched(struct sim_client *client);
/* The same over HTTP/2: connects, it asks for one; a stream that gets a 2xx to that. */
void check_connect_asked(const struct sim_worker *worker, const struct wire_reader *reader,
                         const struct plan_request *request, bool connects);
void check_connected(const struct sim_client *stream);
/* What an answer of our own says of tunnels is so. */
void check_tunnel_word(const struct sim_client *client, struct str proxy_status);
void check_tunnel_bytes(const struct tunnel_end *end, const struct wire_reader *reader);
void check_tunnel_end(const struct tunnel_end *end, bool clean);
/* It was silent, or told to stop, for so long that the balancer may have closed it: what still comes is dropped. */
bool check_tunnel_may_be_closed(const struct world *world, const struct plan_request *request);
/* After each turn. */
void check_tunnels_drain(const struct world *world);
/* All is over. */
void check_tunnels(const struct world *world);
/* How exactly the time of a client's event can be known. */
int64_t check_slack_ns(const struct world *world);
bool check_times_are_plain(const struct sim_client *client);
/* A connection without a request was closed by the balancer. */
void check_idle_end(struct sim_client *client);
/* It ended before the handshake was over. */
void check_handshake_end(struct sim_client *client);
/* A connection to a worker of TLS has ended before the handshake was over. */
void check_greeting_end(const struct worker_line *line);
/* One after it; idle: nothing was under way on it. */
void check_line_end(const struct worker_line *line, bool idle);
/* What is said of TLS is so: of a worker, by a probe or as its request is tried again (a code of err.h); to a client,
 * by an answer of our own. */
void check_tls_error(const struct sim_worker *worker, int error);
void check_tls_word(const struct sim_client *client, struct str proxy_status);
/* Its handshakes may be why a probe of a worker is bad. */
bool check_tls_excuses(const struct sim_worker *worker, int error);
/* A server has stopped, and is not destroyed yet: nothing is left in it; and another goes on from what it has counted.
 */
void check_stopped(struct sim_server *server);
void check_handed_on(const struct sim_server *before, const struct sim_server *next);
/* All is over and drained, nothing is destroyed yet. */
void check_end(struct world *world);

#endif
