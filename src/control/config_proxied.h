/* From the words about other proxies in front of a listener to what its connections go by.
 */
#ifndef CONTROL_CONFIG_PROXIED_H
#define CONTROL_CONFIG_PROXIED_H

#include "control/config.h"
#include "net/proxied.h"

struct network config_network_of(const struct config_network *from);
/* What connections of a listener go by before tls (of that listener, or NULL) or plain bytes; the caller's reference.
 * NULL: the PROXY protocol is not spoken there. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_proxied_listener(const struct config *config, size_t listener, struct tls_ctx *tls,
                                       struct proxied_rules **ret_rules);

#endif
