/* An upgrade in a scenario: another server takes the place of the one that there is, or does not come up.
 */
#ifndef TESTS_SIM_UPGRADE_H
#define TESTS_SIM_UPGRADE_H

#include "tests/sim/world.h"

/* At its time: makes the next server beside the one that serves. */
void upgrade_begin(void *world);
/* After each turn: the server before ends when nothing is left in it. */
void upgrade_step(struct world *world);
/* It has begun, and two servers are there, or the next one is not open yet. */
bool upgrade_is_under_way(const struct world *world);
void upgrade_free(struct world *world);

#endif
