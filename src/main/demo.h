/* `ballast demo`: a balancer and its demo workers in one process tree.
 */
#ifndef MAIN_DEMO_H
#define MAIN_DEMO_H

#include "main/options.h"

/* Starts the workers, runs the balancer over them until it is stopped, stops the workers. Returns the exit code. */
int demo_run(const struct options *options);

#endif
