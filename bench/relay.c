/* A bare byte relay: the yardstick of the bench. It understands nothing, so nothing that understands can be cheaper
 * on sockets: per message one receive and one send, edge-triggered, one thread.
 *
 *   relay LISTEN_PORT WORKER...      on 127.0.0.1; a worker is 127.0.0.1:PORT; TERM ends it
 *
 * Each client connection is tied to a worker connection of its own, workers in turn. It uses none of Ballast's
 * floors on purpose: what it costs must not change when they do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, EVENTS = 256, WORKERS_MAX = 64 };

struct pair;

struct side {
    struct pair *pair;
    int fd;
    bool readable;
    bool writable;
    bool ended;    /* it sent its end, and that was passed on */
    char *waiting; /* read from here, not yet taken by the other side */
    size_t waiting_bytes;
};

struct pair {
    struct side client;
    struct side worker;
    struct pair *next_dead;
};

static int epoll_fd;
static struct sockaddr_in workers[WORKERS_MAX];
static unsigned worker_count;
static unsigned turn;
static struct pair *dead; /* freed after the batch of events, which may still name them */
static char chunk[CHUNK_BYTES];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in local_address(const char *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    if (*port == '\0' || *end != '\0' || number == 0 || number > 65535) {
        fprintf(stderr, "relay: %s is not a port\n", port);
        exit(1);
    }
    addr.sin_port = htons((uint16_t)number);
    return addr;
}

static bool watch(int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = owner};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void pair_end(struct pair *pair)
{
    if (pair->client.fd < 0)
        return;
    close(pair->client.fd);
    if (pair->worker.fd >= 0)
        close(pair->worker.fd);
    pair->client.fd = -1;
    pair->worker.fd = -1;
    pair->next_dead = dead;
    dead = pair;
}

static void bury(void)
{
    while (dead != NULL) {
        struct pair *pair = dead;
        dead = pair->next_dead;
        free(pair->client.waiting);
        free(pair->worker.waiting);
        free(pair);
    }
}

static void set_no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void pair_begin(int client_fd)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL) {
        close(client_fd);
        return;
    }
    pair->client = (struct side){.pair = pair, .fd = client_fd};
    pair->worker = (struct side){.pair = pair, .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    const struct sockaddr_in *to = &workers[turn++ % worker_count];
    if (pair->worker.fd < 0) {
        pair_end(pair);
        return;
    }
    set_no_delay(client_fd);
    set_no_delay(pair->worker.fd);
    if ((connect(pair->worker.fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS) ||
        !watch(client_fd, &pair->client) || !watch(pair->worker.fd, &pair->worker))
        pair_end(pair);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            pair_begin(fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return; /* out of descriptors too: the next connection's edge tries again */
    }
}

/* Keeps what the other side did not take. False: no memory. */
static bool keep_rest(struct side *from, const char *bytes, size_t n)
{
    if (from->waiting == NULL)
        from->waiting = malloc(CHUNK_BYTES);
    if (from->waiting == NULL)
        return false;
    memmove(from->waiting, bytes, n);
    from->waiting_bytes = n;
    return true;
}

/* Sends to `to` what came from `from`; the rest waits. False: the pair is lost. */
static bool pass_on(struct side *from, struct side *to, const char *bytes, size_t n)
{
    ssize_t sent = send(to->fd, bytes, n, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return false;
        sent = 0;
    }
    if ((size_t)sent == n) {
        from->waiting_bytes = 0;
        return true;
    }
    to->writable = false;
    return keep_rest(from, bytes + sent, n - (size_t)sent);
}

/* Moves what can be moved in one direction. False: the pair is lost. */
static bool pump(struct side *from, struct side *to)
{
    if (from->waiting_bytes > 0 && to->writable && !pass_on(from, to, from->waiting, from->waiting_bytes))
        return false;
    while (from->readable && to->writable && from->waiting_bytes == 0 && !from->ended) {
        ssize_t n = recv(from->fd, chunk, sizeof chunk, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            from->readable = false;
            return errno == EAGAIN;
        }
        if (n == 0) {
            from->ended = true;
            return shutdown(to->fd, SHUT_WR) == 0;
        }
        if (n < (ssize_t)sizeof chunk)
            from->readable = false; /* the socket is empty: the next edge tells */
        if (!pass_on(from, to, chunk, (size_t)n))
            return false;
    }
    return true;
}

static void on_side(struct side *side, uint32_t events)
{
    struct pair *pair = side->pair;
    if (side->fd < 0)
        return;
    if (events & EPOLLOUT)
        side->writable = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        side->readable = true;
    if ((events & EPOLLERR) || !pump(&pair->client, &pair->worker) || !pump(&pair->worker, &pair->client) ||
        (pair->client.ended && pair->worker.ended))
        pair_end(pair);
}

/* A receive that came back short says nothing about an end behind it: the end's own edge may have come before. */
static void on_event(struct side *side, uint32_t events)
{
    on_side(side, events);
    if ((events & EPOLLRDHUP) && side->fd >= 0 && !side->readable && !side->ended)
        on_side(side, EPOLLIN);
}

static struct sockaddr_in worker_address(const char *text)
{
    static const char host[] = "127.0.0.1:";
    if (strncmp(text, host, sizeof host - 1) != 0) {
        fprintf(stderr, "relay: %s does not begin with %s\n", text, host);
        exit(1);
    }
    return local_address(text + sizeof host - 1);
}

static int listen_on(const char *port)
{
    struct sockaddr_in addr = local_address(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
        fail(port);
    if (listen(fd, 4096) < 0)
        fail("listen");
    return fd;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc - 2 > WORKERS_MAX) {
        fprintf(stderr, "usage: relay LISTEN_PORT WORKER...\n");
        return 1;
    }
    for (int i = 2; i < argc; i++)
        workers[worker_count++] = worker_address(argv[i]);
    raise_descriptor_limit();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        fail("epoll_create1");
    int listener = listen_on(argv[1]);
    struct side listening = {.fd = listener};
    if (!watch(listener, &listening))
        fail("epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &listening)
                accept_all(listener);
            else
                on_event(side, events[i].events);
        }
        bury();
    }
}
