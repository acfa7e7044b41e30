/* The life of a connection between conns. Closing one needs no memory that could fail to be there: the receive's own op
 * closes it, once the receive is out of the way. */
#include "net/seat.h"

#include "io/sock.h"
#include "net/conn.h"

enum { SEAT_MAGIC = 0x73656174 };

static void on_timer(struct timer *timer)
{
    struct seat *seat = CONTAINER_OF(timer, struct seat, timer);

    if (seat->lingering)
        seat_close(seat);
    else if (seat->conn)
        conn_note_timeout(seat->conn);
    else
        seat->events->on_timeout(seat);
}

void seat_init(struct seat *seat, const struct seat_events *events)
{
    memset(seat, 0, sizeof(*seat));
    seat->magic = SEAT_MAGIC;
    seat->events = events;
    seat->sock.fd = -1;
    timer_init(&seat->timer, on_timer);
}

/* What came by IPv4 to a socket for both is an IPv4 address again. */
static void unmap(struct seat *seat)
{
    struct sockaddr_in6 mapped = seat->peer.in6;

    if (!IN6_IS_ADDR_V4MAPPED(&mapped.sin6_addr))
        return;
    memset(&seat->peer, 0, sizeof(seat->peer));
    seat->peer.in4.sin_family = AF_INET;
    seat->peer.in4.sin_port = mapped.sin6_port;
    memcpy(&seat->peer.in4.sin_addr, mapped.sin6_addr.s6_addr + 12, 4);
}

void seat_keep_peer(struct seat *seat, const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) {
        memcpy(&seat->peer.in4, peer, sizeof(seat->peer.in4));
    } else if (peer->ss_family == AF_INET6) {
        memcpy(&seat->peer.in6, peer, sizeof(seat->peer.in6));
        unmap(seat);
    }
}

int seat_accept(struct seat *seat, struct io *io, int fd, const struct sockaddr_storage *peer)
{
    ASSERT_MAGIC(seat, SEAT_MAGIC);
    int error = io_adopt(io, &seat->sock, fd);
    if (error)
        return error;
    seat_keep_peer(seat, peer);
    transport_plain_await(seat);
    return 0;
}

static void on_io_closed(struct io_op *op)
{
    struct seat *seat = CONTAINER_OF(op, struct seat, rx);

    seat->events->on_closed(seat);
}

static void close_now(struct seat *seat)
{
    seat->rx.done = on_io_closed;
    io_close(&seat->sock, &seat->rx, false);
}

void seat_close(struct seat *seat)
{
    ASSERT_MAGIC(seat, SEAT_MAGIC);
    ASSERT(!seat->conn);
    if (seat->closing)
        return;
    seat->closing = true;
    io_timer_fini(seat->sock.io, &seat->timer);
    if (seat->sock.rx)
        io_cancel(&seat->rx); /* seat_stir goes on */
    else
        close_now(seat);
}

void seat_linger(struct seat *seat)
{
    ASSERT_MAGIC(seat, SEAT_MAGIC);
    ASSERT(!seat->conn);
    if (seat->closing || seat->lingering)
        return;
    if (!seat->sock.rx || seat->sock.peer_ended) {
        seat_close(seat);
        return;
    }
    seat->lingering = true;
    io_shutdown_send(&seat->sock);
    io_timer_set(seat->sock.io, &seat->timer, io_now_ms(seat->sock.io) + SEAT_LINGER_MS);
}

static void linger_on(struct seat *seat, int result)
{
    if (result > 0 && ++seat->dropped < SEAT_LINGER_RECEIVES)
        transport_plain_await(seat);
    else
        seat_close(seat);
}

struct conn *seat_stir(struct seat *seat, int result)
{
    if (seat->closing)
        close_now(seat);
    else if (seat->lingering)
        linger_on(seat, result);
    else
        return seat->events->on_stir(seat, result);
    return NULL;
}

bool seat_peer_ended(const struct seat *seat)
{
    return seat->sock.peer_ended;
}

bool seat_quiet(const struct seat *seat)
{
    bool news = seat->sock.rx && seat->sock.rx->completed;

    return !seat->sock.peer_ended && !news;
}

struct str seat_peer_host(const struct seat *seat, char *out)
{
    struct sockaddr_storage storage = {0};

    memcpy(&storage, &seat->peer, sizeof(seat->peer));
    if (seat->peer.any.sa_family == AF_UNSPEC)
        storage.ss_family = AF_UNIX;
    return sock_host_text(out, &storage);
}
