/* Values that name hosts: addresses, hosts of routes, networks.
 */
#ifndef CONTROL_CONFIG_ADDRESS_H
#define CONTROL_CONFIG_ADDRESS_H

#include "control/config_value.h"

/* Each as config_value_parse. An address whose host is a name is looked up, which may block; the first IPv4 address is
 * taken, and the first IPv6 address if there is none. */
MUST_CHECK int config_address_parse(struct config_value *value, const struct directive *directive, struct str text,
                                    struct config_address *ret_address);
/* The result is in lower case. */
MUST_CHECK int config_address_host(struct config_value *value, const struct directive *directive, struct str text,
                                   struct str *ret_host);
MUST_CHECK int config_address_network(struct config_value *value, struct str text, struct config_network *ret_network);

#endif
