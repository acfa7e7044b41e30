/* The events log: both formats, levels, the rate limit, cuts, and that nothing from outside makes a second line. */
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int ends[2];
static int64_t test_ns;
static char got[16384];

static int64_t test_clock(enum clock_kind kind)
{
    return kind == CLOCK_KIND_WALL ? INT64_C(1798761599123000000) : test_ns;
}

static int log_up(void **state)
{
    if (pipe(ends) != 0)
        return -1;
    clock_set_source(test_clock);
    log_set_fd(ends[1]);
    log_configure(LOG_INFO, LOG_TEXT);
    test_ns += 10 * INT64_C(1000000000);
    return 0;
}

static int log_down(void **state)
{
    log_set_fd(STDERR_FILENO);
    clock_set_source(NULL);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* All that was written since the last call, as a string. */
static const char *log_got(void)
{
    /* A byte of ours ends what is there, so that the read never waits. */
    assert_int_equal(write(ends[1], "", 1), 1);
    ssize_t n = read(ends[0], got, sizeof(got));
    assert_true(n > 0 && got[n - 1] == '\0');
    return got;
}

static void log_writes_text(void **state)
{
    log_warn("worker is down", LOG_Z("pool", "web"), LOG_N("worker", 3001), LOG_Z("cause", "connect_refused"));
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z warn worker is down pool=web worker=3001 "
                                   "cause=connect_refused\n");
    log_info("started");
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z info started\n");
    log_error("odd values", LOG_S("a", STR("two words")), LOG_Z("b", ""), LOG_S("c", STR_NONE), LOG_N("d", -5),
              LOG_N("e", INT64_MIN), LOG_Z("f", "x\ny\"z\\"));
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z error odd values a=\"two words\" b=\"\" c=\"\" d=-5 "
                                   "e=-9223372036854775808 f=\"x\\ny\\\"z\\\\\"\n");
}

/* To a sink: as lines to a file; as entries, whose text has no time or level of its own, to a wire. */
static void log_writes_to_sinks(void **state)
{
    char name[] = "/tmp/ballast-log-XXXXXX", line[256] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sink_target target = {.kind = SINK_JOURNAL, .address_bytes = sizeof(address)};
    struct sink *sink;
    int fd = mkstemp(name), server = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_int_equal(sink_create(name, &sink), 0);
    log_set_sink(sink);
    log_warn("worker is down", LOG_Z("pool", "web"));
    log_set_sink(NULL);
    sink_destroy(&sink);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    assert_string_equal(line, "2026-12-31T23:59:59.123Z warn worker is down pool=web\n");
    close(fd);
    unlink(name);

    memcpy(address.sun_path, name, sizeof(name));
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
    memcpy(&target.address, &address, sizeof(address));
    target.head.host = target.head.app = target.head.kind = "x";
    assert_int_equal(sink_create_to(&target, &sink), 0);
    log_set_sink(sink);
    log_warn("worker is down", LOG_Z("pool", "web"), LOG_N("alive", -2));
    log_set_sink(NULL);
    sink_destroy(&sink);
    ssize_t n = recv(server, line, sizeof(line) - 1, 0);
    assert_true(n > 0);
    line[n] = '\0';
    assert_string_equal(line, "PRIORITY=4\nSYSLOG_IDENTIFIER=x\nBALLAST_KIND=x\nBALLAST_POOL=web\nBALLAST_ALIVE=-2\n"
                              "MESSAGE=worker is down pool=web alive=-2\n");
    close(server);
    unlink(name);
}

/* Where the file is, there; where it is not, as ever. */
static void log_appends_to_a_path(void **state)
{
    char name[] = "/tmp/ballast-log-XXXXXX", line[256] = "";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    log_set_path(name);
    log_info("there");
    log_info("too");
    unlink(name);
    log_info("here");
    log_set_path(NULL);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    assert_string_equal(line, "2026-12-31T23:59:59.123Z info there\n2026-12-31T23:59:59.123Z info too\n");
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z info here\n");
    close(fd);
}

static void log_writes_json(void **state)
{
    log_configure(LOG_DEBUG, LOG_JSON);
    log_debug("a \"b\"", LOG_Z("pool", "w\n\xff"), LOG_N("n", INT64_MAX));
    assert_string_equal(log_got(),
                        "{\"time\":\"2026-12-31T23:59:59.123Z\",\"level\":\"debug\",\"message\":\"a \\\"b\\\"\","
                        "\"pool\":\"w\\n\\ufffd\",\"n\":9223372036854775807}\n");
    log_info("started");
    assert_string_equal(log_got(),
                        "{\"time\":\"2026-12-31T23:59:59.123Z\",\"level\":\"info\",\"message\":\"started\"}\n");
}

static void log_obeys_its_level(void **state)
{
    log_debug("no");
    log_configure(LOG_ERROR, LOG_TEXT);
    log_warn("no");
    log_configure(LOG_OFF, LOG_TEXT);
    log_error("no");
    assert_string_equal(log_got(), "");
}

static void log_knows_its_levels(void **state)
{
    enum log_level level = LOG_OFF;
    assert_int_equal(log_parse_level(STR("debug"), &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_parse_level(STR("off"), &level), 0);
    assert_int_equal(level, LOG_OFF);
    assert_int_equal(log_parse_level(STR("warning"), &level), -ERR_CONFIG);
    assert_int_equal(log_parse_level(STR(""), &level), -ERR_CONFIG);
    assert_int_equal(level, LOG_OFF);
}

static void log_one_sentence(void)
{
    log_info("again");
}

static void log_limits_each_site(void **state)
{
    for (int i = 0; i < 25; i++)
        log_one_sentence();
    const char *lines = log_got();
    int count = 0;
    for (const char *p = lines; *p; p++)
        count += *p == '\n';
    assert_int_equal(count, 10);
    assert_null(strstr(lines, "suppressed"));
    log_info("another site");
    assert_non_null(strstr(log_got(), "another site"));
    test_ns += INT64_C(1000000000);
    log_one_sentence();
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z info again suppressed=15\n");
    log_one_sentence();
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z info again\n");
}

/* Too much is cut inside its value or left out whole; the line ends as every other, in at most 4 KiB. */
static void log_cuts_long_lines(void **state)
{
    char value[5000];
    memset(value, '\n', sizeof(value));
    for (size_t n = 1900; n < 2100; n++) {
        for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
            log_configure(LOG_INFO, (enum log_format)format);
            test_ns += INT64_C(1000000000);
            log_info("long", LOG_S("first", str_slice(value, n)), LOG_N("number", 1234567890),
                     LOG_S("last", str_slice(value, sizeof(value))));
            const char *line = log_got();
            size_t length = strlen(line);
            assert_true(length <= 4096 && length > 3900);
            assert_ptr_equal(strchr(line, '\n'), line + length - 1);
            const char *end = format == LOG_TEXT ? "\n" : "}\n";
            assert_string_equal(line + length - strlen(end), end);
            unsigned quotes = 0;
            for (const char *p = line; *p; p++)
                quotes += *p == '"';
            assert_int_equal(quotes % 2, 0);
        }
    }
    /* A sentence alone, longer than a line. */
    memset(value, 's', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        log_configure(LOG_INFO, (enum log_format)format);
        log_warn(value, LOG_Z("fact", "x"));
        size_t length = strlen(log_got());
        assert_true(length <= 4096 && length > 3900);
        assert_string_equal(got + length - 2, format == LOG_TEXT ? "s\n" : "}\n");
    }
}

static void log_sentence_stays_one_line(void **state)
{
    log_warn("first\nsecond\x1b[2J");
    assert_string_equal(log_got(), "2026-12-31T23:59:59.123Z warn first second [2J\n");
}

static enum log_level heard_level;
static char heard[256];

static void hear(void *context, enum log_level level, const char *sentence, const struct log_fact *facts)
{
    heard_level = level;
    (void)snprintf(heard, sizeof(heard), "%s %s %s", (const char *)context, sentence, facts[0].name);
}

/* A listener hears what the level keeps from the log, and nothing that the rate limit keeps from both. */
static void log_has_a_listener(void **state)
{
    static char who[] = "me";
    log_set_listener(hear, who);
    log_level_set(LOG_ERROR);
    assert_int_equal(log_level_get(), LOG_ERROR);
    assert_string_equal(log_level_word(log_level_get()), "error");
    log_info("heard", LOG_N("n", 1));
    assert_string_equal(heard, "me heard n");
    assert_int_equal(heard_level, LOG_INFO);
    assert_string_equal(log_got(), "");
    for (int i = 0; i < 20; i++) {
        heard[0] = '\0';
        log_info("often", LOG_N("n", i));
        assert_int_equal(heard[0] != '\0', i < 10);
    }
    log_set_listener(NULL, NULL);
    heard[0] = '\0';
    log_error("alone", LOG_N("n", 1));
    assert_string_equal(heard, "");
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, log_up, log_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(log_writes_text),      LOG_TEST(log_writes_json),
        LOG_TEST(log_obeys_its_level),  LOG_TEST(log_has_a_listener),
        LOG_TEST(log_knows_its_levels), LOG_TEST(log_limits_each_site),
        LOG_TEST(log_cuts_long_lines),  LOG_TEST(log_sentence_stays_one_line),
        LOG_TEST(log_writes_to_sinks),  LOG_TEST(log_appends_to_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
