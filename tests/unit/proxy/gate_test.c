/* Connections of one client: who counts as one, exactly how many, with a table as full as it gets and from several
 * threads. */
#include "proxy/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

static union address address_of(const char *text)
{
    union address address = {.any.sa_family = AF_UNSPEC};
    if (strchr(text, ':')) {
        address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
    } else if (*text) {
        address.in4 = (struct sockaddr_in){.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, text, &address.in4.sin_addr), 1);
    }
    return address;
}

static union address number(uint32_t n)
{
    return (union address){.in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n), .sin_port = (in_port_t)n}};
}

static void gate_counts_each_client(void **state)
{
    static const struct {
        const char *inside, *asks;
        bool same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::ffff:2:3:4", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"::1", "127.0.0.1", false},
        {"", "", false}, /* no address: never counted */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct gate *gate;
        union address inside = address_of(cases[i].inside), asks = address_of(cases[i].asks);
        assert_int_equal(gate_create(2, 10, &gate), 0);
        assert_true(gate_enter(gate, &inside.any));
        assert_true(gate_enter(gate, &inside.any));
        if (gate_enter(gate, &asks.any) == cases[i].same)
            fail_msg("%s and %s", cases[i].inside, cases[i].asks);
        gate_leave(gate, &inside.any);
        assert_true(gate_enter(gate, &inside.any));
        gate_destroy(&gate);
        assert_null(gate);
    }
}

/* As many clients as the table is made for come and go in any order: each is known as often as it is inside. */
static void gate_stays_exact_when_full(void **state)
{
    enum { CLIENTS = 64, LIMIT = 3, ROUNDS = 200000 };
    struct gate *gate;
    uint32_t inside[2 * CLIENTS] = {0}, total = 0;
    unsigned seed = 7;
    assert_int_equal(gate_create(LIMIT, CLIENTS, &gate), 0);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t who = (uint32_t)rand_r(&seed) % (2 * CLIENTS);
        union address client = number(0x0a000000 + who);
        if (rand_r(&seed) % 2 && inside[who] > 0) {
            gate_leave(gate, &client.any);
            inside[who]--;
            total--;
        } else if (total < CLIENTS) {
            bool enters = gate_enter(gate, &client.any);
            assert_int_equal(enters, inside[who] < LIMIT);
            inside[who] += enters;
            total += enters;
        }
    }
    gate_destroy(&gate);
}

struct visitor {
    struct gate *gate;
    int entered;
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    for (uint32_t i = 0; i < 50000; i++) {
        union address client = number(i % 5), crowded = number(99);
        if (gate_enter(visitor->gate, &client.any))
            gate_leave(visitor->gate, &client.any);
        if (visitor->entered < 50 && gate_enter(visitor->gate, &crowded.any))
            visitor->entered++;
    }
    return NULL;
}

static void gate_is_exact_over_threads(void **state)
{
    struct visitor visitors[4] = {{0}};
    pthread_t threads[4];
    int entered = 0;
    struct gate *gate;
    assert_int_equal(gate_create(77, 1000, &gate), 0);
    for (int i = 0; i < 4; i++) {
        visitors[i].gate = gate;
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        entered += visitors[i].entered;
    }
    assert_int_equal(entered, 77);
    gate_destroy(&gate);
}

static void gate_needs_memory(void **state)
{
    for (unsigned n = 1;; n++) {
        struct gate *gate = NULL;
        alloc_fail_at(n);
        int error = gate_create(1, 1, &gate);
        if (!alloc_fail_stop()) {
            assert_int_equal(error, 0);
            gate_destroy(&gate);
            return;
        }
        assert_int_equal(error, -ERR_NO_MEMORY);
        assert_null(gate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_counts_each_client),
        cmocka_unit_test(gate_stays_exact_when_full),
        cmocka_unit_test(gate_is_exact_over_threads),
        cmocka_unit_test(gate_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
