/* Values: each type's good and bad texts, through the settings that have them, and the arithmetic of units. */
#include "control/config_value.h"

#include "base/err.h"
#include "control_helper.h"

#define POOLS "pools: {w: {workers: [3001]}}\n"

static int parse(struct config_value *value, const char *block_key, const char *name, const char *text, void *field)
{
    enum directive_block block = DIRECTIVE_BLOCK_ROOT;
    for (int i = 0; i < DIRECTIVE_BLOCK_COUNT; i++) {
        if (strcmp(directive_block_info((enum directive_block)i)->key, block_key) == 0)
            block = (enum directive_block)i;
    }
    const struct directive *directive = directive_find(block, str_of(name));
    assert_non_null(directive);
    return config_value_parse(value, directive, str_of(text), field);
}

static void value_numbers(void **state)
{
    static const struct {
        const char *block;
        const char *name;
        const char *text;
        uint64_t expected; /* UINT64_MAX: refused */
    } cases[] = {
        {"timeouts", "connect", "1ms", 1},
        {"timeouts", "connect", "2s", 2000},
        {"timeouts", "connect", "0002s", 2000},
        {"timeouts", "connect", "10m", 600000},
        {"timeouts", "request_head", "24h", 86400000},
        {"timeouts", "request_head", "25h", UINT64_MAX},
        {"timeouts", "drain", "0ms", 0},
        {"timeouts", "connect", "s", UINT64_MAX},
        {"timeouts", "connect", "2", UINT64_MAX},
        {"timeouts", "connect", "2ss", UINT64_MAX},
        {"timeouts", "connect", "2 s", UINT64_MAX},
        {"timeouts", "connect", "18446744073709551615h", UINT64_MAX},
        {"timeouts", "connect", "18446744073709551616ms", UINT64_MAX},
        {"limits", "header_bytes", "1024", 1024},
        {"limits", "header_bytes", "1KiB", 1024},
        {"limits", "header_bytes", "1MiB", 1048576},
        {"limits", "header_bytes", "1048577", UINT64_MAX},
        {"limits", "header_bytes", "1023", UINT64_MAX},
        {"limits", "body_bytes", "unlimited", 0},
        {"limits", "body_bytes", "0", 0},
        {"limits", "body_bytes", "5GiB", 5368709120},
        {"limits", "body_bytes", "1024TiB", 1ULL << 50},
        {"limits", "body_bytes", "16777216TiB", UINT64_MAX},
        {"limits", "headers", "100", 100},
        {"limits", "headers", "1001", UINT64_MAX},
        {"", "threads", "auto", 0},
        {"", "threads", "256", 256},
        {"", "threads", "0", UINT64_MAX},
        {"health", "jitter", "0%", 0},
        {"health", "jitter", "50%", 50},
        {"health", "jitter", "51%", UINT64_MAX},
        {"health", "jitter", "10", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config_value value = {.sealed = true};
        uint64_t field = 0;
        int result = parse(&value, cases[i].block, cases[i].name, cases[i].text, &field);
        if (cases[i].expected == UINT64_MAX) {
            assert_int_equal(result, -ERR_CONFIG);
            assert_int_equal(field, 0);
            assert_true(strlen(value.why) > 10);
        } else {
            assert_int_equal(result, 0);
            assert_true(field == cases[i].expected); /* the upper half of a uint32_t's stays 0 */
        }
    }
}

static void value_statuses(void **state)
{
    struct config_value value = {.sealed = true};
    struct config_status_range range = {0};
    assert_int_equal(parse(&value, "health", "expect", "200", &range), 0);
    assert_int_equal(range.min, 200);
    assert_int_equal(range.max, 200);
    assert_int_equal(parse(&value, "health", "expect", "100-599", &range), 0);
    assert_int_equal(range.min, 100);
    assert_int_equal(range.max, 599);
    static const char *const bad[] = {"",    "-",       "200-",        "-200", "99",
                                      "600", "300-200", "200-300-400", "2xx",  "200 - 300"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse(&value, "health", "expect", bad[i], &range), -ERR_CONFIG);
    assert_int_equal(range.min, 100);
}

static void value_refuses_numbers(void **state)
{
    static const struct bad_case cases[] = {
        {"timeouts: {connect: 2}\n" POOLS, "1:21: timeouts.connect: \"2\" has no unit; write 2s or 2ms"},
        {"timeouts: {connect: \"\"}\n" POOLS,
         "1:21: timeouts.connect: the value is missing; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: }\n" POOLS,
         "1:12: timeouts.connect: the value is missing; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: 1e3ms}\n" POOLS,
         "1:21: timeouts.connect: \"1e3ms\" has an unknown unit; the units are ms, s, m and h"},
        {"timeouts: {connect: 2sec}\n" POOLS,
         "1:21: timeouts.connect: \"2sec\" has an unknown unit; the units are ms, s, m and h"},
        {"timeouts: {connect: 2S}\n" POOLS,
         "1:21: timeouts.connect: \"2S\" has an unknown unit; the units are ms, s, m and h"},
        {"timeouts: {connect: 1.5s}\n" POOLS,
         "1:21: timeouts.connect: \"1.5s\" is no whole number; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: -1s}\n" POOLS,
         "1:21: timeouts.connect: \"-1s\" is no duration; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: soon}\n" POOLS,
         "1:21: timeouts.connect: \"soon\" is no duration; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: 11m}\n" POOLS,
         "1:21: timeouts.connect: \"11m\" is out of range; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: 0ms}\n" POOLS,
         "1:21: timeouts.connect: \"0ms\" is out of range; expected a duration from 1ms to 10m"},
        {"timeouts: {connect: 99999999999999999999s}\n" POOLS,
         "1:21: timeouts.connect: \"99999999999999999999s\" is out of range; expected a duration from 1ms to 10m"},
        {"limits: {header_bytes: 32KB}\n" POOLS,
         "1:24: limits.header_bytes: \"32KB\" has an unknown unit; the units are KiB, MiB, GiB and TiB, or none for "
         "bytes"},
        {"limits: {header_bytes: big}\n" POOLS,
         "1:24: limits.header_bytes: \"big\" is no size; expected a size from 1KiB to 1MiB"},
        {"limits: {header_bytes: 2MiB}\n" POOLS,
         "1:24: limits.header_bytes: \"2MiB\" is out of range; expected a size from 1KiB to 1MiB"},
        {"limits: {body_bytes: unlimitd}\n" POOLS,
         "1:22: limits.body_bytes: \"unlimitd\" is no size; expected unlimited or a size from 0 to 1024TiB"},
        {"threads: many\n" POOLS,
         "1:10: threads: \"many\" is no whole number; expected auto or a whole number from 1 to 256"},
        {"threads: 0x10\n" POOLS,
         "1:10: threads: \"0x10\" is no whole number; expected auto or a whole number from 1 to 256"},
        {"threads: 1.0\n" POOLS,
         "1:10: threads: \"1.0\" is no whole number; expected auto or a whole number from 1 to 256"},
        {"threads: \"4 \"\n" POOLS,
         "1:10: threads: \"4 \" is no whole number; expected auto or a whole number from 1 to 256"},
        {"threads: 257\n" POOLS,
         "1:10: threads: \"257\" is out of range; expected auto or a whole number from 1 to 256"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void value_refuses_words(void **state)
{
    static const struct bad_case cases[] = {
        {"metrics: {enabled: yes}\n" POOLS, "1:20: metrics.enabled: \"yes\" is no boolean; expected true or false"},
        {"metrics: {enabled: True}\n" POOLS, "1:20: metrics.enabled: \"True\" is no boolean; expected true or false"},
        {"log: {format: jsn}\n" POOLS,
         "1:15: log.format: \"jsn\" is not known here; expected text or json; did you mean \"json\"?"},
        {"log: {level: loudest}\n" POOLS,
         "1:14: log.level: \"loudest\" is not known here; expected debug, info, warn, error or off"},
        {"log: inof\n" POOLS, "1:6: log: \"inof\" is not known here; expected debug, info, warn, error or off; did you "
                              "mean \"info\"?"},
        {"pools: {w: {balance: roundrobin, workers: [3001]}}\n",
         "1:22: pools.w.balance: \"roundrobin\" is not known here; expected round-robin"},
        {"pools: {w: {workers: [3001], health: {jitter: 10}}}\n",
         "1:47: pools.w.health.jitter: \"10\" has no unit; write 10%"},
        {"pools: {w: {workers: [3001], health: {jitter: 60%}}}\n",
         "1:47: pools.w.health.jitter: \"60%\" is out of range; expected a percentage from 0% to 50%"},
        {"metrics: {path: metrics}\n" POOLS,
         "1:17: metrics.path: \"metrics\" is no path; expected a path that begins with /"},
        {"metrics: {path: /a?b}\n" POOLS,
         "1:17: metrics.path: \"/a?b\" has a character that cannot stand there; expected a path that begins with /"},
        {"metrics: {path: \"/\xc3\xa9\"}\n" POOLS,
         "1:17: metrics.path: \"/\xc3\xa9\" has a character that cannot stand "
         "there; expected a path that begins with /"},
        {"access_log: {path: \"/a\\nb\"}\n" POOLS, "1:20: access_log.path: \"/a?b\" has a character that cannot stand "
                                                   "there; expected a file, -, syslog, journal or off"},
        {"pools: {w: {workers: [3001], health: {expect: ok}}}\n",
         "1:47: pools.w.health.expect: \"ok\" is no status; expected a status such as 200, or a range such as "
         "200-399"},
        {"pools: {w: {workers: [3001], health: {expect: 200-600}}}\n",
         "1:47: pools.w.health.expect: \"200-600\" is out of range; a status is from 100 to 599"},
        {"pools: {w: {workers: [3001], health: {expect: 300-200}}}\n",
         "1:47: pools.w.health.expect: \"300-200\" is empty; write the lower status first"},
        {"pools: {w: {workers: [{address: 3001, weight: 257}]}}\n",
         "1:47: pools.w.workers[0].weight: \"257\" is out of range; expected a whole number from 1 to 256"},
        {"pools: {w: {workers: [{address: 3001, name: \"a b\"}]}}\n",
         "1:45: pools.w.workers[0].name: \"a b\" is no name; expected 1 to 64 letters, digits, _, . or -"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void value_words_are_their_enum(void **state)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    for (int i = 0; i < (int)ARRAY_SIZE(levels); i++) {
        struct config_value value = {.sealed = true};
        enum log_level level = LOG_DEBUG;
        enum log_level same = LOG_DEBUG;
        assert_int_equal(parse(&value, "log", "level", levels[i], &level), 0);
        assert_int_equal(log_parse_level(str_of(levels[i]), &same), 0);
        assert_int_equal(level, same);
        assert_int_equal(level, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_numbers),
        cmocka_unit_test(value_statuses),
        cmocka_unit_test(value_refuses_numbers),
        cmocka_unit_test(value_refuses_words),
        cmocka_unit_test(value_words_are_their_enum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
