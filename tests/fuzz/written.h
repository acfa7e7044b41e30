/* Heads written as HTTP/1 and read again, for the harnesses that say it is the same message.
 */
#ifndef WRITTEN_H
#define WRITTEN_H

#include "base/bufq.h"
#include "http/h1_parse.h"

enum { WRITTEN_FIELDS_MAX = 28 };

/* A head is a little longer when it is written: spaces behind colons, framing. */
extern const struct h1_limits written_limits;

/* The queue's bytes in memory of their own, exactly as long, the caller's to free; the queue and its pool are given up.
 */
struct str written_take(struct bufq *queue);
/* The bytes are a head, or a trailer section, and nothing else. */
void written_check_scans(struct str bytes, bool trailers);
/* The same names and values in the same order, but for those that are dropped. */
void written_check_fields(const struct field *a, uint32_t a_count, const struct field *b, uint32_t b_count);

#endif
