/* Trace contexts in and out. Called by proxy/tracing for each request, where tracing is on. */
#include "proxy/trace.h"

#include "base/err.h"

/* Where the parts of version 00 begin: 2 of the version, 32 of the trace's id, 16 of the span's, 2 of flags. */
enum { AT_ID = 3, AT_PARENT = 36, AT_FLAGS = 53 };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void trace_hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool trace_is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t all = 0;

    for (size_t i = 0; i < n; i++)
        all |= bytes[i];
    return all == 0;
}

int trace_read(struct str value, struct trace *ret_trace)
{
    struct trace trace = {.sampled = false};
    const char *p = value.p;
    uint8_t version, flags;

    if (value.n < TRACE_PARENT_CHARS || p[AT_ID - 1] != '-' || p[AT_PARENT - 1] != '-' || p[AT_FLAGS - 1] != '-')
        return -ERR_CONFIG;
    if (!read_hex(p, &version, 1) || !read_hex(p + AT_ID, trace.id, TRACE_ID_BYTES) ||
        !read_hex(p + AT_PARENT, trace.parent, TRACE_SPAN_BYTES) || !read_hex(p + AT_FLAGS, &flags, 1))
        return -ERR_CONFIG;
    if (trace_is_zero(trace.id, TRACE_ID_BYTES) || trace_is_zero(trace.parent, TRACE_SPAN_BYTES))
        return -ERR_CONFIG;
    bool longer = value.n > TRACE_PARENT_CHARS;
    if (version == 0xff || (longer && (version == 0 || p[TRACE_PARENT_CHARS] != '-')))
        return -ERR_CONFIG;
    trace.sampled = flags & 1;
    *ret_trace = trace;
    return 0;
}

static void fill(uint8_t *out, size_t n, struct rand_gen *rand)
{
    do {
        for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
            uint64_t number = rand_u64(rand);
            memcpy(out + i, &number, sizeof(number));
        }
    } while (trace_is_zero(out, n));
}

/* By the id, whose last bytes are random: whoever else decides by them decides the same for a whole trace. */
void trace_begin(struct trace *trace, uint32_t ratio_percent, struct rand_gen *rand)
{
    uint64_t low = 0;

    *trace = (struct trace){.sampled = false};
    fill(trace->id, TRACE_ID_BYTES, rand);
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++)
        low = low << 8 | trace->id[i];
    trace->sampled = low < (UINT64_C(1) << 56) / 100 * ratio_percent || ratio_percent >= 100;
}

void trace_take_span(struct trace *trace, struct rand_gen *rand)
{
    fill(trace->span, TRACE_SPAN_BYTES, rand);
}

void trace_print(const struct trace *trace, char out[TRACE_PARENT_CHARS])
{
    memcpy(out, "00-", AT_ID);
    trace_hex(out + AT_ID, trace->id, TRACE_ID_BYTES);
    out[AT_PARENT - 1] = '-';
    trace_hex(out + AT_PARENT, trace->span, TRACE_SPAN_BYTES);
    out[AT_FLAGS - 1] = '-';
    memcpy(out + AT_FLAGS, trace->sampled ? "01" : "00", 2);
}
