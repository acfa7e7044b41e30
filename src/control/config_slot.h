/* Places in shared memory for configurations: the keeper has one filled and tells its server which; the server only
 * reads. With three, one can be loaded while the newest and the one before it stay.
 */
#ifndef CONTROL_CONFIG_SLOT_H
#define CONTROL_CONFIG_SLOT_H

#include "control/config.h"

enum { CONFIG_SLOTS = 3, CONFIG_SLOT_TEXT_MAX = 4000 };

struct config_slot {
    struct region region;
};

/* 0 or a negative code. */
MUST_CHECK int config_slot_create(struct config_slot *slot);
void config_slot_destroy(struct config_slot *slot);
/* Loads in place of what was there, as config_load does; may run in a child of whoever made the slot. What is wrong is
 * written on standard error and kept. Returns what config_load returned. */
MUST_CHECK int config_slot_load(struct config_slot *slot, const char *path, const struct config_flags *flags);
/* NULL: the last load failed, or there was none. */
struct config *config_slot_config(const struct config_slot *slot);
/* What was wrong, a line each; warnings too. */
const char *config_slot_text(const struct config_slot *slot);

#endif
