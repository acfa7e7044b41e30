/* What single settings cannot tell: whether the parts of a configuration fit together.
 */
#ifndef CONTROL_CONFIG_CHECK_H
#define CONTROL_CONFIG_CHECK_H

#include "control/config.h"

/* Completes config (names and ids of workers, the pool of each route, the route of a single pool) and adds what does
 * not fit to errors. Parts that already failed are passed over. scratch: memory for the time of the check. 0 or
 * -ERR_NO_MEMORY. */
MUST_CHECK int config_check(struct config *config, struct config_errors *errors, struct arena *scratch);
/* The part of it that concerns workers: names, ids and how many there are, for one that is loaded but has others. */
MUST_CHECK int config_check_workers(struct config *config, struct config_errors *errors, struct arena *scratch);

#endif
