/* The load of the bench's works `handshakes` and `resumed`: connects, shakes hands (TLS 1.3), waits for the server's
 * ticket, which comes when the server is done as well, says its end, closes, and begins again; many at once, one
 * thread. With --resume each one but the first takes up the first one's session, and one that did not is an error.
 *
 *   handshakes --port N --seconds S [--connections N] [--resume]
 *
 * One line of JSON on standard output, as bench/load.c; any failure ends it with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, US_PER_S = 1000000 };

struct client {
    SSL *ssl;
    int fd;
    bool ticket;
};

static struct {
    unsigned port, connections;
    double seconds;
    bool resume;
} options = {.connections = 16, .seconds = 1};

static int epoll_fd;
static SSL_CTX *context;
static SSL_SESSION *session; /* the first one's, with --resume */
static uint64_t done, under_way;
static int64_t end_us;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "handshakes: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

/* Takes a reference by returning 1. */
static int on_ticket(SSL *ssl, SSL_SESSION *given)
{
    struct client *client = SSL_get_app_data(ssl);

    client->ticket = true;
    if (!options.resume || session)
        return 0;
    session = given;
    return 1;
}

static void prepare(void)
{
    char groups[] = "X25519"; /* the library's macro takes it as its own */

    context = SSL_CTX_new(TLS_client_method());
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!context || epoll_fd < 0 || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1)
        fail("cannot start");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
}

/* With a copy: the library lets a session of TLS 1.3 be taken up once. */
static void resume(SSL *ssl)
{
    SSL_SESSION *copy = session ? SSL_SESSION_dup(session) : NULL;

    if (session && (!copy || SSL_set_session(ssl, copy) != 1))
        fail("the session is of no use");
    SSL_SESSION_free(copy);
}

static void begin(struct client *client)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = client};
    int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    client->ssl = SSL_new(context);
    client->ticket = false;
    if (client->fd < 0 || !client->ssl || SSL_set_fd(client->ssl, client->fd) != 1)
        fail("no connection");
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("cannot connect");
    SSL_set_app_data(client->ssl, client);
    SSL_set_connect_state(client->ssl);
    resume(client->ssl);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail("epoll_ctl");
    under_way++;
}

static void finish(struct client *client)
{
    if (session && done > 0 && SSL_session_reused(client->ssl) != 1)
        fail("a session was not taken up");
    (void)SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    close(client->fd);
    client->fd = -1;
    done++;
    under_way--;
}

static void go_on(struct client *client)
{
    char byte;
    int n = SSL_read(client->ssl, &byte, 1); /* shakes hands first */
    int error = SSL_get_error(client->ssl, n);

    if (n > 0)
        fail("the server said something");
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE &&
        !(error == SSL_ERROR_SYSCALL && errno == ENOTCONN))
        fail(error == SSL_ERROR_SYSCALL ? strerror(errno) : "a handshake failed");
    ERR_clear_error();
    if (client->ticket)
        finish(client);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, 10000);

    if (count == 0 || (count < 0 && errno != EINTR))
        fail("handshakes do not end");
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (client->fd < 0)
            continue;
        go_on(client);
        if (client->fd < 0 && now_us() < end_us)
            begin(client);
    }
}

static void run(void)
{
    struct client *clients = calloc(options.connections, sizeof *clients);

    if (!clients)
        fail("no memory");
    begin(&clients[0]); /* alone, for its session */
    while (done == 0)
        turn();
    for (unsigned i = clients[0].fd < 0 ? 0 : 1; i < options.connections; i++)
        begin(&clients[i]);
    while (under_way > 0)
        turn();
    free(clients);
}

static void take_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, 0, 'p'}, {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"resume", 0, 0, 'r'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'p': options.port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': options.connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'r': options.resume = true; break;
        default: fail("see bench/works.py for how it is used");
        }
    }
    if (options.port == 0 || options.connections == 0)
        fail("--port must be given, --connections not be 0");
}

int main(int argc, char **argv)
{
    take_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    prepare();
    int64_t start_us = now_us();
    end_us = start_us + (int64_t)(options.seconds * US_PER_S);
    run();
    printf("{\"requests\": %llu, \"duration_us\": %lld}\n", (unsigned long long)done, (long long)(now_us() - start_us));
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    return 0;
}
