/* The document is a whole one, and docs/openapi.json is it. */
#include "control/admin_openapi.h"

#include <stdlib.h>

#include "control/admin_input.h"
#include "control_helper.h"

static void openapi_is_the_copy_in_docs(void **state)
{
    char *text = helper_print(admin_openapi_print), *copy = helper_source("docs/openapi.json");
    assert_non_null(copy);
    if (strcmp(text, copy) != 0)
        fail_msg("docs/openapi.json is out of date: write what `ballast check --openapi` prints");
    free(text);
    free(copy);
}

/* Every reference leads to an object, and every route is there. */
static void check_references(json_t *schemas, json_t *at)
{
    static const char prefix[] = "#/components/schemas/";
    const char *key;
    json_t *value;
    size_t index;

    json_object_foreach(at, key, value)
    {
        if (strcmp(key, "$ref") == 0) {
            assert_int_equal(strncmp(json_string_value(value), prefix, sizeof(prefix) - 1), 0);
            assert_non_null(json_object_get(schemas, json_string_value(value) + sizeof(prefix) - 1));
        }
        check_references(schemas, value);
    }
    json_array_foreach(at, index, value) check_references(schemas, value);
}

static void openapi_is_whole(void **state)
{
    json_t *document = admin_openapi_json();
    json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    json_t *paths = json_object_get(document, "paths");
    assert_non_null(schemas);
    check_references(schemas, document);
    for (size_t i = 0; i < admin_route_count; i++)
        assert_non_null(json_object_get(paths, admin_routes[i].path));
    assert_non_null(json_object_get(json_object_get(json_object_get(schemas, "Worker"), "properties"), "state"));
    json_decref(document);
}

/* Parameters and bodies are those of the table, each with a schema of its own. */
static void openapi_lists_what_may_be_said(void **state)
{
    json_t *document = admin_openapi_json(), *one;
    json_t *paths = json_object_get(document, "paths");
    size_t listed = 0, index;
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct admin_route *route = &admin_routes[i];
        char method[16] = {0};
        for (size_t k = 0; route->method_text[k]; k++)
            method[k] = str_lower(route->method_text[k]);
        json_t *operation = json_object_get(json_object_get(paths, route->path), method);
        json_array_foreach(json_object_get(operation, "parameters"), index, one)
        {
            struct str name = str_of(json_string_value(json_object_get(one, "name")));
            bool of_query = strcmp(json_string_value(json_object_get(one, "in")), "query") == 0;
            assert_true(!of_query || admin_input_find(route, false, name));
            listed += of_query;
        }
        json_t *body = json_object_get(operation, "requestBody");
        json_t *content = json_object_get(json_object_get(body, "content"), "application/json");
        json_t *members = json_object_get(json_object_get(content, "schema"), "properties");
        const char *key;
        json_object_foreach(members, key, one)
        {
            const struct admin_input *input = admin_input_find(route, true, str_of(key));
            assert_non_null(input);
            assert_string_equal(json_string_value(json_object_get(one, "description")), input->sentence);
            assert_int_equal(json_is_true(json_object_get(body, "required")), input->place != ADMIN_MAY);
            listed++;
        }
    }
    assert_int_equal(listed, admin_input_count);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openapi_is_the_copy_in_docs),
        cmocka_unit_test(openapi_is_whole),
        cmocka_unit_test(openapi_lists_what_may_be_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
