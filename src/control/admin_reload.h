/* Reloads, as the administration API asks for them and tells of them.
 */
#ifndef CONTROL_ADMIN_RELOAD_H
#define CONTROL_ADMIN_RELOAD_H

#include "control/admin.h"
#include "control/reload.h"

/* A Reload of admin_object.def; a new reference. */
json_t *admin_reload_json(const struct reload_entry *entry);

#endif
