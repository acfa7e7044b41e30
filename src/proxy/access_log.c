/* Lines are formatted into one batch a reactor and copied to the sink when the batch is full or its timer says so: a
 * request costs no system call and no lock here. */
#include "proxy/access_log.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/entry.h"
#include "base/err.h"
#include "base/escape.h"

struct line {
    char *p;
    size_t n;
    size_t room;
};

int access_log_init(struct access_log *log, struct sink *sink, const struct access_format *format, uint32_t sample)
{
    *log = (struct access_log){.sink = sink, .format = format, .sample = sample};
    log->batch = malloc(ACCESS_LOG_BATCH_BYTES + ACCESS_LOG_LINE_MAX); /* start-up only: one for each reactor */
    return log->batch ? 0 : -ERR_NO_MEMORY;
}

void access_log_turn(struct access_log *log, struct sink *sink, const struct access_format *format, uint32_t sample)
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

/* What is known to fit. */
static void put(struct line *line, struct str text)
{
    ASSERT(text.n <= line->room - line->n);
    if (text.n > 0)
        memcpy(line->p + line->n, text.p, text.n);
    line->n += text.n;
}

static void put_number(struct line *line, int64_t value)
{
    char digits[ACCESS_NUMBER_MAX];

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

/* Half of the room that is left: the longest leaves as much to all that follow, and what is fixed has its own. */
static void put_text(struct line *line, const struct access_piece *piece, bool json, struct str text)
{
    char *at = line->p + line->n;
    size_t room = (line->room - line->n - piece->after) / 2;

    if (text.n == 0 && !json)
        put(line, STR("-"));
    else if (piece->quoted)
        line->n += escape_json(at, room, text);
    else
        line->n += escape_text(at, room, text);
}

static void put_field(struct line *line, const struct access_piece *piece, bool json,
                      const struct access_log_facts *facts)
{
    switch ((enum access_field)piece->field) {
#define PUT_STAMP(member)  put_stamp(line, facts->member)
#define PUT_NUMBER(member) put_number(line, facts->member)
#define PUT_TEXT(member)   put_text(line, piece, json, facts->member)
#define PUT_TAKEN(member)  PUT_TEXT(member)
#define FIELD(id, name, kind, member, sentence) \
    case ACCESS_FIELD_##id:                     \
        PUT_##kind(member);                     \
        break;
#include "proxy/access_field.def"
#undef FIELD
    case ACCESS_FIELDS: break;
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

/* What is worth searching for, where lines are searched by name. */
static void put_entry(struct line *line, const struct access_log_facts *facts)
{
    char digits[ACCESS_NUMBER_MAX];
    size_t room = ACCESS_LOG_ENTRY_MAX;

    line->n = entry_begin(line->p, room, facts->notable ? ENTRY_WARNING : ENTRY_INFO, facts->wall_ns);
    struct str status = str_slice(digits, str_put_u64(digits, (uint64_t)facts->status));
    line->n = entry_put_fact(line->p, line->n, room - 1, STR("request_id"), facts->id);
    line->n = entry_put_fact(line->p, line->n, room - 1, STR("status"), status);
    line->n = entry_put_fact(line->p, line->n, room - 1, STR("reason"), facts->reason);
    line->n = entry_put_fact(line->p, line->n, room - 1, STR("pool"), facts->pool);
    line->n = entry_put_fact(line->p, line->n, room - 1, STR("worker"), facts->worker);
    line->n = entry_end_facts(line->p, line->n, room);
}

void access_log_write(struct access_log *log, const struct access_log_facts *facts)
{
    if (!log->sink || (!facts->notable && !is_sampled(log)))
        return;
    const struct access_format *format = log->format;
    struct line line = {.p = log->batch + log->used, .room = ACCESS_LOG_LINE_MAX - 1};
    if (sink_takes_entries(log->sink))
        put_entry(&line, facts);
    for (uint32_t i = 0; i < format->count; i++) {
        put(&line, format->pieces[i].before);
        put_field(&line, &format->pieces[i], format->json, facts);
    }
    line.p[line.n++] = '\n';
    log->used += line.n;
    log->lines++;
    if (log->used >= ACCESS_LOG_BATCH_BYTES)
        access_log_flush(log);
}
