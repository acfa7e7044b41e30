/* What an operator may do to workers: add, remove, drain, disable, ready, weigh; and what came of it, beside the file.
 */
#ifndef CONTROL_ADMIN_WORKERS_H
#define CONTROL_ADMIN_WORKERS_H

#include "control/admin.h"

/* The server ends: who waits for a worker to come or go is answered. */
void admin_workers_stop(struct admin *admin);

#endif
