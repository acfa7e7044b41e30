/* Called as a snapshot is made, behind config_tls: the rules keep the TLS that follows the header. */
#include "control/config_proxied.h"

#include <stdlib.h>

struct network config_network_of(const struct config_network *from)
{
    struct network network = {.bits = from->bits, .local = from->local};

    if (from->local)
        return network;
    if (from->v6) {
        memcpy(network.address, from->bytes, 16);
        return network;
    }
    network.address[10] = 0xff;
    network.address[11] = 0xff;
    memcpy(network.address + 12, from->bytes, 4);
    network.bits = (uint8_t)(96 + from->bits);
    return network;
}

int config_proxied_listener(const struct config *config, size_t listener, struct tls_ctx *tls,
                            struct proxied_rules **ret_rules)
{
    const struct config_proxy_protocol *from = &config->listeners.items[listener].proxy_protocol;
    struct proxied_options options = {
        .count = (uint32_t)from->from.count,
        .others_plain = from->others == CONFIG_OTHERS_PLAIN,
        .header_ms = from->timeout_ms,
        .tls = tls,
    };

    *ret_rules = NULL;
    if (options.count == 0)
        return 0;
    struct network *networks = calloc(options.count, sizeof(*networks)); /* start-up only: and once a reload */
    if (!networks)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < options.count; i++)
        networks[i] = config_network_of(&from->from.items[i]);
    options.from = networks;
    int error = proxied_create(&options, ret_rules);
    free(networks); /* start-up only: and once a reload */
    return error;
}
