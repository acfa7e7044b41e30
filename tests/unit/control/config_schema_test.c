/* The schema: well formed, and with every setting. That it is JSON is seen by reading it as the YAML that it is too. */
#include "control/config_schema.h"

#include <stdlib.h>

#include "control/config_yaml.h"
#include "control/directive.h"
#include "control_helper.h"

/* Depth of JSON's brackets outside of texts; the test fails when they do not match. */
static void check_brackets(const char *json)
{
    char open[64];
    size_t depth = 0;
    bool text = false;
    for (const char *p = json; *p != '\0'; p++) {
        if (text && *p == '\\')
            p++;
        else if (*p == '"')
            text = !text;
        else if (!text && (*p == '{' || *p == '['))
            open[depth++] = *p;
        else if (!text && (*p == '}' || *p == ']'))
            assert_true(depth > 0 && open[--depth] == (*p == '}' ? '{' : '['));
        assert_true(depth < sizeof(open));
    }
    assert_int_equal(depth, 0);
    assert_false(text);
}

static void schema_is_json(void **state)
{
    char *json = helper_print(config_schema_print);
    check_brackets(json);
    free(json);
}

/* The properties of the schema of one block, whatever stands around them. */
static const struct config_node *properties_of(const struct config_node *node)
{
    const struct config_node *found = config_node_find(node, STR("properties"));
    for (const struct config_node *child = node->first; child != NULL && found == NULL; child = child->next) {
        if (child->kind != CONFIG_NODE_TEXT)
            found = properties_of(child);
    }
    return found;
}

static void check_block(const struct config_node *node, enum directive_block block)
{
    const struct config_node *properties = properties_of(node);
    assert_non_null(properties);
    size_t count;
    const struct directive *list = directive_list(block, &count);
    assert_int_equal(properties->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct config_node *setting = config_node_find(properties, str_of(list[i].name));
        assert_non_null(setting);
        assert_string_equal(config_node_find(setting, STR("description"))->text.p, list[i].sentence);
        if (list[i].type == DIRECTIVE_BLOCK || list[i].type == DIRECTIVE_LIST || list[i].type == DIRECTIVE_MAP)
            check_block(setting, directive_child(&list[i]));
        else
            assert_non_null(config_node_find(setting, STR("anyOf")));
    }
}

static void schema_has_every_setting(void **state)
{
    char *json = helper_print(config_schema_print);
    struct arena arena;
    struct config_errors errors;
    struct config_node *root = NULL;
    arena_init(&arena, 1 << 24);
    config_errors_init(&errors);
    int result = config_yaml_parse(&arena, &errors, "schema", str_of(json), &root);
    /* Deeper than a configuration may be: then only the brackets were checked. */
    if (result != 0)
        fail_msg("%s", errors.items[0].text.p);
    assert_int_equal(errors.count, 0);
    check_block(root, DIRECTIVE_BLOCK_ROOT);
    config_errors_fini(&errors);
    arena_fini(&arena);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_json),
        cmocka_unit_test(schema_has_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
