/* Whole HTTP/2 sessions over the simulated net: whatever a client sends after the preface, however it is cut, and
 * whenever it goes, every request is finished or aborted once, the connection ends, and nothing is left behind, not in
 * the library either.
 *
 * The first byte says how the net, the owner and the memory are, the second seeds the cuts; the rest is what the client
 * sends behind preface and SETTINGS, or without them.
 */
#include "fuzz.h"

#include "base/rand.h"
#include "tests/unit/http/h1_owners.h"
#include "tests/unit/http/h2_wire.h"
#include "tests/unit/net/world.h"

enum {
    MODE_RAW = 1,
    MODE_NARROW = 2,
    MODE_SMALL_POOL = 4,
    MODE_ABORTS = 8,
    MODE_LIMIT = 16,
    MODE_LITTLE = 32,
    MODE_DRAIN = 64
};
enum { HEAD_MS = 2000, IDLE_MS = 5000 };

static const struct h1_limits limits = {.head_bytes = 4096, .fields = 16, .target_bytes = 512};
static struct h2_wire wire;

static void play(struct world *world, struct io_sim_peer *peer, struct echo *echo, struct rand_gen *random, bool drains)
{
    for (size_t at = 0; at < wire.n;) {
        size_t most = rand_below(random, 4) == 0 ? 9 : 1000;
        size_t n = 1 + (size_t)rand_below(random, most);
        n = n < wire.n - at ? n : wire.n - at;
        io_sim_peer_send(peer, wire.bytes + at, n);
        at += n;
        if (rand_below(random, 2) == 0)
            world_settle(world);
        if (drains && rand_below(random, 4) == 0 && echo->closed == 0) {
            session_drain(&echo->door.session);
            drains = false;
        }
    }
    world_settle(world);
    if (rand_below(random, 2) == 0)
        world_run(world, (int64_t)rand_below(random, HEAD_MS));
    io_sim_peer_close(&peer, rand_below(random, 2) == 0);
    world_run(world, HEAD_MS + IDLE_MS + CONN_LINGER_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct h1_server_options common = {.limits = limits, .request_head_ms = HEAD_MS, .client_idle_ms = IDLE_MS};
    struct h2_server_options options = {.enabled = true, .streams = 8, .floods = {10, 30, 10}};
    struct h2_room room;
    struct client_door_options door = {&common, &options, &room};
    struct rand_gen random;
    struct world world;
    struct echo echo;
    int fd;

    if (n < 2 || n > H2_WIRE_MAX / 2)
        return 0;
    uint8_t mode = bytes[0];
    rand_seed(&random, bytes[1]);
    wire.n = 0;
    if (!(mode & MODE_RAW))
        h2_wire_hello(&wire);
    h2_wire_put(&wire, bytes + 2, n - 2);
    world_create(&world, 64);
    if (mode & MODE_NARROW)
        *io_sim_limits(world.net) = (struct io_sim_limits){.buffer_bytes = 300, .segment_bytes = 100, .backlog = 4};
    if (mode & MODE_SMALL_POOL)
        world.pool.chunks.max_objects = 1 + (size_t)rand_below(&random, 6);
    h2_room_init(&room, 6, mode & MODE_LITTLE ? (size_t)rand_below(&random, 60000) : 1 << 20);
    common.body_bytes = mode & MODE_LIMIT ? 500 : 0;
    echo_init(&echo, world.io);
    echo.spare_fields = 2;
    echo.aborts_failed = (mode & MODE_ABORTS) != 0;
    struct io_sim_peer *peer = io_sim_peer_pair(world.net, &fd);
    int error = echo_start_door(&echo, fd, &door);
    ASSERT(error == 0);
    play(&world, peer, &echo, &random, (mode & MODE_DRAIN) != 0);
    ASSERT(echo.closed == 1);
    ASSERT(echo.opened == echo.finished + echo.aborted);
    h2_room_fini(&room);
    world_destroy(&world);
    return 0;
}
