/* Entries are made by whoever logs, on its thread, and taken apart by a sink's writer. Pure. */
#include "base/entry.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"

/* Unit and record separator. */
static const char between = '\x1f', behind = '\x1e';

size_t entry_begin(char *out, size_t room, enum entry_severity severity, int64_t wall_ns)
{
    ASSERT(room >= ENTRY_FRAME_BYTES);
    out[0] = (char)('0' + severity);
    clock_stamp(out + 1, wall_ns);
    return 1 + CLOCK_STAMP_BYTES;
}

size_t entry_put_fact(char *out, size_t n, size_t room, struct str name, struct str value)
{
    size_t around = name.n + 2;

    if (name.n > ENTRY_NAME_MAX || room - n < around + 2)
        return n;
    out[n++] = between;
    memcpy(out + n, name.p, name.n);
    n += name.n;
    out[n++] = '=';
    /* A value may take half of what is left, so that others have room. */
    return n + escape_json(out + n, (room - n - 1) / 2, value);
}

size_t entry_end_facts(char *out, size_t n, size_t room)
{
    ASSERT(n < room);
    out[n++] = behind;
    return n;
}

static int read_fact(struct entry *entry, struct str part)
{
    size_t equals = str_find(part, '=');

    if (equals == 0 || equals == part.n)
        return -ERR_INTERNAL;
    if (entry->fact_count < ENTRY_FACTS_MAX)
        entry->facts[entry->fact_count++] = (struct entry_fact){
            .name = str_slice(part.p, equals),
            .value = str_slice(part.p + equals + 1, part.n - equals - 1),
        };
    return 0;
}

int entry_read(struct str line, struct entry *ret_entry)
{
    size_t head = 1 + CLOCK_STAMP_BYTES, end = str_find(line, behind);

    if (end == line.n || end < head || line.p[0] < '0' || line.p[0] > '7')
        return -ERR_INTERNAL;
    struct entry entry = {
        .severity = (enum entry_severity)(line.p[0] - '0'),
        .stamp = str_slice(line.p + 1, CLOCK_STAMP_BYTES),
        .text = str_slice(line.p + end + 1, line.n - end - 1),
    };
    if (end > head && line.p[head] != between)
        return -ERR_INTERNAL;
    struct str rest = end > head ? str_slice(line.p + head + 1, end - head - 1) : STR_NONE, part;
    while (rest.p && str_cut(&rest, between, &part))
        if (read_fact(&entry, part))
            return -ERR_INTERNAL;
    *ret_entry = entry;
    return 0;
}
