/* The events log. Any thread of floors 5 to 7 calls it, through the macros; each line is built on the caller's stack
 * and written with one write(2), so that lines of several threads and of the keeper never mix.
 *
 * To standard error without a thread between: these lines are few (each call site is limited), and the last words
 * before a crash must be out. Where they go elsewhere, a sink's writer waits for what traffic must not wait for.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"
#include "base/sink.h"

enum {
    LOG_LINE_BYTES = 4096,
    LOG_END_BYTES = 48,  /* kept free for the suppressed count and the line's end */
    LOG_SITE_LINES = 10, /* a second */
    LOG_NUMBER_BYTES = 21,
};

struct log_line {
    size_t n;
    size_t limit;
    size_t sentence; /* where it begins in a text line: behind time and level */
    enum log_format format;
    char bytes[LOG_LINE_BYTES];
};

static const char *const log_level_words[] = {"debug", "info", "warn", "error", "off"};

static _Atomic int log_level_now = LOG_INFO;
static _Atomic int log_format_now = LOG_TEXT;
static _Atomic int log_fd_now = STDERR_FILENO;
static char log_path_now[PATH_MAX]; /* empty: none */
static struct sink *_Atomic log_sink_now;
static log_listener_fn log_listener;
static void *log_listener_context;

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store(&log_level_now, (int)level);
    atomic_store(&log_format_now, (int)format);
}

void log_set_listener(log_listener_fn listener, void *context)
{
    log_listener_context = context;
    log_listener = listener;
}

enum log_level log_level_get(void)
{
    return (enum log_level)atomic_load(&log_level_now);
}

const char *log_level_word(enum log_level level)
{
    return log_level_words[level];
}

void log_level_set(enum log_level level)
{
    atomic_store(&log_level_now, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd_now, fd);
}

void log_set_path(const char *path)
{
    size_t n = path ? strlen(path) : 0;

    ASSERT(n < sizeof(log_path_now));
    if (n > 0)
        memcpy(log_path_now, path, n);
    log_path_now[n] = '\0';
}

void log_set_sink(struct sink *sink)
{
    atomic_store(&log_sink_now, sink);
}

int log_parse_level(struct str word, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(log_level_words); i++) {
        if (str_eq(word, str_of(log_level_words[i]))) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    }
    return -ERR_CONFIG;
}

/* Appends what is known to fit. */
static void log_put(struct log_line *line, struct str text)
{
    ASSERT(text.n <= sizeof(line->bytes) - line->n);
    memcpy(line->bytes + line->n, text.p, text.n);
    line->n += text.n;
}

static void log_put_z(struct log_line *line, const char *text)
{
    log_put(line, str_of(text));
}

/* A plain sentence in a text line: only what could break the line is replaced. */
static void log_put_sentence(struct log_line *line, const char *sentence)
{
    for (; *sentence && line->n < line->limit; sentence++) {
        unsigned char c = (unsigned char)*sentence;
        line->bytes[line->n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
}

static void log_put_stamp(struct log_line *line)
{
    clock_stamp(line->bytes + line->n, clock_wall_ns());
    line->n += CLOCK_STAMP_BYTES;
}

static void log_begin(struct log_line *line, enum log_level level, const char *sentence)
{
    line->n = 0;
    line->sentence = 0;
    line->limit = LOG_LINE_BYTES - LOG_END_BYTES;
    line->format = (enum log_format)atomic_load(&log_format_now);
    if (line->format == LOG_TEXT) {
        log_put_stamp(line);
        log_put_z(line, " ");
        log_put_z(line, log_level_words[level]);
        log_put_z(line, " ");
        line->sentence = line->n;
        log_put_sentence(line, sentence);
        return;
    }
    log_put_z(line, "{\"time\":\"");
    log_put_stamp(line);
    log_put_z(line, "\",\"level\":\"");
    log_put_z(line, log_level_words[level]);
    log_put_z(line, "\",\"message\":\"");
    line->n += escape_json(line->bytes + line->n, line->limit - line->n - 1, str_of(sentence));
    log_put_z(line, "\"");
}

static size_t log_format_number(char out[LOG_NUMBER_BYTES], int64_t number)
{
    if (number >= 0)
        return str_put_u64(out, (uint64_t)number);
    out[0] = '-';
    return 1 + str_put_u64(out + 1, 0 - (uint64_t)number);
}

static void log_put_name(struct log_line *line, const char *name)
{
    log_put_z(line, line->format == LOG_TEXT ? " " : ",\"");
    log_put_z(line, name);
    log_put_z(line, line->format == LOG_TEXT ? "=" : "\":");
}

static void log_put_text(struct log_line *line, struct str text)
{
    if (line->format == LOG_TEXT) {
        line->n += escape_text(line->bytes + line->n, line->limit - line->n, text);
        return;
    }
    log_put_z(line, "\"");
    line->n += escape_json(line->bytes + line->n, line->limit - line->n - 1, text);
    log_put_z(line, "\"");
}

/* A fact that has no room for its name and the shortest value is left out whole: the line stays well formed. */
static void log_put_fact(struct log_line *line, const struct log_fact *fact)
{
    size_t around = strlen(fact->name) + 4;
    size_t room = line->limit - line->n;
    if (fact->type == LOG_FACT_STR) {
        if (room < around + 2)
            return;
        log_put_name(line, fact->name);
        log_put_text(line, fact->text);
        return;
    }
    char digits[LOG_NUMBER_BYTES];
    size_t n = log_format_number(digits, fact->number);
    if (room < around + n)
        return;
    log_put_name(line, fact->name);
    log_put(line, str_slice(digits, n));
}

/* May this site write now? If so, *ret_suppressed is how many it could not since its last line. */
static bool log_admit(struct log_site *site, uint32_t *ret_suppressed)
{
    int64_t now_s = clock_steady_ns() / 1000000000;
    int64_t window_s = atomic_load(&site->window_s);
    if (window_s != now_s && atomic_compare_exchange_strong(&site->window_s, &window_s, now_s))
        atomic_store(&site->in_window, 0);
    if (atomic_fetch_add(&site->in_window, 1) >= LOG_SITE_LINES) {
        atomic_fetch_add(&site->suppressed, 1);
        return false;
    }
    *ret_suppressed = atomic_exchange(&site->suppressed, 0);
    return true;
}

static enum entry_severity log_severity(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return ENTRY_DEBUG;
    case LOG_WARN: return ENTRY_WARNING;
    case LOG_ERROR: return ENTRY_ERROR;
    case LOG_INFO:
    case LOG_OFF: break;
    }
    return ENTRY_INFO;
}

/* The facts apart, and the line as it is, but for what the entry has of its own. */
static void log_write_entry(struct sink *sink, const struct log_line *line, enum log_level level,
                            const struct log_fact *facts)
{
    char bytes[2 * LOG_LINE_BYTES], digits[LOG_NUMBER_BYTES];
    size_t n = entry_begin(bytes, LOG_LINE_BYTES, log_severity(level), clock_wall_ns());

    for (const struct log_fact *fact = facts; fact->name; fact++) {
        struct str value = fact->text;
        if (fact->type == LOG_FACT_INT)
            value = str_slice(digits, log_format_number(digits, fact->number));
        n = entry_put_fact(bytes, n, LOG_LINE_BYTES - 1, str_of(fact->name), value);
    }
    n = entry_end_facts(bytes, n, LOG_LINE_BYTES);
    memcpy(bytes + n, line->bytes + line->sentence, line->n - line->sentence);
    (void)sink_write(sink, bytes, n + line->n - line->sentence, 1); /* what is refused is counted there */
}

static void log_write(const struct log_line *line, enum log_level level, const struct log_fact *facts)
{
    struct sink *sink = atomic_load(&log_sink_now);

    if (sink && sink_takes_entries(sink)) {
        log_write_entry(sink, line, level, facts);
        return;
    }
    if (sink) {
        (void)sink_write(sink, line->bytes, line->n, 1);
        return;
    }
    /* Opened each time: lines are few, and a file that was rotated is found by its name. Whoever rotates makes it. */
    int file = log_path_now[0] ? open(log_path_now, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    ssize_t written;
    do
        written = write(file >= 0 ? file : atomic_load(&log_fd_now), line->bytes, line->n);
    while (written < 0 && errno == EINTR);
    if (file >= 0)
        close(file);
}

void log_emit(struct log_site *site, enum log_level level, const char *sentence, const struct log_fact *facts)
{
    struct log_line line;
    uint32_t suppressed;
    ASSERT(level < LOG_OFF);
    bool written = (int)level >= atomic_load(&log_level_now);
    if ((!written && !log_listener) || !log_admit(site, &suppressed))
        return;
    if (log_listener)
        log_listener(log_listener_context, level, sentence, facts);
    if (!written)
        return;
    log_begin(&line, level, sentence);
    for (const struct log_fact *fact = facts; fact->name; fact++)
        log_put_fact(&line, fact);
    line.limit = LOG_LINE_BYTES - 2;
    if (suppressed > 0)
        log_put_fact(&line, &LOG_N("suppressed", suppressed));
    log_put_z(&line, line.format == LOG_TEXT ? "\n" : "}\n");
    log_write(&line, level, facts);
}
