/* Shared by the tests of floor proxy; linked into each. */
#include "world.h"

static char received[1 << 20];

static int write_metrics(void *context, struct metric_page **page, struct bufq *out)
{
    return bufq_append(out, "requests_total 0\n", 17);
}

static void on_stopped(void *context)
{
    struct world *w = context;
    w->stopped++;
}

void world_init(struct world *w, uint32_t workers)
{
    memset(w, 0, sizeof(*w));
    w->net = io_sim_net_create(1);
    helper_pool_init(&w->helper, workers, NULL);
    w->helper.pool.name = STR("web");
    w->helper.pool.pick = &pick_round_robin;
    for (uint32_t i = 0; i < workers; i++) {
        scripted_worker_start(&w->far[i], w->net);
        w->labels[i].name = (struct str){&"abc"[i], 1};
        w->helper.workers[i].label = &w->labels[i];
        w->helper.workers[i].addr.storage = w->far[i].address;
    }
    helper_set_alive(&w->helper, UINT32_MAX);
    w->route = (struct route){.pool = &w->helper.pool};
    w->rules = (struct exchange_rules){
        .routes = {&w->route, 1},
        .tries_max = 3,
        .connect_ms = 1000,
        .request_body_ms = 2000,
        .response_head_ms = 3000,
        .response_idle_ms = 1500,
        .client_stall_ms = 2500,
        .half_closed_ms = 1200,
        .tunnel_idle_ms = 1700,
        .tunnel_drain_ms = 600,
        .tunnel_leave_ms = 700,
        .rewrite = {.upgrade = REWRITE_UPGRADE_WEBSOCKET},
        .metrics_path = STR("/metrics"),
        .metrics = write_metrics,
    };
    w->options = (struct reactor_options){
        .backend = &io_sim_backend,
        .rules = &w->rules,
        .client = {.limits = {16384, 100, 8192}, .request_head_ms = 4000, .client_idle_ms = 5000},
        .answer_limits = {16384, 100, 8192},
        .worker_idle_ms = 60000,
        .access_sample = 100,
        .idle_per_worker = 8,
        .workers = workers,
        .connections = 16,
        .pipes = 4,
        .door_count = 1,
        .on_stopped = on_stopped,
        .context = w,
    };
    w->door = io_sim_address(w->net);
}

void world_start(struct world *w)
{
    w->opened = (struct reactor_door){.fd = io_sim_listen(w->net, &w->door)};
    w->options.doors = &w->opened;
    assert_int_equal(reactor_create(&w->options, &w->reactor), 0);
}

void world_run(struct world *w, int64_t ms)
{
    io_sim_run(w->net, NULL, NULL, ms);
}

void world_count(struct world *w)
{
    const struct account_totals *totals = &w->totals;
    uint64_t dispatches = 0;
    memset(&w->totals, 0, sizeof(w->totals));
    memset(w->workers, 0, sizeof(w->workers));
    struct account_worker scratch[WORLD_WORKERS];
    account_add_to(reactor_account(w->reactor), &w->totals, w->workers, scratch, w->options.workers);
    assert_int_equal(totals->total, totals->ok + totals->failed + totals->aborted + totals->active);
    for (uint32_t i = 0; i < w->options.workers; i++)
        dispatches += w->workers[i].dispatches;
    assert_int_equal(dispatches, totals->dispatches);
}

/* Nothing is left of anything, and each dispatch was either answered whole or broken. */
static void check_end(struct world *w)
{
    uint64_t reasons = 0;
    world_count(w);
    assert_int_equal(w->totals.active, 0);
    assert_int_equal(w->totals.clients_open, 0);
    assert_int_equal(w->totals.workers_open, 0);
    assert_int_equal(w->totals.workers_idle, 0);
    for (uint32_t i = 0; i < w->options.workers; i++) {
        uint64_t ends = w->workers[i].broken;
        for (int c = 0; c < ACCOUNT_CLASSES; c++)
            ends += w->workers[i].answers[c];
        assert_int_equal(w->workers[i].dispatches, ends);
        assert_true(atomic_load(&w->helper.workers[i].alive)); /* only probes change that */
    }
    for (int i = 0; i < ERR_COUNT; i++)
        reasons += w->totals.by_reason[i];
    assert_int_equal(reasons, w->totals.failed + w->totals.aborted);
    assert_int_equal(w->totals.duration_count + w->totals.tunnels, w->totals.total);
    assert_int_equal(w->totals.tunnels_open, 0);
}

void world_stop(struct world *w)
{
    bool all_alive = pool_alive(&w->helper.pool) == w->helper.pool.count;
    reactor_drain(w->reactor);
    world_run(w, 5000);
    /* Its own thread finds everything ended already. */
    assert_int_equal(reactor_start(w->reactor), 0);
    reactor_join(w->reactor);
    assert_int_equal(w->stopped, 1);
    if (!all_alive)
        helper_set_alive(&w->helper, UINT32_MAX);
    check_end(w);
    reactor_destroy(&w->reactor);
    assert_null(w->reactor);
    for (uint32_t i = 0; i < w->options.workers; i++)
        scripted_worker_stop(&w->far[i]);
    world_run(w, 10);
    assert_int_equal(io_sim_open_count(w->net), 0);
    pool_fini(&w->helper.pool);
    io_sim_net_destroy(&w->net);
}

struct io_sim_peer *world_client(struct world *w)
{
    return io_sim_peer_connect(w->net, &w->door);
}

void world_send(struct io_sim_peer *client, const char *text)
{
    io_sim_peer_send(client, text, strlen(text));
}

const char *world_received(struct io_sim_peer *client)
{
    struct str all = io_sim_peer_received(client);
    assert_true(all.n < sizeof(received));
    memcpy(received, all.p, all.n);
    received[all.n] = '\0';
    return received;
}

const char *world_ask(struct world *w, const char *request)
{
    struct io_sim_peer *client = world_client(w);
    world_send(client, request);
    world_run(w, 20);
    const char *answer = world_received(client);
    io_sim_peer_close(&client, false);
    world_run(w, 20);
    return answer;
}

void assert_begins_at(const char *text, const char *prefix, const char *file, int line)
{
    if (strncmp(text, prefix, strlen(prefix)) == 0)
        return;
    print_error("does not begin with \"%s\":\n%.600s\n", prefix, text);
    _fail(file, line);
}

void assert_holds_at(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part) != NULL)
        return;
    print_error("does not hold \"%s\":\n%.600s\n", part, text);
    _fail(file, line);
}
