/* The subset of YAML: what is refused and where, and what is the same although written differently. */
#include "control/config_yaml.h"

#include <stdlib.h>

#include "base/err.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

#define POOLS "pools: {w: {workers: [3001]}}\n"

static void yaml_refuses_what_surprises(void **state)
{
    static const struct bad_case cases[] = {
        {"pools: &a {w: {workers: [3001]}}\n", "1:8: anchors are not supported; write the value out"},
        {"threads: &n 2\n" POOLS, "1:10: anchors are not supported; write the value out"},
        {"a: *x\n", "1:4: aliases are not supported; write the value out"},
        {"pools: !!map {w: {workers: [3001]}}\n", "1:8: tags are not supported; types follow from the setting"},
        {"listeners: !x [80]\n" POOLS, "1:12: tags are not supported; types follow from the setting"},
        {"threads: !!int 2\n" POOLS, "1:10: tags are not supported; types follow from the setting"},
        {"threads: ! 2\n" POOLS, "1:10: tags are not supported; types follow from the setting"},
        {"%YAML 1.1\n---\n" POOLS, "1:1: directives are not supported"},
        {"%TAG ! tag:x,2000:\n---\n" POOLS, "1:1: directives are not supported"},
        {POOLS "---\n" POOLS, "2:1: the file has more than one document"},
        {"pools:\n  w:\n    <<: {a: b}\n    workers: [3001]\n",
         "3:5: merge keys are not supported; write the settings out"},
        {"threads: 1\nthreads: 2\n" POOLS, "2:1: key \"threads\" is given twice; first at ballast.yaml:1:1"},
        {"threads: 1\n'threads': 2\n\"thr\\x65ads\": 3\n" POOLS,
         "2:1: key \"threads\" is given twice; first at ballast.yaml:1:1\n"
         "3:1: key \"threads\" is given twice; first at ballast.yaml:1:1"},
        {"pools:\n  w: {workers: [3001]}\n  w: {workers: [3002]}\n",
         "3:3: key \"w\" is given twice; first at ballast.yaml:2:3"},
        {"threads: \xff\n", "1:10: the file is not UTF-8"},
        {"# \xc3\xa9\xc3\xa9\n# \xc3\xa9 \xc3(\n", "2:6: the file is not UTF-8"},
        {"\xff\xfet\n", "1:1: the file is not UTF-8"},
        {"threads: \x01\n", "1:10: the file has a control character"},
        {"threads: \"\\0\"\n" POOLS, "1:10: the text has a control character"},
        {"\"a\\x1b\": 1\n" POOLS, "1:1: the text has a control character"},
        {"pools:\n\tw:\n", "2:1: a tab cannot indent; use spaces"},
        {"pools: {w: {workers: [3001]\n", "2:1: did not find expected ',' or '}' while parsing a flow mapping"},
        {"pools: web: x\n", "1:11: mapping values are not allowed in this context"},
        {"pools:\n  w:\n    workers:\n   - 3001\n", "4:4: did not find expected key while parsing a block mapping"},
        {"threads: \"\\q\"\n", "1:11: found unknown escape character while parsing a quoted scalar"},
        {"? {a: b}\n: c\n", "1:3: a key must be a plain text"},
        {"[a]: c\n", "1:1: a key must be a plain text"},
        {"a: [[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]\n", "1:27: the nesting is deeper than 24 levels"},
        {"- a\n", "1:1: expected a mapping of settings, found a list"},
        {"hello\n", "1:1: expected a mapping of settings, found a text"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void yaml_refuses_long_texts(void **state)
{
    enum { LONG = CONFIG_YAML_TEXT_MAX + 1 };
    char *text = malloc(LONG + 64);
    assert_non_null(text);
    memset(text, 'x', LONG + 64);
    memcpy(text, "threads: |\n  ", 13);
    memcpy(text + 13 + LONG, "\n", 2);
    assert_string_equal(helper_errors(text), "1:10: the text is longer than 64 KiB");
    free(text);
}

static struct config_node *parse(struct arena *arena, const char *text)
{
    struct config_errors errors;
    struct config_node *root = NULL;
    config_errors_init(&errors);
    assert_int_equal(config_yaml_parse(arena, &errors, "f", str_of(text), &root), 0);
    assert_int_equal(errors.count, 0);
    config_errors_fini(&errors);
    return root;
}

static void yaml_builds_the_tree(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct config_node *root = parse(&arena, "a: 1\nb:\n  - x\n  - {k: \"v\\n\"}\nc:\n");
    assert_int_equal(root->kind, CONFIG_NODE_MAP);
    assert_int_equal(root->count, 3);
    const struct config_node *list = config_node_find(root, STR("b"));
    assert_int_equal(list->kind, CONFIG_NODE_LIST);
    assert_int_equal(list->count, 2);
    assert_str(list->first->text, "x");
    assert_int_equal(list->first->place.line, 3);
    assert_int_equal(list->first->place.column, 5);
    assert_int_equal(list->key_place.line, 2);
    assert_str(list->last->first->text, "v\n");
    const struct config_node *blank = config_node_find(root, STR("c"));
    assert_true(blank->blank);
    assert_int_equal(blank->place.line, 5);
    assert_false(config_node_find(parse(&arena, "c: ''"), STR("c"))->blank);
    assert_true(parse(&arena, "")->blank);
    assert_true(parse(&arena, "# nothing\n")->blank);
    arena_fini(&arena);
}

static void yaml_takes_every_spelling(void **state)
{
    static const char *const spellings[] = {
        "a: {b: 2s, c: [x, y]}\n",
        "a:\n  b: 2s\n  c:\n    - x\n    - y\n",
        "---\na:\n  b: '2s'\n  c:\n  - x\n  - \"y\"\n...\n",
        "{\"a\": {\"b\": \"2s\", \"c\": [\"x\", \"y\"]}}",
        "{\"a\":{\"b\":\"2s\",\"c\":[\"x\",\"\\u0079\"]}}",
        "\xEF\xBB\xBF{\n\t\"a\": {\"b\": \"2s\",\n\t\t\"c\": [\n\"x\",\"y\"]}\n}\n",
        "a: # comment\r\n  b: 2s\r\n  c: [x,\r\n    y]\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        const struct config_node *a = config_node_find(parse(&arena, spellings[i]), STR("a"));
        assert_non_null(a);
        assert_str(config_node_find(a, STR("b"))->text, "2s");
        const struct config_node *list = config_node_find(a, STR("c"));
        assert_int_equal(list->count, 2);
        assert_str(list->first->text, "x");
        assert_str(list->last->text, "y");
        arena_fini(&arena);
    }
}

static void yaml_survives_no_memory(void **state)
{
    for (unsigned n = 1;; n++) {
        struct arena arena;
        struct config_errors errors;
        struct config_node *root = NULL;
        arena_init(&arena, 1 << 20);
        config_errors_init(&errors);
        alloc_fail_at(n);
        int result = config_yaml_parse(&arena, &errors, "f", STR("a: [1, 2]\nb: {c: d, c: e}\nb: &x f\n"), &root);
        bool failed = alloc_fail_stop();
        size_t count = errors.count;
        config_errors_fini(&errors);
        arena_fini(&arena);
        if (!failed) {
            assert_int_equal(result, 0);
            assert_int_equal(count, 3);
            break;
        }
        assert_true(result == -ERR_NO_MEMORY || result == 0); /* 0: only the text of an error was lost */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_refuses_what_surprises), cmocka_unit_test(yaml_refuses_long_texts),
        cmocka_unit_test(yaml_builds_the_tree),        cmocka_unit_test(yaml_takes_every_spelling),
        cmocka_unit_test(yaml_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
