/* A line on its way to where more is asked than a line: a syslog server or the journal. How severe it is, when it was,
 * named values, and the text.
 *
 * It is itself a line of a sink, whose parts stand between control characters, which no escaped text has.
 */
#ifndef BASE_ENTRY_H
#define BASE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/str.h"

/* As RFC 5424, section 6.2.1. */
enum entry_severity { ENTRY_ERROR = 3, ENTRY_WARNING = 4, ENTRY_INFO = 6, ENTRY_DEBUG = 7 };

enum {
    ENTRY_FACTS_MAX = 16,
    ENTRY_LINE_MAX = 16384, /* of a whole entry */
    ENTRY_NAME_MAX = 31,
};

struct entry_fact {
    struct str name;  /* lower case letters, digits and _ */
    struct str value; /* escaped as by escape_json */
};

struct entry {
    enum entry_severity severity;
    struct str stamp; /* as clock_stamp makes it */
    struct entry_fact facts[ENTRY_FACTS_MAX];
    size_t fact_count;
    struct str text;
};

/* Each writes at out[n..room) and returns the new n; what would not fit is left out whole. In this order: begin, facts,
 * then entry_end_facts, and the caller puts the text and a line feed behind. */
size_t entry_begin(char *out, size_t room, enum entry_severity severity, int64_t wall_ns);
size_t entry_put_fact(char *out, size_t n, size_t room, struct str name, struct str value);
size_t entry_end_facts(char *out, size_t n, size_t room);
enum { ENTRY_FRAME_BYTES = 32 }; /* begin and end_facts need no more */

/* Takes a line without its line feed apart. 0, or -ERR_INTERNAL: it is no entry. */
MUST_CHECK int entry_read(struct str line, struct entry *ret_entry);

#endif
