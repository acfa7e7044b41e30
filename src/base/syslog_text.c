/* One entry, one message. Called by a sink's writer. */
#include "base/syslog_text.h"

#include <stdio.h>

/* RFC 5424, section 6: the longest that each may be. */
#define HOST_MAX "255"
#define APP_MAX  "48"
#define KIND_MAX "32"

/* What escape_json leaves as it is and a PARAM-VALUE must escape (section 6.3.3). */
static size_t put_value(char *out, struct str value)
{
    size_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == ']')
            out[n++] = '\\';
        out[n++] = value.p[i];
    }
    return n;
}

static size_t put_facts(char *out, size_t n, size_t room, const struct entry *entry)
{
    for (size_t i = 0; i < entry->fact_count; i++) {
        const struct entry_fact *fact = &entry->facts[i];
        if (room - n < fact->name.n + 2 * fact->value.n + 8)
            continue;
        out[n++] = ' ';
        memcpy(out + n, fact->name.p, fact->name.n);
        n += fact->name.n;
        out[n++] = '=';
        out[n++] = '"';
        n += put_value(out + n, fact->value);
        out[n++] = '"';
    }
    return n;
}

size_t syslog_text(char *out, size_t room, const struct syslog_text_head *head, const struct entry *entry)
{
    ASSERT(room >= SYSLOG_TEXT_MIN);
    int begun = snprintf(out, room, "<%u>1 %.*s %." HOST_MAX "s %." APP_MAX "s %u %." KIND_MAX "s ",
                         head->facility * 8 + (unsigned)entry->severity, STR_ARG(entry->stamp), head->host, head->app,
                         head->process, head->kind);
    ASSERT(begun > 0 && (size_t)begun < SYSLOG_TEXT_MIN / 2);
    size_t n = (size_t)begun;
    if (head->enterprise && entry->fact_count > 0) {
        n += (size_t)snprintf(out + n, room - n, "[ballast@%u", head->enterprise);
        n = put_facts(out, n, room - 2, entry);
        out[n++] = ']';
    } else {
        out[n++] = '-';
    }
    out[n++] = ' ';
    size_t text = entry->text.n < room - n ? entry->text.n : room - n;
    memcpy(out + n, entry->text.p, text);
    return n + text;
}
