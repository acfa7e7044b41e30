/* The events log: what happened to Ballast itself (starts, health transitions, errors), one line each.
 *
 * Only floors 5 to 7 log; lower floors return codes. A line is a plain sentence and then facts, as text
 * (`2026-01-31T23:59:59.123Z warn worker is down pool=web worker=3001 cause=connect_refused`) or JSON. Lines go to
 * standard error (the keeper's too) in one write, or to a sink. Each call site may log 10 lines a second; what is left
 * out is counted and said by the next line from there (suppressed=N).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/str.h"

struct sink;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_fact {
    const char *name; /* NULL ends the list */
    enum { LOG_FACT_STR, LOG_FACT_INT } type;
    struct str text;
    int64_t number;
};

/* One for each call site, for the rate limit. */
struct log_site {
    _Atomic int64_t window_s;
    _Atomic uint32_t in_window;
    _Atomic uint32_t suppressed;
};

/* Before threads start, and again at a reload. Defaults: LOG_INFO, LOG_TEXT. */
void log_configure(enum log_level level, enum log_format format);
/* Lines go to this descriptor from now on (2 by default). */
void log_set_fd(int fd);
/* For a process without a thread for it: each line is appended to this file if it is there, else goes to the
 * descriptor. NULL: to the descriptor. Kept as a copy; before threads start. */
void log_set_path(const char *path);
/* Lines go to this sink from now on, with their facts where it takes entries; NULL: to the descriptor. Nobody logs any
 * more that may still hold the one before when that is destroyed. */
void log_set_sink(struct sink *sink);
/* Also told of every line that is admitted, whatever its level; any thread. NULL: nobody. Before threads start, and
 * after they ended. */
typedef void (*log_listener_fn)(void *context, enum log_level level, const char *sentence,
                                const struct log_fact *facts);
void log_set_listener(log_listener_fn listener, void *context);
/* The level now, and its word. */
enum log_level log_level_get(void);
const char *log_level_word(enum log_level level);
void log_level_set(enum log_level level);
/* Which level a word names ("debug", "info", "warn", "error", "off"). 0 or -ERR_CONFIG. */
MUST_CHECK int log_parse_level(struct str word, enum log_level *ret_level);

/* Use the macros. */
void log_emit(struct log_site *site, enum log_level level, const char *sentence, const struct log_fact *facts);

#define LOG_S(name, text)   ((struct log_fact){name, LOG_FACT_STR, text, 0})
#define LOG_Z(name, ztext)  ((struct log_fact){name, LOG_FACT_STR, str_of(ztext), 0})
#define LOG_N(name, number) ((struct log_fact){name, LOG_FACT_INT, STR_NONE, number})
#define LOG_END             ((struct log_fact){NULL, LOG_FACT_STR, STR_NONE, 0})
#define LOG_EMIT_FACTS(level, sentence, ...)                                               \
    do {                                                                                   \
        static struct log_site log_site_here;                                              \
        log_emit(&log_site_here, level, sentence, (const struct log_fact[]){__VA_ARGS__}); \
    } while (0)
#define LOG_EMIT(level, ...) LOG_EMIT_FACTS(level, __VA_ARGS__, LOG_END)
#define log_debug(...)       LOG_EMIT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)        LOG_EMIT(LOG_INFO, __VA_ARGS__)
#define log_warn(...)        LOG_EMIT(LOG_WARN, __VA_ARGS__)
#define log_error(...)       LOG_EMIT(LOG_ERROR, __VA_ARGS__)

#endif
