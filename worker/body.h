/* The body of an answer on its way out: a short text, or any number of bytes of a pattern that takes no memory.
 */
#ifndef WORKER_BODY_H
#define WORKER_BODY_H

#include "base/bufq.h"

struct body {
    struct bufq text; /* goes out first; empty for a pattern */
    int64_t left;     /* bytes still to be given, text or pattern */
    int64_t given;
    bool chunked;
};

/* Lines of 63 characters and a line feed: byte i of every pattern is byte i % 64 of the first line. Once, at start. */
void body_make_pattern(void);

void body_init(struct body *body, struct buf_pool *pool);
void body_clear(struct body *body);
/* Appends up to max bytes (of body; in a chunk of their own if chunked) to out. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int body_give(struct body *body, struct bufq *out, int64_t max);

#endif
