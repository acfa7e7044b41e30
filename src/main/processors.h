/* How many processors this process may really use.
 */
#ifndef MAIN_PROCESSORS_H
#define MAIN_PROCESSORS_H

#include <stdint.h>

/* The affinity mask's count, or less where a cgroup (version 2) quota allows less; at least 1. */
uint32_t processors_usable(void);
/* The same from a cgroup's cpu.max text ("200000 100000\n", "max 100000\n"): whole processors, rounded up; 0: no limit.
 */
uint32_t processors_of_quota(const char *text);

#endif
