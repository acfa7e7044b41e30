/* Spans of requests on their way from the reactors to whoever exports them: a bounded queue under a mutex.
 *
 * One for the server. Only sampled requests come here, and what finds no room is counted and gone: nothing waits.
 */
#ifndef PROXY_SPAN_H
#define PROXY_SPAN_H

#include <stdatomic.h>

#include "proxy/trace.h"

enum { SPAN_TEXT_MAX = 1200, SPAN_QUEUE_MAX = 2048, SPAN_TRIES_MAX = 8, SPAN_WORKER_MAX = 63 };

/* Lengths of the texts, which stand one after another in `text`, each cut to what fits. */
enum span_text {
    SPAN_METHOD,
    SPAN_SCHEME,
    SPAN_HOST,
    SPAN_PATH,
    SPAN_QUERY,
    SPAN_CLIENT,
    SPAN_AGENT,
    SPAN_REQUEST_ID,
    SPAN_POOL,
    SPAN_TEXTS
};

struct span_try {
    char worker[SPAN_WORKER_MAX + 1]; /* its name, cut; a C string */
    uint32_t picked_us;               /* since the span's start */
    uint16_t error;                   /* enum err_code: why another followed; 0: none did */
};

struct span {
    struct trace trace;
    int64_t start_ns, end_ns; /* wall clock */
    uint64_t bytes_in, bytes_out;
    uint16_t status;      /* 0: none */
    uint16_t error;       /* enum err_code; 0: none */
    uint8_t major, minor; /* of the client's HTTP */
    bool known_method;
    bool own; /* the answer was made by Ballast */
    bool failed;
    uint8_t tries;
    struct span_try attempts[SPAN_TRIES_MAX];
    uint16_t lengths[SPAN_TEXTS];
    char text[SPAN_TEXT_MAX];
};

/* Texts are set in the order of the enum, each once. */
void span_set_text(struct span *span, enum span_text which, struct str text);
struct str span_get_text(const struct span *span, enum span_text which);

struct span_queue;

MUST_CHECK int span_queue_create(struct span_queue **ret_queue);
void span_queue_destroy(struct span_queue **queue);
/* Any thread. Copied; counted as dropped where there is no room. */
void span_queue_put(struct span_queue *queue, const struct span *span);
/* Any thread. Up to `most` of the oldest into out; returns how many. */
size_t span_queue_take(struct span_queue *queue, struct span *out, size_t most);
size_t span_queue_count(struct span_queue *queue);
uint64_t span_queue_dropped(const struct span_queue *queue);

#endif
