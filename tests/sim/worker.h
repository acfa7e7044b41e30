/* What both kinds of scripted workers share: worker.c, which speaks HTTP/1, and worker_h2.c.
 */
#ifndef TESTS_SIM_WORKER_H
#define TESTS_SIM_WORKER_H

#include "tests/sim/worker_line.h"

/* The first of its windows of these kinds that is open now. */
const struct plan_window *worker_window(const struct sim_worker *worker, enum plan_window_kind low,
                                        enum plan_window_kind high);
/* Whose head this is; NULL: a probe. Fails when nobody sent it. */
const struct plan_request *worker_identify(const struct sim_worker *worker, const struct wire_reader *reader);
/* A line of the trace; NULL: a probe, of which none is written. */
void worker_note(const struct sim_worker *worker, const struct plan_request *request, const char *what);

/* worker_h2.c: its connections of HTTP/2. One is there; all of them go, or can be reached no more; those that have had
 * probes alone, and idle, go; they are judged after a turn; the end of all. */
void worker_h2_begin(struct sim_worker *worker, const struct worker_line *line);
void worker_h2_leave_probes(struct sim_worker *worker);
void worker_h2_leave(struct sim_worker *worker, enum plan_window_kind how);
void worker_h2_check(const struct sim_worker *worker);
void worker_h2_fini(struct sim_worker *worker);

#endif
