/* The manual: the committed file is what the table says, and its example loads. */
#include "control/config_reference.h"

#include <stdlib.h>

#include "control/directive.h"
#include "control_helper.h"

static void reference_is_current(void **state)
{
    char *printed = helper_print(config_reference_print);
    char *committed = helper_source("docs/configuration.md");
    if (committed == NULL || strcmp(printed, committed) != 0)
        fail_msg("docs/configuration.md is not current: ballast check --reference > docs/configuration.md");
    free(printed);
    free(committed);
}

static void reference_names_every_setting(void **state)
{
    char *printed = helper_print(config_reference_print);
    for (int block = 0; block < DIRECTIVE_BLOCK_COUNT; block++) {
        size_t count;
        const struct directive *list = directive_list((enum directive_block)block, &count);
        for (size_t i = 0; i < count; i++) {
            char cell[64];
            (void)snprintf(cell, sizeof(cell), "\n| `%s` | ", list[i].name);
            assert_non_null(strstr(printed, cell));
            assert_non_null(strstr(printed, list[i].sentence));
        }
    }
    free(printed);
}

static void reference_example_loads(void **state)
{
    char *printed = helper_print(config_reference_print);
    char *example = strstr(printed, "```yaml\n");
    assert_non_null(example);
    example += strlen("```yaml\n");
    char *end = strstr(example, "```\n");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(helper_errors(example), "");
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_current),
        cmocka_unit_test(reference_names_every_setting),
        cmocka_unit_test(reference_example_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
