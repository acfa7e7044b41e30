/* Makes a failing scenario smaller: leaves out families of faults, clients and requests for as long as the same check
 * still fails.
 */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include "tests/sim/plan.h"

/* Runs a scenario; true when the check of interest fails. */
typedef bool (*shrink_fn)(const struct plan_cuts *cuts, void *context);

/* *cuts is where it starts from and what it comes to. Returns how many scenarios were run. */
unsigned shrink(struct plan_cuts *cuts, uint64_t seed, shrink_fn fails, void *context);

#endif
