/* Whole HTTP/1 sessions over the simulated net: whatever the other side sends, however it is cut, and whenever it goes,
 * every request is finished or aborted once, the connection ends, and nothing is left behind.
 *
 * The first byte says which side is tried and how the net and the owner are, the second seeds the cuts; the rest is
 * what the other side sends.
 */
#include "fuzz.h"

#include "base/rand.h"
#include "tests/unit/http/h1_owners.h"
#include "tests/unit/net/world.h"

enum { MODE_CLIENT = 1, MODE_NARROW = 2, MODE_SMALL_POOL = 4, MODE_BODY = 8, MODE_LIMIT = 16, MODE_HEAD = 32 };
enum { HEAD_MS = 2000, IDLE_MS = 5000, ANSWERS = 4 };

static const struct h1_limits limits = {.head_bytes = 4096, .fields = 16, .target_bytes = 512};

struct script {
    struct str bytes;
    struct rand_gen random;
    uint8_t mode;
};

static void set_net(struct world *world, struct script *script)
{
    struct io_sim_limits *net = io_sim_limits(world->net);

    if (script->mode & MODE_NARROW)
        *net = (struct io_sim_limits){.buffer_bytes = 300, .segment_bytes = 100, .backlog = 4};
    if (script->mode & MODE_SMALL_POOL)
        world->pool.chunks.max_objects = 1 + (size_t)rand_below(&script->random, 6);
}

/* Piece by piece, with pauses of both kinds in between. */
static void play(struct world *world, struct io_sim_peer *peer, struct script *script)
{
    for (size_t at = 0; at < script->bytes.n;) {
        size_t left = script->bytes.n - at;
        size_t most = rand_below(&script->random, 4) == 0 ? 4 : 400;
        size_t n = 1 + (size_t)rand_below(&script->random, most);
        n = n < left ? n : left;
        io_sim_peer_send(peer, script->bytes.p + at, n);
        at += n;
        uint64_t next = rand_below(&script->random, 16);
        if (next < 8)
            world_settle(world);
        if (next == 0)
            world_run(world, (int64_t)rand_below(&script->random, 100));
        if (next == 1)
            io_sim_peer_pause(peer, rand_below(&script->random, 2) == 0);
    }
    if (rand_below(&script->random, 2) == 0)
        world_settle(world);
    if (rand_below(&script->random, 2) == 0) {
        io_sim_peer_shutdown(peer);
        world_run(world, (int64_t)rand_below(&script->random, HEAD_MS));
    }
    io_sim_peer_close(&peer, rand_below(&script->random, 2) == 0);
    world_run(world, HEAD_MS + IDLE_MS + CONN_LINGER_MS);
}

static void try_server(struct world *world, struct script *script)
{
    struct h1_server_options options = {.limits = limits, .request_head_ms = HEAD_MS, .client_idle_ms = IDLE_MS};
    struct echo echo;
    int fd;

    options.body_bytes = script->mode & MODE_LIMIT ? 500 : 0;
    echo_init(&echo, world->io);
    echo.spare_fields = 2;
    echo.aborts_failed = (script->mode & MODE_BODY) != 0;
    struct io_sim_peer *peer = io_sim_peer_pair(world->net, &fd);
    int error = echo_start(&echo, fd, &options);
    ASSERT(error == 0);
    play(world, peer, script);
    ASSERT(echo.closed == 1);
    ASSERT(echo.opened == echo.finished + echo.aborted);
    ASSERT(echo.heads_lost <= 1);
}

static void try_client(struct world *world, struct script *script)
{
    static char body[3000];
    struct sockaddr_storage address = io_sim_address(world->net);
    int listener = io_sim_peer_listen(world->net, &address, NULL, NULL);
    struct asker asker;

    asker_init(&asker, world->io);
    asker.repeats = ANSWERS - 1;
    if (script->mode & MODE_BODY) {
        asker.ask.body = MSG_BODY_OPEN;
        asker.body = str_slice(body, sizeof(body));
    }
    if (script->mode & MODE_HEAD) {
        asker.ask.method = METHOD_HEAD;
        asker.ask.method_text = STR("HEAD");
    }
    int error = asker_start(&asker, &address, &limits);
    ASSERT(error == 0);
    world_settle(world);
    play(world, io_sim_peer_accept(world->net, listener), script);
    ASSERT(asker.ready == 1 && asker.closed == 1);
    ASSERT(asker.failures <= 1 && asker.answers <= ANSWERS);
    ASSERT(asker.failures + asker.answers >= 1);
    io_sim_peer_unlisten(world->net, listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct script script;
    struct world world;

    if (n < 2)
        return 0;
    script.bytes = str_slice((const char *)bytes + 2, n - 2);
    script.mode = bytes[0];
    rand_seed(&script.random, bytes[1]);
    world_create(&world, 64);
    set_net(&world, &script);
    if (script.mode & MODE_CLIENT)
        try_client(&world, &script);
    else
        try_server(&world, &script);
    world_destroy(&world);
    return 0;
}
