/* Templates of access lines of any bytes: refused with a place in the text, or every line made by one is a line, which
 * has all that the template has, whatever the values are.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "proxy/access_log.h"

static char nasty[20000];

/* What the template has stands in the line in its order, and what is made of values has no control character. */
static void check_line(const struct access_format *format, struct str line)
{
    size_t at = 0;

    ASSERT(line.n > 0 && line.n <= ACCESS_LOG_LINE_MAX && str_find(line, '\n') == line.n - 1);
    for (size_t i = 0; i + 1 < line.n; i++)
        ASSERT((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);
    for (uint32_t i = 0; i < format->count; i++) {
        struct str before = format->pieces[i].before;
        const char *found = before.n ? memmem(line.p + at, line.n - at, before.p, before.n) : line.p + at;
        ASSERT(found);
        at = (size_t)(found - line.p) + before.n;
    }
}

static void try_lines(struct sink *sink, const struct access_format *format)
{
    struct str texts[] = {STR_NONE, STR("a word"), STR("\"\\\r\n\x1f]"), str_slice(nasty, sizeof(nasty))};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct access_log_facts facts = {.status = 499, .total_us = i ? INT64_MAX : -1, .bytes_in = INT64_MAX};
        struct access_log log;
        facts.id = facts.client = facts.method = facts.host = facts.target = facts.path = texts[i];
        facts.protocol = facts.by = facts.reason = facts.pool = facts.worker = texts[i];
        facts.trace = facts.span = facts.referer = facts.user_agent = texts[i];
        int error = access_log_init(&log, sink, format, 100);
        ASSERT(error == 0);
        access_log_write(&log, &facts);
        check_line(format, str_slice(log.batch, log.used));
        log.used = 0; /* looked at; nothing needs to be written */
        access_log_fini(&log);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct sink *sink;
    struct access_format_error wrong = {.at = SIZE_MAX};
    struct access_format format;
    struct arena arena;

    if (!sink) {
        int error = sink_create("/dev/null", &sink);
        ASSERT(error == 0);
        memset(nasty, '"', sizeof(nasty));
    }
    arena_init(&arena, 1 << 20);
    int error = access_format_init(&format, str_slice((const char *)bytes, n), &arena, &wrong);
    ASSERT(error == 0 || error == -ERR_CONFIG);
    if (error == 0)
        try_lines(sink, &format);
    else
        ASSERT(wrong.at <= n && memchr(wrong.why, '\0', sizeof(wrong.why)) && wrong.why[0]);
    arena_fini(&arena);
    return 0;
}
