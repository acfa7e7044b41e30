/* The same rows as config_reference prints for the web, here for the terminal of whoever has no network. */
#include "control/config_man.h"

#include "control/directive.h"
#include "control/roff.h"

static void print_setting(FILE *out, const struct directive *directive)
{
    char kind[DIRECTIVE_TEXT_MAX];

    directive_describe(directive, kind, sizeof(kind));
    (void)fputs(".TP\n\\fB", out);
    roff_words(out, directive->name);
    (void)fputs("\\fR: \\fI", out);
    roff_words(out, kind);
    (void)fputs("\\fR", out);
    if (directive->initial == NULL) {
        (void)fputs(", must be given", out);
    } else if (directive->initial[0] != '\0') {
        (void)fputs(", default ", out);
        roff_words(out, directive->initial);
    }
    (void)fputc('\n', out);
    roff_text(out, directive->sentence);
}

void config_man_print(FILE *out)
{
    (void)fputs(".TH BALLAST.YAML 5 \"\" \"Ballast " BALLAST_VERSION "\"\n.SH NAME\n"
                "ballast.yaml \\- configuration of ballast(8)\n.SH DESCRIPTION\n"
                "YAML, or JSON; what is wrong with a file is said by\n.BR \"ballast check \\-c\" \" FILE\".\n"
                "Durations are written as 500ms, 2s, 1m or 1h, sizes as 8192 or 32KiB.\n",
                out);
    for (int block = 0; block < DIRECTIVE_BLOCK_COUNT; block++) {
        const struct directive_block_info *info = directive_block_info((enum directive_block)block);
        size_t count;
        const struct directive *list = directive_list((enum directive_block)block, &count);
        (void)fputs(".SH \"", out);
        roff_words(out, info->where);
        (void)fputs("\"\n", out);
        roff_text(out, info->sentence);
        for (size_t i = 0; i < count; i++)
            print_setting(out, &list[i]);
    }
    (void)fputs(".SH SEE ALSO\n.BR ballast (8)\n", out);
}
