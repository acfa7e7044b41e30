/* The administration API's view of pools and workers, and what an operator may do to them.
 */
#ifndef CONTROL_ADMIN_POOLS_H
#define CONTROL_ADMIN_POOLS_H

#include "control/admin.h"

/* The Status object of now; the caller's reference, NULL without memory. */
json_t *admin_status_json(struct admin *admin);
/* The ConnectionCounts object, of the counters as pulse_read last found them. */
json_t *admin_counts_json(const struct admin *admin);
/* "ready", "drain" or "disabled". */
const char *admin_mode_word(enum worker_mode mode);
/* The other way round. False: it is none of them. */
bool admin_mode_read(const char *word, enum worker_mode *ret_mode);
/* Requests at it that have not ended, when pulse_read last looked. */
uint64_t admin_active_at(const struct admin *admin, const struct worker *worker);
/* The pool that the call's path names; NULL: there is none, and the call has been answered. */
struct pool *admin_find_pool(struct admin *admin, struct admin_call *call);
/* The worker that the call's path names, or gives the address of; else as above. */
struct worker *admin_find_worker(struct admin *admin, struct admin_call *call);
/* A Worker object, which need not be in use any more. */
json_t *admin_worker_json(const struct admin *admin, const struct worker *worker);
void admin_answer_worker(struct admin *admin, struct admin_call *call, const struct worker *worker);

#endif
