/* Lines over real sockets: a message each, in order, to servers that come late, go, do not read, or are not there. */
#include "base/sink_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WAIT_MS = 10000 };

static char path[64];
static char got[65536];

static struct sink_target target_of(const void *address, socklen_t bytes, bool stream)
{
    struct sink_target target = {
        .kind = SINK_SYSLOG,
        .address_bytes = bytes,
        .stream = stream,
        .head = {.facility = 1, .host = "h", .app = "a", .kind = "k", .process = 7, .enterprise = 0},
    };
    memcpy(&target.address, address, bytes);
    return target;
}

static int listen_unix(struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static int listen_inet(int type, struct sockaddr_in *address, in_port_t port)
{
    socklen_t n = sizeof(*address);
    int on = 1;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &n), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void put(struct sink *sink, const char *text)
{
    char line[256];
    size_t n = entry_begin(line, sizeof(line), ENTRY_INFO, 0);
    n = entry_put_fact(line, n, sizeof(line) - 1, STR("name"), STR("value"));
    n = entry_end_facts(line, n, sizeof(line));
    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s\n", text);
    assert_int_equal(sink_write(sink, line, n, 1), 0);
}

#define MESSAGE(text) "<14>1 1970-01-01T00:00:00.000Z h a 7 k - " text

static void wait_for(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wanted, 1, WAIT_MS), 1);
}

static void assert_datagram(int fd, const char *wanted)
{
    wait_for(fd);
    ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, wanted);
}

static void assert_stream(int fd, const char *wanted)
{
    size_t n = 0;
    while (n < strlen(wanted)) {
        wait_for(fd);
        ssize_t more = recv(fd, got + n, strlen(wanted) - n, 0);
        assert_true(more > 0);
        n += (size_t)more;
    }
    got[n] = '\0';
    assert_string_equal(got, wanted);
}

static void sink_wire_sends_datagrams(void **state)
{
    struct sockaddr_un address;
    struct sockaddr_in inet;
    int fd = listen_unix(&address), udp = listen_inet(SOCK_DGRAM, &inet, 0);
    struct sink_target targets[] = {target_of(&address, sizeof(address), false), target_of(&inet, sizeof(inet), false)};
    int fds[] = {fd, udp};

    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct sink *sink;
        assert_int_equal(sink_create_to(&targets[i], &sink), 0);
        assert_true(sink_takes_entries(sink));
        put(sink, "one");
        put(sink, "two");
        assert_datagram(fds[i], MESSAGE("one"));
        assert_datagram(fds[i], MESSAGE("two"));
        sink_reopen(sink);
        assert_int_equal(sink_reopen_result(sink), 0);
        assert_int_equal(sink_dropped(sink), 0);
        sink_destroy(&sink);
    }
    close(fd);
    close(udp);
    unlink(path);
}

static void sink_wire_speaks_to_the_journal(void **state)
{
    struct sockaddr_un address;
    int fd = listen_unix(&address);
    struct sink_target target = target_of(&address, sizeof(address), false);
    struct sink *sink;

    target.kind = SINK_JOURNAL;
    assert_int_equal(sink_create_to(&target, &sink), 0);
    put(sink, "one");
    assert_datagram(fd, "PRIORITY=6\nSYSLOG_IDENTIFIER=a\nBALLAST_KIND=k\nBALLAST_NAME=value\nMESSAGE=one\n");
    sink_destroy(&sink);
    close(fd);
    unlink(path);
}

/* A server that ends and begins again gets what was logged meanwhile: nothing is lost, and all in order. */
static void sink_wire_waits_for_its_server(void **state)
{
    struct sockaddr_un address;
    int fd = listen_unix(&address);
    struct sink_target target = target_of(&address, sizeof(address), false);
    struct sink *sink;

    assert_int_equal(sink_create_to(&target, &sink), 0);
    put(sink, "one");
    assert_datagram(fd, MESSAGE("one"));
    close(fd);
    unlink(path);
    put(sink, "two");
    put(sink, "three");
    fd = listen_unix(&address);
    assert_datagram(fd, MESSAGE("two"));
    assert_datagram(fd, MESSAGE("three"));
    assert_int_equal(sink_dropped(sink), 0);
    sink_destroy(&sink);
    close(fd);
    unlink(path);
}

static void sink_wire_counts_octets(void **state)
{
    struct sockaddr_in address;
    int listener = listen_inet(SOCK_STREAM, &address, 0);
    struct sink_target target = target_of(&address, sizeof(address), true);
    struct sink *sink;

    assert_int_equal(sink_create_to(&target, &sink), 0);
    put(sink, "one");
    put(sink, "a b");
    wait_for(listener);
    int fd = accept(listener, NULL, NULL);
    assert_stream(fd, "44 " MESSAGE("one") "44 " MESSAGE("a b"));
    /* Closed by the server: noticed before the next message, which goes to a new connection. */
    close(fd);
    put(sink, "two");
    wait_for(listener);
    fd = accept(listener, NULL, NULL);
    assert_stream(fd, "44 " MESSAGE("two"));
    assert_int_equal(sink_dropped(sink), 0);
    sink_destroy(&sink);
    close(fd);
    close(listener);
}

/* Nobody there: UDP loses and counts; a stream is waited for, until the sink ends. */
static void sink_wire_counts_what_is_lost(void **state)
{
    struct sockaddr_in udp, tcp;
    close(listen_inet(SOCK_DGRAM, &udp, 0));
    close(listen_inet(SOCK_STREAM, &tcp, 0));
    struct sink_target targets[] = {target_of(&udp, sizeof(udp), false), target_of(&tcp, sizeof(tcp), true)};
    struct sink *sinks[2];

    for (int i = 0; i < 2; i++)
        assert_int_equal(sink_create_to(&targets[i], &sinks[i]), 0);
    put(sinks[1], "lost");
    put(sinks[1], "lost too");
    for (int i = 0; sink_dropped(sinks[0]) == 0; i++) {
        assert_true(i < WAIT_MS);
        put(sinks[0], "into the void");
        (void)poll(NULL, 0, 1);
    }
    sink_destroy(&sinks[0]);
    sink_finish(sinks[1]);
    assert_int_equal(sink_dropped(sinks[1]), 2);
    sink_destroy(&sinks[1]);
}

static void sink_wire_loses_what_is_no_entry(void **state)
{
    struct sockaddr_un address;
    int fd = listen_unix(&address);
    struct sink_target target = target_of(&address, sizeof(address), false);
    struct sink_wire *wire;
    _Atomic int64_t never = INT64_MAX;

    assert_int_equal(sink_wire_create(&target, &wire), 0);
    assert_int_equal(sink_wire_put(wire, "no entry\nnor this", 17, &never), 2);
    sink_wire_destroy(&wire);
    assert_null(wire);
    close(fd);
    unlink(path);
}

static void sink_wire_survives_no_memory(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sink_target target = target_of(&address, sizeof(address), false);
    struct sink *sink;

    for (uint32_t n = 1; n <= 2; n++) {
        alloc_fail_at(n);
        assert_int_equal(sink_create_to(&target, &sink), -ERR_NO_MEMORY);
        assert_true(alloc_fail_stop());
    }
}

int main(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/ballast-wire-%d.sock", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sink_wire_sends_datagrams),      cmocka_unit_test(sink_wire_speaks_to_the_journal),
        cmocka_unit_test(sink_wire_waits_for_its_server), cmocka_unit_test(sink_wire_counts_octets),
        cmocka_unit_test(sink_wire_counts_what_is_lost),  cmocka_unit_test(sink_wire_loses_what_is_no_entry),
        cmocka_unit_test(sink_wire_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
