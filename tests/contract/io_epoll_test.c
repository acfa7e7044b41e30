/* The contract suite over the epoll backend with real sockets on loopback, and what epoll promises beyond it: how often
 * it calls the kernel (counted at the link: the calls are wrapped), wakes from another thread, Unix sockets, and what
 * becomes of an accept when descriptors run out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/io_epoll.h"
#include "io/sock.h"
#include "tests/contract/io_suite.h"

/* ---- Counted calls ---- */

static struct {
    int recvs;
    int sends;
    int waits;
    int others; /* epoll_ctl, setsockopt */
} calls;

ssize_t __real_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
int __real_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __real_epoll_ctl(int fd, int op, int target, struct epoll_event *event);
int __real_accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_ctl(int fd, int op, int target, struct epoll_event *event);
int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags);

static int accept_errno; /* the next accept4 fails with it */

ssize_t __wrap_recv(int fd, void *bytes, size_t n, int flags)
{
    calls.recvs++;
    return __real_recv(fd, bytes, n, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags)
{
    calls.sends++;
    return __real_send(fd, bytes, n, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    calls.sends++;
    return __real_sendmsg(fd, message, flags);
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    calls.waits++;
    return __real_epoll_wait(fd, events, count, timeout);
}

int __wrap_epoll_ctl(int fd, int op, int target, struct epoll_event *event)
{
    calls.others++;
    return __real_epoll_ctl(fd, op, target, event);
}

int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    if (accept_errno != 0) {
        errno = accept_errno;
        accept_errno = 0;
        return -1;
    }
    return __real_accept4(fd, peer, len, flags);
}

/* ---- The fixture: far ends are plain sockets ---- */

struct io_far {
    int fd;
};

static struct io_far *far_create(int fd)
{
    struct io_far *far = calloc(1, sizeof(*far));
    far->fd = fd;
    return far;
}

static int listen_loopback(struct sockaddr_storage *ret_address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sock_addr address = {.len = sizeof(in)};
    socklen_t len = sizeof(*ret_address);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&address.storage, &in, sizeof(in));
    int fd = sock_listen(&address, 128, false);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &len), 0);
    return fd;
}

static void plain_setup(struct io_fixture *fixture)
{
    (void)fixture;
}

static int plain_listen(struct io_fixture *fixture, struct sockaddr_storage *ret_address)
{
    return listen_loopback(ret_address);
}

static void plain_far_unlisten(struct io_fixture *fixture, int listener)
{
    close(listener);
}

static struct io_far *plain_far_accept(struct io_fixture *fixture, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? NULL : far_create(fd);
}

static struct io_far *plain_far_connect(struct io_fixture *fixture, const struct sockaddr_storage *to)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)to, sock_addr_len(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return far_create(fd);
}

static struct io_far *plain_pair(struct io_fixture *fixture, int *ret_fd)
{
    struct sockaddr_storage address;
    int listener = listen_loopback(&address);
    struct io_far *far = plain_far_connect(fixture, &address);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5000), 1);
    *ret_fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(*ret_fd >= 0);
    close(listener);
    return far;
}

static void plain_far_send(struct io_fixture *fixture, struct io_far *far, const void *bytes, size_t n)
{
    /* The tests send little this way; what loopback takes at once is enough. */
    assert_int_equal(__real_send(far->fd, bytes, n, MSG_NOSIGNAL), n);
}

static ssize_t plain_far_recv(struct io_fixture *fixture, struct io_far *far, void *out, size_t n)
{
    ssize_t got = __real_recv(far->fd, out, n, 0);
    if (got >= 0)
        return got;
    return errno == EAGAIN ? FAR_NOTHING : FAR_RESET;
}

static void plain_far_shutdown(struct io_fixture *fixture, struct io_far *far)
{
    assert_int_equal(shutdown(far->fd, SHUT_WR), 0);
}

static void plain_far_close(struct io_fixture *fixture, struct io_far *far, bool reset)
{
    struct linger now = {.l_onoff = reset};
    (void)setsockopt(far->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(far->fd);
    free(far);
}

static const struct io_fixture_ops epoll_ops = {
    .backend = &io_epoll_backend,
    .setup = plain_setup,
    .teardown = plain_setup,
    .pair = plain_pair,
    .listen = plain_listen,
    .far_listen = plain_listen,
    .far_unlisten = plain_far_unlisten,
    .far_accept = plain_far_accept,
    .far_connect = plain_far_connect,
    .far_send = plain_far_send,
    .far_recv = plain_far_recv,
    .far_shutdown = plain_far_shutdown,
    .far_close = plain_far_close,
};

/* ---- Beyond the contract ---- */

static int own_setup(void **state)
{
    static struct io_fixture fixture;
    fixture = (struct io_fixture){.ops = &epoll_ops};
    buf_pool_init(&fixture.buffers, 1024 * 1024);
    struct io_options options = {.backend = &io_epoll_backend, .buffers = &fixture.buffers};
    *state = &fixture;
    return io_create(&options, &fixture.io);
}

static int own_teardown(void **state)
{
    struct io_fixture *fixture = *state;
    io_destroy(&fixture->io);
    buf_pool_fini(&fixture->buffers);
    return 0;
}

/* Both sides of a ping-pong on one loop: each side answers what it received with the same bytes. */
struct side {
    struct io_sock sock;
    struct io_op rx;
    struct io_op tx;
    struct bufq queue;
    int left; /* answers still to give */
    int received;
};

static void side_receive(struct io_op *op)
{
    struct side *side = CONTAINER_OF(op, struct side, rx);
    if (op->result <= 0)
        return;
    side->received++;
    assert_int_equal(bufq_push(&side->queue, op->buf, 0, (size_t)op->result), 0);
    buf_unref(op->buf);
    if (side->left-- > 0)
        io_send(&side->sock, &side->tx, &side->queue);
}

static void side_sent(struct io_op *op)
{
    struct side *side = CONTAINER_OF(op, struct side, tx);
    bufq_consume(&side->queue, (size_t)op->result);
    io_recv(&side->sock, &side->rx, NULL);
}

static void side_open(struct io_fixture *fixture, struct side *side, int fd, int left)
{
    *side = (struct side){.left = left, .rx.done = side_receive, .tx.done = side_sent};
    bufq_init(&side->queue, &fixture->buffers);
    assert_int_equal(io_adopt(fixture->io, &side->sock, fd), 0);
}

static void test_a_ping_costs_one_receive_and_one_send_a_side(void **state)
{
    enum { PINGS = 200 };
    struct io_fixture *fixture = *state;
    struct side near, away;
    int fd;
    struct io_far *far = plain_pair(fixture, &fd);
    side_open(fixture, &near, fd, PINGS + 1);
    side_open(fixture, &away, far->fd, PINGS);
    free(far);
    io_recv(&away.sock, &away.rx, NULL); /* each is tried once in vain as it is new */
    turn_some(fixture, 2);
    assert_int_equal(bufq_push_static(&near.queue, STR("ping")), 0);
    near.left--;
    io_send(&near.sock, &near.tx, &near.queue);
    io_turn(fixture->io, 0);
    for (int i = 0; i < 20 && near.received < 1; i++)
        io_turn(fixture->io, 100);
    memset(&calls, 0, sizeof(calls));
    int start = near.received;
    while (near.received < PINGS)
        io_turn(fixture->io, 1000);
    int rounds = near.received - start;
    assert_in_range(calls.recvs, 2 * rounds - 1, 2 * rounds + 1);
    assert_in_range(calls.sends, 2 * rounds - 1, 2 * rounds + 1);
    assert_in_range(calls.waits, 1, 2 * rounds + 1);
    assert_int_equal(calls.others, 0);
    turn_some(fixture, 2);
    bufq_clear(&near.queue);
    bufq_clear(&away.queue);
    close_pair(fixture, &near.sock, NULL);
    close_pair(fixture, &away.sock, NULL);
}

/* Many at once share the waits: this is what a busy reactor looks like. */
static void test_waits_are_shared(void **state)
{
    enum { PAIRS = 20, PINGS = 50 };
    struct io_fixture *fixture = *state;
    static struct side near[PAIRS], away[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        int fd;
        struct io_far *far = plain_pair(fixture, &fd);
        side_open(fixture, &near[i], fd, PINGS);
        side_open(fixture, &away[i], far->fd, PINGS);
        free(far);
        io_recv(&away[i].sock, &away[i].rx, NULL);
        assert_int_equal(bufq_push_static(&near[i].queue, STR("ping")), 0);
    }
    turn_some(fixture, 2);
    memset(&calls, 0, sizeof(calls));
    for (int i = 0; i < PAIRS; i++)
        io_send(&near[i].sock, &near[i].tx, &near[i].queue);
    for (int left = 1; left > 0;) {
        io_turn(fixture->io, 1000);
        left = 0;
        for (int i = 0; i < PAIRS; i++)
            left += near[i].received < PINGS;
    }
    assert_in_range(calls.recvs, 2 * PAIRS * PINGS, 2 * PAIRS * PINGS + 3 * PAIRS);
    assert_in_range(calls.sends, 2 * PAIRS * PINGS, 2 * PAIRS * PINGS + PAIRS);
    assert_in_range(calls.waits, 1, 4 * PINGS);
    for (int i = 0; i < PAIRS; i++) {
        close_pair(fixture, &near[i].sock, NULL);
        close_pair(fixture, &away[i].sock, NULL);
        bufq_clear(&near[i].queue);
        bufq_clear(&away[i].queue);
    }
}

struct waker {
    struct io *io;
    _Atomic int seen;
};

static void on_thread_wake(void *context)
{
    struct waker *waker = context;
    waker->seen++;
}

static void *waker_run(void *context)
{
    struct waker *waker = context;
    for (int i = 0; i < 1000; i++) {
        int before = waker->seen;
        io_wake(waker->io);
        int64_t limit = clock_steady_ms() + 10000;
        while (waker->seen == before && clock_steady_ms() < limit)
            sched_yield();
    }
    return NULL;
}

static void test_wakes_from_another_thread_are_never_lost(void **state)
{
    struct buf_pool buffers;
    struct waker waker = {.seen = 0};
    pthread_t thread;
    buf_pool_init(&buffers, 1024 * 1024);
    struct io_options options = {
        .backend = &io_epoll_backend, .buffers = &buffers, .on_wake = on_thread_wake, .context = &waker};
    assert_int_equal(io_create(&options, &waker.io), 0);
    assert_int_equal(pthread_create(&thread, NULL, waker_run, &waker), 0);
    int64_t start = clock_steady_ms();
    while (waker.seen < 1000)
        io_turn(waker.io, 20000); /* a lost wake would stand here */
    assert_true(clock_steady_ms() - start < 20000);
    pthread_join(thread, NULL);
    io_destroy(&waker.io);
    buf_pool_fini(&buffers);
}

struct tap {
    struct io_sock sock;
    struct io_op op;
    struct sockaddr_storage peer;
    int32_t codes[4];
    int failures;
    int accepted;
    int fd;
    int family; /* of the peer, as of the call */
};

static void on_tap(struct io_op *op)
{
    struct tap *tap = CONTAINER_OF(op, struct tap, op);
    if (op->result >= 0) {
        tap->accepted++;
        tap->fd = op->result;
        tap->family = tap->peer.ss_family;
    } else if (op->result != -ERR_CANCELLED && tap->failures < 4) {
        tap->codes[tap->failures++] = op->result;
    }
}

static void test_accept_goes_on_after_failures(void **state)
{
    static const struct {
        int system_errno;
        int code; /* 0: the connection is skipped without a word */
    } cases[] = {{EMFILE, -ERR_NO_DESCRIPTORS},
                 {ENFILE, -ERR_NO_DESCRIPTORS},
                 {ENOMEM, -ERR_NO_MEMORY},
                 {ENOBUFS, -ERR_NO_MEMORY},
                 {ECONNABORTED, 0},
                 {EPROTO, 0}};
    struct io_fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tap tap = {.op.done = on_tap};
        struct sockaddr_storage address;
        assert_int_equal(io_adopt(fixture->io, &tap.sock, listen_loopback(&address)), 0);
        io_accept(&tap.sock, &tap.op, &tap.peer);
        turn_some(fixture, 2);
        struct io_far *far = plain_far_connect(fixture, &address);
        accept_errno = cases[i].system_errno;
        int64_t start = clock_steady_ms();
        for (int turn = 0; turn < 200 && tap.accepted == 0; turn++)
            io_turn(fixture->io, 1000);
        assert_int_equal(tap.accepted, 1);
        assert_int_equal(tap.failures, cases[i].code != 0 ? 1 : 0);
        assert_int_equal(tap.codes[0], cases[i].code);
        if (cases[i].code != 0)
            assert_true(clock_steady_ms() - start >= 9);
        io_discard(fixture->io, tap.fd);
        close_pair(fixture, &tap.sock, far);
    }
}

static void test_an_accept_that_pauses_can_be_cancelled(void **state)
{
    struct io_fixture *fixture = *state;
    struct tap tap = {.op.done = on_tap};
    struct sockaddr_storage address;
    assert_int_equal(io_adopt(fixture->io, &tap.sock, listen_loopback(&address)), 0);
    accept_errno = EMFILE;
    io_accept(&tap.sock, &tap.op, &tap.peer);
    io_turn(fixture->io, 0);
    assert_int_equal(tap.failures, 1);
    close_pair(fixture, &tap.sock, NULL);
    assert_int_equal(tap.op.kind, IO_OP_NONE);
}

/* A listening socket that another process holds too stays in the epoll set after close(2): its events must not find
 * the socket that was freed here. */
static void test_a_shared_listener_is_left_for_good(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock *sock = malloc(sizeof(*sock));
    struct sockaddr_storage address;
    int fd = listen_loopback(&address);
    int shared = dup(fd);
    assert_int_equal(io_adopt(fixture->io, sock, fd), 0);
    close_pair(fixture, sock, NULL);
    free(sock);
    struct io_far *far = plain_far_connect(fixture, &address);
    turn_some(fixture, 5);
    plain_far_close(fixture, far, false);
    close(shared);
}

static void test_unix_sockets(void **state)
{
    struct io_fixture *fixture = *state;
    char directory[] = "/tmp/io_epoll_test.XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/s", directory);
    struct sock_name name = {.path = str_of(path)};
    struct sock_addr address;
    assert_int_equal(sock_addr_numeric(&name, &address), 0);
    struct io_sock sock;
    struct probe probe;
    assert_int_equal(io_open(fixture->io, &sock, AF_UNIX), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &address.storage);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, -ERR_CONNECT_REFUSED);
    close_pair(fixture, &sock, NULL);
    struct tap tap = {.op.done = on_tap};
    int fd = sock_listen(&address, 16, false);
    assert_true(fd >= 0);
    assert_int_equal(io_adopt(fixture->io, &tap.sock, fd), 0);
    io_accept(&tap.sock, &tap.op, &tap.peer);
    assert_int_equal(io_open(fixture->io, &sock, AF_UNIX), 0);
    probe_init(&probe);
    io_connect(&sock, &probe.op, &address.storage);
    turn_until(fixture, &probe, 1);
    assert_int_equal(probe.result, 0);
    turn_some(fixture, 3);
    assert_int_equal(tap.accepted, 1);
    assert_int_equal(tap.family, AF_UNIX);
    io_discard(fixture->io, tap.fd);
    turn_some(fixture, 2);
    assert_true(sock.peer_ended);
    close_pair(fixture, &sock, NULL);
    close_pair(fixture, &tap.sock, NULL);
    unlink(path);
    rmdir(directory);
}

static void test_sockets_send_without_delay(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    int fd;
    int on = 0;
    socklen_t len = sizeof(on);
    struct io_far *far = plain_pair(fixture, &fd); /* accepted from sock_listen */
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    io_discard(fixture->io, fd);
    plain_far_close(fixture, far, false);
    assert_int_equal(io_open(fixture->io, &sock, AF_INET), 0);
    on = 0;
    assert_int_equal(getsockopt(sock.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    close_pair(fixture, &sock, NULL);
}

static void test_no_descriptors_left(void **state)
{
    struct io_fixture *fixture = *state;
    struct io_sock sock;
    struct rlimit before, none;
    struct io *io = NULL;
    struct io_options options = {.backend = &io_epoll_backend, .buffers = &fixture->buffers};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int opened = io_open(fixture->io, &sock, AF_INET);
    int created = io_create(&options, &io);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(opened, -ERR_NO_DESCRIPTORS);
    assert_false(io_is_open(&sock));
    assert_int_equal(created, -ERR_NO_DESCRIPTORS);
    assert_null(io);
}

int main(void)
{
    static const struct CMUnitTest own_tests[] = {
        cmocka_unit_test_setup_teardown(test_a_ping_costs_one_receive_and_one_send_a_side, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_waits_are_shared, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_wakes_from_another_thread_are_never_lost, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_accept_goes_on_after_failures, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_an_accept_that_pauses_can_be_cancelled, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_a_shared_listener_is_left_for_good, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_unix_sockets, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_sockets_send_without_delay, own_setup, own_teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors_left, own_setup, own_teardown),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do: io.h asks for it */
    int failed = io_suite_run("io contract: epoll", &epoll_ops);
    return failed + _cmocka_run_group_tests("io epoll", own_tests, ARRAY_SIZE(own_tests), NULL, NULL);
}
