/* One way to compare for both families: an IPv4 address stands as IPv6 writes it, however it came. */
#include "net/network.h"

#include <netinet/in.h>
#include <string.h>

static bool address_bytes(const struct sockaddr *address, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    memcpy(out, mapped, sizeof(mapped));
    memcpy(out + sizeof(mapped), &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return true;
}

static bool in_one(const uint8_t address[16], const struct network *network)
{
    uint32_t whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(address, network->address, whole) != 0)
        return false;
    return rest == 0 || ((address[whole] ^ network->address[whole]) >> (8 - rest)) == 0;
}

bool network_has(const struct network *networks, uint32_t count, const struct sockaddr *address)
{
    uint8_t bytes[16];
    bool local = !address_bytes(address, bytes);

    for (uint32_t i = 0; i < count; i++)
        if (networks[i].local == local && (local || in_one(bytes, &networks[i])))
            return true;
    return false;
}
