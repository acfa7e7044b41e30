/* Shared by the tests of floor proxy; linked into each. */
#include "still_life.h"

static struct still_life *scene; /* one at a time: stand-ins find it here */

static int send_head(struct stream *stream, const struct msg *msg)
{
    scene->heads++;
    scene->sent_head = *msg;
    return scene->error;
}

static int send_body(struct stream *stream, struct bufq *from, size_t n)
{
    return scene->error ? scene->error : bufq_move(&scene->sent, from, n);
}

static int send_end(struct stream *stream, const struct field *trailers, uint32_t count)
{
    scene->ends++;
    return scene->error;
}

static uint64_t taken(struct stream *stream, bool settled)
{
    return conn_taken(&stream->session->conn, settled);
}

static const struct session_ops stand_in = {
    .name = "stand-in", .send_head = send_head, .send_body = send_body, .send_end = send_end, .taken = taken};

static void on_stream(struct stream *stream, unsigned events)
{
}

static void on_deadline(struct timer *timer)
{
    CONTAINER_OF(timer, struct exchange, deadline)->timed_out = true;
}

static int write_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    return bufq_append(out, "requests_total 0\n", 17);
}

void still_life_init(struct still_life *s)
{
    memset(s, 0, sizeof(*s));
    scene = s;
    s->net = io_sim_net_create(1);
    buf_pool_init(&s->buffers, 1 << 20);
    struct io_options options = {.backend = &io_sim_backend, .buffers = &s->buffers, .max_sockets = 4};
    assert_int_equal(io_create(&options, &s->io), 0);
    helper_pool_init(&s->helper, 2, NULL);
    s->rules = (struct exchange_rules){.connect_ms = 1000,
                                       .request_body_ms = 2000,
                                       .response_head_ms = 3000,
                                       .response_idle_ms = 1500,
                                       .client_stall_ms = 2500,
                                       .half_closed_ms = 1200,
                                       .metrics = write_metrics};
    assert_int_equal(account_init(&s->account, 2), 0);
    exchange_home_init(&s->home, 4);
    s->home.io = s->io;
    s->epoch.rules = &s->rules;
    exchange_home_turn(&s->home, &s->epoch);
    s->home.account = &s->account;
    s->home.log = &s->log;
    assert_int_equal(recent_init(&s->recent), 0);
    s->home.recent = &s->recent;
    seat_init(&s->seat, NULL);
    s->client.conn.seat = s->worker.conn.seat = &s->seat;
    s->client.conn.transport = s->worker.conn.transport = &transport_plain;
    s->client.ops = s->worker.ops = &stand_in;
    bufq_init(&s->sent, &s->buffers);
    struct exchange *x = s->x = exchange_home_take(&s->home);
    assert_non_null(x);
    x->counted = true;
    stream_init(&x->client, on_stream, &x->arena, &s->buffers);
    stream_init(&x->worker, on_stream, &x->arena, &s->buffers);
    flow_init(&x->up, &x->client, &x->worker, true, &s->buffers);
    flow_init(&x->down, &x->worker, &x->client, false, &s->buffers);
    bufq_init(&x->own_body, &s->buffers);
    timer_init(&x->deadline, on_deadline);
    x->client.session = &s->client;
    x->worker.session = &s->worker;
    x->client.began_ns = io_now_ns(s->io);
    account_note_begun(&s->account);
}

void still_life_fini(struct still_life *s)
{
    struct exchange *x = s->x;
    io_timer_fini(s->io, &x->deadline);
    flow_fini(&x->up);
    flow_fini(&x->down);
    bufq_clear(&x->own_body);
    bufq_clear(&s->sent);
    x->client.session = x->worker.session = NULL;
    stream_fini(&x->client);
    stream_fini(&x->worker);
    exchange_home_give(&s->home, x);
    exchange_home_fini(&s->home);
    account_fini(&s->account);
    recent_fini(&s->recent);
    pool_fini(&s->helper.pool);
    io_destroy(&s->io);
    buf_pool_fini(&s->buffers);
    io_sim_net_destroy(&s->net);
}

void still_life_pass(struct still_life *s, int64_t ms)
{
    io_sim_run(s->net, NULL, NULL, ms);
    io_turn(s->io, 0);
}
