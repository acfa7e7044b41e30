/* What is written is what the reader of such headers reads, and nothing else stands there. */
#include "net/proxy_write.h"

#include <arpa/inet.h>

#include "tests/unit/net/net_cmocka.h"

static union proxy_address four(const char *host, uint16_t port)
{
    union proxy_address address = {.in4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    assert_int_equal(inet_pton(AF_INET, host, &address.in4.sin_addr), 1);
    return address;
}

static union proxy_address six(const char *host, uint16_t port)
{
    union proxy_address address;
    memset(&address, 0, sizeof(address));
    address.in6.sin6_family = AF_INET6;
    address.in6.sin6_port = htons(port);
    assert_int_equal(inet_pton(AF_INET6, host, &address.in6.sin6_addr), 1);
    return address;
}

static void assert_same(const union proxy_address *a, const union proxy_address *b)
{
    assert_int_equal(a->any.sa_family, b->any.sa_family);
    if (a->any.sa_family == AF_INET) {
        assert_int_equal(a->in4.sin_port, b->in4.sin_port);
        assert_int_equal(a->in4.sin_addr.s_addr, b->in4.sin_addr.s_addr);
    } else if (a->any.sa_family == AF_INET6) {
        assert_int_equal(a->in6.sin6_port, b->in6.sin6_port);
        assert_memory_equal(&a->in6.sin6_addr, &b->in6.sin6_addr, 16);
    }
}

/* Both versions, read again. */
static void assert_read(const struct proxy_facts *facts, bool local, const union proxy_address *from,
                        const union proxy_address *to)
{
    for (int version = 1; version <= 2; version++) {
        char out[PROXY_WRITE_MAX];
        struct proxy_told told;
        size_t n = version == 1 ? proxy_write_1(out, facts) : proxy_write_2(out, facts);
        assert_true(n <= sizeof(out));
        assert_int_equal(proxy_proto_parse(str_slice(out, n), &told), n);
        assert_int_equal(told.local, local);
        if (!local) {
            assert_same(&told.from, from);
            assert_same(&told.to, to);
        }
    }
}

static void test_read_again(void **state)
{
    struct proxy_facts facts = {.from = four("192.0.2.1", 40000), .to = four("198.51.100.2", 443)};
    assert_read(&facts, false, &facts.from, &facts.to);
    facts.id = STR("0123456789abcdef");
    facts.alpn = STR("h2");
    facts.tls_version = STR("TLSv1.3");
    facts.certified = true;
    assert_read(&facts, false, &facts.from, &facts.to);
    facts.from = six("2001:db8::1", 1);
    facts.to = six("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    assert_read(&facts, false, &facts.from, &facts.to);
}

/* A client that was told of with IPv6, on a listener of IPv4. */
static void test_two_families(void **state)
{
    struct proxy_facts facts = {.from = six("2001:db8::1", 7), .to = four("198.51.100.2", 443)};
    union proxy_address to = six("::ffff:198.51.100.2", 443);
    assert_read(&facts, false, &facts.from, &to);
}

static void test_nobody(void **state)
{
    struct proxy_facts nameless = {.from = {.any = {.sa_family = AF_UNSPEC}}, .to = four("198.51.100.2", 443)};
    assert_read(NULL, true, NULL, NULL);
    assert_read(&nameless, true, NULL, NULL);
}

static void test_bytes(void **state)
{
    static const char expected[] = PROXY_SIGNATURE "\x21\x11\x00\x29\xc0\x00\x02\x01\xc6\x33\x64\x02\x9c\x40\x01\xbb"
                                                   "\x01\x00\x02h2\x05\x00\x03"
                                                   "abc\x20\x00\x0f\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3";
    struct proxy_facts facts = {.from = four("192.0.2.1", 40000),
                                .to = four("198.51.100.2", 443),
                                .id = STR("abc"),
                                .alpn = STR("h2"),
                                .tls_version = STR("TLSv1.3"),
                                .certified = true};
    char out[PROXY_WRITE_MAX];
    assert_str(str_slice(out, proxy_write_2(out, &facts)), str_slice(expected, sizeof(expected) - 1));
    facts.resumed = true; /* it was shown when the session began, not on this connection */
    proxy_write_2(out, &facts);
    assert_int_equal(out[16 + 12 + 5 + 6 + 3], 0x05);
    assert_int_equal(out[16 + 12 + 5 + 6 + 7], 0x00);
    facts.certified = false; /* no certificate: not verified */
    proxy_write_2(out, &facts);
    assert_int_equal(out[16 + 12 + 5 + 6 + 3], 0x01);
    assert_int_equal(out[16 + 12 + 5 + 6 + 7], 0x01);
    assert_str(str_slice(out, proxy_write_1(out, &facts)), STR("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"));
}

/* Whatever is told, it fits. */
static void test_longest(void **state)
{
    char many[2000];
    char out[PROXY_WRITE_MAX];
    memset(many, 'x', sizeof(many));
    struct str longest = str_slice(many, sizeof(many));
    struct proxy_facts facts = {.from = six("2001:db8::1", 1),
                                .to = six("2001:db8::2", 1),
                                .id = longest,
                                .alpn = longest,
                                .tls_version = longest};
    struct proxy_told told;
    size_t n = proxy_write_2(out, &facts);
    assert_true(n <= sizeof(out));
    assert_int_equal(proxy_proto_parse(str_slice(out, n), &told), n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_again), cmocka_unit_test(test_two_families), cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_bytes),      cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
