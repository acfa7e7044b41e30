/* A listener's accept op is in flight exactly while connections are wanted. Owned by a reactor, on its thread. Closing
 * only this process's descriptor leaves the keeper's copy listening: connections wait in the system's queue. */
#include "net/listener.h"

enum { LISTENER_MAGIC = 0x6c737472 };

static void on_accept(struct io_op *op);

static void submit(struct listener *listener)
{
    if (listener->sock.rx || listener->closing || !listener->wanted)
        return;
    listener->accept.done = on_accept;
    io_accept(&listener->sock, &listener->accept, &listener->peer);
}

static void on_accept(struct io_op *op)
{
    struct listener *listener = CONTAINER_OF(op, struct listener, accept);

    if (op->result >= 0)
        listener->events->on_accepted(listener, op->result, &listener->peer);
    else if (op->kind != IO_OP_NONE)
        listener->events->on_refused(listener, op->result);
    if (op->kind == IO_OP_NONE)
        submit(listener); /* wanted again since the cancel */
}

int listener_start(struct listener *listener, struct io *io, int fd, const struct listener_events *events, void *owner)
{
    memset(listener, 0, sizeof(*listener));
    listener->magic = LISTENER_MAGIC;
    listener->events = events;
    listener->owner = owner;
    listener->sock.fd = -1;
    return io_adopt(io, &listener->sock, fd);
}

void listener_accept(struct listener *listener, bool wanted)
{
    ASSERT_MAGIC(listener, LISTENER_MAGIC);
    if (listener->wanted == wanted)
        return;
    listener->wanted = wanted;
    if (wanted)
        submit(listener);
    else if (listener->sock.rx)
        io_cancel(&listener->accept);
}

static void on_closed(struct io_op *op)
{
    struct listener *listener = CONTAINER_OF(op, struct listener, closer);

    listener->events->on_closed(listener);
}

void listener_stop(struct listener *listener)
{
    ASSERT_MAGIC(listener, LISTENER_MAGIC);
    if (listener->closing)
        return;
    listener->closing = true;
    listener->wanted = false;
    listener->closer.done = on_closed;
    io_close(&listener->sock, &listener->closer, false);
}
