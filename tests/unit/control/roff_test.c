/* What roff would take for its own must come out as text. */
#include <stdio.h>
#include <stdlib.h>

#include "control_helper.h"

#include "control/config_man.h"
#include "control/directive.h"
#include "control/roff.h"

static void texts_are_escaped(void **state)
{
    static const struct {
        const char *text, *roff;
    } cases[] = {
        {"plain", "plain\n"},
        {"a line\n", "a line\n"},
        {"`code` and --option", "\\fBcode\\fR and \\-\\-option\n"},
        {".not a request\n'nor this", "\\&.not a request\n\\&'nor this\n"},
        {"back\\slash", "back\\eslash\n"},
        {"`open", "\\fBopen\\fR\n"},
        {"", "\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);
        assert_non_null(out);
        roff_text(out, cases[i].text);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, cases[i].roff);
        free(text);
    }
}

static void manual_names_every_setting(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    config_man_print(out);
    assert_int_equal(fclose(out), 0);
    for (int block = 0; block < DIRECTIVE_BLOCK_COUNT; block++) {
        size_t count;
        const struct directive *list = directive_list((enum directive_block)block, &count);
        for (size_t i = 0; i < count; i++) {
            char item[64];
            (void)snprintf(item, sizeof(item), ".TP\n\\fB%s\\fR: ", list[i].name);
            assert_non_null(strstr(text, item));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(manual_names_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
