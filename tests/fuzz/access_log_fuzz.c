/* Access log lines: whatever client and worker say, one exchange is one line, and a JSON line is one valid object.
 *
 * The first byte: odd for JSON, 2 and 6 of eight for a template, else text. The rest are the texts of the line, each
 * ended by a line feed; a byte 0x01 to 0x0f in front of a text repeats it up to 32768 bytes, so that lines grow past
 * what they may.
 */
#include "fuzz.h"

#include "json_check.h"
#include "proxy/access_log.h"

enum { TEXTS = 5, GROWN_MAX = 32768 };
#define TEMPLATE                                                                                                     \
    "{client} [{time}] \"{method} {target} {protocol}\" {status} \"{user_agent}\" {user_agent} {pool} \"{worker}\" " \
    "{total_us}"

static char grown[TEXTS][GROWN_MAX];

static struct str grow(char *out, struct str text)
{
    size_t n = 0;
    if (text.n < 2 || text.p[0] < 1 || text.p[0] > 15)
        return text;
    size_t wanted = (size_t)text.p[0] * GROWN_MAX / 15;
    text = str_slice(text.p + 1, text.n - 1);
    for (; n + text.n <= wanted; n += text.n)
        memcpy(out + n, text.p, text.n);
    return str_slice(out, n);
}

static struct str take_text(struct str *rest, size_t index)
{
    size_t n = str_find(*rest, '\n');
    struct str text = str_slice(rest->p, n);
    size_t used = n < rest->n ? n + 1 : n;
    *rest = str_slice(rest->p + used, rest->n - used);
    return grow(grown[index], text);
}

/* Names and values, with a blank between them; quotes where they are needed. */
static void check_text_line(struct str line)
{
    bool quoted = false;
    for (size_t i = 0; i < line.n; i++) {
        ASSERT((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);
        if (quoted && line.p[i] == '\\')
            i++;
        else if (line.p[i] == '"')
            quoted = !quoted;
    }
    ASSERT(!quoted);
}

static void check_batch(const struct access_log *log)
{
    struct str line = str_slice(log->batch, log->used);
    ASSERT(log->lines == 1 && line.n > 1 && line.n <= ACCESS_LOG_LINE_MAX);
    line.n--;
    ASSERT(line.p[line.n] == '\n' && str_find(line, '\n') == line.n);
    if (log->format->json)
        json_check_object(line);
    else
        check_text_line(line);
}

static void try_line(struct sink *sink, uint8_t flags, struct str rest)
{
    struct access_log log;
    /* All numbers as long as they get; what others cannot choose is as it is. */
    struct access_log_facts facts = {.wall_ns = INT64_MAX / 2,
                                     .id = STR("0123456789abcdef0123456789abcdef"),
                                     .client = STR("2001:db8:1111:2222:3333:4444:5555:6666"),
                                     .protocol = STR("HTTP/1.1"),
                                     .tries = INT64_MAX,
                                     .status = 499,
                                     .bytes_in = INT64_MAX,
                                     .bytes_out = INT64_MAX,
                                     .connect_us = INT64_MAX,
                                     .first_byte_us = INT64_MAX,
                                     .total_us = INT64_MAX,
                                     .queue_us = INT64_MAX,
                                     .by = STR("ballast"),
                                     .reason = STR("unknown_transfer_coding")};
    struct str *texts[TEXTS] = {&facts.target, &facts.host, &facts.method, &facts.pool, &facts.worker};
    struct str format = flags % 2 == 1 ? STR("json") : flags % 4 == 2 ? STR(TEMPLATE) : STR("text");
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = take_text(&rest, i);
    facts.path = facts.target;
    facts.user_agent = facts.host;
    struct arena arena;
    struct access_format made;
    struct access_format_error wrong;
    arena_init(&arena, 1 << 20);
    int error = access_format_init(&made, format, &arena, &wrong);
    ASSERT(error == 0);
    error = access_log_init(&log, sink, &made, 100);
    ASSERT(error == 0);
    access_log_write(&log, &facts);
    check_batch(&log);
    log.used = 0; /* looked at; nothing needs to be written */
    access_log_fini(&log);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct sink *sink;
    if (!sink) {
        int error = sink_create("/dev/null", &sink);
        ASSERT(error == 0);
    }
    if (n > 0)
        try_line(sink, bytes[0], str_slice((const char *)bytes + 1, n - 1));
    return 0;
}
