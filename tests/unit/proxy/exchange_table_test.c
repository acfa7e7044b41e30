/* The table of steps, and the diagram of it in ARCHITECTURE.md: UPDATE=1 in the environment writes it anew. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/exchange.h"
#include "world.h"

enum { TEXT_MAX = 1 << 20 };
static const char begin_mark[] = "<!-- exchange -->\n", end_mark[] = "<!-- /exchange -->\n";

/* The ways between the steps as a picture, and what each step does as a table. */
static void print_diagram(char *text, size_t room)
{
    FILE *out = fmemopen(text, room, "w");
    assert_non_null(out);
    (void)fprintf(out, "```mermaid\nstateDiagram-v2\n    [*] --> %s\n", exchange_step_name(0));
    for (unsigned from = 0; from < EXCHANGE_STEPS; from++)
        for (unsigned to = 0; to < EXCHANGE_STEPS; to++)
            if (exchange_step_next(from) & (1U << to))
                (void)fprintf(out, "    %s --> %s\n", exchange_step_name(from), exchange_step_name(to));
    (void)fprintf(out, "    %s --> [*]\n```\n\n", exchange_step_name(EXCHANGE_ACCOUNT));
    (void)fprintf(out, "| step | what it does |\n|---|---|\n");
    for (unsigned step = 0; step < EXCHANGE_STEPS; step++)
        (void)fprintf(out, "| %s | %s |\n", exchange_step_name(step), exchange_step_what(step));
    assert_int_equal(fclose(out), 0);
}

static char *read_page(void)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *file = fopen(SOURCE_ROOT "/ARCHITECTURE.md", "r");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, TEXT_MAX - 1, file) < TEXT_MAX - 1);
    (void)fclose(file);
    return text;
}

static void write_page(const char *page, const char *begin, const char *diagram, const char *end)
{
    FILE *file = fopen(SOURCE_ROOT "/ARCHITECTURE.md", "w");
    assert_non_null(file);
    (void)fprintf(file, "%.*s%s%s", (int)(begin - page), page, diagram, end);
    assert_int_equal(fclose(file), 0);
}

static void table_is_drawn_in_the_architecture(void **state)
{
    char diagram[8192];
    char *page = read_page();
    char *begin = strstr(page, begin_mark);
    assert_non_null(begin);
    begin += strlen(begin_mark);
    char *end = strstr(begin, end_mark);
    assert_non_null(end);
    print_diagram(diagram, sizeof(diagram));
    if (getenv("UPDATE")) {
        write_page(page, begin, diagram, end);
    } else if ((size_t)(end - begin) != strlen(diagram) || strncmp(begin, diagram, strlen(diagram)) != 0) {
        fail_msg("ARCHITECTURE.md does not show the steps as they are; run this test with UPDATE=1:\n%s", diagram);
    }
    free(page);
}

/* Every step is reached from the first, ACCOUNT is the only end, and it is reached from each. */
static void table_has_one_way_out(void **state)
{
    unsigned reached = 1, ending = 1U << EXCHANGE_ACCOUNT;
    for (int round = 0; round < EXCHANGE_STEPS; round++) {
        for (unsigned step = 0; step < EXCHANGE_STEPS; step++) {
            if ((reached >> step) & 1)
                reached |= exchange_step_next(step);
            if (exchange_step_next(step) & ending)
                ending |= 1U << step;
        }
    }
    assert_int_equal(reached, (1U << EXCHANGE_STEPS) - 1);
    assert_int_equal(ending, (1U << EXCHANGE_STEPS) - 1);
    for (unsigned step = 0; step < EXCHANGE_STEPS; step++) {
        assert_int_equal(exchange_step_next(step) == 0, step == EXCHANGE_ACCOUNT);
        assert_false(exchange_step_next(step) & (1U << step)); /* waiting is no transition */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_drawn_in_the_architecture),
        cmocka_unit_test(table_has_one_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
