/* Trees: finding, replacing, merging, and keys given twice. */
#include "control/config_node.h"

#include "base/err.h"
#include "control/config_yaml.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

struct fixture {
    struct arena arena;
    struct config_errors errors;
};

static void fixture_init(struct fixture *fixture)
{
    arena_init(&fixture->arena, 1 << 20);
    config_errors_init(&fixture->errors);
}

static void fixture_fini(struct fixture *fixture)
{
    config_errors_fini(&fixture->errors);
    arena_fini(&fixture->arena);
}

static struct config_node *tree(struct fixture *fixture, const char *file, const char *text)
{
    struct config_node *root = NULL;
    assert_int_equal(config_yaml_parse(&fixture->arena, &fixture->errors, file, str_of(text), &root), 0);
    return root;
}

/* The tree on one line: {a:1,b:[2,3]} */
static size_t write_node(char *out, size_t room, const struct config_node *node)
{
    size_t n = 0;
    if (node->kind == CONFIG_NODE_TEXT)
        return (size_t)snprintf(out, room, "%.*s", STR_ARG(node->text));
    out[n++] = node->kind == CONFIG_NODE_MAP ? '{' : '[';
    size_t count = 0;
    for (const struct config_node *child = node->first; child != NULL; child = child->next, count++) {
        if (count > 0)
            out[n++] = ',';
        if (node->kind == CONFIG_NODE_MAP)
            n += (size_t)snprintf(out + n, room - n, "%.*s:", STR_ARG(child->key));
        n += write_node(out + n, room - n, child);
        assert_true(n + 2 < room);
    }
    assert_int_equal(node->count, count);
    out[n++] = node->kind == CONFIG_NODE_MAP ? '}' : ']';
    out[n] = '\0';
    return n;
}

static void check_tree(const struct config_node *node, const char *expected)
{
    char out[256];
    (void)write_node(out, sizeof(out), node);
    assert_string_equal(out, expected);
}

static void node_remove_and_put(void **state)
{
    struct fixture f;
    fixture_init(&f);
    struct config_node *map = tree(&f, "f", "{a: 1, b: 2, c: 3}");
    assert_null(config_node_find(map, STR("d")));
    assert_null(config_node_find(config_node_find(map, STR("a")), STR("a")));
    struct config_node *b = config_node_find(map, STR("b"));
    config_node_remove(map, b);
    check_tree(map, "{a:1,c:3}");
    config_node_remove(map, b);
    config_node_remove(map, NULL);
    check_tree(map, "{a:1,c:3}");
    config_node_remove(map, map->last);
    config_node_append(map, b);
    check_tree(map, "{a:1,b:2}");
    config_node_remove(map, map->first);
    check_tree(map, "{b:2}");
    config_node_put(map, config_node_find(tree(&f, "f", "{b: x}"), STR("b")));
    check_tree(map, "{b:x}");
    config_node_put(map, config_node_find(tree(&f, "f", "{a: y}"), STR("a")));
    check_tree(map, "{b:x,a:y}");
    fixture_fini(&f);
}

static void node_merge(void **state)
{
    static const struct {
        const char *base;
        const char *extra;
        const char *expected;
        const char *error; /* NULL: none */
    } cases[] = {
        {"{}", "{a: 1}", "{a:1}", NULL},
        {"{a: 1}", "{}", "{a:1}", NULL},
        {"{a: 1}", "{b: 2, c: 3}", "{a:1,b:2,c:3}", NULL},
        {"{a: [1, 2]}", "{a: [3, 4]}", "{a:[1,2,3,4]}", NULL},
        {"{a: []}", "{a: [1]}", "{a:[1]}", NULL},
        {"{a: {b: {c: 1}}}", "{a: {b: {d: [2]}, e: 3}}", "{a:{b:{c:1,d:[2]},e:3}}", NULL},
        {"{a: 1}", "{a: 2}", "{a:1}", "two:1:2: \"a\" is set here and at one:1:2"},
        {"{a: 1}", "{a: 1}", "{a:1}", "two:1:2: \"a\" is set here and at one:1:2"},
        {"{a: [1]}", "{a: {b: 1}}", "{a:[1]}", "two:1:2: \"a\" is set here and at one:1:2"},
        {"{x: {y: 1}}", "{x: {y: 2, z: 3}}", "{x:{y:1,z:3}}", "two:1:6: \"y\" is set here and at one:1:6"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        fixture_init(&f);
        struct config_node *base = tree(&f, "one", cases[i].base);
        config_node_merge(&f.errors, base, tree(&f, "two", cases[i].extra));
        check_tree(base, cases[i].expected);
        assert_int_equal(f.errors.count, cases[i].error != NULL);
        if (cases[i].error != NULL)
            assert_true(str_eq(f.errors.items[0].text, str_of(cases[i].error)));
        fixture_fini(&f);
    }
}

static void node_keys_given_twice(void **state)
{
    struct fixture f;
    fixture_init(&f);
    const struct config_node *map = tree(&f, "f", "{b: 1, a: 2, b: 3, '': 4, ab: 5, b: 6, '': 7}");
    check_tree(map, "{b:1,a:2,:4,ab:5}");
    assert_int_equal(f.errors.count, 3);
    config_errors_sort(&f.errors);
    assert_true(str_eq(f.errors.items[0].text, STR("f:1:14: key \"b\" is given twice; first at f:1:2")));
    assert_true(str_eq(f.errors.items[1].text, STR("f:1:34: key \"b\" is given twice; first at f:1:2")));
    assert_true(str_eq(f.errors.items[2].text, STR("f:1:40: key \"\" is given twice; first at f:1:20")));
    fixture_fini(&f);
}

static void node_without_memory(void **state)
{
    struct fixture f;
    fixture_init(&f);
    struct config_place place = {"f", 1, 1};
    alloc_fail_at(1);
    assert_null(config_node_create(&f.arena, CONFIG_NODE_MAP, &place));
    assert_true(alloc_fail_stop());
    alloc_fail_at(1);
    assert_null(config_text_copy(&f.arena, STR("x")).p);
    assert_true(alloc_fail_stop());
    assert_str(config_text_copy(&f.arena, STR("x")), "x");
    assert_str(config_text_copy(&f.arena, STR("")), "");
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_remove_and_put),
        cmocka_unit_test(node_merge),
        cmocka_unit_test(node_keys_given_twice),
        cmocka_unit_test(node_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
