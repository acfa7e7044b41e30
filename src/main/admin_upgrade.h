/* `ballast upgrade`: has the program that is now installed take the place of one that runs.
 */
#ifndef MAIN_ADMIN_UPGRADE_H
#define MAIN_ADMIN_UPGRADE_H

#include "main/options.h"

/* Asks, waits for what becomes of it, and prints it. 0 when it was done, 1 when the server before goes on,
 * STATUS_EXIT_UNKNOWN when nobody could be asked. */
int admin_upgrade_run(const struct options *options);

#endif
