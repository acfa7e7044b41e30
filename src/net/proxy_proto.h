/* The PROXY protocol's header, versions 1 and 2: who the client of a connection is, told by the proxy that opened it.
 * haproxy.org's proxy-protocol.txt, of which each refusal names the section.
 *
 * Pure: bytes to addresses; no I/O, no allocation; any thread.
 */
#ifndef NET_PROXY_PROTO_H
#define NET_PROXY_PROTO_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/str.h"

/* A header is no longer than this, with all that it tells beside the addresses. */
enum { PROXY_PROTO_MAX = 4096 };
/* What version 2 begins with. */
#define PROXY_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
enum { PROXY_SIGNATURE_BYTES = 12 };

union proxy_address {
    struct sockaddr any; /* AF_UNSPEC: none (a Unix socket) */
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

struct proxy_told {
    bool local; /* nobody is told of: the connection is the proxy's own (a health check), or it does not say */
    union proxy_address from, to; /* the client, and where it connected to */
};

/* What stands at the front of the bytes: the header's length, with *ret_told; 0: it goes on; -ERR_PROXY_MISSING: there
 * is no header; -ERR_PROXY_HEADER: it is malformed; -ERR_PROXY_SIZE: it is longer than PROXY_PROTO_MAX. */
MUST_CHECK int proxy_proto_parse(struct str bytes, struct proxy_told *ret_told);

#endif
