/* A transport for the first moments of a conn. It reads until the header is whole, puts what was read behind it into
 * conn->in, and the conn goes on as if it had been accepted by the other transport. Until then nothing is in conn->in:
 * no session shall take a header for a request. Owned by its conn, on its thread. */
#include "net/proxied.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/hand_over.h"
#include "net/proxy_proto.h"

struct proxied_rules {
    /* fixed after it was made */
    bool others_plain;
    uint32_t header_ms;
    struct tls_ctx *tls;
    /* shared */
    _Atomic uint32_t refs;
    /* fixed again: as many as there are */
    uint32_t count;
    struct network from[];
};

enum { PROXIED_MAGIC = 0x70726f78 };

struct proxied {
    uint32_t magic;
    struct conn *conn;
    struct proxied_rules *rules;
    struct proxied_room *room;
    struct bufq read;
    struct timer timer;
    struct io_task task; /* refuses from outside of conn_accept */
};

/* start-up only: and once a reload. */
int proxied_create(const struct proxied_options *options, struct proxied_rules **ret_rules)
{
    size_t bytes = options->count * sizeof(*options->from);
    struct proxied_rules *rules = calloc(1, sizeof(*rules) + bytes);

    if (!rules)
        return -ERR_NO_MEMORY;
    rules->others_plain = options->others_plain;
    rules->header_ms = options->header_ms;
    rules->tls = options->tls ? tls_ctx_ref(options->tls) : NULL;
    rules->count = options->count;
    if (bytes > 0)
        memcpy(rules->from, options->from, bytes);
    atomic_init(&rules->refs, 1);
    *ret_rules = rules;
    return 0;
}

/* start-up only: the other end of proxied_create, whoever has them last. */
void proxied_unref(struct proxied_rules *rules)
{
    if (!rules || atomic_fetch_sub_explicit(&rules->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_ctx_unref(rules->tls);
    free(rules);
}

static struct proxied *of_conn(const struct conn *conn)
{
    struct proxied *proxied = conn->transport_state;

    ASSERT_MAGIC(proxied, PROXIED_MAGIC);
    return proxied;
}

static void release(struct proxied *proxied)
{
    io_timer_fini(proxied->conn->io, &proxied->timer);
    io_task_cancel(&proxied->task);
    bufq_clear(&proxied->read);
    proxied->conn->transport_state = NULL;
    proxied_unref(proxied->rules);
    free(proxied); /* not per request: once a connection */
}

/* ---- in or out ---- */

static void refuse(struct proxied *proxied, enum proxied_note note, int error)
{
    proxied->room->note(proxied->room->context, note);
    io_timer_fini(proxied->conn->io, &proxied->timer);
    conn_note_ready(proxied->conn, error);
}

/* What came behind the header is the beginning of what follows. */
static void let_in(struct proxied *proxied)
{
    struct conn *conn = proxied->conn;
    struct tls_ctx *tls = proxied->rules->tls ? tls_ctx_ref(proxied->rules->tls) : NULL;
    struct tls_room *room = proxied->room->handshakes;
    int error = proxied->room->admit(proxied->room->context, conn) ? 0 : -ERR_FULL;

    if (!error)
        error = bufq_move(&conn->in, &proxied->read, bufq_bytes(&proxied->read));
    release(proxied);
    hand_over(conn, tls, room, error);
    tls_ctx_unref(tls);
}

static void take_told(struct proxied *proxied, const struct proxy_told *told)
{
    struct seat *seat = proxied->conn->seat;
    struct sockaddr_storage peer = {0};

    proxied->room->note(proxied->room->context, told->local ? PROXIED_LOCAL : PROXIED_TAKEN);
    if (!told->local) {
        memcpy(&peer, &told->from, sizeof(told->from));
        memset(&seat->peer, 0, sizeof(seat->peer)); /* a client without an address, unless it is told */
        seat_keep_peer(seat, &peer);
    }
    let_in(proxied);
}

/* ---- the header ---- */

static void on_received(struct io_op *op);

static void read_more(struct proxied *proxied)
{
    struct conn *conn = proxied->conn;

    if (conn->seat->sock.rx || conn->seat->sock.closing)
        return;
    conn->seat->rx.done = on_received;
    io_recv(&conn->seat->sock, &conn->seat->rx, NULL);
}

static void refuse_header(struct proxied *proxied, int error)
{
    enum proxied_note note = error == -ERR_PROXY_MISSING ? PROXIED_MISSING
                             : error == -ERR_PROXY_SIZE  ? PROXIED_TOO_LARGE
                                                         : PROXIED_MALFORMED;

    refuse(proxied, note, error);
}

static void look(struct proxied *proxied)
{
    struct bufq *in = &proxied->read;
    struct proxy_told told;
    size_t most = bufq_bytes(in) < PROXY_PROTO_MAX ? bufq_bytes(in) : PROXY_PROTO_MAX;
    int error = bufq_gather(in, most, BUF_CHUNK_CAP);

    if (error) {
        conn_note_ready(proxied->conn, error);
        return;
    }
    int n = proxy_proto_parse(str_slice(bufq_front(in).p, most), &told);
    if (n > 0) {
        bufq_consume(in, (size_t)n);
        take_told(proxied, &told);
    } else if (n < 0) {
        refuse_header(proxied, n);
    } else {
        read_more(proxied);
    }
}

/* A client that ends inside the header has sent a broken one; one that says nothing (a check of the port) has none. */
static void note_early_end(struct proxied *proxied, int result)
{
    if (result == 0)
        refuse_header(proxied, bufq_bytes(&proxied->read) > 0 ? -ERR_PROXY_HEADER : -ERR_PROXY_MISSING);
    else
        conn_note_ready(proxied->conn, result);
}

static void on_received(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct seat, rx)->conn;
    struct proxied *proxied = of_conn(conn);
    struct buf *buf = op->buf;
    int result = op->result;

    if (result > 0) {
        int error = bufq_push(&proxied->read, buf, buf->used - (size_t)result, (size_t)result);
        buf_unref(buf);
        result = error ? error : result;
    }
    if (conn->seat->sock.closing)
        return;
    if (result > 0)
        look(proxied);
    else
        note_early_end(proxied, result);
}

static void on_timer(struct timer *timer)
{
    refuse(CONTAINER_OF(timer, struct proxied, timer), PROXIED_TIMEOUT, -ERR_PROXY_TIMEOUT);
}

static void on_task(struct io_task *task)
{
    struct proxied *proxied = CONTAINER_OF(task, struct proxied, task);

    if (proxied->conn->seat->sock.closing)
        return;
    if (!proxied->rules->others_plain) {
        refuse(proxied, PROXIED_UNTRUSTED, -ERR_PROXY_UNTRUSTED);
        return;
    }
    proxied->room->note(proxied->room->context, PROXIED_PLAIN);
    let_in(proxied);
}

static void proxied_start(struct conn *conn)
{
    struct proxied *proxied = of_conn(conn);

    if (!network_has(proxied->rules->from, proxied->rules->count, &conn->seat->peer.any)) {
        io_task_queue(conn->io, &proxied->task);
        return;
    }
    io_timer_set(conn->io, &proxied->timer, io_now_ms(conn->io) + proxied->rules->header_ms);
    read_more(proxied);
}

/* ---- life ---- */

static int proxied_init(struct conn *conn, const void *settings, void *room)
{
    struct proxied *proxied = calloc(1, sizeof(*proxied)); /* not per request: once a connection */

    if (!proxied)
        return -ERR_NO_MEMORY;
    proxied->magic = PROXIED_MAGIC;
    proxied->conn = conn;
    proxied->room = room;
    proxied->rules = (struct proxied_rules *)(uintptr_t)settings; /* only its count changes */
    atomic_fetch_add_explicit(&proxied->rules->refs, 1, memory_order_relaxed);
    bufq_init(&proxied->read, io_buffers(conn->io));
    timer_init(&proxied->timer, on_timer);
    io_task_init(&proxied->task, on_task);
    conn->transport_state = proxied;
    return 0;
}

static void proxied_fini(struct conn *conn)
{
    release(of_conn(conn));
}

static struct str proxied_word(const struct conn *conn, enum transport_word word)
{
    return STR_NONE;
}

/* A conn that is not ready neither receives nor sends: the rest is never asked for. */
const struct transport transport_proxied = {
    .name = "proxied",
    .scheme = {"http", 4},
    .init = proxied_init,
    .start = proxied_start,
    .word = proxied_word,
    .fini = proxied_fini,
};
