/* From files of certificates and keys to what TLS connections go by: at the load, so that a configuration that names a
 * wrong one does not load, and none of them is looked for later.
 */
#ifndef CONTROL_CONFIG_TLS_H
#define CONTROL_CONFIG_TLS_H

#include "control/config.h"

enum { CONFIG_TLS_WARN_DAYS = 14 };

/* Fills in the contexts of a checked configuration; adds to errors what cannot be used, and warns of certificates that
 * end soon. now_s: seconds since 1970. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_tls_load(struct config *config, struct config_errors *errors, int64_t now_s);
/* Gives the contexts back. */
void config_tls_release(struct config *config);

#endif
