/* A scenario as text: as the configuration the balancer is given, and for people.
 */
#ifndef TESTS_SIM_PLAN_TEXT_H
#define TESTS_SIM_PLAN_TEXT_H

#include "tests/sim/plan.h"

/* The YAML that the balancer loads. ports: of the listener, then of each worker, all on 127.0.0.1. */
void plan_yaml(const struct plan *plan, const uint16_t *ports, char *out, size_t n);

#endif
