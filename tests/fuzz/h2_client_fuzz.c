/* Whole worker-side HTTP/2 sessions over the simulated net: whatever a worker answers, however it is cut, and whenever
 * it goes, every request is finished or aborted once, the connection ends, and nothing is left behind, not in the
 * library either.
 *
 * The first byte says how the net, the requests and the memory are, the second seeds the cuts; the rest is what the
 * worker sends behind its SETTINGS, or without them.
 */
#include "fuzz.h"

#include "base/rand.h"
#include "http/worker_door.h"
#include "tests/unit/http/h2_wire.h"
#include "tests/unit/net/world.h"

enum {
    MODE_RAW = 1,
    MODE_NARROW = 2,
    MODE_SMALL_POOL = 4,
    MODE_POST = 8,
    MODE_LITTLE = 16,
    MODE_DRAIN = 32,
    MODE_IMPATIENT = 64
};
enum { ASKED = 4, IDLE_MS = 5000, ARENA_BYTES = 1 << 18 };

struct asked {
    struct stream stream;
    struct arena arena;
    struct io_task task;
    bool used, sent;
};

struct fuzzed {
    struct session_user user;
    union worker_door door;
    struct seat seat;
    struct asked asked[ASKED];
    struct world world;
    struct rand_gen random;
    uint8_t mode;
    unsigned opened, finished, aborted, ready, closed;
};

static struct fuzzed f;
static struct h2_wire wire;

static void release(struct asked *asked, bool whole)
{
    if (whole)
        session_finish(&asked->stream);
    else
        session_abort(&asked->stream);
    f.finished += whole;
    f.aborted += !whole;
    io_task_cancel(&asked->task);
    stream_fini(&asked->stream);
    arena_fini(&asked->arena);
    asked->used = false;
}

/* The request's body, as there is room; then its end. */
static int send_body(struct asked *asked)
{
    static const char bytes[3000];
    struct bufq piece;

    if (asked->sent)
        return 0;
    asked->sent = true;
    bufq_init(&piece, &f.world.pool);
    int error = f.mode & MODE_POST ? bufq_push_static(&piece, str_slice(bytes, sizeof(bytes))) : 0;
    if (!error)
        error = session_send_body(&asked->stream, &piece, bufq_bytes(&piece));
    bufq_clear(&piece);
    return error ? error : session_send_end(&asked->stream, NULL, 0);
}

static void run(struct io_task *task)
{
    struct asked *asked = CONTAINER_OF(task, struct asked, task);
    struct stream *stream = &asked->stream;
    bool early = (f.mode & MODE_IMPATIENT) && rand_below(&f.random, 8) == 0;

    bufq_clear(&stream->body);
    if (stream->failed || early || send_body(asked) != 0) {
        release(asked, false);
    } else if (stream->ended) {
        ASSERT(stream->head.status >= 200);
        release(asked, true);
    } else {
        session_consumed(stream);
    }
}

static void on_stream(struct stream *stream, unsigned events)
{
    ASSERT(events != 0);
    io_task_queue(f.world.io, &CONTAINER_OF(stream, struct asked, stream)->task);
}

static void ask(struct asked *asked)
{
    struct msg head = {
        .method = f.mode & MODE_POST ? METHOD_POST : METHOD_GET,
        .method_text = f.mode & MODE_POST ? STR("POST") : STR("GET"),
        .target = STR("/"),
        .authority = STR("w"),
        .length = -1,
        .body = f.mode & MODE_POST ? MSG_BODY_OPEN : MSG_BODY_NONE,
    };

    arena_init(&asked->arena, ARENA_BYTES);
    io_task_init(&asked->task, run);
    stream_init(&asked->stream, on_stream, &asked->arena, &f.world.pool);
    asked->stream.spare_fields = 2;
    asked->sent = false;
    if (session_open(&f.door.session, &asked->stream) != 0) {
        stream_fini(&asked->stream);
        arena_fini(&asked->arena);
        return;
    }
    asked->used = true;
    f.opened++;
    if (session_send_head(&asked->stream, &head) != 0)
        release(asked, false);
    else
        io_task_queue(f.world.io, &asked->task);
}

static void on_ready(struct session_user *user, struct session *session, int error)
{
    ASSERT(f.ready++ == 0);
    if (error) {
        session_close(session);
        return;
    }
    for (int i = 0; i < ASKED && session_slots(session) > 0; i++)
        ask(&f.asked[i]);
}

static void on_lost(struct session_user *user, struct session *session)
{
    session_close(session);
}

static void on_closed(struct session_user *user, struct session *session)
{
    f.closed++;
}

static void play(struct io_sim_peer *peer)
{
    bool drains = (f.mode & MODE_DRAIN) != 0;

    for (size_t at = 0; at < wire.n;) {
        size_t n = 1 + (size_t)rand_below(&f.random, rand_below(&f.random, 4) == 0 ? 9 : 1000);
        n = n < wire.n - at ? n : wire.n - at;
        io_sim_peer_send(peer, wire.bytes + at, n);
        at += n;
        if (rand_below(&f.random, 2) == 0)
            world_settle(&f.world);
        if (drains && f.closed == 0 && rand_below(&f.random, 4) == 0) {
            session_drain(&f.door.session);
            drains = false;
        }
    }
    world_settle(&f.world);
    io_sim_peer_close(&peer, rand_below(&f.random, 2) == 0);
    world_run(&f.world, IDLE_MS + CONN_LINGER_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct h2_room room;
    struct worker_door_options options = {
        .limits = {.head_bytes = 4096, .fields = 16, .target_bytes = 512},
        .h2 = {.streams = ASKED, .floods = {10, 30, 10}, .idle_ms = IDLE_MS, .room = &room},
    };

    if (n < 2 || n > H2_WIRE_MAX / 2)
        return 0;
    memset(&f, 0, sizeof(f));
    f.user = (struct session_user){on_ready, on_lost, on_closed};
    f.mode = bytes[0];
    rand_seed(&f.random, bytes[1]);
    wire.n = 0;
    if (!(f.mode & MODE_RAW))
        h2_wire_frame(&wire, H2_SETTINGS, 0, 0, NULL, 0);
    h2_wire_put(&wire, bytes + 2, n - 2);
    world_create(&f.world, 64);
    if (f.mode & MODE_NARROW)
        *io_sim_limits(f.world.net) = (struct io_sim_limits){.buffer_bytes = 300, .segment_bytes = 100, .backlog = 4};
    h2_room_init(&room, ASKED, f.mode & MODE_LITTLE ? (size_t)rand_below(&f.random, 60000) : 1 << 20);
    struct sockaddr_storage address = io_sim_address(f.world.net);
    int listener = io_sim_peer_listen(f.world.net, &address, NULL, NULL);
    seat_init(&f.seat, NULL);
    int error = worker_door_open(&f.door, &f.seat, f.world.io, &address, NULL, WORKER_H2C, &options, &f.user);
    ASSERT(error == 0);
    world_settle(&f.world);
    struct io_sim_peer *peer = io_sim_peer_accept(f.world.net, listener);
    ASSERT(peer);
    if (f.mode & MODE_SMALL_POOL)
        f.world.pool.chunks.max_objects = 1 + (size_t)rand_below(&f.random, 6);
    play(peer);
    ASSERT(f.closed == 1);
    ASSERT(f.opened == f.finished + f.aborted);
    io_sim_peer_unlisten(f.world.net, listener);
    h2_room_fini(&room);
    world_destroy(&f.world);
    return 0;
}
