/* The access log: one line for each ended exchange, as text or JSON, gathered and handed to the writer in batches.
 *
 * One for each reactor, on its thread; the sink is shared. Fields are documented in docs/access-log.md.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include "base/sink.h"
#include "proxy/account.h"

enum access_log_format { ACCESS_LOG_TEXT, ACCESS_LOG_JSON };

enum { ACCESS_LOG_BATCH_BYTES = 32768, ACCESS_LOG_LINE_MAX = 8192 };

struct access_log {
    struct sink *sink; /* NULL: off */
    enum access_log_format format;
    uint32_t sample; /* percent of the lines that may be left out */
    uint32_t owed;   /* of them, in percent: a line is written when it comes to 100 */
    char *batch;
    size_t used;
    uint32_t lines;
};

struct access_log_facts {
    int64_t wall_ns; /* when the exchange ended */
    struct str id;
    struct str client;
    struct str method, host, target;
    struct str protocol;
    struct str pool, worker; /* empty: none */
    uint32_t tries;
    int status; /* as the client saw it, or 499 */
    bool own;   /* the answer was made by Ballast */
    bool reused;
    uint64_t bytes_in, bytes_out;
    int64_t connect_us, first_byte_us, total_us; /* since the request's first byte; -1: not reached */
    const char *reason;                          /* "ok", or a name of err.def */
    bool notable;                                /* written whatever the sampling */
};

/* sink NULL: nothing is ever written. sample: 0 to 100, percent of the lines that are not notable. */
MUST_CHECK int access_log_init(struct access_log *log, struct sink *sink, enum access_log_format format,
                               uint32_t sample);
/* Lines go elsewhere from now on; what was handed to it before is written out first. sink NULL: nowhere. */
void access_log_turn(struct access_log *log, struct sink *sink, enum access_log_format format, uint32_t sample);
/* Flushes. */
void access_log_fini(struct access_log *log);
void access_log_write(struct access_log *log, const struct access_log_facts *facts);
/* Hands what is gathered to the writer; called by a timer, so that a line waits at most 100 ms. */
void access_log_flush(struct access_log *log);

#endif
