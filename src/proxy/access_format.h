/* How an access line is laid out: a template with named fields, checked and taken apart once, when the configuration is
 * loaded. Text and JSON, too, are templates, made from the table of fields.
 *
 * `{name}` stands for a field, `{{` and `}}` for braces. Where a field stands between double quotes, what is in it is
 * escaped so that it cannot leave them; elsewhere a value that is no plain word is put in quotes. So nobody who is
 * logged can write a line, or a field, that was not there.
 */
#ifndef PROXY_ACCESS_FORMAT_H
#define PROXY_ACCESS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum access_field {
#define FIELD(id, name, kind, member, sentence) ACCESS_FIELD_##id,
#include "proxy/access_field.def"
#undef FIELD
    ACCESS_FIELDS
};

enum access_kind { ACCESS_STAMP, ACCESS_TEXT, ACCESS_NUMBER, ACCESS_TAKEN };

enum {
    ACCESS_FORMAT_MAX = 2048, /* bytes of a template */
    ACCESS_FIXED_MAX = 4096,  /* bytes of a line that are no text from outside */
    ACCESS_NUMBER_MAX = 20,   /* digits */
};

struct access_piece {
    struct str before; /* what stands in front of the field, as it is written */
    uint8_t field;     /* enum access_field; ACCESS_FIELDS in the last: only `before` */
    bool quoted;       /* the field stands between double quotes */
    uint16_t after;    /* bytes at least that must still come behind the field */
};

struct access_format {
    struct access_piece *pieces;
    uint32_t count;
    uint32_t fields; /* 1 << enum access_field: those that are written */
    bool json;       /* an empty text stays empty, instead of `-` */
};

struct access_format_error {
    size_t at; /* which byte of the template */
    char why[160];
};

/* text: `text`, `json`, or a template; it is not kept. What the format is made of lies in the arena. 0; -ERR_CONFIG
 * with *ret_error; -ERR_NO_MEMORY. */
MUST_CHECK int access_format_init(struct access_format *format, struct str text, struct arena *arena,
                                  struct access_format_error *ret_error);

static inline bool access_format_has(const struct access_format *format, enum access_field field)
{
    return format->fields & 1u << field;
}

const char *access_field_name(enum access_field field);
enum access_kind access_field_kind(enum access_field field);

#endif
