/* A ring of whole records: spans are few (sampled), and of one size. */
#include "proxy/span.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"

struct span_queue {
    pthread_mutex_t lock;
    size_t first, count;
    _Atomic uint64_t dropped;
    struct span spans[SPAN_QUEUE_MAX];
};

static size_t text_at(const struct span *span, enum span_text which)
{
    size_t at = 0;

    for (unsigned i = 0; i < which; i++)
        at += span->lengths[i];
    return at;
}

void span_set_text(struct span *span, enum span_text which, struct str text)
{
    size_t at = text_at(span, which), most = (SPAN_TEXT_MAX - at) / 2, n = text.n < most ? text.n : most;

    if (n > 0)
        memcpy(span->text + at, text.p, n);
    span->lengths[which] = (uint16_t)n;
}

struct str span_get_text(const struct span *span, enum span_text which)
{
    return str_slice(span->text + text_at(span, which), span->lengths[which]);
}

/* start-up only: one for the server. */
int span_queue_create(struct span_queue **ret_queue)
{
    struct span_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ERR_NO_MEMORY;
    pthread_mutex_init(&queue->lock, NULL);
    *ret_queue = queue;
    return 0;
}

/* start-up only: see span_queue_create. */
void span_queue_destroy(struct span_queue **queue)
{
    pthread_mutex_destroy(&(*queue)->lock);
    free(*queue);
    *queue = NULL;
}

void span_queue_put(struct span_queue *queue, const struct span *span)
{
    pthread_mutex_lock(&queue->lock);
    bool room = queue->count < SPAN_QUEUE_MAX;
    if (room)
        queue->spans[(queue->first + queue->count++) % SPAN_QUEUE_MAX] = *span;
    pthread_mutex_unlock(&queue->lock);
    if (!room)
        atomic_fetch_add(&queue->dropped, 1);
}

size_t span_queue_take(struct span_queue *queue, struct span *out, size_t most)
{
    size_t n = 0;

    pthread_mutex_lock(&queue->lock);
    for (; n < most && queue->count > 0; n++) {
        out[n] = queue->spans[queue->first];
        queue->first = (queue->first + 1) % SPAN_QUEUE_MAX;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    return n;
}

size_t span_queue_count(struct span_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

uint64_t span_queue_dropped(const struct span_queue *queue)
{
    return atomic_load(&queue->dropped);
}
