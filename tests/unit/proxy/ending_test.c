/* What is written down of an exchange: counters and the access line from the same fields. */
#include "proxy/ending.h"

#include <stdlib.h>
#include <unistd.h>

#include "still_life.h"

static void ending_knows_the_outcome(void **state)
{
    struct still_life s;
    still_life_init(&s);
    assert_int_equal(ending_outcome(s.x), ACCOUNT_OK);
    for (int code = 1; code < ERR_COUNT; code++) {
        s.x->error = -code;
        bool client_left = code == ERR_CLIENT_GONE || code == ERR_CLIENT_STALLED;
        enum account_outcome bad = client_left ? ACCOUNT_ABORTED : ACCOUNT_FAILED;
        assert_int_equal(ending_outcome(s.x), err_fault(code) == ERR_FAULT_NONE ? ACCOUNT_OK : bad);
    }
    still_life_fini(&s);
}

static void count(struct still_life *s, struct account_totals *totals, struct account_worker *workers)
{
    struct account_worker scratch[2];
    memset(totals, 0, sizeof(*totals));
    memset(workers, 0, 2 * sizeof(*workers));
    account_add_to(&s->account, totals, workers, scratch, 2);
}

static void ending_counts_an_answer(void **state)
{
    struct still_life s;
    struct account_totals totals;
    struct account_worker workers[2];
    still_life_init(&s);
    s.x->answering = true;
    s.x->status = 204;
    s.x->target = &s.helper.workers[1];
    s.x->up.bytes = 7;
    s.x->down.bytes = 9;
    still_life_pass(&s, 3);
    ending_note(s.x);
    count(&s, &totals, workers);
    assert_int_equal(totals.ok, 1);
    assert_int_equal(totals.active, 0);
    assert_int_equal(totals.duration_us_sum, 3000);
    assert_int_equal(totals.bytes_from_clients, 7);
    assert_int_equal(totals.bytes_from_workers, 9);
    assert_int_equal(workers[1].answers[1], 1);
    still_life_fini(&s);
}

/* Cut inside the answer: its worker's dispatch is broken, whatever status the client has seen. */
static void ending_counts_a_cut(void **state)
{
    struct still_life s;
    struct account_totals totals;
    struct account_worker workers[2];
    still_life_init(&s);
    s.x->answering = true;
    s.x->status = 200;
    s.x->error = -ERR_ANSWER_CUT;
    s.x->target = &s.helper.workers[0];
    ending_note(s.x);
    count(&s, &totals, workers);
    assert_int_equal(totals.failed, 1);
    assert_int_equal(totals.by_reason[ERR_ANSWER_CUT], 1);
    assert_int_equal(workers[0].broken, 1);
    assert_int_equal(workers[0].answers[1], 0);
    still_life_fini(&s);
}

/* Without a sink there is no line; with one the line says what was counted. */
/* The same fields, for who asks later. */
static void ending_is_remembered(void **state)
{
    struct still_life s;
    still_life_init(&s);
    s.x->id = STR("an-id");
    s.x->error = -ERR_CONN_RESET;
    s.x->status = 502;
    s.x->own_answer = true;
    s.x->tries = 1;
    s.x->attempts[0] = (struct exchange_try){.worker = &s.helper.workers[1], .error = ERR_CONN_RESET, .failed_us = 7};
    s.x->target = &s.helper.workers[1];
    still_life_pass(&s, 3);
    ending_note(s.x);
    const struct recent_record *record = recent_find(&s.recent, STR("an-id"));
    assert_non_null(record);
    assert_int_equal(record->total_us, 3000);
    assert_int_equal(record->first_byte_us, RECENT_NEVER);
    assert_int_equal(record->status, 502);
    assert_int_equal(record->error, ERR_CONN_RESET);
    assert_int_equal(record->attempts[0].failed_us, 7);
    assert_true(record->own);
    still_life_fini(&s);
}

static void ending_writes_the_line(void **state)
{
    char path[] = "/tmp/ballast-ending-XXXXXX", line[1024] = "";
    struct still_life s;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    still_life_init(&s);
    assert_int_equal(sink_create(path, &s.log.sink), 0);
    struct access_format format;
    struct access_format_error wrong;
    assert_int_equal(access_format_init(&format, STR("json"), &s.x->arena, &wrong), 0);
    assert_int_equal(access_log_init(&s.log, s.log.sink, &format, 100), 0);
    s.x->id = STR("an-id");
    s.x->client_host = STR("192.0.2.1");
    s.x->client.head.method_text = STR("GET");
    s.x->client.head.target = STR("/there");
    s.x->error = -ERR_CLIENT_GONE;
    s.x->tries = 2;
    s.x->attempts[0] = s.x->attempts[1] = (struct exchange_try){.worker = &s.helper.workers[0]};
    ending_note(s.x);
    access_log_flush(&s.log);
    sink_destroy(&s.log.sink);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    static const char *const parts[] = {"\"an-id\"", "\"192.0.2.1\"", "\"/there\"", "499", "\"client_gone\""};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        assert_non_null(strstr(line, parts[i]));
    close(fd);
    unlink(path);
    access_log_fini(&s.log);
    still_life_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ending_knows_the_outcome), cmocka_unit_test(ending_counts_an_answer),
        cmocka_unit_test(ending_counts_a_cut),      cmocka_unit_test(ending_is_remembered),
        cmocka_unit_test(ending_writes_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
