/* One loop in a simulated net: what the tests of this floor and of the sessions above stand on. Asserts that everything
 * taken was given back.
 */
#ifndef UNIT_NET_WORLD_H
#define UNIT_NET_WORLD_H

#include "tests/sim/io_sim.h"

struct world {
    struct io_sim_net *net;
    struct buf_pool pool;
    struct io *io;
};

/* Memory for this many chunks. */
void world_create(struct world *world, size_t chunks);
/* No connection is open, no op in flight and no chunk taken by then: asserted. */
void world_destroy(struct world *world);
/* Until nothing is left to do at this moment. */
void world_settle(struct world *world);
/* Time passes. */
void world_run(struct world *world, int64_t ms);

/* The queue's bytes as a text, good until the next call. */
struct str world_text(const struct bufq *queue);

#endif
