/* The beat of the administration API: once a second the pulse is taken, and whoever listens to /v1/stream is told the
 * status and the events since the last time (WHATWG HTML, section 9.2). On the control thread. */
#include "control/admin_live.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/admin_past.h"
#include "control/admin_pools.h"

enum { NEARLY_NS = 500000000 }; /* less than a tick: what takes little is told with every one */

struct live_stream {
    struct list link; /* of admin->streams */
    struct admin_call *call;
};

/* ---- events ---- */

static json_t *event_json(const struct journal_line *line)
{
    json_t *json = json_pack("{sIssss}", "number", (json_int_t)line->number, "level", log_level_word(line->level),
                             "message", line->sentence);

    admin_set(json, "time", admin_time(line->at_ns));
    admin_set_str(json, "facts", str_slice(line->facts, line->facts_n));
    return json;
}

void admin_do_events(struct admin *admin, struct admin_call *call)
{
    json_t *list = admin_events_list(admin->options.journal, event_json);

    admin_answer_json(call, json_pack("{so}", "events", list));
}

/* ---- samples ---- */

static json_t *sample_json(const struct pulse_sample *sample)
{
    return json_pack("{sIsfsfsfsfsI}", "time_s", (json_int_t)sample->at_s, "requests_per_s", sample->rates.requests,
                     "failures_per_s", sample->rates.failures, "p50_ms", sample->rates.p50_ms, "p99_ms",
                     sample->rates.p99_ms, "active", (json_int_t)sample->active);
}

void admin_do_history(struct admin *admin, struct admin_call *call)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < pulse_sample_count(admin->pulse); i++)
        (void)json_array_append_new(list, sample_json(pulse_sample(admin->pulse, i)));
    admin_answer_json(call, json_pack("{siso}", "interval_s", PULSE_MS / 1000, "samples", list));
}

/* ---- streams ---- */

/* One server-sent event; JSON in compact form has no line ends. */
static void tell(struct live_stream *stream, const char *kind, const char *json)
{
    static const char format[] = "event: %s\ndata: %s\n\n";
    size_t room = sizeof(format) + strlen(kind) + strlen(json);
    char *text = malloc(room); /* not per request: once a second for each listener */

    if (!text)
        return;
    int n = snprintf(text, room, format, kind, json);
    admin_call_push(stream->call, str_slice(text, (size_t)n));
    free(text); /* not per request: see above */
}

static void tell_all(struct admin *admin, const char *kind, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    json_decref(json);
    if (!text)
        return;
    LIST_FOREACH (link, &admin->streams)
        tell(CONTAINER_OF(link, struct live_stream, link), kind, text);
    free(text); /* not per request: jansson took it from malloc */
}

static void tell_events(struct admin *admin)
{
    uint64_t newest = journal_newest(admin->options.journal);
    struct journal_line line;

    if (newest - admin->events_sent > JOURNAL_LINES)
        admin->events_sent = newest - JOURNAL_LINES;
    while (admin->events_sent < newest)
        if (journal_read(admin->options.journal, ++admin->events_sent, &line))
            tell_all(admin, "event", event_json(&line));
}

/* A status of ten thousand workers is megabytes: making it may take a twentieth of this thread, which also probes. */
static void tell_status(struct admin *admin)
{
    int64_t began_ns = clock_steady_ns();

    if (began_ns < admin->status_due_ns)
        return;
    tell_all(admin, "status", admin_status_json(admin));
    int64_t now_ns = clock_steady_ns();
    admin->status_due_ns = now_ns + 20 * (now_ns - began_ns) - NEARLY_NS;
}

void admin_live_tick(struct timer *timer)
{
    struct admin *admin = CONTAINER_OF(timer, struct admin, tick);
    struct io *io = admin->options.io;

    pulse_beat(admin->pulse);
    if (!list_empty(&admin->streams)) {
        tell_events(admin);
        tell_status(admin);
    }
    io_timer_set(io, &admin->tick, io_now_ms(io) + PULSE_MS);
}

static void on_gone(void *context)
{
    struct live_stream *stream = context;

    list_remove(&stream->link);
    free(stream); /* not per request: an operator's */
}

void admin_do_stream(struct admin *admin, struct admin_call *call)
{
    struct live_stream *stream = malloc(sizeof(*stream)); /* not per request: an operator's */

    if (!stream || admin_call_stream(call, STR("text/event-stream"), on_gone, stream)) {
        free(stream); /* not per request: see above */
        admin_answer_error(call, 503, "no_memory", "Ballast is out of memory.");
        return;
    }
    stream->call = call;
    list_init(&stream->link);
    if (list_empty(&admin->streams))
        admin->events_sent = journal_newest(admin->options.journal);
    list_append(&admin->streams, &stream->link);
    tell_all(admin, "status", admin_status_json(admin)); /* the others do not mind to hear it early */
}

/* ---- the log's level ---- */

static void answer_log(struct admin_call *call)
{
    admin_answer_json(call, json_pack("{ss}", "level", log_level_word(log_level_get())));
}

void admin_do_log(struct admin *admin, struct admin_call *call)
{
    answer_log(call);
}

void admin_do_change_log(struct admin *admin, struct admin_call *call)
{
    json_t *body = admin_body_order(admin, call);
    enum log_level level;

    if (!body)
        return;
    int error = log_parse_level(str_of(json_string_value(admin_body_member(admin, body, "level"))), &level);
    json_decref(body);
    ASSERT(!error);
    log_info("log level was changed", LOG_Z("from", log_level_word(log_level_get())),
             LOG_Z("to", log_level_word(level)));
    log_level_set(level);
    answer_log(call);
}
