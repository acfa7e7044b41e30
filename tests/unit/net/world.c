/* The set-up that the tests of conns and sessions share; called by each test for itself, so that none sees another's
 * leftovers. */
#include "tests/unit/net/world.h"

enum { TEXT_MAX = 1 << 18 };

void world_create(struct world *world, size_t chunks)
{
    buf_pool_init(&world->pool, chunks * BUF_CHUNK_BYTES);
    world->net = io_sim_net_create(1);
    struct io_options options = {.backend = &io_sim_backend, .buffers = &world->pool};
    int error = io_create(&options, &world->io);
    ASSERT(error == 0);
}

void world_destroy(struct world *world)
{
    world_settle(world);
    ASSERT(io_sim_open_count(world->net) == 0);
    io_destroy(&world->io);
    io_sim_net_destroy(&world->net);
    ASSERT(world->pool.chunks.used == 0 && world->pool.nodes.used == 0);
    buf_pool_fini(&world->pool);
}

void world_settle(struct world *world)
{
    while (io_sim_step(world->net)) {
    }
}

void world_run(struct world *world, int64_t ms)
{
    io_sim_run(world->net, NULL, NULL, ms);
    world_settle(world);
}

struct str world_text(const struct bufq *queue)
{
    static char text[TEXT_MAX];
    static struct iovec slices[TEXT_MAX / 64];
    size_t n = 0;
    int count = bufq_iov(queue, slices, TEXT_MAX / 64, TEXT_MAX);
    for (int i = 0; i < count; i++) {
        memcpy(text + n, slices[i].iov_base, slices[i].iov_len);
        n += slices[i].iov_len;
    }
    ASSERT(n == bufq_bytes(queue));
    return str_slice(text, n);
}
