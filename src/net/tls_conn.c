/* The library between a conn's queues and its socket, through a BIO over two queues of ciphertext: it never sees the
 * socket and never waits. What arrives is decrypted into chunks as it is asked for; what is to be sent is encrypted
 * from the conn's queue, and taken from there only once its ciphertext has left, so that the conn's word on what was
 * sent stays true. Where the kernel encrypts (net/tls_kernel) the library has the socket from the end of the handshake
 * on, for its tickets and alerts; bytes go there as they are. Belongs to its conn, on its thread. */
#include "net/tls_conn.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/tls_kernel.h"
#include "net/tls_names.h"

enum {
    TLS_MAGIC = 0x746c7363,
    RECORD_BYTES = 16384,
    ENCRYPT_BYTES = 4 * RECORD_BYTES, /* for one send */
    ENCRYPT_SLICES = 32,
    DECRYPT_ROUNDS = 4, /* chunks filled for one receive */
};

struct tls_conn {
    uint32_t magic;
    bool established;
    bool failed;  /* the handshake has, and that was told */
    bool failing; /* what waits is sent, then the handshake has failed */
    bool ending;  /* our close_notify is on its way, or gone */
    bool end_written, end_sent;
    bool eof; /* the socket's, with or without the peer's close_notify before */
    bool cut; /* the library wanted more than that: no close_notify came */
    bool in_room;
    bool begun;        /* the library has seen bytes */
    bool held;         /* the library goes on once what it has written has left */
    bool given;        /* it has the socket */
    bool kernel;       /* which encrypts what is sent */
    bool rekey_wanted; /* by the peer, while it does */
    int failed_by;
    int send_error; /* to be told by the task */
    int ended_by;   /* of the receiving direction: 0 or a code, to be told when it is asked for; 1: it goes on */
    struct conn *conn;
    struct tls_ctx *ctx;
    struct tls_room *room; /* NULL: our own pace */
    SSL *ssl;
    char *subject; /* the client's, when it has shown a certificate */
    struct bufq cipher_in, cipher_out;
    size_t encrypted; /* of the front of conn->out: its ciphertext is in cipher_out */
    size_t ahead;     /* what stands there before that: the library's own words */
    struct tls_step step;
    struct io_task task; /* something is to be read without the socket */
    struct timer timer;  /* of the handshake */
};

static const struct str plain_answer = {
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 68\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: the request was plain HTTP. Ask for https://.\n",
    93 + 68};

static struct tls_conn *of_conn(const struct conn *conn)
{
    struct tls_conn *tls = conn->transport_state;

    ASSERT_MAGIC(tls, TLS_MAGIC);
    return tls;
}

/* ---- the library's side ---- */

/* SSL_get_error looks at the thread's errors, which may be others'. Clearing walks through all of them: only if any. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
    struct tls_conn *tls = BIO_get_data(bio);

    return bufq_append(&tls->cipher_out, bytes, (size_t)n) == 0 ? n : -1;
}

static int bio_read(BIO *bio, char *out, int room)
{
    struct tls_conn *tls = BIO_get_data(bio);
    int n = 0;

    BIO_clear_retry_flags(bio);
    while (n < room && bufq_bytes(&tls->cipher_in) > 0) {
        struct str front = bufq_front(&tls->cipher_in);
        size_t some = front.n < (size_t)(room - n) ? front.n : (size_t)(room - n);
        memcpy(out + n, front.p, some);
        bufq_consume(&tls->cipher_in, some);
        n += (int)some;
    }
    if (n == 0 && !tls->eof) {
        BIO_set_retry_read(bio);
        return -1;
    }
    tls->cut |= n == 0;
    return n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    struct tls_conn *tls = BIO_get_data(bio);

    if (command == BIO_CTRL_EOF)
        return tls->eof && bufq_bytes(&tls->cipher_in) == 0;
    if (command != BIO_CTRL_FLUSH)
        return 0;
    tls->held = tls_ctx_kernel(tls->ctx) && bufq_bytes(&tls->cipher_out) > 0 && tls_kernel_awaits(tls->ssl);
    return tls->held ? -1 : 1;
}

static BIO_METHOD *queue_method;

static void make_method(void)
{
    queue_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "queues of a conn");
    if (!queue_method)
        return;
    BIO_meth_set_write(queue_method, bio_write);
    BIO_meth_set_read(queue_method, bio_read);
    BIO_meth_set_ctrl(queue_method, bio_control);
}

/* ---- to the socket ---- */

static void send_cipher(struct tls_conn *tls);
static void queue_step(struct tls_conn *tls);

/* The handshake has failed, for the reason known first. */
static void fail_now(struct tls_conn *tls, int error)
{
    if (tls->failed)
        return;
    tls->failed = true;
    io_timer_fini(tls->conn->io, &tls->timer);
    if (tls->in_room) {
        tls->in_room = false;
        tls_room_leave(tls->room, TLS_NOTE_FAILED);
    }
    conn_note_ready(tls->conn, tls->failed_by ? tls->failed_by : error);
}

static void on_drained(struct tls_conn *tls)
{
    struct conn *conn = tls->conn;
    size_t n = tls->encrypted;

    tls->encrypted = 0;
    if (conn->seat->sock.closing)
        return;
    bufq_consume(&conn->out, n);
    if (tls->failing) {
        io_shutdown_send(&conn->seat->sock);
        fail_now(tls, tls->failed_by);
        return;
    }
    if (tls->held) {
        tls->held = false;
        tls->given = tls_kernel_give(tls->ssl, conn->seat->sock.fd);
        queue_step(tls);
    }
    if (tls->ending && !tls->end_sent) {
        tls->end_sent = true;
        io_shutdown_send(&conn->seat->sock);
    }
    if (tls->established)
        conn_note_sent(conn, 0); /* counted as they left */
}

static void on_cipher_sent(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, tx);
    struct tls_conn *tls = of_conn(conn);

    if (op->result > 0) {
        size_t n = (size_t)op->result;
        bool begun = n > tls->ahead;
        conn->seat->sent += (uint32_t)n;
        bufq_consume(&tls->cipher_out, n);
        tls->ahead -= begun ? tls->ahead : n;
        if (bufq_bytes(&tls->cipher_out) == 0) {
            on_drained(tls);
            return;
        }
        send_cipher(tls);
        if (begun && tls->encrypted > 0)
            conn_note_leaving(conn);
        return;
    }
    bufq_clear(&tls->cipher_out);
    tls->encrypted = 0;
    if (tls->established)
        conn_note_sent(conn, op->result);
    else
        fail_now(tls, op->result);
}

static void send_cipher(struct tls_conn *tls)
{
    struct conn *conn = tls->conn;

    if (conn->seat->sock.tx || conn->seat->sock.closing || bufq_bytes(&tls->cipher_out) == 0)
        return;
    conn->tx.done = on_cipher_sent;
    io_send(&conn->seat->sock, &conn->tx, &tls->cipher_out);
}

/* Records of up to RECORD_BYTES from many slices: a head and the beginning of its body share one. */
static bool encrypt_slices(struct tls_conn *tls, const struct iovec *iov, int count)
{
    char record[RECORD_BYTES];
    size_t filled = 0, n;

    for (int i = 0; i < count; i++) {
        const char *from = iov[i].iov_base;
        for (size_t left = iov[i].iov_len; left > 0; left -= n, from += n) {
            bool whole = filled == 0 && (left >= RECORD_BYTES || i + 1 == count);
            n = whole ? left : sizeof(record) - filled < left ? sizeof(record) - filled : left;
            if (whole) {
                if (SSL_write(tls->ssl, from, (int)n) != (int)n)
                    return false;
                continue;
            }
            memcpy(record + filled, from, n);
            filled += n;
            if (filled < sizeof(record) && !(i + 1 == count && n == left))
                continue;
            if (SSL_write(tls->ssl, record, (int)filled) != (int)filled)
                return false;
            filled = 0;
        }
    }
    return true;
}

static void tls_send(struct conn *conn)
{
    struct tls_conn *tls = of_conn(conn);
    struct iovec iov[ENCRYPT_SLICES];
    int count = bufq_iov(&conn->out, iov, ENCRYPT_SLICES, ENCRYPT_BYTES);

    if (tls->kernel) {
        transport_plain.send(conn);
        return;
    }
    forget_errors();
    tls->ahead = bufq_bytes(&tls->cipher_out);
    for (int i = 0; i < count; i++)
        tls->encrypted += iov[i].iov_len;
    if (!encrypt_slices(tls, iov, count)) {
        tls->encrypted = 0;
        bufq_clear(&tls->cipher_out);
        tls->send_error = -ERR_NO_MEMORY;
        io_task_queue(conn->io, &tls->task);
        return;
    }
    send_cipher(tls);
}

/* What the kernel has taken it may still keep to itself while the socket has no room: the end that follows at once
 * would come before it, and cut it off. So there has to be room for our close_notify, which pushes that out, and then
 * again. */
static void on_room(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, tx);
    struct tls_conn *tls = of_conn(conn);

    if (conn->seat->sock.closing)
        return;
    if (tls->end_written) {
        tls->end_sent = true;
        io_shutdown_send(&conn->seat->sock);
        conn_note_sent(conn, 0);
        return;
    }
    forget_errors();
    int said = SSL_shutdown(tls->ssl);
    tls->end_written = said >= 0 || SSL_get_error(tls->ssl, said) != SSL_ERROR_WANT_WRITE;
    io_await_room(&conn->seat->sock, &conn->tx);
}

static void tls_end(struct conn *conn)
{
    struct tls_conn *tls = of_conn(conn);

    if (tls->ending)
        return;
    tls->ending = true;
    if (tls->kernel) {
        conn->tx.done = on_room;
        io_await_room(&conn->seat->sock, &conn->tx);
        return;
    }
    forget_errors();
    SSL_shutdown(tls->ssl);
    if (bufq_bytes(&tls->cipher_out) > 0)
        send_cipher(tls);
    else
        io_task_queue(conn->io, &tls->task); /* after a fatal error there is nothing to say */
}

/* ---- from the socket ---- */

static void on_cipher_received(struct io_op *op);

static void receive_cipher(struct tls_conn *tls)
{
    struct conn *conn = tls->conn;

    if (conn->seat->sock.rx || conn->seat->sock.closing)
        return;
    conn->seat->rx.done = on_cipher_received;
    io_recv(&conn->seat->sock, &conn->seat->rx, NULL);
}

/* Fills one chunk, or what is left of the queue's last. Bytes, 0 when there is nothing to be had now, or a code; and
 * what the library said. */
static int decrypt_chunk(struct tls_conn *tls, int *ret_read)
{
    struct bufq *in = &tls->conn->in;
    struct buf *tail = bufq_tail_buf(in);
    struct buf *buf = tail ? buf_ref(tail) : buf_take(io_buffers(tls->conn->io));

    if (!buf)
        return -ERR_NO_MEMORY;
    int n = *ret_read = SSL_read(tls->ssl, buf->data + buf->used, (int)buf_room(buf));
    int error = 0;
    if (n > 0) {
        buf->used += (uint32_t)n;
        error = bufq_push(in, buf, buf->used - (uint32_t)n, (size_t)n);
    }
    buf_unref(buf);
    return error ? error : n > 0 ? n : 0;
}

/* Why nothing more was read: 0 the peer's orderly end, a code, or 1 when the socket has more to give. */
static int why_no_more(struct tls_conn *tls, int read)
{
    switch (SSL_get_error(tls->ssl, read)) {
    case SSL_ERROR_ZERO_RETURN: return tls->cut ? -ERR_TLS_TRUNCATED : 0;
    case SSL_ERROR_WANT_READ: return 1;
    default: return tls->cut ? -ERR_TLS_TRUNCATED : -ERR_TLS_RECORD;
    }
}

/* Another read would only find that out, with a buffer taken and given back. The socket's end is for the library. */
static bool has_all(const struct tls_conn *tls)
{
    return bufq_bytes(&tls->cipher_in) == 0 && !tls->eof && !SSL_has_pending(tls->ssl);
}

static void deliver(struct tls_conn *tls)
{
    struct conn *conn = tls->conn;
    int got = 0, n = 1, read = 0;

    forget_errors();
    for (int i = 0; i < DECRYPT_ROUNDS && n > 0; i++) {
        n = decrypt_chunk(tls, &read);
        got += n > 0 ? n : 0;
        if (n > 0 && has_all(tls))
            break;
    }
    int end = n == 0 ? why_no_more(tls, read) : n < 0 ? n : 1;
    if (tls->rekey_wanted) { /* nothing may be sent before they are there */
        got = 0;
        end = -ERR_TLS_RECORD;
    }
    send_cipher(tls); /* what the library answers by itself */
    if (got > 0) {
        tls->ended_by = end; /* told when the owner asks again */
        conn_note_received(conn, got);
    } else if (end == 1) {
        receive_cipher(tls);
    } else {
        conn_note_received(conn, end);
    }
}

static void queue_step(struct tls_conn *tls)
{
    if (tls->room)
        tls_room_queue(tls->room, &tls->step);
    else
        io_task_queue(tls->conn->io, &tls->task);
}

static void on_cipher_received(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct seat, rx)->conn;
    struct tls_conn *tls = of_conn(conn);
    struct buf *buf = op->buf;
    int result = op->result;

    if (result > 0) {
        int error = bufq_push(&tls->cipher_in, buf, buf->used - (size_t)result, (size_t)result);
        buf_unref(buf);
        result = error ? error : result;
    } else if (result == 0) {
        tls->eof = true;
    }
    if (result < 0 && tls->established)
        conn_note_received(conn, result);
    else if (result < 0)
        fail_now(tls, result);
    else if (tls->established)
        deliver(tls);
    else
        queue_step(tls);
}

static void tls_receive(struct conn *conn)
{
    struct tls_conn *tls = of_conn(conn);

    /* Never from inside the owner's call: what is here already is delivered by the task. */
    if (tls->ended_by == 1 && has_all(tls))
        receive_cipher(tls);
    else
        io_task_queue(conn->io, &tls->task);
}

/* ---- the handshake ---- */

/* A request in the clear: said in the clear, or the client sees nothing but garbage. */
static bool is_plain(struct tls_conn *tls)
{
    struct str front = bufq_front(&tls->cipher_in);

    return !tls->begun && tls_ctx_is_server(tls->ctx) && front.n > 0 && front.p[0] >= 'A' && front.p[0] <= 'Z';
}

static void fail(struct tls_conn *tls, int error)
{
    tls->failing = true;
    tls->failed_by = error;
    if (bufq_bytes(&tls->cipher_out) > 0) {
        send_cipher(tls);
        return;
    }
    if (tls->given) /* the library has said why */
        io_shutdown_send(&tls->conn->seat->sock);
    fail_now(tls, error);
}

static int failure_of(const struct tls_conn *tls)
{
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return -ERR_TLS_CERTIFICATE;
    return tls->eof ? -ERR_CONN_CLOSED : -ERR_TLS_HANDSHAKE;
}

/* A server's peer that has shown none has none; one that was shown was believed, or there is no connection. */
static int keep_subject(struct tls_conn *tls)
{
    X509 *shown = tls_ctx_is_server(tls->ctx) ? SSL_SESSION_get0_peer(SSL_get_session(tls->ssl)) : NULL;

    if (shown)
        tls->subject = tls_names_subject(shown);
    return !shown || tls->subject ? 0 : -ERR_NO_MEMORY;
}

/* The key may not have gone there: the kernel has to know the cipher. */
static void hand_to_kernel(struct tls_conn *tls)
{
    tls->kernel = tls_kernel_taken(tls->ssl);
    if (!tls->kernel)
        return;
    tls_kernel_watch_rekey(tls->ssl, &tls->rekey_wanted);
    if (tls->room)
        tls_room_note(tls->room, TLS_NOTE_KERNEL);
}

static void finish_handshake(struct tls_conn *tls)
{
    int error = keep_subject(tls);

    if (error) {
        fail(tls, error);
        return;
    }
    tls->established = true;
    io_timer_fini(tls->conn->io, &tls->timer);
    if (tls->in_room) {
        tls->in_room = false;
        tls_room_leave(tls->room, SSL_session_reused(tls->ssl) ? TLS_NOTE_RESUMED : TLS_NOTE_FULL);
    }
    if (tls->given)
        hand_to_kernel(tls);
    send_cipher(tls);
    conn_note_ready(tls->conn, 0);
}

static void shake(struct tls_conn *tls)
{
    if (tls->failing || tls->failed)
        return;
    if (is_plain(tls)) {
        int error = bufq_push_static(&tls->cipher_out, plain_answer);
        fail(tls, error ? error : -ERR_TLS_PLAIN);
        return;
    }
    tls->begun = true;
    forget_errors();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        finish_handshake(tls);
    } else if (tls->held) {
        send_cipher(tls);
    } else if (SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ) {
        send_cipher(tls);
        receive_cipher(tls);
    } else {
        fail(tls, failure_of(tls));
    }
}

static void on_step(struct tls_step *step)
{
    shake(CONTAINER_OF(step, struct tls_conn, step));
}

static void on_task(struct io_task *task)
{
    struct tls_conn *tls = CONTAINER_OF(task, struct tls_conn, task);
    int end = tls->ended_by;

    if (tls->conn->seat->sock.closing)
        return;
    if (tls->ending && !tls->end_sent && bufq_bytes(&tls->cipher_out) == 0)
        on_drained(tls);
    if (tls->send_error) {
        int error = tls->send_error;
        tls->send_error = 0;
        conn_note_sent(tls->conn, error);
    } else if (!tls->established) {
        shake(tls);
    } else if (end != 1) {
        conn_note_received(tls->conn, end);
    } else {
        deliver(tls);
    }
}

static void on_timer(struct timer *timer)
{
    struct tls_conn *tls = CONTAINER_OF(timer, struct tls_conn, timer);

    fail_now(tls, -ERR_TLS_TIMEOUT);
}

/* What was read before the conn came to TLS (behind a PROXY header) is its beginning. */
static void tls_start(struct conn *conn)
{
    struct tls_conn *tls = of_conn(conn);

    io_timer_set(conn->io, &tls->timer, io_now_ms(conn->io) + tls_ctx_handshake_ms(tls->ctx));
    if (bufq_bytes(&conn->in) > 0 && bufq_move(&tls->cipher_in, &conn->in, bufq_bytes(&conn->in)) != 0)
        fail_now(tls, -ERR_NO_MEMORY);
    else if (bufq_bytes(&tls->cipher_in) > 0)
        queue_step(tls);
    else if (tls_ctx_is_server(tls->ctx))
        receive_cipher(tls);
    else
        io_task_queue(conn->io, &tls->task);
}

/* ---- life ---- */

static bool attach(struct tls_conn *tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_method);
    tls->ssl = tls_ctx_open(tls->ctx, tls->conn->without_h2);
    BIO *bio = tls->ssl && queue_method ? BIO_new(queue_method) : NULL;
    if (!bio)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

static void release(struct tls_conn *tls)
{
    /* A connection that was cut does not spoil its session for the next (RFC 5246 section 7.2.1). */
    if (tls->established)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    free(tls->subject); /* not per request: once a handshake */
    tls_ctx_unref(tls->ctx);
    free(tls); /* not per request: a TLS connection has more from the library's malloc */
}

static int tls_init(struct conn *conn, const void *settings, void *room)
{
    struct tls_conn *tls = calloc(1, sizeof(*tls)); /* not per request: as above */

    if (!tls)
        return -ERR_NO_MEMORY;
    tls->magic = TLS_MAGIC;
    tls->conn = conn;
    tls->room = room;
    tls->ended_by = 1;
    tls->ctx = tls_ctx_ref((struct tls_ctx *)(uintptr_t)settings); /* only its count changes */
    bufq_init(&tls->cipher_in, io_buffers(conn->io));
    bufq_init(&tls->cipher_out, io_buffers(conn->io));
    tls_step_init(&tls->step, on_step);
    io_task_init(&tls->task, on_task);
    timer_init(&tls->timer, on_timer);
    int error = attach(tls) ? 0 : -ERR_NO_MEMORY;
    if (!error && room)
        error = tls_room_enter(room) ? 0 : -ERR_FULL;
    if (error) {
        release(tls);
        return error;
    }
    tls->in_room = room != NULL;
    conn->transport_state = tls;
    return 0;
}

static void tls_fini(struct conn *conn)
{
    struct tls_conn *tls = of_conn(conn);

    if (tls->in_room)
        tls_room_leave(tls->room, TLS_NOTE_FAILED);
    tls_step_cancel(&tls->step);
    io_task_cancel(&tls->task);
    io_timer_fini(conn->io, &tls->timer);
    bufq_clear(&tls->cipher_in);
    bufq_clear(&tls->cipher_out);
    conn->transport_state = NULL;
    release(tls);
}

static struct str tls_word(const struct conn *conn, enum transport_word word)
{
    const struct tls_conn *tls = conn->transport_state; /* NULL: the connection is closed */
    const unsigned char *name;
    unsigned n;

    if (!tls)
        return STR_NONE;
    if (word == TRANSPORT_PEER_SUBJECT)
        return tls->subject ? str_of(tls->subject) : STR_NONE;
    if (word == TRANSPORT_HSTS)
        return tls_ctx_hsts(tls->ctx);
    if (word == TRANSPORT_TLS_RESUMED)
        return SSL_session_reused(tls->ssl) ? STR("resumed") : STR_NONE;
    if (word == TRANSPORT_TLS_VERSION)
        return str_of(SSL_get_version(tls->ssl));
    SSL_get0_alpn_selected(tls->ssl, &name, &n);
    return n ? str_slice((const char *)name, n) : STR_NONE;
}

static size_t tls_refusal(const void *settings, char *out)
{
    return tls_ctx_refusal((struct tls_ctx *)(uintptr_t)settings, out); /* under its lock */
}

const struct transport transport_tls = {
    .name = "tls",
    .scheme = {"https", 5},
    .says_end = true,
    .init = tls_init,
    .start = tls_start,
    .receive = tls_receive,
    .send = tls_send,
    .end = tls_end,
    .word = tls_word,
    .refusal = tls_refusal,
    .fini = tls_fini,
};
