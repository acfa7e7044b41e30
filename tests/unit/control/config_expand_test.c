/* Variables: what each form becomes, and what is said about wrong ones. */
#include "control/config_expand.h"

#include <stdlib.h>

#include "base/err.h"
#include "control/config_yaml.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static struct config_node *text_node(struct arena *arena, const char *text)
{
    struct config_place place = {"f", 1, 1};
    struct config_node *node = config_node_create(arena, CONFIG_NODE_TEXT, &place);
    assert_non_null(node);
    node->text = str_of(text);
    return node;
}

static void expand_forms(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"${BALLAST_TEST_A}", "one"},
        {"x${BALLAST_TEST_A}y${BALLAST_TEST_A}z", "xoneyonez"},
        {"${BALLAST_TEST_A:-two}", "one"},
        {"${BALLAST_TEST_EMPTY}", ""},
        {"${BALLAST_TEST_EMPTY:-two}", "two"},
        {"${BALLAST_TEST_UNSET:-two}", "two"},
        {"${BALLAST_TEST_UNSET:-}", ""},
        {"${BALLAST_TEST_UNSET:-a:-b${}", "a:-b${"},
        {"$${BALLAST_TEST_A}", "${BALLAST_TEST_A}"},
        {"$$${BALLAST_TEST_A}", "$${BALLAST_TEST_A}"},
        {"$BALLAST_TEST_A", "$BALLAST_TEST_A"},
        {"a$", "a$"},
        {"}{$", "}{$"},
        {"${BALLAST_TEST_NESTED}", "${BALLAST_TEST_A}"}, /* never twice */
    };
    assert_int_equal(setenv("BALLAST_TEST_A", "one", 1), 0);
    assert_int_equal(setenv("BALLAST_TEST_EMPTY", "", 1), 0);
    assert_int_equal(setenv("BALLAST_TEST_NESTED", "${BALLAST_TEST_A}", 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct config_errors errors;
        arena_init(&arena, 1 << 20);
        config_errors_init(&errors);
        struct config_node *node = text_node(&arena, cases[i].text);
        assert_int_equal(config_expand(&arena, &errors, false, node), 0);
        assert_int_equal(errors.count, 0);
        assert_str(node->text, cases[i].expected);
        assert_false(node->bad);
        config_errors_fini(&errors);
        arena_fini(&arena);
    }
}

#define POOLS "pools: {w: {workers: [3001]}}\n"

static void expand_refusals(void **state)
{
    static const struct bad_case cases[] = {
        {"threads: ${NOPE}\n" POOLS,
         "1:10: the environment has no variable \"NOPE\"; set it, or write ${NOPE:-default}"},
        {"threads: ${NOPE\n" POOLS, "1:10: \"${\" has no end; write ${NAME}, or $${ for a plain ${"},
        {"threads: ${9x}\n" POOLS,
         "1:10: \"${9x}\" is malformed; write ${NAME}, ${NAME:-default}, or $${ for a plain ${"},
        {"threads: ${}\n" POOLS, "1:10: \"${}\" is malformed; write ${NAME}, ${NAME:-default}, or $${ for a plain ${"},
        {"threads: ${A:+x}\n" POOLS,
         "1:10: \"${A:+x}\" is malformed; write ${NAME}, ${NAME:-default}, or $${ for a plain ${"},
        {"threads: ${A b}\n" POOLS,
         "1:10: \"${A b}\" is malformed; write ${NAME}, ${NAME:-default}, or $${ for a plain ${"},
        /* One wrong variable hides nothing else, and is told once. */
        {"threads: ${NOPE}\nlimits: {headers: 0}\npools: {w: {workers: ['${NOPE}']}}\n",
         "1:10: the environment has no variable \"NOPE\"; set it, or write ${NOPE:-default}\n"
         "2:19: limits.headers: \"0\" is out of range; expected a whole number from 8 to 1000\n"
         "3:23: the environment has no variable \"NOPE\"; set it, or write ${NOPE:-default}"},
        /* A value cannot become structure. */
        {"limits: '${A:-{headers: 9}}'\n" POOLS, "1:9: limits: expected a mapping, found a text"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void expand_is_bounded(void **state)
{
    struct arena arena;
    struct config_errors errors;
    char *large = malloc(40001);
    assert_non_null(large);
    memset(large, 'x', 40000);
    large[40000] = '\0';
    assert_int_equal(setenv("BALLAST_TEST_LARGE", large, 1), 0);
    free(large);
    arena_init(&arena, 1 << 20);
    config_errors_init(&errors);
    struct config_node *node = text_node(&arena, "${BALLAST_TEST_LARGE}${BALLAST_TEST_LARGE}");
    assert_int_equal(config_expand(&arena, &errors, false, node), 0);
    assert_true(node->bad);
    assert_true(str_eq(errors.items[0].text, STR("f:1:1: the text is longer than 64 KiB with its variables")));
    config_errors_fini(&errors);
    arena_fini(&arena);
    assert_int_equal(unsetenv("BALLAST_TEST_LARGE"), 0);
}

static void expand_without_memory(void **state)
{
    struct arena arena;
    struct config_errors errors;
    arena_init(&arena, 64);
    config_errors_init(&errors);
    struct config_place place = {"f", 1, 1};
    struct config_node node = {.kind = CONFIG_NODE_TEXT, .place = place, .text = STR("${X:-0123456789}")};
    alloc_fail_at(1);
    assert_int_equal(config_expand(&arena, &errors, true, &node), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(config_expand(&arena, &errors, true, &node), 0);
    assert_str(node.text, "0123456789");
    config_errors_fini(&errors);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expand_forms),
        cmocka_unit_test(expand_refusals),
        cmocka_unit_test(expand_is_bounded),
        cmocka_unit_test(expand_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
