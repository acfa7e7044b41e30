/* A loaded configuration as JSON, secrets hidden.
 */
#ifndef CONTROL_ADMIN_CONFIG_H
#define CONTROL_ADMIN_CONFIG_H

#include "control/admin.h"

/* The shape of the file, every setting with its value; the caller's reference, NULL without memory. */
json_t *admin_config_json(const struct config *config);

#endif
