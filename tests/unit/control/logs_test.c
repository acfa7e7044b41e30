/* Both logs: where they go, that they are opened again, and that what cannot be is said. */
#include "control/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control_helper.h"

static char directory[] = "/tmp/ballast-logs-XXXXXX";

static int begin(void **state)
{
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int end(void **state)
{
    static const char *const files[] = {"a.log", "a.old", "e.log", "e.old"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlink(files[i]);
    return chdir("/") || rmdir(directory);
}

static const char *text_of(const char *name)
{
    static char text[4096];
    int fd = open(name, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static struct config *load(const char *access, const char *events)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "pools: { web: { workers: [3001] } }\naccess_log: '%s'\nlog: { path: '%s' }\n",
                   access, events);
    return helper_load(text);
}

static void logs_are_opened_and_opened_again(void **state)
{
    struct config *config = load("a.log", "e.log");
    struct logs logs;

    assert_int_equal(logs_open(&logs, config), 0);
    log_info("before");
    assert_int_equal(sink_write(logs.access, "one\n", 4, 1), 0);
    for (int i = 0; !*text_of("a.log") || !*text_of("e.log"); i++) {
        assert_true(i < 10000);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(rename("a.log", "a.old"), 0);
    assert_int_equal(rename("e.log", "e.old"), 0);
    logs_reopen(&logs);
    for (int i = 0; !logs_look(&logs, config); i++) {
        assert_true(i < 10000);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(sink_write(logs.access, "two\n", 4, 1), 0);
    logs_close(&logs);
    assert_string_equal(text_of("a.log"), "two\n");
    assert_non_null(strstr(text_of("e.log"), " info log is reopened log=access\n"));
    assert_non_null(strstr(text_of("e.log"), " info log is reopened log=events\n"));
    assert_null(strstr(text_of("e.log"), "before"));
    assert_non_null(strstr(text_of("e.old"), " info before\n"));
    config_destroy(&config);
}

static void logs_may_be_off(void **state)
{
    struct config *config = load("off", "-");
    struct logs logs;

    assert_int_equal(logs_open(&logs, config), 0);
    assert_null(logs.access);
    assert_null(logs.events);
    logs_reopen(&logs);
    assert_true(logs_look(&logs, config));
    logs_finish(&logs);
    logs_close(&logs);
    config_destroy(&config);
}

static void logs_that_cannot_be_opened_are_said(void **state)
{
    static const char *const cases[][2] = {{"absent/a.log", "-"}, {"off", "absent/e.log"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config *config = load(cases[i][0], cases[i][1]);
        struct logs logs;
        int ends[2];
        char said[512] = "";
        assert_int_equal(pipe(ends), 0);
        log_set_fd(ends[1]);
        assert_int_not_equal(logs_open(&logs, config), 0);
        assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
        assert_non_null(strstr(said, i == 0 ? "access log cannot be opened path=absent/a.log"
                                            : "events log cannot be opened path=absent/e.log"));
        log_set_fd(STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        config_destroy(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_opened_and_opened_again),
        cmocka_unit_test(logs_may_be_off),
        cmocka_unit_test(logs_that_cannot_be_opened_are_said),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
