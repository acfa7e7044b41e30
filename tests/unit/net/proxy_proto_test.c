/* The PROXY header, each kind of good and bad one; and every beginning of a good one. */
#include "net/proxy_proto.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "io/sock.h"
#include "tests/unit/net/net_cmocka.h"

/* A literal as a slice, where only constants may stand. */
#define BYTES(literal)               \
    {                                \
        literal, sizeof(literal) - 1 \
    }
#define SIGNATURE                         "\r\n\r\n\0\r\nQUIT\n"
#define HEADER_2(command, family, length) SIGNATURE command family length
#define FOUR                              "\xc0\x00\x02\x01\xc6\x33\x64\x02\x9c\x40\x01\xbb"
#define SIX                                                              \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0" \
    "\0\0\0\0\0\0\0\x02\x00\x01\xff\xff"

static const struct good {
    struct str bytes;
    const char *from, *to; /* NULL: nobody is told of */
    bool local;
} goods[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"), "192.0.2.1:40000", "198.51.100.2:443", false},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n"), "255.255.255.255:65535", "255.255.255.255:0",
     false},
    {BYTES("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n"), "[2001:db8::1]:1", "[::ffff:192.0.2.1]:65535",
     false},
    {BYTES(
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false},
    {BYTES("PROXY UNKNOWN\r\n"), NULL, NULL, true},
    {BYTES("PROXY UNKNOWN whatever 1 stands  here\r\n"), NULL, NULL, true},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x0c") FOUR), "192.0.2.1:40000", "198.51.100.2:443", false},
    {BYTES(HEADER_2("\x21", "\x21", "\x00\x24") SIX), "[2001:db8::1]:1", "[2001:db8::2]:65535", false},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x11") FOUR "\x01\x00\x02h2"), "192.0.2.1:40000", "198.51.100.2:443", false},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x12") FOUR "\x04\x00\x00\xe0\x00\x00"), "192.0.2.1:40000", "198.51.100.2:443",
     false},
    /* with its sum, behind a unique id */
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x1c") FOUR "\x05\x00\x06unique\x03\x00\x04"
                                                     "\x54\xf0\xcc\x63"),
     "192.0.2.1:40000", "198.51.100.2:443", false},
    {BYTES(HEADER_2("\x21", "\x00", "\x00\x00")), NULL, NULL, true},
    {BYTES(HEADER_2("\x20", "\x00", "\x00\x00")), NULL, NULL, true},
    {BYTES(HEADER_2("\x20", "\x11", "\x00\x02") "ab"), NULL, NULL, true}, /* what LOCAL carries is passed over */
};

static const struct bad {
    struct str bytes;
    int code;
} bads[] = {
    {BYTES("GET / HTTP/1.1\r\n"), -ERR_PROXY_MISSING},
    {BYTES("G"), -ERR_PROXY_MISSING},
    {BYTES("PRI * HTTP/2.0\r\n"), -ERR_PROXY_MISSING},
    {BYTES("proxy TCP4 "), -ERR_PROXY_MISSING},
    {BYTES("\x16\x03\x01"), -ERR_PROXY_MISSING},
    {BYTES("\r\n\r\n\r\n"), -ERR_PROXY_MISSING},
    /* version 1 */
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443 \r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443 1\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4  192.0.2.1 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY  TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 65536\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 040 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.01 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP6 192.0.2.1 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY TCP6 fe80::1%eth0 2001:db8::2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY UDP4 192.0.2.1 198.51.100.2 40000 443\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY UNKNOWNS\r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY \r\n"), -ERR_PROXY_HEADER},
    {BYTES("PROXY UNKNOWN ........................................................................................"
           "............\r\n"),
     -ERR_PROXY_HEADER}, /* 108 bytes */
    /* version 2 */
    {BYTES(SIGNATURE "\x11"), -ERR_PROXY_HEADER},
    {BYTES(SIGNATURE "\x22"), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x10\x00")), -ERR_PROXY_SIZE},
    {BYTES(HEADER_2("\x20", "\x00", "\xff\xff")), -ERR_PROXY_SIZE},
    {BYTES(HEADER_2("\x21", "\x12", "\x00\x0c") FOUR), -ERR_PROXY_HEADER}, /* datagrams */
    {BYTES(HEADER_2("\x21", "\x41", "\x00\x0c") FOUR), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x01", "\x00\x0c") FOUR), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x0b") FOUR), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x21", "\x00\x0c") FOUR), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x31", "\x00\x0c") FOUR), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x0e") FOUR "\x01\x00"), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x10") FOUR "\x01\x00\x02h"), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x13") FOUR "\x03\x00\x04\0\0\0\0"), -ERR_PROXY_HEADER},
    {BYTES(HEADER_2("\x21", "\x11", "\x00\x11") FOUR "\x03\x00\x02\0\0"), -ERR_PROXY_HEADER},
};

static void assert_address(const union proxy_address *address, const char *expected)
{
    struct sockaddr_storage storage = {0};
    char out[SOCK_TEXT_MAX];
    memcpy(&storage, address, sizeof(*address));
    assert_str(sock_addr_text(out, &storage), str_of(expected));
}

static void test_good_headers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
        const struct good *good = &goods[i];
        struct proxy_told told;
        for (size_t n = 0; n < good->bytes.n; n++)
            assert_int_equal(proxy_proto_parse(str_slice(good->bytes.p, n), &told), 0);
        assert_int_equal(proxy_proto_parse(good->bytes, &told), good->bytes.n);
        assert_int_equal(told.local, good->local);
        if (good->from) {
            assert_address(&told.from, good->from);
            assert_address(&told.to, good->to);
        } else {
            assert_int_equal(told.from.any.sa_family, AF_UNSPEC);
        }
    }
}

static void test_bad_headers(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        struct proxy_told told;
        int result = proxy_proto_parse(bads[i].bytes, &told);
        if (result != bads[i].code)
            fail_msg("%zu: %d", i, result);
    }
}

/* A client behind a Unix socket is one without an address; what follows is not looked at. */
static void test_unix_and_what_follows(void **state)
{
    char bytes[16 + 216 + 5];
    struct proxy_told told;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, HEADER_2("\x21", "\x31", "\x00\xd8"), 16);
    assert_int_equal(proxy_proto_parse(str_slice(bytes, sizeof(bytes)), &told), 16 + 216);
    assert_false(told.local);
    assert_int_equal(told.from.any.sa_family, AF_UNSPEC);
}

/* A sum that is right for these bytes and for no others. */
static void test_sum(void **state)
{
    const struct str summed = goods[10].bytes;
    struct proxy_told told;
    char bytes[64];
    assert_int_equal(proxy_proto_parse(summed, &told), summed.n);
    for (size_t i = 16; i < summed.n; i++) {
        if (i == summed.n - 7) /* what says that this is a sum */
            continue;
        memcpy(bytes, summed.p, summed.n);
        bytes[i] ^= 1;
        assert_int_equal(proxy_proto_parse(str_slice(bytes, summed.n), &told), -ERR_PROXY_HEADER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_headers),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_unix_and_what_follows),
        cmocka_unit_test(test_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
