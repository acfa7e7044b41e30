/* The metrics page: the lines that were asked for first, word for word; then what Prometheus reads. */
#include "control/metric_text.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/snapshot.h"
#include "control_helper.h"
#include "io/io_epoll.h"
#include "tests/unit/alloc_fail.h"

enum { REACTORS = 2 };

struct fixture {
    struct config *config;
    struct roster roster;
    struct snapshot *snapshot, *newest;
    struct buf_pool buffers;
    struct io *io;
    struct prober *prober;
    struct account accounts[REACTORS];
    const struct account *pointers[REACTORS];
    struct metric_sources sources;
    char *text;
};

static void on_change(void *context, struct worker *worker, enum health_change change,
                      const struct probe_result *result)
{
}

static void setup(struct fixture *f, const char *config)
{
    memset(f, 0, sizeof(*f));
    f->config = helper_load(config);
    assert_int_equal(roster_init(&f->roster), 0);
    assert_int_equal(snapshot_create(f->config, &f->roster, NULL, &f->snapshot), 0);
    snapshot_enter(f->snapshot, &f->roster, &f->newest);
    buf_pool_init(&f->buffers, 16 << 20);
    struct io_options io = {.backend = &io_epoll_backend, .buffers = &f->buffers};
    assert_int_equal(io_create(&io, &f->io), 0);
    struct prober_options prober = {.io = f->io,
                                    .pools = f->snapshot->pools,
                                    .pool_count = f->snapshot->pool_count,
                                    .worker_count = f->snapshot->worker_count,
                                    .on_change = on_change};
    assert_int_equal(prober_create(&prober, &f->prober), 0);
    for (int i = 0; i < REACTORS; i++) {
        assert_int_equal(account_init(&f->accounts[i], f->snapshot->worker_count), 0);
        f->pointers[i] = &f->accounts[i];
    }
    f->sources = (struct metric_sources){.roster = &f->roster,
                                         .snapshot = f->snapshot,
                                         .accounts = f->pointers,
                                         .account_count = REACTORS,
                                         .threads = REACTORS,
                                         .prober = f->prober,
                                         .started_s = 1767225600};
}

static void teardown(struct fixture *f)
{
    free(f->text);
    for (int i = 0; i < REACTORS; i++)
        account_fini(&f->accounts[i]);
    prober_destroy(&f->prober);
    io_destroy(&f->io);
    buf_pool_fini(&f->buffers);
    snapshot_destroy(&f->snapshot);
    roster_fini(&f->roster);
    config_destroy(&f->config);
}

/* As a C string in f->text. */
static void take_text(struct fixture *f, struct bufq *out)
{
    free(f->text);
    size_t n = bufq_bytes(out), at = 0;
    f->text = calloc(1, n + 1);
    assert_non_null(f->text);
    while (at < n) {
        struct str front = bufq_front(out);
        memcpy(f->text + at, front.p, front.n);
        at += front.n;
        bufq_consume(out, front.n);
    }
}

/* A page of one piece. */
static void write_page(struct fixture *f)
{
    struct metric_page *page = NULL;
    struct bufq out;
    bufq_init(&out, &f->buffers);
    assert_int_equal(metric_page_write(&f->sources, f->snapshot, &page, &out), 0);
    assert_null(page);
    take_text(f, &out);
}

static void answer_one(struct fixture *f, int reactor, uint32_t worker)
{
    struct account *account = &f->accounts[reactor];
    struct account_record record = {.outcome = ACCOUNT_OK,
                                    .status = 200,
                                    .answered = f->snapshot->workers[worker],
                                    .duration_us = 1500,
                                    .answer_bytes = 10};
    account_note_begun(account);
    account_note_dispatch(account, record.answered);
    account_note_ended(account, record.answered, &record);
}

static bool holds_line(const struct fixture *f, const char *line)
{
    size_t n = strlen(line);
    for (const char *p = f->text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, line, n) == 0 && p[n] == '\n')
            return true;
    print_error("no line \"%s\"\n", line);
    return false;
}

static const char three[] = "pools: {web: {workers: [3001, 3002, 3003]}}\n";

/* After three requests over three fresh workers. */
static void metrics_begin_as_asked(void **state)
{
    static const char first[] = "requests_total 3\nrequests_failed 0\nrequests_active 0\n"
                                "worker_3001_alive 1\nworker_3002_alive 1\nworker_3003_alive 1\n"
                                "worker_3001_requests 1\nworker_3002_requests 1\nworker_3003_requests 1\n";
    struct fixture f;
    setup(&f, three);
    for (uint32_t i = 0; i < 3; i++) {
        atomic_store(&f.snapshot->workers[i]->alive, true);
        answer_one(&f, (int)i % REACTORS, i);
    }
    pool_publish(f.snapshot->pools[0]);
    write_page(&f);
    assert_memory_equal(f.text, first, sizeof(first) - 1);
    teardown(&f);
}

/* Whoever reads that it is alive may send a request at once. */
static void metrics_call_a_worker_alive_when_requests_go_to_it(void **state)
{
    static const char *const alive[] = {"worker_3001_alive 1", "ballast_worker_up{pool=\"web\",worker=\"3001\"} 1"};
    static const char *const not [] = {"worker_3001_alive 0", "ballast_worker_up{pool=\"web\",worker=\"3001\"} 0"};
    struct fixture f;
    setup(&f, three);
    atomic_store(&f.snapshot->workers[0]->alive, true);
    write_page(&f);
    for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
        assert_true(holds_line(&f, not [i]));
    pool_publish(f.snapshot->pools[0]);
    write_page(&f);
    for (size_t i = 0; i < ARRAY_SIZE(alive); i++)
        assert_true(holds_line(&f, alive[i]));
    teardown(&f);
}

static void metrics_count_everything(void **state)
{
    struct fixture f;
    setup(&f, "pools: {a: {workers: [{address: 127.0.0.1:80, name: blue}]}, b: {workers: [10.0.0.1:1, 10.0.0.2:1]}}\n"
              "routes: [{host: x.example, pool: b}, {pool: a}]\n");
    struct account_record failed = {.outcome = ACCOUNT_FAILED, .error = -ERR_ANSWER_TIMEOUT, .status = 504};
    struct account_record gone = {.outcome = ACCOUNT_ABORTED, .error = -ERR_CLIENT_GONE};
    answer_one(&f, 0, 1);
    account_note_begun(&f.accounts[1]);
    account_note_dispatch(&f.accounts[1], f.snapshot->workers[2]);
    account_note_retry(&f.accounts[1], f.snapshot->workers[2], -ERR_CONN_RESET);
    account_note_retry_waits(&f.accounts[1]);
    idle_age_note_closed(&f.snapshot->workers[0]->idle_age, 1500, 1000);
    idle_age_note_closed(&f.snapshot->workers[0]->idle_age, 1510, 9000);
    account_note_retry_refused(&f.accounts[0], RETRY_METHOD);
    account_note_dispatch(&f.accounts[1], f.snapshot->workers[1]);
    account_note_ended(&f.accounts[1], f.snapshot->workers[1], &failed);
    account_note_begun(&f.accounts[0]);
    account_note_ended(&f.accounts[0], NULL, &gone);
    account_note_begun(&f.accounts[0]);
    write_page(&f);
    assert_true(holds_line(&f, "requests_total 4"));
    assert_true(holds_line(&f, "requests_ok 1"));
    assert_true(holds_line(&f, "requests_failed 1"));
    assert_true(holds_line(&f, "requests_aborted 1"));
    assert_true(holds_line(&f, "requests_active 1"));
    assert_true(holds_line(&f, "worker_blue_requests 0"));
    assert_true(holds_line(&f, "worker_10_0_0_1_1_requests 2"));
    assert_true(holds_line(&f, "worker_10_0_0_2_1_requests 1"));
    assert_true(holds_line(&f, "ballast_build_info{version=\"" BALLAST_VERSION "\"} 1"));
    assert_true(holds_line(&f, "ballast_start_time_seconds 1767225600"));
    assert_true(holds_line(&f, "ballast_requests_total{pool=\"b\",worker=\"10_0_0_1_1\",code_class=\"2xx\"} 1"));
    assert_true(holds_line(&f, "ballast_requests_total{pool=\"\",worker=\"\",code_class=\"5xx\"} 1"));
    assert_true(holds_line(&f, "ballast_worker_broken_total{pool=\"b\",worker=\"10_0_0_1_1\"} 1"));
    assert_true(holds_line(&f, "ballast_failures_total{reason=\"answer_timeout\"} 1"));
    assert_true(holds_line(&f, "ballast_failures_total{reason=\"client_gone\"} 1"));
    assert_true(holds_line(&f, "ballast_failures_total{reason=\"no_worker_alive\"} 0")); /* there from the start */
    assert_true(holds_line(&f, "ballast_retries_total{reason=\"connection_reset\"} 1"));
    assert_true(holds_line(&f, "ballast_retries_refused_total{reason=\"method\"} 1"));
    assert_true(holds_line(&f, "ballast_retries_refused_total{reason=\"budget\"} 0"));
    assert_true(holds_line(&f, "ballast_retries_waited_total 1"));
    assert_true(holds_line(&f, "ballast_request_duration_seconds_bucket{le=\"0.001\"} 2"));
    assert_true(holds_line(&f, "ballast_request_duration_seconds_bucket{le=\"0.0025\"} 3"));
    assert_true(holds_line(&f, "ballast_request_duration_seconds_bucket{le=\"10\"} 3"));
    assert_true(holds_line(&f, "ballast_request_duration_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(holds_line(&f, "ballast_request_duration_seconds_sum 0.001500"));
    assert_true(holds_line(&f, "ballast_body_bytes_total{side=\"worker\"} 10"));
    assert_true(holds_line(&f, "ballast_probes_total{pool=\"a\",worker=\"blue\",result=\"good\"} 0"));
    assert_true(holds_line(&f, "ballast_worker_up{pool=\"a\",worker=\"blue\"} 0"));
    assert_true(holds_line(&f, "ballast_worker_idle_close_seconds{pool=\"a\",worker=\"blue\"} 1.500"));
    teardown(&f);
}

/* Every series has its HELP and TYPE before it, once. */
static void metrics_are_described(void **state)
{
    static const char *const names[] = {
#define METRIC(id, name, type, help) name,
#include "control/metric.def"
#undef METRIC
    };
    struct fixture f;
    setup(&f, three);
    write_page(&f);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char help[128], type[128];
        if (strcmp(names[i], "ballast_tls_cert_expiry_seconds") == 0)
            continue; /* one for each certificate: here are none */
        (void)snprintf(help, sizeof(help), "\n# HELP %s ", names[i]);
        (void)snprintf(type, sizeof(type), "\n# TYPE %s ", names[i]);
        const char *at = strstr(f.text, help);
        assert_non_null(at);
        assert_null(strstr(at + 1, help));
        assert_non_null(strstr(at, type));
        const char *series = strstr(strstr(at, type) + strlen(type), names[i]);
        assert_non_null(series);
    }
    teardown(&f);
}

/* Names that the format would take for its own are quoted. Built by hand: configurations refuse them today. */
static void metrics_quote_names(void **state)
{
    struct fixture f;
    setup(&f, three);
    const struct worker_label labels[] = {
        {STR("qu\"ote"), STR("a")}, {STR("back\\slash"), STR("b")}, {STR("new\nline"), STR("c")}};
    for (int i = 0; i < 3; i++)
        f.snapshot->workers[i]->label = &labels[i];
    for (int i = 0; i < 3; i++)
        f.snapshot->workers[i]->pool_name = STR("\xc3\xa4{}=,");
    write_page(&f);
    assert_true(holds_line(&f, "ballast_worker_up{pool=\"\xc3\xa4{}=,\",worker=\"qu\\\"ote\"} 0"));
    assert_true(holds_line(&f, "ballast_worker_up{pool=\"\xc3\xa4{}=,\",worker=\"back\\\\slash\"} 0"));
    assert_null(strstr(f.text, "new\nline"));
    teardown(&f);
}

/* Whether promtool accepts it: -1 when it is not installed. */
static int ask_promtool(const char *text)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[0], STDIN_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
        _exit(127);
    }
    close(pipes[0]);
    for (size_t n = strlen(text); n > 0;) {
        ssize_t written = write(pipes[1], text, n);
        if (written <= 0)
            break;
        text += written;
        n -= (size_t)written;
    }
    close(pipes[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

static void metrics_please_promtool(void **state)
{
    struct fixture f;
    setup(&f, three);
    const struct worker_label label = {STR("qu\"o\\te"), STR("a")};
    f.snapshot->workers[0]->label = &label;
    answer_one(&f, 0, 0);
    write_page(&f);
    int verdict = ask_promtool(f.text);
    teardown(&f);
    if (verdict < 0)
        skip();
    assert_int_equal(verdict, 0);
}

static void metrics_survive_no_memory(void **state)
{
    bool failed = true;
    struct fixture f;
    setup(&f, three);
    for (unsigned n = 1; failed; n++) {
        struct metric_page *page = NULL;
        struct bufq out;
        bufq_init(&out, &f.buffers);
        alloc_fail_at(n);
        int error = metric_page_write(&f.sources, f.snapshot, &page, &out);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        bufq_clear(&out);
    }
    teardown(&f);
}

/* ---- of many workers: piece by piece ---- */

enum { MANY = 2000, FIRST_PORT = 20000, LINES_MAX = 1024 };

static void setup_many(struct fixture *f)
{
    static char config[MANY * 8 + 100];
    size_t n = (size_t)snprintf(config, sizeof(config), "pools: {web: {workers: [");
    for (int i = 0; i < MANY; i++)
        n += (size_t)snprintf(config + n, sizeof(config) - n, "%d, ", FIRST_PORT + i);
    (void)snprintf(config + n, sizeof(config) - n, "%d]}}\n", FIRST_PORT + MANY);
    setup(f, config);
}

/* No piece is longer than it may be, and what happens between two of them is not in the page. */
static void metrics_of_many_workers_come_in_pieces(void **state)
{
    struct metric_page *page = NULL;
    struct bufq out;
    struct fixture f;
    int more, pieces = 0;
    setup_many(&f);
    bufq_init(&out, &f.buffers);
    for (uint32_t i = 0; i <= MANY; i++)
        answer_one(&f, (int)i % REACTORS, i);
    do {
        size_t before = bufq_bytes(&out);
        more = metric_page_write(&f.sources, f.snapshot, &page, &out);
        assert_true(bufq_bytes(&out) - before < METRIC_PIECE_BYTES + 16 * LINES_MAX);
        answer_one(&f, 0, MANY);
        pieces++;
    } while (more == 1);
    assert_int_equal(more, 0);
    assert_null(page);
    assert_true(pieces > 10);
    take_text(&f, &out);
    assert_true(holds_line(&f, "requests_total 2001"));
    assert_true(holds_line(&f, "worker_22000_requests 1"));
    assert_true(holds_line(&f, "ballast_worker_dispatches_total{pool=\"web\",worker=\"22000\"} 1"));
    assert_true(holds_line(&f, "ballast_requests_total{pool=\"web\",worker=\"22000\",code_class=\"2xx\"} 1"));
    teardown(&f);
}

static void metrics_may_be_dropped_between_pieces(void **state)
{
    struct metric_page *page = NULL;
    struct bufq out;
    struct fixture f;
    setup_many(&f);
    bufq_init(&out, &f.buffers);
    assert_int_equal(metric_page_write(&f.sources, f.snapshot, &page, &out), 1);
    assert_int_equal(metric_page_write(&f.sources, f.snapshot, &page, &out), 1);
    metric_page_drop(&page);
    assert_null(page);
    metric_page_drop(&page);
    bufq_clear(&out);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_begin_as_asked),
        cmocka_unit_test(metrics_call_a_worker_alive_when_requests_go_to_it),
        cmocka_unit_test(metrics_count_everything),
        cmocka_unit_test(metrics_are_described),
        cmocka_unit_test(metrics_quote_names),
        cmocka_unit_test(metrics_please_promtool),
        cmocka_unit_test(metrics_survive_no_memory),
        cmocka_unit_test(metrics_of_many_workers_come_in_pieces),
        cmocka_unit_test(metrics_may_be_dropped_between_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
