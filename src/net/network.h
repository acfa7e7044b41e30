/* Networks of addresses, and who is in them. Pure; any thread.
 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;        /* 0 to 128 */
    bool local;          /* in place of an address: whoever comes through a Unix socket */
};

/* Is the address in one of them? Whoever has none (a Unix socket) is in those that are local. */
bool network_has(const struct network *networks, uint32_t count, const struct sockaddr *address);

#endif
