/* The access log: one line for each ended exchange, gathered and handed to the writer in batches.
 *
 * One for each reactor, on its thread; the sink is shared. How a line is laid out is proxy/access_format's; what its
 * fields mean stands in access_field.def.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include "base/sink.h"
#include "proxy/access_format.h"

enum { ACCESS_LOG_BATCH_BYTES = 32768, ACCESS_LOG_LINE_MAX = 8192, ACCESS_LOG_ENTRY_MAX = 1024 };

struct access_log {
    struct sink *sink;                  /* NULL: off */
    const struct access_format *format; /* NULL with the sink */
    uint32_t sample;                    /* percent of the lines that may be left out */
    uint32_t owed;                      /* of them, in percent: a line is written when it comes to 100 */
    char *batch;
    size_t used;
    uint32_t lines;
};

/* What the fields are made of, by the names in access_field.def. */
struct access_log_facts {
    int64_t wall_ns; /* when the exchange ended */
    struct str id, client, method, host, target, path, protocol, by, reason, pool, worker, trace, span;
    struct str referer, user_agent; /* needed where the format has them */
    int64_t status, tries, bytes_in, bytes_out, reused;
    int64_t queue_us, connect_us, first_byte_us, total_us; /* since the request's first byte; -1: not reached */
    bool notable;                                          /* written whatever the sampling */
};

/* sink NULL: nothing is ever written, and format may be NULL. sample: 0 to 100, percent of the lines that are not
 * notable. */
MUST_CHECK int access_log_init(struct access_log *log, struct sink *sink, const struct access_format *format,
                               uint32_t sample);
/* Lines go elsewhere from now on; what was handed to it before is written out first. sink NULL: nowhere. */
void access_log_turn(struct access_log *log, struct sink *sink, const struct access_format *format, uint32_t sample);
/* Flushes. */
void access_log_fini(struct access_log *log);
void access_log_write(struct access_log *log, const struct access_log_facts *facts);
/* Hands what is gathered to the writer; called by a timer, so that a line waits at most 100 ms. */
void access_log_flush(struct access_log *log);

#endif
