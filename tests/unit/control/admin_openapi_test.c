/* The document is a whole one, and docs/openapi.json is it. */
#include "control/admin_openapi.h"

#include <stdlib.h>

#include "control/admin_route.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openapi_is_the_copy_in_docs),
        cmocka_unit_test(openapi_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
