/* `ballast worker`: adds, removes, drains and weighs workers of a balancer that runs, and says how they differ from the
 * file.
 */
#ifndef MAIN_ADMIN_WORKER_H
#define MAIN_ADMIN_WORKER_H

#include "main/options.h"

/* What the words of such a command are to be; NULL: they are. */
const char *admin_worker_misuse(const struct options *options);
/* Asks, and prints what it came to. 0 when it was done, 1 when it was not, and why is said. */
int admin_worker_run(const struct options *options);

#endif
