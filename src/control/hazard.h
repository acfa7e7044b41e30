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
/* Adds a warning, `CODE: what is so here. Reason. Fix.`, for each that there is, where so many descriptors may be
 * opened. */
void hazard_find(const struct config *config, uint64_t descriptors, struct config_errors *errors);
/* How many descriptors a process started like this one may open; UINT64_MAX: as many as it wants. */
uint64_t hazard_descriptors(void);

#endif
