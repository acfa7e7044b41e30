/* The command line: what each option sets, and what is said about wrong ones. */
#include "main/options.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"

enum { ARGUMENTS_MAX = 300 };

static struct options options;
static char why[OPTIONS_WHY_MAX];

/* Splits at spaces; `ballast` is put before. The arguments stay valid until the next call. */
static int parse(const char *line)
{
    static char text[8192];
    static char program[] = "ballast";
    char *arguments[ARGUMENTS_MAX] = {program};
    int count = 1;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *at = text; *at != '\0';) {
        arguments[count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ')
            *at++ = '\0';
    }
    why[0] = '\0';
    return options_parse(count, arguments, &options, why);
}

static void options_run(void **state)
{
    assert_int_equal(parse("run"), 0);
    assert_int_equal(options.command, OPTIONS_RUN);
    assert_null(options.config_path);
    assert_int_equal(options.flags.listen_count, 0);
    assert_int_equal(options.flags.worker_count, 0);
    assert_null(options.flags.threads);
    assert_null(options.flags.access_log);
    assert_null(options.flags.log_level);
    assert_false(options.no_keeper);

    assert_int_equal(parse("run -c a.yaml --listen 80 --listen=[::]:80 --worker 3001 --worker=http://b:1 --threads 2 "
                           "--access-log - --log-level=debug --no-keeper"),
                     0);
    assert_string_equal(options.config_path, "a.yaml");
    assert_int_equal(options.flags.listen_count, 2);
    assert_string_equal(options.flags.listen[0], "80");
    assert_string_equal(options.flags.listen[1], "[::]:80");
    assert_int_equal(options.flags.worker_count, 2);
    assert_string_equal(options.flags.worker[0], "3001");
    assert_string_equal(options.flags.worker[1], "http://b:1");
    assert_string_equal(options.flags.threads, "2");
    assert_string_equal(options.flags.access_log, "-");
    assert_string_equal(options.flags.log_level, "debug");
    assert_true(options.no_keeper);
    assert_int_equal(parse("run --config=b.yaml"), 0);
    assert_string_equal(options.config_path, "b.yaml");
}

static void options_other_commands(void **state)
{
    assert_int_equal(parse("demo"), 0);
    assert_int_equal(options.command, OPTIONS_DEMO);
    assert_int_equal(options.demo_port, 0);
    assert_int_equal(options.demo_workers, 3);
    assert_int_equal(parse("demo --port 8081 --workers=5 --log-level warn"), 0);
    assert_int_equal(options.demo_port, 8081);
    assert_int_equal(options.demo_workers, 5);
    assert_int_equal(parse("check -c x"), 0);
    assert_int_equal(options.command, OPTIONS_CHECK);
    assert_int_equal(parse("check --schema"), 0);
    assert_true(options.schema);
    assert_int_equal(parse("check --reference"), 0);
    assert_true(options.reference);
    assert_int_equal(parse("check --defaults"), 0);
    assert_true(options.defaults);
    assert_int_equal(parse("worker add web 3004 --weight 2 --name x --keep"), 0);
    assert_int_equal(options.command, OPTIONS_WORKER);
    assert_string_equal(options.words[0], "add");
    assert_string_equal(options.words[2], "3004");
    assert_true(options.weight == 2 && options.keep && !options.no_keep);
    static const char *const helps[] = {"help",     "--help",   "-h",        "run --help",
                                        "check -h", "help run", "help help", "run -c a --help"};
    for (size_t i = 0; i < ARRAY_SIZE(helps); i++) {
        assert_int_equal(parse(helps[i]), 0);
        assert_int_equal(options.command, OPTIONS_HELP);
    }
    static const char *const versions[] = {"version", "--version", "-V"};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        assert_int_equal(parse(versions[i]), 0);
        assert_int_equal(options.command, OPTIONS_VERSION);
    }
}

static void options_refusals(void **state)
{
    static const struct {
        const char *line;
        const char *expected;
    } cases[] = {
        {"", "a command is missing; ballast help lists them"},
        {"rum", "unknown command \"rum\"; did you mean \"run\"?"},
        {"elephant", "unknown command \"elephant\"; ballast help lists them"},
        {"-c x", "unknown command \"-c\"; ballast help lists them"},
        {"run --lisen 80", "unknown option --lisen; did you mean --listen?"},
        {"run --lisen=80", "unknown option --lisen; did you mean --listen?"},
        {"run --elephant", "unknown option --elephant; ballast help lists them"},
        {"run --", "unknown option --; ballast help lists them"},
        {"run -x", "unknown option -x; ballast help lists them"},
        {"run -cx", "unknown option -cx; ballast help lists them"},
        {"run --port 80", "--port is no option of ballast run; ballast help lists those that are"},
        {"demo --listen 80", "--listen is no option of ballast demo; ballast help lists those that are"},
        {"version --threads 2", "--threads is no option of ballast version; ballast help lists those that are"},
        {"run a.yaml", "unexpected argument \"a.yaml\"; ballast help tells what ballast run takes"},
        {"run -", "unexpected argument \"-\"; ballast help tells what ballast run takes"},
        {"run -c", "--config needs a value: FILE"},
        {"run --threads", "--threads needs a value: N"},
        {"run --no-keeper=1", "--no-keeper takes no value"},
        {"run -c a -c b", "--config is given twice"},
        {"run --threads 1 --threads 1", "--threads is given twice"},
        {"demo --port 0", "--port: \"0\" is no whole number from 1 to 65535"},
        {"demo --port 65536", "--port: \"65536\" is no whole number from 1 to 65535"},
        {"demo --port=", "--port: \"\" is no whole number from 1 to 65535"},
        {"demo --workers x", "--workers: \"x\" is no whole number from 1 to 64"},
        {"help rum", "unknown command \"rum\"; did you mean \"run\"?"},
        {"help elephant", "unknown command \"elephant\"; ballast help lists them"},
        {"help run demo", "unexpected argument \"demo\"; ballast help tells what ballast help takes"},
        {"help run --man", "ballast help takes one of COMMAND, --man and --completion"},
        {"help --man --completion bash", "ballast help takes one of COMMAND, --man and --completion"},
        {"why", "ballast why needs the id of a request: X-Request-ID, or `id` in the access log"},
        {"why a b", "unexpected argument \"b\"; ballast help tells what ballast why takes"},
        {"worker", "ballast worker needs one of add, remove, set, drain, disable, ready, changes"},
        {"worker web 3001", "ballast worker needs one of add, remove, set, drain, disable, ready, changes"},
        {"worker add web", "ballast worker add needs a pool and an address"},
        {"worker drain --keep", "ballast worker needs a pool, and a worker's name or address"},
        {"worker add web 1 2", "unexpected argument \"2\"; ballast help tells what ballast worker takes"},
        {"worker changes web", "ballast worker changes takes no pool: it lists all"},
        {"worker drain web 1 --keep --no-keep", "a change is kept or not: one of --keep and --no-keep"},
        {"worker set web 1 --name x", "--name is for a worker that is added"},
        {"worker set web 1", "ballast worker set needs --weight N, --keep or --no-keep"},
        {"worker remove web 1 --weight 2", "--weight is for a worker that stays"},
        {"reload --plan --apply x", "a plan is made or applied: one of --plan and --apply"},
        {"check", "ballast check needs a file: -c FILE"},
        {"check -c a --schema", "ballast check takes one of -c, --schema, --reference, --defaults, --openapi, --man"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse(cases[i].line), -ERR_CONFIG);
        assert_string_equal(why, cases[i].expected);
    }
}

static void options_are_bounded(void **state)
{
    char line[8192] = "run";
    for (int i = 0; i < OPTIONS_ADDRESSES_MAX; i++)
        (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), " --worker=%d", i + 1);
    assert_int_equal(parse(line), 0);
    assert_int_equal(options.flags.worker_count, OPTIONS_ADDRESSES_MAX);
    (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), " --worker=1");
    assert_int_equal(parse(line), -ERR_CONFIG);
    assert_string_equal(why, "--worker is given more than 256 times; use a configuration file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_run),
        cmocka_unit_test(options_other_commands),
        cmocka_unit_test(options_refusals),
        cmocka_unit_test(options_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
