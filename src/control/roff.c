/* One small escaper for both manual pages; called by the commands that print them. */
#include "control/roff.h"

#include <stdbool.h>

void roff_words(FILE *out, const char *text)
{
    bool code = false, line_begins = true;

    for (const char *p = text; *p != '\0'; p++) {
        if (line_begins && (*p == '.' || *p == '\''))
            (void)fputs("\\&", out);
        line_begins = *p == '\n';
        switch (*p) {
        case '\\': (void)fputs("\\e", out); break;
        case '-': (void)fputs("\\-", out); break;
        case '`':
            code = !code;
            (void)fputs(code ? "\\fB" : "\\fR", out);
            break;
        default: (void)fputc(*p, out); break;
        }
    }
    if (code)
        (void)fputs("\\fR", out);
}

void roff_text(FILE *out, const char *text)
{
    size_t n = 0;

    roff_words(out, text);
    while (text[n] != '\0')
        n++;
    if (n == 0 || text[n - 1] != '\n')
        (void)fputc('\n', out);
}
