/* Bytes as they are, straight between the conn's queues and its socket. */
#include "net/transport.h"

#include "net/conn.h"

static void on_received(struct io_op *op)
{
    struct seat *seat = CONTAINER_OF(op, struct seat, rx);
    struct buf *buf = op->buf;
    int result = op->result;
    struct conn *conn = seat->conn ? seat->conn : seat_stir(seat, result);

    if (!conn) {
        if (result > 0)
            buf_unref(buf);
        return;
    }
    if (result > 0) {
        size_t n = (size_t)result;
        int error = bufq_push(&conn->in, buf, buf->used - n, n);
        if (error)
            result = error;
        buf_unref(buf); /* io's reference, or the one that kept the tail while it was lent */
    } else if (conn->lent) {
        buf_unref(conn->lent);
    }
    conn->lent = NULL;
    conn_note_received(conn, result);
}

void transport_plain_await(struct seat *seat)
{
    seat->rx.done = on_received;
    io_recv(&seat->sock, &seat->rx, NULL);
}

static void plain_receive(struct conn *conn)
{
    struct buf *tail = bufq_tail_buf(&conn->in);

    conn->lent = tail ? buf_ref(tail) : NULL;
    conn->seat->rx.done = on_received;
    io_recv(&conn->seat->sock, &conn->seat->rx, tail);
}

static void on_sent(struct io_op *op)
{
    struct conn *conn = CONTAINER_OF(op, struct conn, tx);

    if (op->result > 0)
        bufq_consume(&conn->out, (size_t)op->result);
    conn_note_sent(conn, op->result);
}

static void plain_send(struct conn *conn)
{
    conn->tx.done = on_sent;
    io_send(&conn->seat->sock, &conn->tx, &conn->out);
}

static void on_spliced(struct io_op *op)
{
    conn_note_spliced(CONTAINER_OF(op, struct seat, rx)->conn, op->result);
}

static void plain_splice_in(struct conn *conn)
{
    uint64_t most = conn->in_left < IO_PIPE_BYTES ? conn->in_left : IO_PIPE_BYTES;

    conn->seat->rx.done = on_spliced;
    io_splice_in(&conn->seat->sock, &conn->seat->rx, conn->in_pipe, (uint32_t)most);
}

static void on_spliced_out(struct io_op *op)
{
    conn_note_sent(CONTAINER_OF(op, struct conn, tx), op->result);
}

static void plain_splice_out(struct conn *conn)
{
    conn->tx.done = on_spliced_out;
    io_splice_out(&conn->seat->sock, &conn->tx, conn->out_pipe);
}

static void plain_end(struct conn *conn)
{
    io_shutdown_send(&conn->seat->sock);
}

static int plain_init(struct conn *conn, const void *settings, void *room)
{
    return 0;
}

static struct str plain_word(const struct conn *conn, enum transport_word word)
{
    return STR_NONE;
}

static void plain_start(struct conn *conn)
{
    conn_note_ready(conn, 0);
}

static void plain_fini(struct conn *conn)
{
}

const struct transport transport_plain = {
    .name = "plain",
    .scheme = {"http", 4},
    .rises = true,
    .init = plain_init,
    .start = plain_start,
    .receive = plain_receive,
    .send = plain_send,
    .splice_in = plain_splice_in,
    .splice_out = plain_splice_out,
    .end = plain_end,
    .word = plain_word,
    .fini = plain_fini,
};
