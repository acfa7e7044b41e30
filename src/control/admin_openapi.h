/* The OpenAPI document of the administration API, made from admin.def, admin_input.def and
 * admin_object.def.
 */
#ifndef CONTROL_ADMIN_OPENAPI_H
#define CONTROL_ADMIN_OPENAPI_H

#include <stdio.h>

#include <jansson.h>

/* The caller's reference; NULL without memory. */
json_t *admin_openapi_json(void);
/* The same as text with line ends, for docs/openapi.json. */
void admin_openapi_print(FILE *out);

#endif
