/* From a tree to settings: every key found in the table, every value judged by its type.
 */
#ifndef CONTROL_CONFIG_READ_H
#define CONTROL_CONFIG_READ_H

#include "control/config.h"
#include "control/config_node.h"

/* Fills config, whose arena is ready, from defaults and then from root, a map. What does not fit is added to errors
 * and left at its default, so that one run finds many. sealed: names are not looked up. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_read(struct config *config, struct config_errors *errors, bool sealed,
                           const struct config_node *root);
/* One worker of a pool from a map of its own, in which names are not looked up; else as above. */
MUST_CHECK int config_read_worker(struct config_worker *ret_worker, struct config_errors *errors, struct arena *arena,
                                  const struct config_node *node);

#endif
