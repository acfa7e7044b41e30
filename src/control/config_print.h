/* What `ballast check` says: about a file, and about settings in general.
 */
#ifndef CONTROL_CONFIG_PRINT_H
#define CONTROL_CONFIG_PRINT_H

#include <stdio.h>

#include "control/config.h"

/* Each error and warning on a line, and how many were left out. */
void config_print_errors(FILE *out, const struct config_errors *errors);
/* Loads path with flags and says what is wrong with it, or `FILE: ok (2 listeners, 1 pool, 3 workers, 1 route)`.
 * Returns the program's exit code: 0 good (warnings allowed), 1 not. */
int config_check_print(const char *path, const struct config_flags *flags, FILE *out);
/* Every setting at its default, as a file that loads. */
void config_print_defaults(FILE *out);

#endif
