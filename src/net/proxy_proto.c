/* Strict, because whoever may send this header decides who the client is: one way to write each thing, and everything
 * else is refused. Called by proxied.c with what has come so far, and by nobody who has not checked the sender. */
#include "net/proxy_proto.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"

#define PREFIX_1 "PROXY "

enum {
    LINE_MAX = 107,   /* section 2.1: the longest line, with its end */
    FRONT_BYTES = 16, /* of version 2: signature, command, family, length */
    TLV_HEAD = 3,
    TLV_CRC32C = 3,
};

/* ---- version 1, section 2.1 ---- */

/* The next word of the line and the one space behind it; empty when there is none. */
static struct str take_word(struct str *line)
{
    size_t n = str_find(*line, ' ');
    struct str word = str_slice(line->p, n);
    size_t skip = n < line->n ? n + 1 : n;

    *line = str_slice(line->p + skip, line->n - skip);
    return word;
}

static bool read_host(struct str word, int family, union proxy_address *address)
{
    char text[INET6_ADDRSTRLEN];
    void *to = family == AF_INET ? (void *)&address->in4.sin_addr : (void *)&address->in6.sin6_addr;

    if (word.n == 0 || word.n >= sizeof(text) || str_find(word, '\0') < word.n)
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    address->any.sa_family = (sa_family_t)family;
    return inet_pton(family, text, to) == 1;
}

static bool read_port(struct str word, union proxy_address *address)
{
    uint64_t port;

    if (word.n > 5 || (word.n > 1 && word.p[0] == '0') || str_parse_u64(word, 65535, &port) != 0)
        return false;
    if (address->any.sa_family == AF_INET)
        address->in4.sin_port = htons((uint16_t)port);
    else
        address->in6.sin6_port = htons((uint16_t)port);
    return true;
}

static bool read_line(struct str line, struct proxy_told *told)
{
    struct str protocol = take_word(&line);
    int family = str_eq(protocol, STR("TCP4")) ? AF_INET : AF_INET6;

    if (str_eq(protocol, STR("UNKNOWN"))) { /* "must ignore anything presented before the CRLF" */
        told->local = true;
        return true;
    }
    if (family == AF_INET6 && !str_eq(protocol, STR("TCP6")))
        return false;
    struct str from = take_word(&line), to = take_word(&line), from_port = take_word(&line);
    return read_host(from, family, &told->from) && read_host(to, family, &told->to) &&
           read_port(from_port, &told->from) && read_port(line, &told->to);
}

static int parse_1(struct str bytes, struct proxy_told *told)
{
    struct str line = str_slice(bytes.p, bytes.n < LINE_MAX ? bytes.n : LINE_MAX);
    size_t end = str_find(line, '\r');

    if (str_find(line, '\n') < end)
        return -ERR_PROXY_HEADER;
    if (end + 1 >= line.n) /* the line's end has not come, or stands too far behind */
        return bytes.n < LINE_MAX ? 0 : -ERR_PROXY_HEADER;
    if (line.p[end + 1] != '\n')
        return -ERR_PROXY_HEADER;
    size_t skip = sizeof(PREFIX_1) - 1;
    if (!read_line(str_slice(line.p + skip, end - skip), told))
        return -ERR_PROXY_HEADER;
    return (int)end + 2;
}

/* ---- version 2, section 2.2 ---- */

static size_t two_bytes(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* RFC 3720 appendix B.4, a bit at a time: a header is short and rare. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return crc;
}

/* Section 2.2.3: of the whole header, with zeros in the place of the sum itself. */
static bool sum_is_right(const uint8_t *header, size_t n, size_t sum_at)
{
    static const uint8_t zeros[4];
    uint32_t told = (uint32_t)two_bytes(header + sum_at) << 16 | (uint32_t)two_bytes(header + sum_at + 2);
    uint32_t crc = crc32c(~0U, header, sum_at);

    crc = crc32c(crc, zeros, sizeof(zeros));
    return ~crc32c(crc, header + sum_at + 4, n - sum_at - 4) == told;
}

/* What else is told is passed over, but it must be whole, and what it says of the sum must be so. */
static bool others_in_order(const uint8_t *header, size_t n, size_t at)
{
    bool summed = false;

    while (at < n) {
        if (n - at < TLV_HEAD || two_bytes(header + at + 1) > n - at - TLV_HEAD)
            return false;
        size_t length = two_bytes(header + at + 1);
        if (header[at] == TLV_CRC32C) {
            if (summed || length != 4 || !sum_is_right(header, n, at + TLV_HEAD))
                return false;
            summed = true;
        }
        at += TLV_HEAD + length;
    }
    return true;
}

static void read_4(const uint8_t *p, struct proxy_told *told)
{
    told->from.in4.sin_family = told->to.in4.sin_family = AF_INET;
    memcpy(&told->from.in4.sin_addr, p, 4);
    memcpy(&told->to.in4.sin_addr, p + 4, 4);
    memcpy(&told->from.in4.sin_port, p + 8, 2);
    memcpy(&told->to.in4.sin_port, p + 10, 2);
}

static void read_6(const uint8_t *p, struct proxy_told *told)
{
    told->from.in6.sin6_family = told->to.in6.sin6_family = AF_INET6;
    memcpy(&told->from.in6.sin6_addr, p, 16);
    memcpy(&told->to.in6.sin6_addr, p + 16, 16);
    memcpy(&told->from.in6.sin6_port, p + 32, 2);
    memcpy(&told->to.in6.sin6_port, p + 34, 2);
}

/* How many bytes the addresses of a family take, which must be of a stream; -1: no such family. */
static int address_bytes(uint8_t family)
{
    switch (family) {
    case 0x00: return 0;
    case 0x11: return 12;
    case 0x21: return 36;
    case 0x31: return 216; /* two paths, of which nothing is kept */
    default: return -1;
    }
}

static int read_header(const uint8_t *header, size_t n, struct proxy_told *told)
{
    int addresses = address_bytes(header[13]);

    told->local = header[12] == 0x20;
    if (told->local) /* "discard the protocol block including the family which is ignored" */
        return (int)n;
    if (addresses < 0 || n - FRONT_BYTES < (size_t)addresses ||
        !others_in_order(header, n, FRONT_BYTES + (size_t)addresses))
        return -ERR_PROXY_HEADER;
    if (header[13] == 0x11)
        read_4(header + FRONT_BYTES, told);
    else if (header[13] == 0x21)
        read_6(header + FRONT_BYTES, told);
    else
        told->local = header[13] == 0x00;
    return (int)n;
}

static int parse_2(struct str bytes, struct proxy_told *told)
{
    const uint8_t *header = (const uint8_t *)bytes.p;

    if (bytes.n > 12 && header[12] != 0x20 && header[12] != 0x21) /* version, LOCAL or PROXY */
        return -ERR_PROXY_HEADER;
    if (bytes.n < FRONT_BYTES)
        return 0;
    size_t n = FRONT_BYTES + two_bytes(header + 14);
    if (n > PROXY_PROTO_MAX)
        return -ERR_PROXY_SIZE;
    return bytes.n < n ? 0 : read_header(header, n, told);
}

/* ---- which ---- */

/* As much of the beginning as there is, is this one. */
static bool begins(struct str bytes, struct str with)
{
    return bytes.n < with.n ? str_starts(with, bytes) : str_starts(bytes, with);
}

int proxy_proto_parse(struct str bytes, struct proxy_told *ret_told)
{
    struct proxy_told told;
    bool first = begins(bytes, STR(PREFIX_1));
    int n = 0;

    memset(&told, 0, sizeof(told));
    if (!first && !begins(bytes, str_slice(PROXY_SIGNATURE, PROXY_SIGNATURE_BYTES)))
        return -ERR_PROXY_MISSING;
    if (first && bytes.n >= sizeof(PREFIX_1) - 1)
        n = parse_1(bytes, &told);
    else if (!first && bytes.n >= PROXY_SIGNATURE_BYTES)
        n = parse_2(bytes, &told);
    if (n > 0)
        *ret_told = told;
    return n;
}
