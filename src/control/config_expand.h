/* `${VARIABLE}` in values.
 */
#ifndef CONTROL_CONFIG_EXPAND_H
#define CONTROL_CONFIG_EXPAND_H

#include "control/config_node.h"

/* Replaces in every text below node: `${NAME}` by the variable of the environment, `${NAME:-default}` by it or, when it
 * is unset or empty, by the default, and `$${` by `${`. sealed: every variable is unset. 0 (errors may have been added)
 * or -ERR_NO_MEMORY. */
MUST_CHECK int config_expand(struct arena *arena, struct config_errors *errors, bool sealed, struct config_node *node);

#endif
