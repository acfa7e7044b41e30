/* Sentences of the tables as man(7) source: what roff would take for its own is escaped, `code` becomes bold.
 */
#ifndef CONTROL_ROFF_H
#define CONTROL_ROFF_H

#include <stdio.h>

/* The text, ended by a new line. */
void roff_text(FILE *out, const char *text);
/* The same without a new line at its end. */
void roff_words(FILE *out, const char *text);

#endif
