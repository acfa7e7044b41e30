/* Numbers for programs and lines for people, from the same record. Control thread, on a copy of its own. */
#include "control/admin_story.h"

#include "base/err.h"
#include "control/admin_pools.h"
#include "proxy/recent_words.h"

static void set_ms(json_t *json, const char *name, uint32_t us)
{
    admin_set(json, name, json_real(us == RECENT_NEVER ? -1 : (double)us / 1000));
}

static json_t *attempt_json(const struct recent_try *attempt)
{
    json_t *json = json_object();

    admin_set_str(json, "worker", str_of(attempt->worker));
    set_ms(json, "picked_ms", attempt->picked_us);
    set_ms(json, "connected_ms", attempt->connected_us);
    set_ms(json, "failed_ms", attempt->error ? attempt->failed_us : RECENT_NEVER);
    admin_set(json, "reason", json_string(attempt->error ? err_reason(attempt->error) : "ok"));
    admin_set(json, "reused", json_boolean(attempt->reused));
    admin_set(json, "waited", json_boolean(attempt->waited));
    return json;
}

static json_t *attempts_json(const struct recent_record *record)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < record->tries && i < PICK_TRIED_MAX; i++)
        (void)json_array_append_new(list, attempt_json(&record->attempts[i]));
    return list;
}

static json_t *line_json(struct str line)
{
    json_t *json = json_object();

    admin_set_str(json, "text", line);
    return json;
}

static json_t *lines_json(const struct recent_record *record)
{
    char words[RECENT_WORDS_MAX];
    struct str rest = recent_words(record, words), line;
    json_t *list = json_array();

    while (rest.n > 0 && str_cut(&rest, '\n', &line))
        if (line.n > 0)
            (void)json_array_append_new(list, line_json(line));
    return list;
}

json_t *admin_story_json(const struct recent_record *record, int64_t now_ns)
{
    struct recent_texts texts = recent_texts(record);
    json_t *json = json_object();

    admin_set_str(json, "id", texts.id);
    admin_set_str(json, "client", texts.client);
    admin_set_str(json, "method", texts.method);
    admin_set_str(json, "target", texts.target);
    admin_set_str(json, "pool", texts.pool);
    admin_set(json, "status", json_integer(record->status));
    admin_set(json, "by", json_string(record->own ? "ballast" : "worker"));
    admin_set(json, "reason", json_string(err_reason(record->error)));
    admin_set_str(json, "detail", texts.detail);
    admin_set(json, "tries", json_integer(record->tries));
    admin_set(json, "bytes_in", json_integer((json_int_t)record->bytes_in));
    admin_set(json, "bytes_out", json_integer((json_int_t)record->bytes_out));
    set_ms(json, "first_byte_ms", record->first_byte_us);
    set_ms(json, "total_ms", record->total_us);
    admin_set(json, "ended_ms_ago", json_integer((now_ns - record->ended_ns) / 1000000));
    admin_set(json, "attempts", attempts_json(record));
    admin_set(json, "lines", lines_json(record));
    return json;
}
