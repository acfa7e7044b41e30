/* By names, so that versions understand each other. Called by control/admin_handover. */
#include "control/admin_past.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "control/admin.h"

/* Numbers beyond are nobody's: a program does not live so long. */
enum { NUMBER_MAX = 1 << 30 };

static uint32_t number_of(const json_t *json)
{
    json_int_t number = json_integer_value(json_object_get(json, "number"));

    return number > 0 && number <= NUMBER_MAX ? (uint32_t)number : 0;
}

static int64_t time_of(const json_t *json)
{
    json_int_t at_ns = json_integer_value(json_object_get(json, "at_ns"));

    return at_ns > 0 ? at_ns : 0;
}

/* ---- events ---- */

static json_t *event_json(const struct journal_line *line)
{
    json_t *json = json_object();

    admin_set_int(json, "number", line->number);
    admin_set_int(json, "at_ns", (uint64_t)line->at_ns);
    admin_set_str(json, "level", str_of(log_level_word(line->level)));
    admin_set_str(json, "message", str_of(line->sentence));
    admin_set_str(json, "facts", str_slice(line->facts, line->facts_n));
    return json;
}

json_t *admin_events_list(struct journal *journal, json_t *(*form)(const struct journal_line *line))
{
    uint64_t newest = journal_newest(journal);
    json_t *list = json_array();
    struct journal_line line;

    for (uint64_t n = newest > JOURNAL_LINES ? newest - JOURNAL_LINES + 1 : 1; n <= newest; n++)
        if (journal_read(journal, n, &line))
            (void)json_array_append_new(list, form(&line));
    return list;
}

json_t *admin_events_json(struct journal *journal)
{
    return admin_events_list(journal, event_json);
}

static bool event_read(const json_t *json, struct journal_line *ret_line)
{
    const char *facts = admin_member_text(json, "facts");
    struct journal_line line = {.number = number_of(json), .at_ns = time_of(json)};

    if (log_parse_level(str_of(admin_member_text(json, "level")), &line.level) || line.level < LOG_INFO ||
        line.level >= LOG_OFF)
        return false;
    (void)snprintf(line.sentence, sizeof(line.sentence), "%s", admin_member_text(json, "message"));
    line.facts_n = (uint32_t)strnlen(facts, sizeof(line.facts));
    memcpy(line.facts, facts, line.facts_n);
    *ret_line = line;
    return line.number > 0 && line.sentence[0] != '\0';
}

int admin_events_read(const json_t *list, struct journal *journal)
{
    size_t told = json_array_size(list), first = told > JOURNAL_LINES ? told - JOURNAL_LINES : 0, count = 0;
    struct journal_line *lines = calloc(JOURNAL_LINES, sizeof(*lines)); /* not per request: once an upgrade */

    for (size_t i = first; lines && i < told; i++)
        count += event_read(json_array_get(list, i), &lines[count]) ? 1 : 0;
    int error = lines ? journal_carry(journal, lines, count) : -ERR_NO_MEMORY;
    free(lines); /* not per request: see above */
    return error;
}

/* ---- reloads ---- */

static json_t *reload_json(const struct reload_entry *entry)
{
    json_t *json = json_object(), *plan = entry->plan ? plan_json(entry->plan) : NULL;

    admin_set_int(json, "number", entry->number);
    admin_set_int(json, "at_ns", (uint64_t)entry->at_ns);
    admin_set_str(json, "state", str_of(entry->state));
    admin_set_str(json, "cause", str_of(entry->cause));
    admin_set_str(json, "sentence", str_of(entry->sentence));
    if (plan && json_dumpb(plan, NULL, 0, JSON_COMPACT) <= ADMIN_PAST_PLAN_BYTES)
        admin_set(json, "plan", json_incref(plan));
    json_decref(plan);
    return json;
}

json_t *admin_history_json(const struct reload_history *history)
{
    uint32_t newest = history->numbers;
    json_t *list = json_array();

    for (uint32_t n = newest > RELOAD_HISTORY ? newest - RELOAD_HISTORY + 1 : 1; n <= newest; n++)
        if (reload_history_find(history, n))
            (void)json_array_append_new(list, reload_json(reload_history_find(history, n)));
    return list;
}

static const char *state_of(const char *word)
{
    static const char *const states[] = {"planned", "applied", "refused", "rolled_back"};

    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (strcmp(word, states[i]) == 0)
            return states[i];
    return "failed";
}

static void reload_read(const json_t *json, struct reload_history *history)
{
    const json_t *plan = json_object_get(json, "plan");
    const char *state = admin_member_text(json, "state");

    if (number_of(json) <= history->numbers)
        return;
    history->numbers = number_of(json) - 1;
    struct reload_entry *entry = reload_history_add(history, admin_member_text(json, "cause"));
    entry->at_ns = time_of(json);
    entry->state = state_of(state);
    (void)snprintf(entry->sentence, sizeof(entry->sentence), "%s",
                   strcmp(state, "waiting") == 0 ? "An upgrade came before it was over."
                                                 : admin_member_text(json, "sentence"));
    if (json_is_object(plan))
        entry->plan = plan_from_json(plan);
}

void admin_history_read(const json_t *list, struct reload_history *history)
{
    size_t i;
    json_t *json;

    json_array_foreach((json_t *)(uintptr_t)list, i, json) reload_read(json, history);
}
