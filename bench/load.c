/* The bench's load: one thread, many connections, every answer checked. Two ways to ask:
 *
 *   without --rate   closed loop: each connection asks again as soon as it was answered. Finds what can be done.
 *   with --rate N    open loop: request k is due at start + k/N, whatever became of those before it. It goes out on
 *                    the first free connection; its latency counts from when it was due, so that an answer that comes
 *                    late delays nobody's clock (no coordinated omission). Finds what a client has to wait.
 *
 * Bodies of answers are counted and dropped inside the kernel, so that the load leaves its processor to the workers.
 * It uses none of Ballast's floors on purpose, like the relay: what it costs must not change when they do. One line of
 * JSON on standard output; any wrong answer ends it with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

#define NS_PER_S INT64_C(1000000000)

enum { HEAD_BYTES = 8192, PATTERN_BYTES = 1 << 20, EVENTS = 256, DROP_BYTES = 1 << 30, DRAIN_S = 10 };

struct client {
    int fd;
    bool busy;
    bool in_body;
    int64_t due_ns; /* when the request under way should have gone out */
    uint64_t sent;
    uint64_t body_left;
    size_t head_bytes;
    struct client *next_free;
    char head[HEAD_BYTES]; /* of the answer */
};

static struct {
    unsigned port, connections;
    double seconds, rate;
    uint64_t requests, post_bytes, answer_bytes;
    const char *path;
    bool close, browser, idle;
} options = {.connections = 32, .seconds = 1, .path = "/"};

static struct {
    int epoll_fd;
    struct client *clients;
    struct client *free_first, *free_last; /* those that rest, the longest first */
    uint64_t issued, answered, bytes;
    uint64_t limit; /* of requests; those due, in an open loop */
    int64_t start_ns, end_ns;
    struct histogram histogram;
} load;

static char request[4096];
static size_t request_bytes;
static char pattern[PATTERN_BYTES];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static _Noreturn void fail_system(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- what is sent ---- */

static void add(const char *text)
{
    size_t n = strlen(text);

    if (request_bytes + n > sizeof request)
        fail("the request is too long");
    memcpy(request + request_bytes, text, n);
    request_bytes += n;
}

/* With Host twenty fields, as a browser would send them to a page of a shop: 1.5 KiB. */
static const char browser_fields[] =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8,fr;q=0.7\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cache-Control: max-age=0\r\n"
    "Sec-CH-UA: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\n"
    "Sec-CH-UA-Mobile: ?0\r\n"
    "Sec-CH-UA-Platform: \"Linux\"\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-User: ?1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "DNT: 1\r\n"
    "Priority: u=0, i\r\n"
    "Referer: http://shop.example/catalogue/garden/tools?sort=price&page=3&colour=green\r\n"
    "If-None-Match: W/\"5f2b1c-1a7b3c9d2e4f\"\r\n"
    "If-Modified-Since: Tue, 24 Nov 2026 08:12:31 GMT\r\n"
    "Cookie: session=7d9f2c1ba4e84d0c9b6d0f5e8a713c55; consent=necessary%2Cpreferences; theme=dark; "
    "basket=eyJpdGVtcyI6W3siaWQiOjEyMzQsIm4iOjJ9LHsiaWQiOjk4NzYsIm4iOjF9XX0; visitor=1c9a6b52-77f0-4d0f-8a4e-"
    "0b7e3c1d2f60; experiment=checkout-b; currency=EUR; region=eu-central; last=1764080000\r\n";

static void make_request(void)
{
    char line[512];

    (void)snprintf(line, sizeof line, "%s %s HTTP/1.1\r\nHost: shop.example\r\n", options.post_bytes ? "POST" : "GET",
                   options.path);
    add(line);
    if (options.browser)
        add(browser_fields);
    if (options.close)
        add("Connection: close\r\n");
    if (options.post_bytes) {
        (void)snprintf(line, sizeof line, "Content-Length: %llu\r\n", (unsigned long long)options.post_bytes);
        add(line);
    }
    add("\r\n");
    memset(pattern, 'x', sizeof pattern);
}

/* ---- connections ---- */

static void open_client(struct client *client)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = client};
    int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        fail_system("socket");
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail_system("connect");
    if (epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail_system("epoll_ctl");
}

static void rest(struct client *client)
{
    client->next_free = NULL;
    if (load.free_last)
        load.free_last->next_free = client;
    else
        load.free_first = client;
    load.free_last = client;
}

/* ---- a request and its answer ---- */

static void send_more(struct client *client)
{
    uint64_t total = request_bytes + options.post_bytes;

    while (client->sent < total) {
        struct iovec slices[2];
        int count = 0;
        uint64_t in_body = client->sent > request_bytes ? client->sent - request_bytes : 0;
        uint64_t left = options.post_bytes - in_body;
        if (client->sent < request_bytes)
            slices[count++] = (struct iovec){request + client->sent, request_bytes - client->sent};
        if (left > 0)
            slices[count++] = (struct iovec){pattern, left < sizeof pattern ? left : sizeof pattern};
        struct msghdr message = {.msg_iov = slices, .msg_iovlen = (size_t)count};
        ssize_t n = sendmsg(client->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        if (n < 0)
            fail_system("send");
        client->sent += (uint64_t)n;
    }
}

static void begin(struct client *client, int64_t due_ns)
{
    client->busy = true;
    client->in_body = false;
    client->due_ns = due_ns;
    client->sent = 0;
    client->head_bytes = 0;
    load.issued++;
    if (options.close)
        open_client(client);
    send_more(client);
}

static void answered(struct client *client)
{
    int64_t now = now_ns();

    if (client->sent < request_bytes + options.post_bytes)
        fail("answered before the request was sent");
    client->busy = false;
    load.answered++;
    histogram_note(&load.histogram, (uint64_t)(now - client->due_ns) / 1000);
    if (options.close) {
        close(client->fd);
        client->fd = -1;
    }
    if (options.rate == 0 && load.issued < load.limit && now < load.end_ns)
        begin(client, now);
    else
        rest(client);
}

static uint64_t length_of(char *head)
{
    for (char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoull(line + 15, NULL, 10);
    }
    fail("an answer without a length");
}

/* Reads the head; what came behind it is the body's beginning. False: more bytes are needed. */
static bool take_head(struct client *client)
{
    client->head[client->head_bytes] = 0;
    char *end = strstr(client->head, "\r\n\r\n");
    if (!end) {
        if (client->head_bytes == HEAD_BYTES - 1)
            fail("an answer's head is too long");
        return false;
    }
    if (strncmp(client->head, "HTTP/1.1 200 ", 13) != 0) {
        client->head[strcspn(client->head, "\r")] = 0;
        fail(client->head);
    }
    end[2] = 0;
    uint64_t bytes = length_of(client->head);
    uint64_t here = client->head_bytes - (size_t)(end + 4 - client->head);
    if (bytes < options.answer_bytes || here > bytes)
        fail("an answer of the wrong length");
    client->in_body = true;
    client->body_left = bytes - here;
    return true;
}

static ssize_t receive(struct client *client)
{
    if (client->in_body) /* never more than this answer: MSG_TRUNC drops what it counts */
        return recv(client->fd, NULL, client->body_left < DROP_BYTES ? client->body_left : DROP_BYTES, MSG_TRUNC);
    return recv(client->fd, client->head + client->head_bytes, HEAD_BYTES - 1 - client->head_bytes, 0);
}

static void receive_more(struct client *client)
{
    while (client->busy) {
        ssize_t n = receive(client);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail_system("receive");
        if (n == 0)
            fail("a connection ended inside an answer");
        load.bytes += (uint64_t)n;
        if (client->in_body) {
            client->body_left -= (uint64_t)n;
        } else {
            client->head_bytes += (size_t)n;
            if (!take_head(client))
                continue;
        }
        if (client->body_left == 0) {
            answered(client);
            return; /* it waits for its answer now, which is an edge of its own */
        }
    }
}

static void on_event(struct client *client, uint32_t events)
{
    if (client->fd < 0)
        return; /* closed by an event before this one */
    if (client->busy && (events & EPOLLOUT) != 0)
        send_more(client);
    receive_more(client);
    /* Seen here or never: the edge does not come again. */
    if ((events & (EPOLLRDHUP | EPOLLERR)) != 0 && client->fd >= 0 && !options.close)
        fail("a connection was closed that should have been kept");
}

/* ---- running ---- */

static bool due(int64_t *ret_at_ns)
{
    *ret_at_ns = load.start_ns + (int64_t)((double)load.issued * (double)NS_PER_S / options.rate);
    return load.issued < load.limit;
}

/* Sends what is due, as far as connections are free. How long until the next: -1 for whatever comes. */
static int64_t issue_due(void)
{
    int64_t at;

    while (due(&at)) {
        int64_t now = now_ns();
        if (at > now)
            return at - now;
        struct client *client = load.free_first;
        if (!client)
            return -1;
        load.free_first = client->next_free;
        if (!load.free_first)
            load.free_last = NULL;
        begin(client, at);
    }
    return -1;
}

static void wait_events(int64_t timeout_ns)
{
    struct epoll_event events[EVENTS];
    int64_t most = timeout_ns < 0 ? NS_PER_S : timeout_ns;
    struct timespec timeout = {most / NS_PER_S, most % NS_PER_S};
    int count = epoll_pwait2(load.epoll_fd, events, EVENTS, &timeout, NULL);

    if (count < 0 && errno != EINTR)
        fail_system("epoll_pwait2");
    for (int i = 0; i < count; i++)
        on_event(events[i].data.ptr, events[i].events);
    if (now_ns() > load.end_ns + DRAIN_S * NS_PER_S)
        fail(options.rate > 0 ? "the rate is too high: requests pile up" : "answers do not come");
}

static void run(void)
{
    load.start_ns = now_ns();
    load.end_ns = load.start_ns + (int64_t)(options.seconds * (double)NS_PER_S);
    load.limit = options.requests ? options.requests : UINT64_MAX;
    if (options.rate > 0) {
        load.limit = options.requests ? options.requests : (uint64_t)(options.seconds * options.rate);
        while (load.answered < load.limit)
            wait_events(issue_due());
        return;
    }
    load.free_first = load.free_last = NULL;
    for (unsigned i = 0; i < options.connections && load.issued < load.limit; i++)
        begin(&load.clients[i], now_ns());
    while (load.answered < load.issued)
        wait_events(-1);
}

/* Every connection has asked once and then rests, until standard input ends. */
static void hold(void)
{
    char end;

    printf("{\"held\": %u}\n", options.connections);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
}

/* ---- starting ---- */

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == 0 || *end != 0)
        fail("an option's value must be a number");
    return value;
}

static void take_option(int option)
{
    switch (option) {
    case 'p': options.port = (unsigned)number(optarg); return;
    case 'c': options.connections = (unsigned)number(optarg); return;
    case 's': options.seconds = strtod(optarg, NULL); return;
    case 'n':
        options.requests = number(optarg);
        options.seconds = 3600;
        return;
    case 'r': options.rate = strtod(optarg, NULL); return;
    case 'u': options.path = optarg; return;
    case 'b': options.post_bytes = number(optarg); return;
    case 'a': options.answer_bytes = number(optarg); return;
    case 'x': options.close = true; return;
    case 'w': options.browser = true; return;
    case 'i': options.idle = true; return;
    default: fail("see bench/works.py for how it is used");
    }
}

static void take_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, 0, 'p'},  {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'},    {"requests", 1, 0, 'n'},
        {"rate", 1, 0, 'r'},  {"path", 1, 0, 'u'},        {"post-bytes", 1, 0, 'b'}, {"answer-bytes", 1, 0, 'a'},
        {"close", 0, 0, 'x'}, {"browser", 0, 0, 'w'},     {"idle", 0, 0, 'i'},       {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        take_option(option);
    if (options.port == 0 || options.connections == 0)
        fail("--port and --connections must be given");
    if (options.idle)
        options.requests = options.connections;
}

static void prepare(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* what is due goes out when it is due */
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.clients = calloc(options.connections, sizeof *load.clients);
    if (load.epoll_fd < 0 || !load.clients)
        fail("cannot start");
    for (unsigned i = 0; i < options.connections; i++) {
        load.clients[i].fd = -1;
        if (!options.close)
            open_client(&load.clients[i]);
        rest(&load.clients[i]);
    }
}

static void report(int64_t took_ns)
{
    const struct histogram *h = &load.histogram;

    printf("{\"requests\": %llu, \"duration_us\": %lld, \"bytes\": %llu, \"p50_us\": %llu, \"p90_us\": %llu, "
           "\"p99_us\": %llu, \"p999_us\": %llu, \"max_us\": %llu}\n",
           (unsigned long long)load.answered, (long long)took_ns / 1000, (unsigned long long)load.bytes,
           (unsigned long long)histogram_at(h, 500), (unsigned long long)histogram_at(h, 900),
           (unsigned long long)histogram_at(h, 990), (unsigned long long)histogram_at(h, 999),
           (unsigned long long)h->max);
}

int main(int argc, char **argv)
{
    take_options(argc, argv);
    make_request();
    prepare();
    run();
    if (options.idle)
        hold();
    else
        report(now_ns() - load.start_ns);
    return 0;
}
