/* Writes the PROXY protocol's header, versions 1 and 2: what net/proxy_proto reads. Pure; any thread.
 */
#ifndef NET_PROXY_WRITE_H
#define NET_PROXY_WRITE_H

#include "net/proxy_proto.h"

enum { PROXY_WRITE_MAX = 1024 };

/* Of whose connection this one carries the bytes. */
struct proxy_facts {
    union proxy_address from, to; /* the client, and where it connected to; one without address: neither is told */
    struct str id;                /* of the connection, at most 128 bytes of it are told; empty: none */
    struct str alpn;              /* agreed on with the client, at most 255 bytes; empty: nothing was */
    struct str tls_version;       /* "TLSv1.3", at most 32 bytes; empty: it came without TLS */
    bool certified;               /* the client has shown a certificate, and it was good */
    bool resumed;                 /* but when its session of TLS began, not on this connection */
};

/* Into out, which has room for PROXY_WRITE_MAX; returns the header's length. facts NULL: nobody's connection, our own.
 */
size_t proxy_write_1(char *out, const struct proxy_facts *facts);
size_t proxy_write_2(char *out, const struct proxy_facts *facts);

#endif
