/* The worker side's HTTP/1 session over the simulated net, against a scripted worker. */
#include "http_cmocka.h"

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/http/h1_owners.h"
#include "tests/unit/net/world.h"

#define GET_SENT "GET / HTTP/1.1\r\nHost: w\r\n\r\n"
#define OK_BODY  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
#define EARLY    "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"

static const struct h1_limits limits = {.head_bytes = 2000, .fields = 20, .target_bytes = 500};

static struct world world;
static struct asker asker;
static struct io_sim_peer *peer;
static struct sockaddr_storage address;
static int listener;

/* Connected, and idle. */
static void begin(void)
{
    asker_init(&asker, world.io);
    asker.by_hand = true;
    assert_int_equal(asker_start(&asker, &address, &limits), 0);
    assert_int_equal(asker.ready, 0);
    world_settle(&world);
    peer = io_sim_peer_accept(world.net, listener);
    assert_non_null(peer);
    assert_int_equal(asker.ready, 1);
    assert_int_equal(asker.error, 0);
    assert_true(session_idle(&asker.client.session));
}

static void leave(void)
{
    if (asker.busy)
        asker_abort(&asker);
    if (!conn_closing(&asker.client.session.conn))
        session_close(&asker.client.session);
    world_settle(&world);
    assert_int_equal(asker.closed, 1);
    if (peer)
        io_sim_peer_close(&peer, false);
}

static void enter_world(void)
{
    world_create(&world, 128);
    address = io_sim_address(world.net);
    listener = io_sim_peer_listen(world.net, &address, NULL, NULL);
}

static void leave_world(void)
{
    io_sim_peer_unlisten(world.net, listener);
    world_destroy(&world);
}

static int setup(void **state)
{
    enter_world();
    begin();
    return 0;
}

static int teardown(void **state)
{
    leave();
    leave_world();
    return 0;
}

static void again(void)
{
    leave();
    begin();
}

static void say(const char *text)
{
    io_sim_peer_send(peer, text, strlen(text));
    world_settle(&world);
}

static void hear(const char *text)
{
    struct str heard = io_sim_peer_received(peer);
    assert_str(heard, str_of(text));
    io_sim_peer_take(peer, heard.n);
}

static unsigned told(enum stream_event event)
{
    return asker.told[__builtin_ctz(event)];
}

static void ask(void)
{
    assert_int_equal(asker_ask(&asker), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    hear(GET_SENT);
}

static void ask_by(enum msg_method method, const char *text)
{
    asker.ask.method = method;
    asker.ask.method_text = str_of(text);
    assert_int_equal(asker_ask(&asker), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    io_sim_peer_take(peer, io_sim_peer_received(peer).n);
}

static int send_bytes(size_t n)
{
    struct bufq bytes;
    char piece[1000];
    int error = 0;
    memset(piece, 'q', sizeof(piece));
    bufq_init(&bytes, &world.pool);
    while (n > 0 && !error) {
        size_t part = n < sizeof(piece) ? n : sizeof(piece);
        assert_int_equal(bufq_append(&bytes, piece, part), 0);
        error = session_send_body(&asker.stream, &bytes, part);
        n -= part;
    }
    bufq_clear(&bytes);
    return error;
}

/* ---- connecting ---- */

static void test_connect_refused(void **state)
{
    struct sockaddr_storage nobody = io_sim_address(world.net);
    leave();
    asker_init(&asker, world.io);
    asker.by_hand = true;
    assert_int_equal(asker_start(&asker, &nobody, &limits), 0);
    world_settle(&world);
    assert_int_equal(asker.ready, 1);
    assert_int_equal(asker.error, -ERR_CONNECT_REFUSED);
    assert_false(session_idle(&asker.client.session));
}

static void test_connect_given_up(void **state)
{
    leave();
    asker_init(&asker, world.io);
    asker.by_hand = true;
    assert_int_equal(asker_start(&asker, &address, &limits), 0);
    session_close(&asker.client.session);
    session_close(&asker.client.session);
    world_settle(&world);
    assert_int_equal(asker.ready, 0);
    assert_int_equal(asker.closed, 1);
}

/* ---- requests ---- */

static void test_request_framings(void **state)
{
    static const struct {
        enum msg_body body;
        int64_t length;
        size_t sent;
        const char *heard;
    } cases[] = {
        {MSG_BODY_NONE, -1, 0, "PUT / HTTP/1.1\r\nHost: w\r\n\r\n"},
        {MSG_BODY_LENGTH, 0, 0, "PUT / HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"},
        {MSG_BODY_LENGTH, 3, 3, "PUT / HTTP/1.1\r\nHost: w\r\nContent-Length: 3\r\n\r\nqqq"},
        {MSG_BODY_OPEN, -1, 3, "PUT / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nqqq\r\n0\r\n\r\n"},
        {MSG_BODY_OPEN, -1, 0, "PUT / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        asker.ask.method = METHOD_PUT;
        asker.ask.method_text = STR("PUT");
        asker.ask.body = cases[i].body;
        asker.ask.length = cases[i].length;
        assert_int_equal(asker_ask(&asker), 0);
        assert_false(session_idle(&asker.client.session));
        assert_int_equal(send_bytes(cases[i].sent), 0);
        assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
        assert_false(asker.stream.sent_bytes);
        world_settle(&world);
        assert_true(asker.stream.sent_bytes);
        hear(cases[i].heard);
        say(OK_BODY);
        assert_true(asker_finish(&asker));
    }
    assert_int_equal(asker.client.served, ARRAY_SIZE(cases));
}

static void test_request_of_wrong_length(void **state)
{
    asker.ask.body = MSG_BODY_LENGTH;
    asker.ask.length = 3;
    assert_int_equal(asker_ask(&asker), 0);
    assert_int_equal(send_bytes(2), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), -ERR_INTERNAL);
    assert_int_equal(send_bytes(2), -ERR_INTERNAL);
}

static void test_slow_worker_stops_the_owner(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 10000;
    asker.ask.body = MSG_BODY_OPEN;
    assert_int_equal(asker_ask(&asker), 0);
    io_sim_peer_pause(peer, true);
    size_t sent = 0;
    while (session_room(&asker.stream) > 0) {
        assert_int_equal(send_bytes(1000), 0);
        sent += 1000;
        world_settle(&world);
        assert_true(sent < 2 * SESSION_OUT_HIGH);
    }
    assert_true(sent >= SESSION_OUT_HIGH);
    assert_int_equal(told(STREAM_ROOM), 0);
    io_sim_peer_pause(peer, false);
    world_settle(&world);
    assert_int_equal(told(STREAM_ROOM), 1);
    assert_int_equal(session_room(&asker.stream), SESSION_OUT_HIGH);
}

/* ---- answers ---- */

static const struct answer_case {
    const char *bytes, *body;
    int status;
    bool closes; /* the worker, behind the bytes */
    bool reusable;
} answer_cases[] = {
    {OK_BODY, "body", 200, false, true},
    {OK_BODY, "body", 200, true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, false, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, false, true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", 304, false, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", "body", 200, false, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nS: 1\r\n\r\n", "body", 200, false, true},
    {"HTTP/1.1 200 OK\r\n\r\nbody", "body", 200, true, false},
    {"HTTP/1.1 200 OK\r\n\r\n", "", 200, true, false},
    {"HTTP/1.0 200 OK\r\n\r\nbody", "body", 200, true, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody", "body", 200, false, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nbody", "body", 200, false, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", "body", 200, false, false},
    {OK_BODY "x", "body", 200, false, false},
    {OK_BODY OK_BODY, "body", 200, false, false},
    {EARLY OK_BODY, "body", 200, false, true},
    {EARLY EARLY "HTTP/1.1 100 Continue\r\n\r\n" OK_BODY, "body", 200, false, true},
    {EARLY OK_BODY, "body", 200, true, false},
    {EARLY EARLY "HTTP/1.1 200 OK\r\n\r\nbody", "body", 200, true, false},
};

/* As an owner does: what is there is taken, then the session told. */
static void take_all(struct bufq *taken)
{
    for (int i = 0; i < 50 && !asker.stream.ended && !asker.stream.failed; i++) {
        unsigned events = asker.events;
        asker.events = 0;
        if (events & STREAM_INTERIM)
            assert_true(asker.stream.head.status < 200);
        assert_int_equal(bufq_move(taken, &asker.stream.body, bufq_bytes(&asker.stream.body)), 0);
        session_consumed(&asker.stream);
        world_settle(&world);
    }
    assert_int_equal(bufq_move(taken, &asker.stream.body, bufq_bytes(&asker.stream.body)), 0);
}

static void check_answer(const struct answer_case *c)
{
    struct bufq taken;
    bufq_init(&taken, &world.pool);
    take_all(&taken);
    if (asker.stream.failed || !asker.stream.ended)
        print_error("%s%s\n", c->bytes, c->closes ? " closing" : "");
    assert_false(asker.stream.failed);
    assert_int_equal(told(STREAM_HEAD), 1);
    assert_int_equal(told(STREAM_END), 1);
    assert_int_equal(asker.stream.head.status, c->status);
    assert_str(world_text(&taken), str_of(c->body));
    bufq_clear(&taken);
    assert_int_equal(asker_finish(&asker), c->reusable);
}

static void test_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(answer_cases); i++) {
        ask();
        io_sim_peer_send(peer, answer_cases[i].bytes, strlen(answer_cases[i].bytes));
        if (answer_cases[i].closes)
            io_sim_peer_shutdown(peer);
        world_settle(&world);
        check_answer(&answer_cases[i]);
        again();
    }
}

static void test_answers_byte_by_byte(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(answer_cases); i++) {
        io_sim_limits(world.net)->segment_bytes = 1;
        ask();
        io_sim_peer_send(peer, answer_cases[i].bytes, strlen(answer_cases[i].bytes));
        if (answer_cases[i].closes)
            io_sim_peer_shutdown(peer);
        world_settle(&world);
        check_answer(&answer_cases[i]);
        again();
    }
}

static void test_answer_to_head(void **state)
{
    ask_by(METHOD_HEAD, "HEAD");
    say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(asker.events, STREAM_HEAD | STREAM_END);
    assert_int_equal(asker.stream.head.length, 4);
    assert_true(asker_finish(&asker));
    ask_by(METHOD_HEAD, "HEAD");
    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(asker.events, STREAM_HEAD | STREAM_END);
    assert_true(asker_finish(&asker));
}

static void test_interim_waits(void **state)
{
    ask();
    say(EARLY OK_BODY);
    assert_int_equal(asker.events, STREAM_INTERIM);
    assert_int_equal(asker.stream.head.status, 103);
    assert_int_equal(asker.stream.head.count, 1);
    asker.events = 0;
    session_consumed(&asker.stream);
    assert_int_equal(asker.events, STREAM_HEAD | STREAM_BODY | STREAM_END);
    assert_int_equal(asker.stream.head.status, 200);
}

static void test_trailers(void **state)
{
    ask();
    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSum: 5\r\n\r\n");
    assert_true(asker.stream.ended);
    assert_int_equal(asker.stream.trailer_count, 1);
    assert_str(asker.stream.trailers[0].value, STR("5"));
}

static const struct bad_case {
    const char *bytes;
    int error;
    bool closes, resets;
} bad_cases[] = {
    {"", ERR_CONN_CLOSED, true, false},
    {"", ERR_CONN_RESET, false, true},
    {"H", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nConte", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nConte", ERR_ANSWER_CUT, false, true},
    {EARLY, ERR_ANSWER_CUT, true, false},
    {EARLY EARLY, ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod", ERR_ANSWER_CUT, false, true},
    {EARLY "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", ERR_ANSWER_CUT, true, false},
    {"HTTP/1.1 200 OK\r\n\r\nbody", ERR_ANSWER_CUT, false, true},
    {EARLY "HTTP/1.1 200 OK\r\n\r\nbody", ERR_ANSWER_CUT, false, true},
    {"X", ERR_ANSWER_MALFORMED, false, false},
    {"HTTP/1.x 200 OK\r\n\r\n", ERR_ANSWER_MALFORMED, true, false},
    {"HTTP/2.0 200 OK\r\n\r\n", ERR_ANSWER_MALFORMED, false, false},
    {"HTTP/1.1 200 OK\n", ERR_ANSWER_MALFORMED, false, false},
    {"HTTP/1.1 200 OK\r\nBad Field: 1\r\n\r\n", ERR_ANSWER_MALFORMED, false, false},
    {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ERR_ANSWER_SWITCHED, false, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", ERR_ANSWER_FRAMING, false, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ERR_ANSWER_MALFORMED, false, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n", ERR_ANSWER_MALFORMED, false, false},
};

static void test_bad_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        struct bufq taken;
        bufq_init(&taken, &world.pool);
        ask();
        io_sim_peer_send(peer, c->bytes, strlen(c->bytes));
        if (c->resets)
            io_sim_peer_close(&peer, true);
        else if (c->closes)
            io_sim_peer_shutdown(peer);
        world_settle(&world);
        take_all(&taken);
        bufq_clear(&taken);
        if (asker.stream.error != -c->error)
            print_error("%s: %s\n", c->bytes, err_reason(asker.stream.error));
        assert_true(asker.stream.failed);
        assert_int_equal(told(STREAM_FAILED), 1);
        assert_int_equal(told(STREAM_END), 0);
        assert_int_equal(asker.stream.error, -c->error);
        assert_false(asker_finish(&asker));
        again();
    }
}

static void test_head_too_large(void **state)
{
    char line[2100];
    memset(line, 'v', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    ask();
    say("HTTP/1.1 200 OK\r\nA: ");
    say(line);
    assert_int_equal(asker.stream.error, -ERR_ANSWER_HEAD_SIZE);
}

/* ---- back-pressure ---- */

static void test_slow_owner_stops_the_worker(void **state)
{
    static char bytes[200000];
    static const char *const heads[] = {"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        struct bufq taken;
        bufq_init(&taken, &world.pool);
        io_sim_limits(world.net)->buffer_bytes = 10000;
        ask();
        say(heads[i]);
        io_sim_peer_send(peer, bytes, sizeof(bytes));
        if (i == 2)
            io_sim_peer_send(peer, "\r\n0\r\n\r\n", 7);
        io_sim_peer_shutdown(peer);
        world_run(&world, 100);
        if (i < 2) /* a long plain body waits for whoever says where it shall go */
            assert_int_equal(bufq_bytes(&asker.stream.body), 0);
        session_consumed(&asker.stream);
        world_run(&world, 100);
        assert_int_equal(bufq_bytes(&asker.stream.body), STREAM_BODY_HIGH);
        assert_true(io_sim_peer_unsent(peer) > 200000 - STREAM_BODY_HIGH - 3 * BUF_CHUNK_BYTES - 10000);
        take_all(&taken);
        assert_true(asker.stream.ended);
        assert_int_equal(bufq_bytes(&taken), 200000);
        bufq_clear(&taken);
        assert_false(asker_finish(&asker));
        again();
    }
}

/* ---- used again, or not ---- */

static void test_reused(void **state)
{
    for (int i = 0; i < 3; i++) {
        ask();
        assert_int_equal(asker.stream.reused, i > 0);
        say(OK_BODY);
        assert_true(asker_finish(&asker));
        world_settle(&world);
        assert_true(session_idle(&asker.client.session));
        assert_int_equal(world.pool.chunks.used, 0);
    }
    assert_int_equal(asker.lost, 0);
}

/* The answer came before the request was sent whole. */
static void test_not_reused_early_answer(void **state)
{
    asker.ask.body = MSG_BODY_LENGTH;
    asker.ask.length = 10;
    assert_int_equal(asker_ask(&asker), 0);
    world_settle(&world);
    say(OK_BODY);
    assert_true(asker.stream.ended);
    assert_false(asker_finish(&asker));
}

static void test_not_reused_unsent(void **state)
{
    io_sim_limits(world.net)->buffer_bytes = 1000;
    asker.ask.body = MSG_BODY_OPEN;
    assert_int_equal(asker_ask(&asker), 0);
    io_sim_peer_pause(peer, true);
    assert_int_equal(send_bytes(5000), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    say(OK_BODY);
    assert_true(asker.stream.ended);
    assert_false(asker_finish(&asker));
}

/* The worker's end comes between the answer and the finish. */
static void test_not_reused_ended(void **state)
{
    ask();
    say(OK_BODY);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_false(asker_finish(&asker));
    world_settle(&world);
    assert_int_equal(asker.closed, 1);
    assert_int_equal(asker.lost, 0);
}

static void test_not_reused_unanswered(void **state)
{
    ask();
    assert_false(asker_finish(&asker));
}

/* What is left on a connection from the request before must not become the next one's answer. */
static void test_bytes_before_the_request(void **state)
{
    ask();
    say(OK_BODY);
    assert_true(asker_finish(&asker));
    io_sim_peer_send(peer, OK_BODY, strlen(OK_BODY));
    assert_int_equal(asker_ask(&asker), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    assert_true(asker.stream.failed);
    assert_int_equal(asker.stream.error, -ERR_CONN_RESET);
    assert_false(asker.stream.ended);
}

static void test_idle_lost(void **state)
{
    for (int how = 0; how < 4; how++) {
        ask();
        say(OK_BODY);
        assert_true(asker_finish(&asker));
        assert_int_equal(asker.lost, 0);
        conn_set_deadline(&asker.client.session.conn, io_now_ms(world.io) + 100);
        if (how == 0)
            io_sim_peer_shutdown(peer);
        else if (how == 1)
            io_sim_peer_close(&peer, true);
        else if (how == 2)
            say("HTTP/1.1 408 Request Timeout\r\n\r\n");
        else
            world_run(&world, 101);
        world_settle(&world);
        assert_int_equal(asker.lost, 1);
        assert_int_equal(asker.closed, 1);
        again();
    }
}

static void test_deadline_is_for_idling(void **state)
{
    conn_set_deadline(&asker.client.session.conn, io_now_ms(world.io) + 100);
    ask();
    world_run(&world, 1000);
    assert_int_equal(asker.lost, 0);
    say(OK_BODY);
    assert_true(asker_finish(&asker));
}

static void test_drain(void **state)
{
    ask();
    session_drain(&asker.client.session);
    say(OK_BODY);
    assert_true(asker.stream.ended);
    assert_false(asker_finish(&asker));
    again();
    session_drain(&asker.client.session);
    world_settle(&world);
    assert_int_equal(asker.closed, 1);
}

/* ---- ends ---- */

static void test_abort_resets(void **state)
{
    ask();
    asker_abort(&asker);
    world_settle(&world);
    assert_int_equal(asker.closed, 1);
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_RESET);
}

/* The worker refuses what is still being sent, and goes: its answer is taken all the same. */
static void test_answer_while_sending_fails(void **state)
{
    struct bufq taken;
    bufq_init(&taken, &world.pool);
    io_sim_limits(world.net)->buffer_bytes = 10000;
    asker.ask.body = MSG_BODY_LENGTH;
    asker.ask.length = 200000;
    assert_int_equal(asker_ask(&asker), 0);
    io_sim_peer_pause(peer, true);
    while (session_room(&asker.stream) > 0) {
        assert_int_equal(send_bytes(1000), 0);
        world_settle(&world);
    }
    io_sim_peer_send(peer, OK_BODY, strlen(OK_BODY));
    io_sim_peer_close(&peer, false);
    world_settle(&world);
    assert_int_equal(told(STREAM_ROOM), 1); /* so that the owner gets rid of what it has */
    assert_true(session_room(&asker.stream) > 0);
    assert_int_equal(send_bytes(1000), 0);
    take_all(&taken);
    assert_true(asker.stream.ended);
    assert_str(world_text(&taken), STR("body"));
    bufq_clear(&taken);
    assert_false(asker_finish(&asker));
}

/* ---- out of memory ---- */

static void converse(void)
{
    static char bytes[20000];
    say(EARLY "HTTP/1.1 200 OK\r\nTransfer-Enc");
    say("oding: chunked\r\n\r\n4e20\r\n");
    if (!peer)
        return;
    io_sim_peer_send(peer, bytes, sizeof(bytes));
    say("\r\n0\r\nSum: 1\r");
    say("\n\r\n");
}

static void test_nth_allocation_fails(void **state)
{
    static char bytes[30000];
    bool failed = true;
    unsigned failures = 0;
    for (unsigned n = 1; failed; n++) {
        leave();
        leave_world();
        enter_world();
        begin();
        asker.by_hand = false;
        asker.ask.body = MSG_BODY_OPEN;
        asker.body = str_slice(bytes, sizeof(bytes));
        alloc_fail_at(n);
        asker.user.ready(&asker.user, &asker.client.session, 0);
        world_settle(&world);
        converse();
        failed = alloc_fail_stop();
        failures += asker.failures;
        /* A chunk that is only there to save others may be missing without harm. */
        assert_int_equal(asker.failures + asker.answers, 1);
        assert_true(failed || asker.answers == 1);
        assert_int_equal(asker.error, asker.failures ? -ERR_NO_MEMORY : 0);
        assert_int_equal(asker.closed, 1);
    }
    assert_true(failures > 5);
    assert_int_equal(asker.interims, 1);
    assert_int_equal(asker.body_bytes, 20000);
}

/* ---- tunnels ---- */

#define SWITCHED "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"

static void ask_for_tunnel(void)
{
    asker.ask.upgrade = STR("websocket");
    assert_int_equal(asker_ask(&asker), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    hear("GET / HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
}

static void test_tunnel(void **state)
{
    ask_for_tunnel();
    say(SWITCHED "hello");
    assert_int_equal(told(STREAM_INTERIM), 0);
    assert_int_equal(told(STREAM_HEAD), 1);
    assert_int_equal(asker.stream.head.status, 101);
    assert_int_equal(asker.stream.head.body, MSG_BODY_OPEN);
    assert_int_equal(bufq_bytes(&asker.stream.body), 5);
    assert_int_equal(send_bytes(3), 0);
    world_settle(&world);
    hear("qqq");
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_true(asker.stream.ended);
    assert_int_equal(send_bytes(2), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    world_settle(&world);
    hear("qq");
    assert_int_equal(io_sim_peer_state(peer), IO_SIM_PEER_ENDED);
    assert_false(asker_finish(&asker));
    world_settle(&world);
}

/* What was sent last leaves, though the session is finished at once. */
static void test_tunnel_is_closed_behind_its_bytes(void **state)
{
    ask_for_tunnel();
    say(SWITCHED);
    io_sim_peer_shutdown(peer);
    world_settle(&world);
    assert_int_equal(send_bytes(3000), 0);
    assert_int_equal(session_send_end(&asker.stream, NULL, 0), 0);
    assert_false(asker_finish(&asker));
    world_settle(&world);
    assert_int_equal(io_sim_peer_received(peer).n, 3000);
}

static void test_tunnel_refused(void **state)
{
    ask_for_tunnel();
    say("HTTP/1.1 101 Switching\r\n\r\n"); /* to what? */
    assert_int_equal(asker.stream.error, -ERR_ANSWER_SWITCHED);
    again();
    ask_for_tunnel();
    say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    assert_true(asker.stream.ended);
    assert_true(asker_finish(&asker));
    asker.ask.upgrade = STR_NONE;
    ask();
    say(SWITCHED);
    assert_int_equal(asker.stream.error, -ERR_ANSWER_SWITCHED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connect_refused),
        TEST(test_connect_given_up),
        TEST(test_request_framings),
        TEST(test_request_of_wrong_length),
        TEST(test_slow_worker_stops_the_owner),
        TEST(test_answers),
        TEST(test_answers_byte_by_byte),
        TEST(test_answer_to_head),
        TEST(test_interim_waits),
        TEST(test_trailers),
        TEST(test_bad_answers),
        TEST(test_head_too_large),
        TEST(test_slow_owner_stops_the_worker),
        TEST(test_reused),
        TEST(test_not_reused_early_answer),
        TEST(test_not_reused_unsent),
        TEST(test_not_reused_ended),
        TEST(test_not_reused_unanswered),
        TEST(test_bytes_before_the_request),
        TEST(test_idle_lost),
        TEST(test_deadline_is_for_idling),
        TEST(test_drain),
        TEST(test_abort_resets),
        TEST(test_answer_while_sending_fails),
        TEST(test_tunnel),
        TEST(test_tunnel_is_closed_behind_its_bytes),
        TEST(test_tunnel_refused),
        TEST(test_nth_allocation_fails),
    };
    return cmocka_run_group_tests_name("h1_client", tests, NULL, NULL);
}
