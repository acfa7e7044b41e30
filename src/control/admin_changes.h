/* The list of changes as JSON, for the server that takes this one's place, which may be of another version.
 */
#ifndef CONTROL_ADMIN_CHANGES_H
#define CONTROL_ADMIN_CHANGES_H

#include <jansson.h>

#include "control/changes.h"

/* A new reference. */
json_t *admin_changes_json(const struct changes *changes);
/* What changes_json made; entries that make no sense are left out. 0 or -ERR_NO_MEMORY, with nothing read. */
MUST_CHECK int admin_changes_read(const json_t *list, struct changes *ret_changes);

#endif
