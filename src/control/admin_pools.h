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
const char *admin_mode_word(const struct worker *worker);
/* The other way round. False: it is none of them. */
bool admin_mode_read(const char *word, enum worker_mode *ret_mode);

#endif
