/* Sockets of a sink. Non-blocking, and waited for by poll, so that a sink which is to end does. */
#include "base/sink_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/journal_text.h"

enum {
    WIRE_MESSAGE_MAX = 16384,
    WIRE_COUNT_MAX = 8, /* octet counting (RFC 6587, section 3.4.1): digits and a space */
    WIRE_LOOK_MS = 100, /* how often a wait looks whether it has to end */
    WIRE_CONNECT_MS = 1000,
    WIRE_AGAIN_MS = 1000,
};

struct sink_wire {
    struct sink_target target; /* its texts point to those below */
    char host[256], app[64], kind[64];
    int fd; /* -1: not connected */
    const _Atomic int64_t *give_up_ms;
    char message[WIRE_COUNT_MAX + WIRE_MESSAGE_MAX];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_over(const struct sink_wire *wire)
{
    return now_ms() >= atomic_load(wire->give_up_ms);
}

/* Waits for these events on the socket (fd -1: for time alone), at most so long; false when nothing came. */
static bool wait_for(const struct sink_wire *wire, int fd, short events, int64_t ms)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    int64_t until = now_ms() + ms;

    for (int64_t left = ms; left > 0 && !is_over(wire); left = until - now_ms())
        if (poll(&wanted, 1, left < WIRE_LOOK_MS ? (int)left : WIRE_LOOK_MS) > 0)
            return true; /* errors too: what is tried next will name them */
    return false;
}

static bool is_udp(const struct sink_wire *wire)
{
    return !wire->target.stream && wire->target.address.ss_family != AF_UNIX;
}

/* ---- connecting ---- */

static void hang_up(struct sink_wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

static bool is_connected(const struct sink_wire *wire)
{
    int error = 0;
    socklen_t n = sizeof(error);

    return wait_for(wire, wire->fd, POLLOUT, WIRE_CONNECT_MS) &&
           getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

static bool connect_wire(struct sink_wire *wire)
{
    const struct sink_target *target = &wire->target;
    int type = target->stream ? SOCK_STREAM : SOCK_DGRAM;

    wire->fd = socket(target->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wire->fd < 0)
        return false;
    int failed = connect(wire->fd, (const struct sockaddr *)&target->address, target->address_bytes);
    if (failed == 0 || (errno == EINPROGRESS && is_connected(wire)))
        return true;
    hang_up(wire);
    return false;
}

/* A stream that the server has closed takes one more message without an error, and it is lost. */
static bool was_closed(const struct sink_wire *wire)
{
    char byte;

    return wire->target.stream && recv(wire->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* ---- sending ---- */

/* True when all of it has left; what is left of a message that was begun is waited for, or its stream given up. */
static bool send_whole(struct sink_wire *wire, const char *bytes, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t sent = send(wire->fd, bytes + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            done += (size_t)sent;
        else if (sent == 0 || (errno != EAGAIN && errno != EINTR))
            return false;
        else if (errno == EAGAIN && !wait_for(wire, wire->fd, POLLOUT, WIRE_AGAIN_MS) && is_over(wire))
            return false;
    }
    return true;
}

/* An error may be that of a datagram before, and is told once: this one is sent all the same, and one counts as lost.
 */
static bool send_udp(struct sink_wire *wire, const char *bytes, size_t n)
{
    if (wire->fd < 0 && !connect_wire(wire))
        return false;
    if (send_whole(wire, bytes, n))
        return true;
    if (errno == ECONNREFUSED)
        (void)send_whole(wire, bytes, n);
    return false;
}

static bool send_message(struct sink_wire *wire, const char *bytes, size_t n)
{
    if (is_udp(wire))
        return send_udp(wire, bytes, n);
    while (!is_over(wire)) {
        if (wire->fd >= 0 && was_closed(wire))
            hang_up(wire);
        if (wire->fd < 0 && !connect_wire(wire)) {
            (void)wait_for(wire, -1, 0, WIRE_AGAIN_MS);
            continue;
        }
        if (send_whole(wire, bytes, n))
            return true;
        bool too_long = errno == EMSGSIZE;
        hang_up(wire);
        if (too_long)
            return false;
    }
    return false;
}

/* ---- messages ---- */

/* Behind room for the count of a stream's message. */
static struct str compose(struct sink_wire *wire, const struct entry *entry)
{
    const struct sink_target *target = &wire->target;
    char *text = wire->message + WIRE_COUNT_MAX, count[WIRE_COUNT_MAX];

    if (target->kind == SINK_JOURNAL)
        return str_slice(text, journal_text(text, WIRE_MESSAGE_MAX, target->head.app, target->head.kind, entry));
    size_t n = syslog_text(text, WIRE_MESSAGE_MAX, &target->head, entry);
    if (!target->stream)
        return str_slice(text, n);
    int digits = snprintf(count, sizeof(count), "%zu ", n);
    ASSERT(digits > 0 && digits < WIRE_COUNT_MAX);
    memcpy(text - digits, count, (size_t)digits);
    return str_slice(text - digits, n + (size_t)digits);
}

static bool put_line(struct sink_wire *wire, struct str line)
{
    struct entry entry;

    if (entry_read(line, &entry))
        return false;
    struct str message = compose(wire, &entry);
    return send_message(wire, message.p, message.n);
}

uint64_t sink_wire_put(struct sink_wire *wire, const char *bytes, size_t n, const _Atomic int64_t *give_up_ms)
{
    uint64_t lost = 0;

    wire->give_up_ms = give_up_ms;
    for (size_t at = 0; at < n;) {
        struct str rest = str_slice(bytes + at, n - at);
        size_t length = str_find(rest, '\n');
        lost += !put_line(wire, str_slice(rest.p, length));
        at += length + 1;
    }
    return lost;
}

/* ---- being there ---- */

static void keep(char *out, size_t room, const char **text)
{
    (void)snprintf(out, room, "%s", *text);
    *text = out;
}

int sink_wire_create(const struct sink_target *target, struct sink_wire **ret_wire)
{
    struct sink_wire *wire = calloc(1, sizeof(*wire));

    if (!wire)
        return -ERR_NO_MEMORY;
    wire->fd = -1;
    wire->target = *target;
    keep(wire->host, sizeof(wire->host), &wire->target.head.host);
    keep(wire->app, sizeof(wire->app), &wire->target.head.app);
    keep(wire->kind, sizeof(wire->kind), &wire->target.head.kind);
    *ret_wire = wire;
    return 0;
}

void sink_wire_destroy(struct sink_wire **wire)
{
    hang_up(*wire);
    free(*wire);
    *wire = NULL;
}
