/* Whatever the tables hold is in the help, in the manual page and in each completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "main/options_print.h"
#include "main/options_table.h"

static char *text;
static size_t length;

static FILE *begin(void)
{
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    return out;
}

/* `form` with the name in it stands in the text, for every option. */
static void expect_options(const char *form)
{
    for (size_t i = 0; i < option_rule_count; i++) {
        char expected[128];
        int n = 0;
        for (const char *p = form; *p != '\0'; p++)
            n += snprintf(expected + n, sizeof(expected) - (size_t)n, *p == '@' ? "%s" : "%.1s",
                          *p == '@' ? option_rules[i].name : p);
        if (!strstr(text, expected))
            print_error("no \"%s\"\n", expected);
        assert_non_null(strstr(text, expected));
    }
}

static void expect_commands(void)
{
    for (size_t i = 0; i < option_command_count; i++)
        assert_non_null(strstr(text, option_commands[i].name));
}

static void help_names_all(void **state)
{
    FILE *out = begin();
    options_print_help(out);
    assert_int_equal(fclose(out), 0);
    expect_options("--@ ");
    expect_commands();
    assert_non_null(strstr(text, "-c, --config FILE"));
    const char *line = text;
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        assert_true(end - line <= 110);
}

static void manual_names_all(void **state)
{
    FILE *out = begin();
    options_print_man(out);
    assert_int_equal(fclose(out), 0);
    expect_options("\\fB\\-\\-@\\fR");
    expect_commands();
}

static void completions_name_all(void **state)
{
    static const struct {
        const char *shell, *form;
    } shells[] = {{"bash", "--@"}, {"zsh", "'--@["}, {"fish", " -l @ "}};

    for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
        FILE *out = begin();
        assert_true(options_print_completion(out, shells[i].shell));
        assert_int_equal(fclose(out), 0);
        expect_options(shells[i].form);
        expect_commands();
    }
    FILE *out = begin();
    assert_false(options_print_completion(out, "csh"));
    assert_int_equal(fclose(out), 0);
    assert_int_equal(length, 0);
    free(text);
}

/* The scripts put sentences in single quotes. */
static void sentences_need_no_quoting(void **state)
{
    for (size_t i = 0; i < option_rule_count; i++)
        assert_null(strpbrk(option_rules[i].sentence, "'[]\\"));
    for (size_t i = 0; i < option_command_count; i++)
        assert_null(strpbrk(option_commands[i].sentence, "':[]\\"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_all),
        cmocka_unit_test(manual_names_all),
        cmocka_unit_test(completions_name_all),
        cmocka_unit_test(sentences_need_no_quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
