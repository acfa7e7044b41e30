/* Who is in a network, for both families and at each kind of prefix. */
#include "net/network.h"

#include <arpa/inet.h>

#include "base/assert.h"
#include "tests/unit/net/net_cmocka.h"

static const struct network networks[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10}, 104},           /* 10.0.0.0/8 */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 8}, 125}, /* 192.0.2.8/29 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
};
static const struct network local[] = {{.local = true}};

static bool has4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return network_has(networks, ARRAY_SIZE(networks), (const struct sockaddr *)&address);
}

static bool has6(const char *text)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return network_has(networks, ARRAY_SIZE(networks), (const struct sockaddr *)&address);
}

static void test_who_is_in(void **state)
{
    struct sockaddr nameless = {.sa_family = AF_UNIX};
    struct sockaddr_in some = {.sin_family = AF_INET};
    assert_true(has4("10.255.0.1"));
    assert_false(has4("11.0.0.1"));
    assert_true(has4("192.0.2.8"));
    assert_true(has4("192.0.2.15"));
    assert_false(has4("192.0.2.16"));
    assert_false(has4("192.0.2.7"));
    assert_true(has6("2001:db8:ffff::1"));
    assert_false(has6("2001:db9::1"));
    assert_true(has6("::ffff:10.1.2.3"));
    assert_false(network_has(networks, ARRAY_SIZE(networks), &nameless));
    assert_true(network_has(local, ARRAY_SIZE(local), &nameless));
    assert_false(network_has(local, ARRAY_SIZE(local), (const struct sockaddr *)&some));
    assert_false(network_has(NULL, 0, &nameless));
    assert_false(network_has(NULL, 0, (const struct sockaddr *)&some));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_is_in)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
