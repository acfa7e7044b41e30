/* The connection and its two ends, and what tests do with them; each test begins anew, so that none sees another's
 * leftovers. */
#include "tests/unit/http/h1_served.h"

struct world world;
struct echo echo;
struct h1_server_options options;
struct io_sim_peer *peer;

void begin(void)
{
    int fd;
    echo_init(&echo, world.io);
    peer = io_sim_peer_pair(world.net, &fd);
    assert_int_equal(echo_start(&echo, fd, &options), 0);
    world_settle(&world);
}

void begin_by_hand(void)
{
    begin();
    echo.by_hand = true;
}

int served_setup(void **state)
{
    world_create(&world, 128);
    options = (struct h1_server_options){.limits = {.head_bytes = 2000, .fields = 20, .target_bytes = 500},
                                         .request_head_ms = HEAD_MS,
                                         .client_idle_ms = IDLE_MS};
    return 0;
}

void leave(void)
{
    if (echo.by_hand && echo.current && echo.current->used)
        echo_abort(echo.current);
    if (peer)
        io_sim_peer_close(&peer, false);
    world_run(&world, CONN_LINGER_MS + 1);
    assert_int_equal(echo.closed, 1);
}

int served_teardown(void **state)
{
    leave();
    world_destroy(&world);
    return 0;
}

void say(const char *text)
{
    io_sim_peer_send(peer, text, strlen(text));
    world_settle(&world);
}

void say_many(size_t n)
{
    char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    for (; n >= sizeof(bytes); n -= sizeof(bytes))
        io_sim_peer_send(peer, bytes, sizeof(bytes));
    world_settle(&world);
}

void hear(const char *text)
{
    struct str heard = io_sim_peer_received(peer);
    assert_str(heard, str_of(text));
    io_sim_peer_take(peer, heard.n);
}

void assert_open(void)
{
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_OPEN);
    assert_int_equal(echo.closed, 0);
}

void assert_ended(void)
{
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
}

unsigned told(enum stream_event event)
{
    return echo.current->told[__builtin_ctz(event)];
}

int answer(const struct msg *msg, const char *body)
{
    struct echo_request *request = echo.current;
    struct bufq bytes;
    bufq_init(&bytes, &world.pool);
    assert_int_equal(bufq_append(&bytes, body, strlen(body)), 0);
    int error = session_send_head(&request->stream, msg);
    if (!error && body[0])
        error = session_send_body(&request->stream, &bytes, strlen(body));
    bufq_clear(&bytes);
    if (!error)
        error = session_send_end(&request->stream, NULL, 0);
    world_settle(&world);
    return error;
}
