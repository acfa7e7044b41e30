/* Lines are formatted into one batch a reactor and copied to the sink when the batch is full or its timer says so: a
 * request costs no system call and no lock here. */
#include "proxy/access_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/escape.h"

struct line {
    char *p;
    size_t n;
    size_t room;
};

int access_log_init(struct access_log *log, struct sink *sink, enum access_log_format format, uint32_t sample)
{
    *log = (struct access_log){.sink = sink, .format = format, .sample = sample};
    log->batch = malloc(ACCESS_LOG_BATCH_BYTES + ACCESS_LOG_LINE_MAX); /* start-up only: one for each reactor */
    return log->batch ? 0 : -ERR_NO_MEMORY;
}

void access_log_turn(struct access_log *log, struct sink *sink, enum access_log_format format, uint32_t sample)
{
    access_log_flush(log);
    log->sink = sink;
    log->format = format;
    log->sample = sample;
}

void access_log_fini(struct access_log *log)
{
    access_log_flush(log);
    free(log->batch); /* start-up only: see access_log_init */
    log->batch = NULL;
    log->sink = NULL;
}

void access_log_flush(struct access_log *log)
{
    if (log->used == 0)
        return;
    sink_write(log->sink, log->batch, log->used, log->lines); /* refused lines are counted by the sink */
    log->used = 0;
    log->lines = 0;
}

static void put(struct line *line, struct str text)
{
    size_t n = text.n < line->room - line->n ? text.n : line->room - line->n;

    memcpy(line->p + line->n, text.p, n);
    line->n += n;
}

static void put_number(struct line *line, int64_t value)
{
    char digits[20];

    if (value < 0)
        put(line, STR("-1"));
    else
        put(line, str_slice(digits, str_put_u64(digits, (uint64_t)value)));
}

static void put_stamp(struct line *line, int64_t wall_ns)
{
    char stamp[CLOCK_STAMP_BYTES];

    clock_stamp(stamp, wall_ns);
    put(line, str_slice(stamp, sizeof(stamp)));
}

/* Names and values of a line, in the one order both formats keep. */
struct column {
    const char *name;
    struct str text; /* p NULL: the number counts */
    int64_t number;
};

static size_t columns_of(const struct access_log_facts *facts, struct column *columns)
{
    size_t n = 0;

#define TEXT(label, value) columns[n++] = (struct column){label, value, 0}
#define NUMBER(label, value)              \
    columns[n++] = (struct column)        \
    {                                     \
        label, STR_NONE, (int64_t)(value) \
    }
    TEXT("id", facts->id);
    TEXT("client", facts->client);
    TEXT("method", facts->method);
    TEXT("host", facts->host);
    TEXT("target", facts->target);
    TEXT("protocol", facts->protocol);
    NUMBER("status", facts->status);
    TEXT("by", facts->own ? STR("ballast") : STR("worker"));
    TEXT("reason", str_of(facts->reason));
    TEXT("pool", facts->pool);
    TEXT("worker", facts->worker);
    NUMBER("tries", facts->tries);
    NUMBER("bytes_in", facts->bytes_in);
    NUMBER("bytes_out", facts->bytes_out);
    NUMBER("connect_us", facts->connect_us);
    NUMBER("first_byte_us", facts->first_byte_us);
    NUMBER("total_us", facts->total_us);
    NUMBER("reused", facts->reused);
#undef TEXT
#undef NUMBER
    return n;
}

enum { COLUMNS_MAX = 24 };

static void write_json(struct line *line, const struct column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(line, STR(",\""));
        put(line, str_of(columns[i].name));
        put(line, STR("\":"));
        if (!columns[i].text.p) {
            put_number(line, columns[i].number);
            continue;
        }
        /* Room is left for what must still come: the rest are short, and a cut target is still valid JSON. */
        put(line, STR("\""));
        line->n += escape_json(line->p + line->n, (line->room - line->n) / 2, columns[i].text);
        put(line, STR("\""));
    }
}

static void write_text(struct line *line, const struct column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(line, STR(" "));
        put(line, str_of(columns[i].name));
        put(line, STR("="));
        if (!columns[i].text.p)
            put_number(line, columns[i].number);
        else if (columns[i].text.n == 0)
            put(line, STR("-"));
        else
            line->n += escape_text(line->p + line->n, (line->room - line->n) / 2, columns[i].text);
    }
}

/* By count and not by chance: the share is exact, and one line in ten is every tenth. */
static bool is_sampled(struct access_log *log)
{
    log->owed += log->sample;
    if (log->owed < 100)
        return false;
    log->owed -= 100;
    return true;
}

void access_log_write(struct access_log *log, const struct access_log_facts *facts)
{
    struct column columns[COLUMNS_MAX];

    if (!log->sink || (!facts->notable && !is_sampled(log)))
        return;
    size_t count = columns_of(facts, columns);
    struct line line = {.p = log->batch + log->used, .room = ACCESS_LOG_LINE_MAX};
    if (log->format == ACCESS_LOG_JSON) {
        put(&line, STR("{\"time\":\""));
        put_stamp(&line, facts->wall_ns);
        put(&line, STR("\""));
        write_json(&line, columns, count);
        put(&line, STR("}\n"));
    } else {
        put_stamp(&line, facts->wall_ns);
        write_text(&line, columns, count);
        put(&line, STR("\n"));
    }
    log->used += line.n;
    log->lines++;
    if (log->used >= ACCESS_LOG_BATCH_BYTES)
        access_log_flush(log);
}
