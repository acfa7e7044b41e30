/* What all streams share, whatever the version: their set-up and their end. */
#include "http/session.h"

void stream_init(struct stream *stream, stream_notify_fn notify, struct arena *arena, struct buf_pool *pool)
{
    memset(stream, 0, sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->notify = notify;
    stream->arena = arena;
    bufq_init(&stream->body, pool);
}

void stream_reset(struct stream *stream)
{
    ASSERT_MAGIC(stream, STREAM_MAGIC);
    ASSERT(!stream->session);
    stream_notify_fn notify = stream->notify;
    struct arena *arena = stream->arena;
    struct buf_pool *pool = stream->body.pool;
    uint32_t spare_fields = stream->spare_fields;

    stream_fini(stream);
    stream_init(stream, notify, arena, pool);
    stream->spare_fields = spare_fields;
}

void stream_fini(struct stream *stream)
{
    ASSERT_MAGIC(stream, STREAM_MAGIC);
    ASSERT(!stream->session);
    bufq_clear(&stream->body);
    buf_unref(stream->head_buf);
    stream->head_buf = NULL;
    stream->magic = 0;
}
