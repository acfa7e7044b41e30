/* Told in the order of time, each time in milliseconds since the request's first byte. Whatever a client sent is
 * escaped, as in the access log: this is read on terminals. */
#include "proxy/recent_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"

struct words {
    char *out;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct words *words, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(words->out + words->used, RECENT_WORDS_MAX - words->used, format, arguments);
    va_end(arguments);
    ASSERT(n >= 0);
    if ((size_t)n < RECENT_WORDS_MAX - words->used)
        words->used += (size_t)n;
}

static void put_time(struct words *words, uint32_t us)
{
    put(words, "%9u.%03u ms  ", us / 1000, us % 1000);
}

static void put_text(struct words *words, struct str text)
{
    char escaped[1024];
    size_t n = escape_text(escaped, sizeof(escaped), text);

    put(words, "%.*s", (int)n, escaped);
}

static void put_request(struct words *words, const struct recent_record *record)
{
    struct recent_texts texts = recent_texts(record);
    char stamp[CLOCK_STAMP_BYTES];

    int64_t ago_ns = clock_steady_ns() - record->ended_ns + (int64_t)record->total_us * 1000;
    clock_stamp(stamp, clock_wall_ns() - ago_ns);
    put(words, "request ");
    put_text(words, texts.id);
    put(words, ": ");
    put_text(words, texts.method);
    put(words, " ");
    put_text(words, texts.target);
    put(words, " from %.*s at %.*s\n", STR_ARG(texts.client), CLOCK_STAMP_BYTES, stamp);
    put_time(words, 0);
    if (texts.pool.n)
        put(words, "its first byte; it went to pool %.*s\n", STR_ARG(texts.pool));
    else
        put(words, "its first byte\n");
}

static void put_try(struct words *words, const struct recent_try *attempt, unsigned number)
{
    put_time(words, attempt->picked_us);
    put(words, "try %u%s: worker %s\n", number, attempt->waited ? ", after waiting in line behind other retries" : "",
        attempt->worker);
    if (attempt->connected_us != RECENT_NEVER) {
        put_time(words, attempt->connected_us);
        put(words, "%s\n", attempt->reused ? "sent on a connection that was idle" : "connected, and sent");
    }
}

/* That an answer failed which had begun is the end's to say, behind its beginning. */
static void put_failure(struct words *words, const struct recent_record *record, unsigned i)
{
    const struct recent_try *attempt = &record->attempts[i];
    bool passed_on = !record->own && record->status != 0;

    if (!attempt->error || (passed_on && i + 1U == record->tries))
        return;
    put_time(words, attempt->failed_us);
    put(words, "%s (%s)\n", err_sentence(attempt->error), err_reason(attempt->error));
    struct str detail = recent_texts(record).detail;
    if (detail.n > 0 && i + 1U == record->tries)
        put(words, "%18s%.*s\n", "", STR_ARG(detail));
}

static void put_answer(struct words *words, const struct recent_record *record)
{
    if (record->status == 0)
        return;
    put_time(words, record->first_byte_us);
    if (record->own)
        put(words, "Ballast answered %d itself\n", record->status);
    else
        put(words, "the worker's answer began: %d\n", record->status);
}

static void put_end(struct words *words, const struct recent_record *record)
{
    put_time(words, record->total_us);
    if (record->error)
        put(words, "the end: %s (%s)", err_sentence(record->error), err_reason(record->error));
    else
        put(words, "the end: answered whole");
    put(words, "; %" PRIu64 " bytes of body came in, %" PRIu64 " went out\n", record->bytes_in, record->bytes_out);
}

struct str recent_words(const struct recent_record *record, char *out)
{
    struct words words = {.out = out};

    put_request(&words, record);
    for (unsigned i = 0; i < record->tries; i++) {
        put_try(&words, &record->attempts[i], i + 1);
        put_failure(&words, record, i);
    }
    put_answer(&words, record);
    put_end(&words, record);
    return str_slice(out, words.used);
}
