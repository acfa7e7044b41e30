/* Addresses, hosts and networks: what they become, and what is said when they are wrong. */
#include "control/config_address.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static const struct directive *worker_address(void)
{
    return directive_find(DIRECTIVE_BLOCK_WORKER, STR("address"));
}

static void address_forms(void **state)
{
    static const struct {
        const char *text;
        const char *canonical;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"3001", "127.0.0.1:3001", "127.0.0.1", 3001},
        {":3001", "127.0.0.1:3001", "127.0.0.1", 3001},
        {"10.0.0.7:80", "10.0.0.7:80", "10.0.0.7", 80},
        {"[::1]:3001", "[::1]:3001", "::1", 3001},
        {"http://10.0.0.7:8080", "10.0.0.7:8080", "10.0.0.7", 8080},
        {"unix:/run/app.sock", "unix:/run/app.sock", "", 0},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct config_value value = {.arena = &arena, .sealed = true};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config_address address = {0};
        char text[SOCK_TEXT_MAX];
        assert_int_equal(config_address_parse(&value, worker_address(), str_of(cases[i].text), &address), 0);
        assert_str(address.text, cases[i].text);
        assert_str(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_true(str_eq(sock_addr_text(text, &address.addr.storage), str_of(cases[i].canonical)));
        assert_int_equal(address.addr.len, sock_addr_len(&address.addr.storage));
    }
    struct config_address listener = {0};
    const struct directive *listen = directive_find(DIRECTIVE_BLOCK_LISTENER, STR("address"));
    assert_int_equal(config_address_parse(&value, listen, STR("80"), &listener), 0);
    assert_str(listener.host, "0.0.0.0");
    arena_fini(&arena);
}

static void address_inherited(void **state)
{
    static const char *const names[] = {"fd:3", "fd:42", "fd:web", "fd:ballast.socket", "fd:3web"};
    const struct directive *listen = directive_find(DIRECTIVE_BLOCK_LISTENER, STR("address"));
    struct config_address before = {0}, worker = {0};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct config_value value = {.arena = &arena, .sealed = true};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct config_address address = {0};
        assert_int_equal(config_address_parse(&value, listen, str_of(names[i]), &address), 0);
        assert_str(address.text, names[i]);
        assert_str(address.inherited, names[i] + 3);
        assert_true(address.path.n == 0 && address.host.n == 0 && address.port == 0);
        assert_true(sock_addr_equal(&address.addr.storage, &address.addr.storage));
        assert_false(sock_addr_equal(&address.addr.storage, &before.addr.storage));
        before = address;
    }
    assert_int_equal(config_address_parse(&value, worker_address(), STR("fd:3"), &worker), -ERR_CONFIG);
    assert_string_equal(value.why, "\"fd\" is a name, and names are not looked up here");
    arena_fini(&arena);
}

static void address_names_are_looked_up(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct config_value value = {.arena = &arena};
    struct config_address address = {0};
    assert_int_equal(config_address_parse(&value, worker_address(), STR("localhost:3001"), &address), 0);
    assert_str(address.host, "localhost");
    assert_int_equal(sock_addr_port(&address.addr.storage), 3001);
    assert_true(address.addr.storage.ss_family == AF_INET || address.addr.storage.ss_family == AF_INET6);

    struct config_address untouched = {0};
    assert_int_equal(config_address_parse(&value, worker_address(), STR("no-such-name.invalid:80"), &untouched),
                     -ERR_CONFIG);
    assert_non_null(strstr(value.why, "the name \"no-such-name.invalid\" cannot be looked up: "));
    assert_null(untouched.text.p);
    value.sealed = true;
    assert_int_equal(config_address_parse(&value, worker_address(), STR("localhost:3001"), &untouched), -ERR_CONFIG);
    assert_string_equal(value.why, "\"localhost\" is a name, and names are not looked up here");
    arena_fini(&arena);
}

static void address_refusals(void **state)
{
    static const struct bad_case cases[] = {
        {"pools: {w: {workers: ['127.0.0.1:70000']}}\n",
         "1:23: pools.w.workers[0]: \"127.0.0.1:70000\" is no address: the port must be 1 to 65535"},
        {"pools: {w: {workers: [127.0.0.1]}}\n",
         "1:23: pools.w.workers[0]: \"127.0.0.1\" is no address: the port is missing; write host:port"},
        {"pools: {w: {workers: ['::1:3001']}}\n",
         "1:23: pools.w.workers[0]: \"::1:3001\" is no address: an IPv6 address must stand in brackets, as in "
         "[::1]:3001"},
        {"pools: {w: {workers: ['unix:run/x']}}\n",
         "1:23: pools.w.workers[0]: \"unix:run/x\" is no address: the path of a Unix socket must begin with /"},
        {"pools: {w: {workers: [{address: ''}]}}\n", "1:33: pools.w.workers[0].address: the value is missing; expected "
                                                     "an address such as 127.0.0.1:3001"},
        {"listeners: [http]\npools: {w: {workers: [3001]}}\n",
         "1:13: listeners[0]: \"http\" is no address: the port is missing; write host:port"},
        {"listeners: ['fd:', 'fd:a b', 'fd:2', 'fd:03', 'fd:9999999999']\npools: {w: {workers: [3001]}}\n",
         "1:13: listeners[0]: \"fd:\" is no inherited socket; write fd:3, or fd: and its name, of at most 64 printable "
         "characters without colon\n"
         "1:20: listeners[1]: \"fd:a b\" is no inherited socket; write fd:3, or fd: and its name, of at most 64 "
         "printable characters without colon\n"
         "1:30: listeners[2]: \"fd:2\" is no inherited socket: write the number of one, from 3 on, without leading "
         "zeros\n"
         "1:38: listeners[3]: \"fd:03\" is no inherited socket: write the number of one, from 3 on, without leading "
         "zeros\n"
         "1:47: listeners[4]: \"fd:9999999999\" is no inherited socket: write the number of one, from 3 on, without "
         "leading zeros"},
        {"listeners: ['fd:3', {address: 'fd:4', mode: '0600'}, 'fd:3']\npools: {w: {workers: [3001]}}\n",
         "1:21: \"mode\", \"owner\" and \"group\" are for Unix sockets (unix:/path)\n"
         "1:54: the address fd:3 is listened on twice; first at ballast.yaml:1:13"},
        {"forwarded:\n  trusted:\n    - 10.0.0.0/33\n    - x\n    - 10.1.2.3/8\n    - fd00::1/8\n    - fd00::/129\n"
         "    - 1.2.3.4/\n    - 1.2.3/8\n    - ''\npools: {w: {workers: [3001]}}\n",
         "3:7: forwarded.trusted: \"10.0.0.0/33\" has a wrong prefix; expected 0 to 32 behind the /\n"
         "4:7: forwarded.trusted: \"x\" is no network; expected one such as 10.0.0.0/8 or fd00::/8, or unix\n"
         "5:7: forwarded.trusted: \"10.1.2.3/8\" has bits behind its prefix; write 10.0.0.0/8\n"
         "6:7: forwarded.trusted: \"fd00::1/8\" has bits behind its prefix; write fd00::/8\n"
         "7:7: forwarded.trusted: \"fd00::/129\" has a wrong prefix; expected 0 to 128 behind the /\n"
         "8:7: forwarded.trusted: \"1.2.3.4/\" has a wrong prefix; expected 0 to 32 behind the /\n"
         "9:7: forwarded.trusted: \"1.2.3/8\" is no network; expected one such as 10.0.0.0/8 or fd00::/8, or unix\n"
         "10:7: forwarded.trusted: \"\" is no network; expected one such as 10.0.0.0/8 or fd00::/8, or unix"},
        {"routes: [{host: 'a.com:80', pool: w}]\npools: {w: {workers: [3001]}}\n",
         "1:17: routes[0].host: \"a.com:80\" has a colon (a port?); expected a host name, or *. and a host name"},
        {"routes:\n  - {host: 'a..com', pool: w}\n  - {host: '*', pool: w}\n  - {host: '*.', pool: w}\n"
         "  - {host: '[::1', pool: w}\n  - {host: 'a.*.b', pool: w}\npools: {w: {workers: [3001]}}\n",
         "2:12: routes[0].host: \"a..com\" is no host name; expected a host name, or *. and a host name\n"
         "3:12: routes[1].host: \"*\" is no host name; expected a host name, or *. and a host name\n"
         "4:12: routes[2].host: \"*.\" is no host name; expected a host name, or *. and a host name\n"
         "5:12: routes[3].host: \"[::1\" is no host name; expected a host name, or *. and a host name\n"
         "6:12: routes[4].host: \"a.*.b\" is no host name; expected a host name, or *. and a host name"},
    };
    helper_check_cases(cases, ARRAY_SIZE(cases));
}

static void address_networks(void **state)
{
    static const struct {
        const char *text;
        const char *address;
        uint8_t bits;
        bool v6;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", 8, false},
        {"0.0.0.0/0", "0.0.0.0", 0, false},
        {"192.168.1.7", "192.168.1.7", 32, false},
        {"192.168.1.6/31", "192.168.1.6", 31, false},
        {"fd00::/8", "fd00::", 8, true},
        {"::1", "::1", 128, true},
        {"::/0", "::", 0, true},
    };
    struct config_value value = {.sealed = true};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config_network network = {.bits = 0};
        uint8_t expected[16] = {0};
        assert_int_equal(inet_pton(cases[i].v6 ? AF_INET6 : AF_INET, cases[i].address, expected), 1);
        assert_int_equal(config_address_network(&value, str_of(cases[i].text), &network), 0);
        assert_memory_equal(network.bytes, expected, 16);
        assert_int_equal(network.bits, cases[i].bits);
        assert_int_equal(network.v6, cases[i].v6);
        assert_false(network.local);
    }
    struct config_network network = {.bits = 1};
    assert_int_equal(config_address_network(&value, STR("unix"), &network), 0);
    assert_true(network.local);
}

static void address_hosts_are_lower_case(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct config_value value = {.arena = &arena, .sealed = true};
    const struct directive *host = directive_find(DIRECTIVE_BLOCK_ROUTE, STR("host"));
    struct str result = STR_NONE;
    assert_int_equal(config_address_host(&value, host, STR("*.Example.COM"), &result), 0);
    assert_str(result, "*.example.com");
    assert_int_equal(config_address_host(&value, host, STR("[2001:DB8::1]"), &result), 0);
    assert_str(result, "[2001:db8::1]");
    arena_fini(&arena);
}

static void address_survives_no_memory(void **state)
{
    for (unsigned n = 1;; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct config_value value = {.arena = &arena, .sealed = true};
        struct config_address address = {0};
        alloc_fail_at(n);
        int result = config_address_parse(&value, worker_address(), STR("3001"), &address);
        bool failed = alloc_fail_stop();
        arena_fini(&arena);
        assert_int_equal(result, failed ? -ERR_NO_MEMORY : 0);
        if (!failed)
            break;
        assert_null(address.text.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_forms),
        cmocka_unit_test(address_inherited),
        cmocka_unit_test(address_names_are_looked_up),
        cmocka_unit_test(address_refusals),
        cmocka_unit_test(address_networks),
        cmocka_unit_test(address_hosts_are_lower_case),
        cmocka_unit_test(address_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
