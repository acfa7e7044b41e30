/* The pipes of a loop: taken, counted, kept for the next body. Called by flows (through net/conn.h) and by io.c, on the
 * loop's thread. Beside io.c because nothing of the contract on operations is in it. */
#include "io/io_pipe.h"

#include <stdlib.h>

#include "base/err.h"
#include "io/io_backend.h"

static struct io_pipe *pipe_create(struct io *io)
{
    struct io_pipe *pipe = calloc(1, sizeof(*pipe)); /* not per request: long bodies only, and kept for the next one */
    if (pipe == NULL)
        return NULL;
    list_init(&pipe->link);
    pipe->io = io;
    if (io->backend->pipe_open(pipe) == 0)
        return pipe;
    free(pipe); /* not per request: see above */
    return NULL;
}

static void pipe_destroy(struct io_pipe *pipe)
{
    pipe->io->backend->pipe_close(pipe);
    free(pipe); /* not per request: see pipe_create */
}

struct io_pipe *io_pipe_take(struct io *io)
{
    if (io->backend->pipe_open == NULL || io->pipes_taken >= io->options.pipes)
        return NULL;
    struct list *kept = list_pop(&io->pipes);
    struct io_pipe *pipe = kept != NULL ? CONTAINER_OF(kept, struct io_pipe, link) : pipe_create(io);
    if (pipe == NULL)
        return NULL;
    if (kept != NULL)
        io->pipes_kept--;
    pipe->refs = 1;
    io->pipes_taken++;
    return pipe;
}

struct io_pipe *io_pipe_ref(struct io_pipe *pipe)
{
    ASSERT(pipe->refs > 0);
    pipe->refs++;
    return pipe;
}

void io_pipe_unref(struct io_pipe *pipe)
{
    if (pipe == NULL)
        return;
    ASSERT(pipe->refs > 0);
    if (--pipe->refs > 0)
        return;
    struct io *io = pipe->io;
    io->pipes_taken--;
    if (pipe->held > 0 || io->pipes_kept >= IO_PIPES_KEPT) {
        pipe_destroy(pipe);
        return;
    }
    list_prepend(&io->pipes, &pipe->link);
    io->pipes_kept++;
}

int io_pipe_drain(struct io_pipe *pipe, struct bufq *into)
{
    while (pipe->held > 0) {
        uint32_t n = pipe->held < BUFQ_JOIN_BYTES ? pipe->held : BUFQ_JOIN_BYTES;
        char *room = bufq_reserve(into, n);
        if (room == NULL)
            return -ERR_NO_MEMORY;
        pipe->io->backend->pipe_read(pipe, room, n);
        bufq_commit(into, n);
        pipe->held -= n;
    }
    return 0;
}

void io_pipe_drop_kept(struct io *io)
{
    struct list *link;
    while ((link = list_pop(&io->pipes)) != NULL)
        pipe_destroy(CONTAINER_OF(link, struct io_pipe, link));
    io->pipes_kept = 0;
}

uint32_t io_pipes_taken(const struct io *io)
{
    return io->pipes_taken;
}

uint32_t io_pipes_kept(const struct io *io)
{
    return io->pipes_kept;
}
