/* `ballast top`: the administration API as a live terminal screen.
 */
#ifndef MAIN_ADMIN_TOP_H
#define MAIN_ADMIN_TOP_H

#include "main/options.h"

/* Runs until q is pressed. Returns how the process should exit. */
int admin_top_run(const struct options *options);

#endif
