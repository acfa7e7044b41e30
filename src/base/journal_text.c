/* One entry, one datagram. No value has a line feed, so the protocol's form for those that do is not needed. Called by
 * a sink's writer. */
#include "base/journal_text.h"

#include <stdio.h>

static size_t put_fact(char *out, size_t n, size_t room, const struct entry_fact *fact)
{
    static const char prefix[] = "BALLAST_";

    if (room - n < sizeof(prefix) + fact->name.n + fact->value.n + 2)
        return n;
    memcpy(out + n, prefix, sizeof(prefix) - 1);
    n += sizeof(prefix) - 1;
    for (size_t i = 0; i < fact->name.n; i++) {
        char c = fact->name.p[i];
        out[n++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    out[n++] = '=';
    memcpy(out + n, fact->value.p, fact->value.n);
    n += fact->value.n;
    out[n++] = '\n';
    return n;
}

size_t journal_text(char *out, size_t room, const char *app, const char *kind, const struct entry *entry)
{
    static const char message[] = "MESSAGE=";

    ASSERT(room >= JOURNAL_TEXT_MIN);
    int begun = snprintf(out, room, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.64s\nBALLAST_KIND=%.64s\n", (int)entry->severity,
                         app, kind);
    ASSERT(begun > 0);
    size_t n = (size_t)begun, end = sizeof(message); /* and a line feed, for its NUL */
    for (size_t i = 0; i < entry->fact_count; i++)
        n = put_fact(out, n, room - end, &entry->facts[i]);
    memcpy(out + n, message, sizeof(message) - 1);
    n += sizeof(message) - 1;
    size_t text = entry->text.n < room - n - 1 ? entry->text.n : room - n - 1;
    memcpy(out + n, entry->text.p, text);
    n += text;
    out[n++] = '\n';
    return n;
}
