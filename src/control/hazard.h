/* What a configuration allows and its operator may regret: settings that are right one by one and not together.
 *
 * For `ballast check`, after a configuration was loaded; nothing here keeps one from starting.
 */
#ifndef CONTROL_HAZARD_H
#define CONTROL_HAZARD_H

#include "control/config.h"

enum hazard {
#define HAZARD(name, code, reason, fix) HAZARD_##name,
#include "control/hazard.def"
#undef HAZARD
    HAZARD_COUNT
};

const char *hazard_code(enum hazard hazard);
/* What a process on this machine has. */
struct hazard_means {
    uint64_t descriptors; /* that it may open */
    bool kernel_tls;
};

/* Adds a warning, `CODE: what is so here. Reason. Fix.`, for each that there is with such means. */
void hazard_find(const struct config *config, const struct hazard_means *means, struct config_errors *errors);
/* Those of a process started like this one. */
struct hazard_means hazard_means(void);
/* How many descriptors a process started like this one may open; UINT64_MAX: as many as it wants. */
uint64_t hazard_descriptors(void);

#endif
