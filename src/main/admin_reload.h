/* `ballast reload`: has a balancer that runs read its configuration again, or say what that would change.
 */
#ifndef MAIN_ADMIN_RELOAD_H
#define MAIN_ADMIN_RELOAD_H

#include "main/options.h"

/* Asks, waits for what becomes of it, and prints it. 0 when it was applied or planned, 1 when it was not,
 * STATUS_EXIT_UNKNOWN when nobody could be asked. */
int admin_reload_run(const struct options *options);

#endif
