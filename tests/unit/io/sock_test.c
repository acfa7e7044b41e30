/* Addresses read, written and compared; listening sockets made, refused and replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "io/sock.h"

#define HOST_64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
#define PATH_100 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_addresses_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *path;
    } cases[] = {
        {"3001", "127.0.0.1", 3001, ""},
        {":3001", "127.0.0.1", 3001, ""},
        {"1", "127.0.0.1", 1, ""},
        {"65535", "127.0.0.1", 65535, ""},
        {"0080", "127.0.0.1", 80, ""},
        {"10.0.0.1:80", "10.0.0.1", 80, ""},
        {"localhost:3001", "localhost", 3001, ""},
        {"blue-1.example_x.com:8080", "blue-1.example_x.com", 8080, ""},
        {"[::1]:3001", "::1", 3001, ""},
        {"[::]:80", "::", 80, ""},
        {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, ""},
        {"http://host:3001", "host", 3001, ""},
        {"http://host:3001/", "host", 3001, ""},
        {"http://host", "host", 80, ""},
        {"http://10.1.2.3", "10.1.2.3", 80, ""},
        {"http://[::1]:3001", "::1", 3001, ""},
        {"http://[::1]", "::1", 80, ""},
        {"unix:/run/ballast.sock", "", 0, "/run/ballast.sock"},
        {"unix:/run/a:80", "", 0, "/run/a:80"},
        {"unix:" PATH_100 "1234567", "", 0, PATH_100 "1234567"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sock_name name;
        const char *why = "";
        if (sock_name_parse(str_of(cases[i].text), STR("127.0.0.1"), &name, &why) != 0)
            fail_msg("%s: %s", cases[i].text, why);
        assert_true(str_eq(name.host, str_of(cases[i].host)));
        assert_int_equal(name.port, cases[i].port);
        assert_true(str_eq(name.path, str_of(cases[i].path)));
    }
}

static void test_wrong_addresses_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text;
        const char *why; /* part of it */
    } cases[] = {
        {"", "empty"},
        {"0", "1 to 65535"},
        {":0", "1 to 65535"},
        {"65536", "1 to 65535"},
        {"host:99999", "1 to 65535"},
        {"host:+80", "1 to 65535"},
        {"host:-1", "1 to 65535"},
        {"host:8o", "1 to 65535"},
        {"host: 80", "1 to 65535"},
        {"host:000080", "1 to 65535"},
        {"99999999999999999999", "1 to 65535"},
        {"host:", "port is missing"},
        {":", "port is missing"},
        {"host", "port is missing"},
        {"10.0.0.1", "port is missing"},
        {"::1", "brackets"},
        {"::1:3001", "brackets"},
        {"fe80::1:80", "brackets"},
        {"[::1]", "port"},
        {"[::1]3001", "port"},
        {"[::1", "]"},
        {"[fe80::1%eth0]:80", "an interface (%) cannot be given"},
        {"[]:80", "IPv6"},
        {"[127.0.0.1]:80", "IPv6"},
        {"[localhost]:80", "IPv6"},
        {"[::1]:", "port is missing"},
        {"256.0.0.1:80", "IPv4"},
        {"1.2.3:80", "IPv4"},
        {"12:80", "IPv4"},
        {"*:80", "0.0.0.0"},
        {"ho st:80", "character"},
        {"user@host:80", "character"},
        {"https://host:443", "worker_tls"},
        {"http://", "host is missing"},
        {"http://:80", "host is missing"},
        {"http://host:80/path", "path"},
        {"host:80/", "path"},
        {"unix:", "begin with /"},
        {"unix:relative", "begin with /"},
        {"unix:" PATH_100 "12345678", "107"},
        {HOST_64 HOST_64 HOST_64 HOST_64 ":80", "too long"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sock_name name = {.port = 4242};
        const char *why = NULL;
        if (sock_name_parse(str_of(cases[i].text), STR("127.0.0.1"), &name, &why) != -ERR_BAD_ADDRESS)
            fail_msg("%s was taken", cases[i].text);
        if (why == NULL || strstr(why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, why);
        assert_int_equal(name.port, 4242);
    }
    struct sock_name name;
    const char *why;
    assert_int_equal(sock_name_parse(str_slice("unix:/a\0b", 9), STR(""), &name, &why), -ERR_BAD_ADDRESS);
    assert_int_equal(sock_name_parse(str_slice("::1\0", 4), STR(""), &name, &why), -ERR_BAD_ADDRESS);
}

static struct sock_addr numeric(const char *text)
{
    struct sock_name name;
    struct sock_addr addr;
    const char *why;
    assert_int_equal(sock_name_parse(str_of(text), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &addr), 0);
    return addr;
}

static void test_addresses_come_back_as_text(void **state)
{
    static const struct {
        const char *text;
        const char *back;
        const char *host;
        int family;
        uint16_t port;
        socklen_t len;
    } cases[] = {
        {"3001", "127.0.0.1:3001", "127.0.0.1", AF_INET, 3001, sizeof(struct sockaddr_in)},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", AF_INET, 65535,
         sizeof(struct sockaddr_in)},
        {"10.0.209.90:80", "10.0.209.90:80", "10.0.209.90", AF_INET, 80, sizeof(struct sockaddr_in)},
        {"[::1]:3001", "[::1]:3001", "::1", AF_INET6, 3001, sizeof(struct sockaddr_in6)},
        {"[2001:db8::0:1]:80", "[2001:db8::1]:80", "2001:db8::1", AF_INET6, 80, sizeof(struct sockaddr_in6)},
        {"unix:/run/b", "unix:/run/b", "unix", AF_UNIX, 0, sizeof(sa_family_t) + 7},
        {"unix:" PATH_100 "1234567", "unix:" PATH_100 "1234567", "unix", AF_UNIX, 0, sizeof(struct sockaddr_un)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[SOCK_TEXT_MAX];
        struct sock_addr addr = numeric(cases[i].text);
        assert_int_equal(addr.storage.ss_family, cases[i].family);
        assert_int_equal(addr.len, cases[i].len);
        assert_int_equal(sock_addr_len(&addr.storage), cases[i].len);
        assert_int_equal(sock_addr_port(&addr.storage), cases[i].port);
        assert_true(str_eq(sock_addr_text(out, &addr.storage), str_of(cases[i].back)));
        assert_true(str_eq(sock_host_text(out, &addr.storage), str_of(cases[i].host)));
        for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
            struct sock_addr other = numeric(cases[k].text);
            assert_int_equal(sock_addr_equal(&addr.storage, &other.storage), i == k);
            assert_int_equal(sock_addr_hash(1, &addr.storage) == sock_addr_hash(1, &other.storage), i == k);
        }
    }
}

static void test_names_need_someone_to_ask(void **state)
{
    struct sock_name name = {.host = STR("localhost"), .port = 80};
    struct sock_addr addr;
    assert_int_equal(sock_addr_numeric(&name, &addr), -ERR_NAME_NOT_FOUND);
    name.host = STR("");
    assert_int_equal(sock_addr_numeric(&name, &addr), -ERR_NAME_NOT_FOUND);
    struct sock_addr one = numeric("127.0.0.1:80");
    struct sock_addr other = numeric("127.0.0.2:80");
    assert_false(sock_addr_equal(&one.storage, &other.storage));
    memset(&one, 0, sizeof(one));
    assert_false(sock_addr_equal(&one.storage, &one.storage)); /* of no family */
}

static struct sock_addr bound_address(int fd)
{
    struct sock_addr addr;
    memset(&addr, 0, sizeof(addr));
    addr.len = sizeof(addr.storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr.storage, &addr.len), 0);
    return addr;
}

static struct sock_addr any_port(const char *text)
{
    struct sock_addr addr = numeric(text);
    struct sockaddr_in in;
    memcpy(&in, &addr.storage, sizeof(in));
    in.sin_port = 0;
    memcpy(&addr.storage, &in, sizeof(in));
    return addr;
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

/* A client that has not spoken is not shown yet; with its first byte it is. */
static void test_a_silent_client_is_shown_later(void **state)
{
    struct sock_addr addr = any_port("127.0.0.1:1");
    int fd = sock_listen(&addr, 10, false);
    assert_true(fd >= 0);
    sock_defer_accept(fd);
    assert_true(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) != 0);
    addr = bound_address(fd);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&addr.storage, addr.len), 0);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(send(client, "x", 1, 0), 1);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5000), 1);
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    close(fd);
    sock_defer_accept(-1); /* harmless where it cannot be had */
}

static void test_a_listening_socket(void **state)
{
    struct sock_addr addr = any_port("127.0.0.1:1");
    int fd = sock_listen(&addr, 10, false);
    assert_true(fd >= 0);
    addr = bound_address(fd);
    assert_true(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) != 0);
    assert_true(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(sock_listen(&addr, 10, false), -ERR_ADDRESS_IN_USE);
    assert_int_equal(sock_listen(&addr, 10, true), -ERR_ADDRESS_IN_USE);
    assert_int_equal(sock_check_free(&addr), -ERR_ADDRESS_IN_USE);
    close(fd);
    assert_int_equal(sock_check_free(&addr), 0);
    int again = sock_listen(&addr, 10, true);
    assert_true(again >= 0);
    int shared = sock_listen(&addr, 10, true);
    assert_true(shared >= 0);
    assert_int_equal(sock_check_free(&addr), -ERR_ADDRESS_IN_USE); /* shared or not */
    close(again);
    close(shared);
}

static int listen_any_ipv6(void)
{
    struct sock_addr six = numeric("[::]:1");
    struct sockaddr_in6 in6;
    memcpy(&in6, &six.storage, sizeof(in6));
    in6.sin6_port = 0;
    memcpy(&six.storage, &in6, sizeof(in6));
    return sock_listen(&six, 10, false);
}

static void test_both_families_may_have_one_port(void **state)
{
    int both = -1;
    /* Some other program may have the port that the system chose, in the other family. */
    for (int i = 0; i < 20 && both < 0; i++) {
        char text[32];
        int fd = listen_any_ipv6();
        if (fd < 0)
            skip(); /* a machine without IPv6 */
        struct sock_addr six = bound_address(fd);
        assert_true(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0);
        snprintf(text, sizeof(text), "0.0.0.0:%u", (unsigned)sock_addr_port(&six.storage));
        struct sock_addr four = numeric(text);
        both = sock_listen(&four, 10, false);
        close(fd);
    }
    assert_true(both >= 0);
    close(both);
}

static void test_addresses_that_cannot_be_listened_on(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"192.0.2.1:3001", -ERR_BAD_ADDRESS}, /* of no machine: RFC 5737 */
        {"unix:/nowhere/at/all", -ERR_BAD_ADDRESS},
        {"unix:/dev/null", -ERR_ADDRESS_IN_USE}, /* a file that is no socket is left alone */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sock_addr addr = numeric(cases[i].text);
        assert_int_equal(sock_listen(&addr, 10, false), cases[i].code);
    }
}

static void test_a_stale_unix_socket_is_replaced_a_live_one_is_not(void **state)
{
    char directory[] = "/tmp/sock_test.XXXXXX";
    char path[64], text[80];
    struct stat info;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/s", directory);
    snprintf(text, sizeof(text), "unix:%s", path);
    struct sock_addr addr = numeric(text);
    int fd = sock_listen(&addr, 10, false);
    assert_true(fd >= 0);
    assert_int_equal(sock_listen(&addr, 10, false), -ERR_ADDRESS_IN_USE);
    close(fd); /* the file stays */
    assert_int_equal(lstat(path, &info), 0);
    fd = sock_listen(&addr, 10, false);
    assert_true(fd >= 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&addr.storage, addr.len), 0);
    close(client);
    close(fd);
    assert_int_equal(unlink(path), 0);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    assert_int_equal(sock_listen(&addr, 10, false), -ERR_ADDRESS_IN_USE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_as_people_write_them),
        cmocka_unit_test(test_wrong_addresses_are_refused_with_the_reason),
        cmocka_unit_test(test_addresses_come_back_as_text),
        cmocka_unit_test(test_names_need_someone_to_ask),
        cmocka_unit_test(test_a_listening_socket),
        cmocka_unit_test(test_a_silent_client_is_shown_later),
        cmocka_unit_test(test_both_families_may_have_one_port),
        cmocka_unit_test(test_addresses_that_cannot_be_listened_on),
        cmocka_unit_test(test_a_stale_unix_socket_is_replaced_a_live_one_is_not),
    };
    return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
