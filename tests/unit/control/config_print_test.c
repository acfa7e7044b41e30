/* What `ballast check` prints and returns, and that the printed defaults are the defaults. */
#include "control/config_print.h"

#include <stdlib.h>
#include <unistd.h>

#include "control_helper.h"

/* Checks a file with this text; the file's name is taken out of what is printed. */
static void check(const char *text, int expected_code, const char *expected)
{
    char path[] = "/tmp/ballast-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);

    char *printed = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&printed, &n);
    assert_non_null(out);
    struct config_flags flags = {0};
    assert_int_equal(config_check_print(path, &flags, out), expected_code);
    assert_int_equal(fclose(out), 0);
    char short_form[4096] = "";
    const char *line = printed;
    for (const char *at; (at = strstr(line, path)) != NULL; line = at + strlen(path)) {
        size_t used = strlen(short_form);
        (void)snprintf(short_form + used, sizeof(short_form) - used, "%.*sF", (int)(at - line), line);
    }
    size_t used = strlen(short_form);
    (void)snprintf(short_form + used, sizeof(short_form) - used, "%s", line);
    assert_string_equal(short_form, expected);
    free(printed);
    (void)unlink(path);
}

static void print_check(void **state)
{
    check(
        "pools: {w: {workers: [3001]}}\n", 0,
        "F:1:9: warning: one-worker: pool \"w\" has one worker. While the pool's only worker restarts or drains, every "
        "request is answered with 503. Give the pool a second worker.\n"
        "F: ok (1 listener, 1 pool, 1 worker, 1 route)\n");
    check("listeners: [80, 81]\npools: {a: {workers: [3001, 3002]}, b: {workers: [3003, 3004]}}\n"
          "routes: [{path: /b, pool: b}, {pool: a}]\n",
          0, "F: ok (2 listeners, 2 pools, 4 workers, 2 routes)\n");
    check("pools: {a: {workers: [3001, 3002]}, b: {workers: [3003, 3004]}}\nroutes: [{pool: a}]\n", 0,
          "F:1:37: warning: no route leads to the pool \"b\"\n"
          "F: ok (1 listener, 2 pools, 4 workers, 1 route)\n");
    check("treads: 1\npools: {w: {workers: [3001]}}\n", 1,
          "F:1:1: unknown key \"treads\"; did you mean \"threads\"?\nF: 1 error\n");
    check("threads: 0\nmetrics: {path: x}\npools: {w: {workers: [3001]}}\n", 1,
          "F:1:10: threads: \"0\" is out of range; expected auto or a whole number from 1 to 256\n"
          "F:2:17: metrics.path: \"x\" is no path; expected a path that begins with /\n"
          "F: 2 errors\n");
}

static void print_counts_what_is_left_out(void **state)
{
    char text[1024] = "pools: {w: {workers: [3001]}}\n";
    for (int i = 0; i < 25; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "unknown_%d: 1\n", i);
    struct config_flags flags = {.sealed = true};
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    assert_true(config_load_text("f", str_of(text), &flags, &errors, &config) != 0);
    char *printed = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&printed, &n);
    config_print_errors(out, &errors);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(printed, "f:2:1: unknown key \"unknown_0\"\n"));
    assert_non_null(strstr(printed, "\n... and 5 more errors\n"));
    free(printed);
    config_errors_fini(&errors);
}

static void print_defaults(void **state)
{
    char *text = helper_print(config_print_defaults);
    struct config *printed = helper_load(text);
    struct config_flags flags = {0};
    struct config_errors errors;
    struct config *built_in = NULL;
    config_errors_init(&errors);
    assert_int_equal(config_load(NULL, &flags, &errors, &built_in), 0);

    assert_int_equal(printed->worker_count, built_in->worker_count);
    assert_str(printed->listeners.items[0].address.text, built_in->listeners.items[0].address.text.p);
    assert_str(printed->access_log.path, built_in->access_log.path.p);
    assert_str(printed->access_log.format, built_in->access_log.format.p);
    assert_int_equal(printed->threads, built_in->threads);
    /* Places aside, the plain structs are the same byte for byte. */
    size_t skip = sizeof(struct config_place);
    assert_memory_equal((char *)&printed->limits + skip, (char *)&built_in->limits + skip,
                        sizeof(printed->limits) - skip);
    assert_memory_equal((char *)&printed->timeouts + skip, (char *)&built_in->timeouts + skip,
                        sizeof(printed->timeouts) - skip);
    assert_str(printed->log.path, built_in->log.path.p);
    assert_int_equal(printed->log.level, built_in->log.level);
    assert_int_equal(printed->log.format, built_in->log.format);
    assert_str(printed->syslog.app_name, built_in->syslog.app_name.p);
    assert_int_equal(printed->syslog.enterprise, built_in->syslog.enterprise);
    assert_memory_equal((char *)&printed->forwarded + skip, (char *)&built_in->forwarded + skip,
                        sizeof(printed->forwarded) - skip);
    config_destroy(&printed);
    config_destroy(&built_in);
    config_errors_fini(&errors);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print_check),
        cmocka_unit_test(print_counts_what_is_left_out),
        cmocka_unit_test(print_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
