/* A bare loop of TLS handshakes: the yardstick of the bench's works `handshakes` and `resumed`. It does what a server
 * must for a handshake with OpenSSL and nothing else: accept, handshake, one ticket, wait for the client's end, close;
 * one thread, edge-triggered.
 *
 *   tls_loop PORT CERTIFICATE KEY      on 127.0.0.1; TERM ends it
 *
 * It uses none of Ballast's floors on purpose: what it costs must not change when they do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096 };

static int epoll_fd;
static int listen_fd;
static SSL_CTX *context;

static _Noreturn void fail(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void prepare_context(const char *certificate, const char *key)
{
    char groups[] = "X25519"; /* the library's macro takes it as its own */

    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        fail("certificate");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1 || SSL_CTX_set_num_tickets(context, 1) != 1)
        fail("settings");
}

static void listen_on(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1;

    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listen_fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(listen_fd, BACKLOG) < 0)
        fail("listen");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
        fail("epoll");
}

static void end(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
}

/* Goes on as far as bytes are there: a read shakes hands first, then waits for the client's end. */
static void go_on(SSL *ssl)
{
    char byte;
    int n = SSL_read(ssl, &byte, 1);
    int error = SSL_get_error(ssl, n);

    if (error == SSL_ERROR_WANT_READ)
        return;
    if (error == SSL_ERROR_ZERO_RETURN)
        (void)SSL_shutdown(ssl);
    end(ssl);
}

static bool accept_one(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int on = 1;

    if (fd < 0)
        return false;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL *ssl = SSL_new(context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        fail("connection");
    SSL_set_accept_state(ssl);
    event.data.ptr = ssl;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    return true;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc != 4) {
        fprintf(stderr, "usage: tls_loop PORT CERTIFICATE KEY\n");
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    prepare_context(argv[2], argv[3]);
    listen_on(argv[1]);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                go_on(events[i].data.ptr);
            else
                while (accept_one())
                    ;
        }
    }
}
