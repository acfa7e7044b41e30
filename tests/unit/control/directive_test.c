/* The table of settings: that its rows make sense, and the nearest word. */
#include "control/directive.h"

#include "control/config_value.h"
#include "control_helper.h"

static void check_numbers(const struct directive *directive)
{
    uint64_t min;
    uint64_t max;
    uint64_t initial = 0;
    assert_int_equal(config_value_number(directive, str_of(directive->min), &min), 0);
    assert_int_equal(config_value_number(directive, str_of(directive->max), &max), 0);
    assert_true(min < max);
    if (directive->type != DIRECTIVE_SIZE)
        assert_true(max <= UINT32_MAX);
    assert_non_null(directive->initial);
    if (directive->words[0] != '\0' && strcmp(directive->words, directive->initial) == 0)
        return;
    assert_int_equal(config_value_number(directive, str_of(directive->initial), &initial), 0);
    assert_true(initial >= min && initial <= max);
}

static void check_row(const struct directive *directive)
{
    char text[DIRECTIVE_TEXT_MAX];
    directive_describe(directive, text, sizeof(text));
    assert_true(strlen(text) > 3 && strlen(text) < DIRECTIVE_TEXT_MAX - 1);
    size_t n = strlen(directive->sentence);
    assert_true(n > 10 && directive->sentence[n - 1] == '.');
    assert_ptr_equal(directive_find(directive->block, str_of(directive->name)), directive);
    switch (directive->type) {
    case DIRECTIVE_INTEGER:
    case DIRECTIVE_PERCENT:
    case DIRECTIVE_SIZE:
    case DIRECTIVE_DURATION: check_numbers(directive); break;
    case DIRECTIVE_WORD: assert_true(directive->words[0] != '\0'); break;
    case DIRECTIVE_BLOCK:
    case DIRECTIVE_LIST:
    case DIRECTIVE_MAP:
        assert_string_equal(directive_block_info(directive_child(directive))->key, directive->name);
        break;
    default: break;
    }
}

static void directive_rows(void **state)
{
    for (int block = 0; block < DIRECTIVE_BLOCK_COUNT; block++) {
        const struct directive_block_info *info = directive_block_info((enum directive_block)block);
        size_t count;
        const struct directive *list = directive_list((enum directive_block)block, &count);
        for (size_t i = 0; i < count; i++) {
            assert_true(list[i].offset < info->bytes);
            check_row(&list[i]);
        }
        if (info->short_form[0] != '\0')
            assert_non_null(directive_find((enum directive_block)block, str_of(info->short_form)));
    }
}

static void directive_nearest_names(void **state)
{
    static const struct {
        enum directive_block block;
        const char *word;
        const char *nearest; /* NULL: none */
    } cases[] = {
        {DIRECTIVE_BLOCK_ROOT, "listener", "listeners"},
        {DIRECTIVE_BLOCK_ROOT, "polls", "pools"},
        {DIRECTIVE_BLOCK_ROOT, "access-log", "access_log"},
        {DIRECTIVE_BLOCK_ROOT, "lgo", "log"},
        {DIRECTIVE_BLOCK_ROOT, "banana", NULL},
        {DIRECTIVE_BLOCK_ROOT, "", NULL},
        {DIRECTIVE_BLOCK_ROOT, "x", NULL},
        {DIRECTIVE_BLOCK_POOL, "worker", "workers"},
        {DIRECTIVE_BLOCK_POOL, "wokers", "workers"},
        {DIRECTIVE_BLOCK_HEALTH, "rose", "rise"},
        {DIRECTIVE_BLOCK_TIMEOUTS, "conect", "connect"},
        {DIRECTIVE_BLOCK_WORKER, "wieght", "weight"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *nearest = directive_nearest(cases[i].block, str_of(cases[i].word));
        if (cases[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
}

static void directive_descriptions(void **state)
{
    static const struct {
        enum directive_block block;
        const char *name;
        const char *expected;
    } cases[] = {
        {DIRECTIVE_BLOCK_TIMEOUTS, "connect", "a duration from 1ms to 10m"},
        {DIRECTIVE_BLOCK_ROOT, "threads", "auto or a whole number from 1 to 256"},
        {DIRECTIVE_BLOCK_LOG, "level", "debug, info, warn, error or off"},
        {DIRECTIVE_BLOCK_LOG, "format", "text or json"},
        {DIRECTIVE_BLOCK_METRICS, "enabled", "true or false"},
        {DIRECTIVE_BLOCK_POOL, "balance", "round-robin"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[DIRECTIVE_TEXT_MAX];
        const struct directive *directive = directive_find(cases[i].block, str_of(cases[i].name));
        directive_describe(directive, text, sizeof(text));
        assert_string_equal(text, cases[i].expected);
        char cut[6];
        directive_describe(directive, cut, sizeof(cut));
        assert_true(strlen(cut) < sizeof(cut));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directive_rows),
        cmocka_unit_test(directive_nearest_names),
        cmocka_unit_test(directive_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
