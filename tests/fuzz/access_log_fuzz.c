/* Access log lines: whatever client and worker say, one exchange is one line, and a JSON line is one valid object.
 *
 * The first byte: odd for JSON, else text. The rest are the texts of the line, each ended by a line feed; a byte 0x01
 * to 0x0f in front of a text repeats it up to 32768 bytes, so that lines grow past what they may.
 */
#include "fuzz.h"

#include "json_check.h"
#include "proxy/access_log.h"

enum { TEXTS = 5, GROWN_MAX = 32768 };

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
    if (log->format == ACCESS_LOG_JSON)
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
                                     .tries = UINT32_MAX,
                                     .status = 499,
                                     .bytes_in = UINT64_MAX / 2,
                                     .bytes_out = UINT64_MAX / 2,
                                     .connect_us = INT64_MAX,
                                     .first_byte_us = INT64_MAX,
                                     .total_us = INT64_MAX,
                                     .reason = "unknown_transfer_coding"};
    struct str *texts[TEXTS] = {&facts.target, &facts.host, &facts.method, &facts.pool, &facts.worker};
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = take_text(&rest, i);
    int error = access_log_init(&log, sink, flags % 2 == 1 ? ACCESS_LOG_JSON : ACCESS_LOG_TEXT, 100);
    ASSERT(error == 0);
    access_log_write(&log, &facts);
    check_batch(&log);
    log.used = 0; /* looked at; nothing needs to be written */
    access_log_fini(&log);
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
