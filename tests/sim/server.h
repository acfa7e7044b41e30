/* The balancer of a scenario: its life, apart from what comes over the net.
 */
#ifndef TESTS_SIM_SERVER_H
#define TESTS_SIM_SERVER_H

#include "control/admin_handover.h"
#include "tests/sim/world.h"

/* All but its reactors: nothing of it turns yet. before: what the server before knew, or NULL. */
void server_make(struct sim_server *server, struct world *world, uint32_t index, const struct handover *before);
/* Its reactors, each with a listening descriptor, which becomes theirs; and its prober begins. */
void server_open(struct sim_server *server, const int *doors);
/* The same in words, another in memory: what each exchange goes by, and what is known of workers, must be seen to last.
 * As in the real one, one at a time. */
void server_reload(struct sim_server *server);
void server_drain(struct sim_server *server);
/* Its reactors have. */
bool server_has_stopped(const struct sim_server *server);
/* Stopped, its prober too; or never opened. */
void server_take_apart(struct sim_server *server);

#endif
