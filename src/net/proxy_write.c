/* Headers as a receiver that is strict takes them: both addresses of one family, one space, no more than it tells. */
#include "net/proxy_write.h"

#include <string.h>

#include "io/sock.h"

enum {
    TLV_ALPN = 0x01,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    CLIENT_SSL = 0x01,
    CLIENT_CERTIFIED_HERE = 0x02, /* on this connection */
    CLIENT_CERTIFIED = 0x04,      /* in its session of TLS */
    ID_MAX = 128,
    ALPN_MAX = 255,
    VERSION_MAX = 32,
};

static bool has_address(const union proxy_address *address)
{
    return address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
}

/* As IPv6 writes an IPv4 address. */
static void widen(union proxy_address *address)
{
    union proxy_address wide;

    if (address->any.sa_family == AF_INET6)
        return;
    memset(&wide, 0, sizeof(wide));
    wide.in6.sin6_family = AF_INET6;
    wide.in6.sin6_port = address->in4.sin_port;
    memset(wide.in6.sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(wide.in6.sin6_addr.s6_addr + 12, &address->in4.sin_addr, 4);
    *address = wide;
}

/* The two addresses in one family; false when there is nobody to tell of. */
static bool pair_of(const struct proxy_facts *facts, union proxy_address *ret_from, union proxy_address *ret_to)
{
    if (!facts || !has_address(&facts->from) || !has_address(&facts->to))
        return false;
    *ret_from = facts->from;
    *ret_to = facts->to;
    if (ret_from->any.sa_family != ret_to->any.sa_family) {
        widen(ret_from);
        widen(ret_to);
    }
    return true;
}

static char *put_host(char *at, const union proxy_address *address)
{
    struct sockaddr_storage storage = {0};

    memcpy(&storage, address, sizeof(*address));
    return at + sock_host_text(at, &storage).n;
}

static in_port_t port_of(const union proxy_address *address)
{
    return address->any.sa_family == AF_INET ? address->in4.sin_port : address->in6.sin6_port;
}

size_t proxy_write_1(char *out, const struct proxy_facts *facts)
{
    union proxy_address from, to;

    if (!pair_of(facts, &from, &to))
        return (size_t)(str_put(out, STR("PROXY UNKNOWN\r\n")) - out);
    char *at = str_put(out, from.any.sa_family == AF_INET ? STR("PROXY TCP4 ") : STR("PROXY TCP6 "));
    at = put_host(at, &from);
    *at++ = ' ';
    at = put_host(at, &to);
    *at++ = ' ';
    at += str_put_u64(at, ntohs(port_of(&from)));
    *at++ = ' ';
    at += str_put_u64(at, ntohs(port_of(&to)));
    return (size_t)(str_put(at, STR("\r\n")) - out);
}

/* ---- version 2 ---- */

static char *put_two(char *at, size_t n)
{
    *at++ = (char)(n >> 8);
    *at++ = (char)n;
    return at;
}

static char *put_tlv(char *at, char type, struct str value, size_t most)
{
    if (value.n == 0)
        return at;
    *at++ = type;
    at = put_two(at, value.n < most ? value.n : most);
    return str_put(at, str_slice(value.p, value.n < most ? value.n : most));
}

static char *put_bytes(char *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

/* Both addresses, then both ports. Returns the family's byte. */
static char put_pair(char **at, const struct proxy_facts *facts)
{
    union proxy_address from, to;

    if (!pair_of(facts, &from, &to))
        return 0x00;
    bool four = from.any.sa_family == AF_INET;
    in_port_t ports[] = {port_of(&from), port_of(&to)};
    *at = put_bytes(*at, four ? (void *)&from.in4.sin_addr : (void *)&from.in6.sin6_addr, four ? 4 : 16);
    *at = put_bytes(*at, four ? (void *)&to.in4.sin_addr : (void *)&to.in6.sin6_addr, four ? 4 : 16);
    *at = put_bytes(*at, ports, sizeof(ports));
    return four ? 0x11 : 0x21;
}

/* Section 2.2.6: what of the client's TLS there is, then its version inside of it. */
static char *put_tls(char *at, const struct proxy_facts *facts)
{
    char inner[5 + 3 + VERSION_MAX];
    char *end = inner;

    if (facts->tls_version.n == 0)
        return at;
    *end = CLIENT_SSL;
    if (facts->certified)
        *end |= facts->resumed ? CLIENT_CERTIFIED : CLIENT_CERTIFIED | CLIENT_CERTIFIED_HERE;
    end++;
    memset(end, 0, 4);
    end[3] = facts->certified ? 0 : 1; /* "zero if the client presented a certificate and it was verified" */
    end = put_tlv(end + 4, TLV_SSL_VERSION, facts->tls_version, VERSION_MAX);
    return put_tlv(at, TLV_SSL, str_slice(inner, (size_t)(end - inner)), sizeof(inner));
}

size_t proxy_write_2(char *out, const struct proxy_facts *facts)
{
    char *at = put_bytes(out, PROXY_SIGNATURE, PROXY_SIGNATURE_BYTES);
    char *family = at + 1, *length = at + 2, *begin = at + 4;

    *at = facts ? 0x21 : 0x20;
    at = begin;
    *family = put_pair(&at, facts);
    if (facts) {
        at = put_tlv(at, TLV_ALPN, facts->alpn, ALPN_MAX);
        at = put_tlv(at, TLV_UNIQUE_ID, facts->id, ID_MAX);
        at = put_tls(at, facts);
    }
    put_two(length, (size_t)(at - begin));
    return (size_t)(at - out);
}
