/* Header fields: the ones Ballast knows by number, and the rules about which of them travel.
 *
 * Version-neutral (RFC 9110 sections 5, 6.5 and 7.6.1). Pure: no allocation, no I/O, any thread.
 */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum field_id {
    FIELD_OTHER = 0,
#define FIELD(id, name, flags) FIELD_##id,
#include "http/fields.def"
#undef FIELD
    FIELD_ID_COUNT
};

enum field_flag { FIELD_HOP = 1, FIELD_FRAMING = 2, FIELD_KEEP = 4, FIELD_REQUEST = 8, FIELD_UNIQUE = 16 };

struct field {
    struct str name;  /* bytes as received */
    struct str value; /* without white space at its ends; may be empty */
    uint8_t id;       /* enum field_id */
    bool dropped;     /* not to be forwarded */
};

/* The known field with this name, in any case of letters, or FIELD_OTHER. Called for every field of every message. */
enum field_id field_lookup(struct str name);
struct str field_name(enum field_id id);
/* The same in lower case, as HTTP/2 wants it. Both stand as long as the program. */
struct str field_lower_name(enum field_id id);
unsigned field_flags(enum field_id id);

/* Length of the run of tchar (RFC 9110 section 5.6.2) that bytes[0..n) begins with: 0 to n. */
size_t field_token_run(const char *bytes, size_t n);
/* token: at least one tchar and nothing else. */
bool field_is_token(struct str text);
/* The list element `token` (any case) stands in a comma-separated value (RFC 9110 section 5.6.1). */
bool field_list_has(struct str value, struct str token);

/* Marks as dropped: hop-by-hop fields, and those named in Connection (except FIELD_KEEP ones); framing fields too.
 * RFC 9110 section 7.6.1. */
void fields_drop_hop(struct field *fields, uint32_t count);
/* Marks as dropped all of this name, which no table has. Case does not count, nor `_` for `-`: a worker that makes
 * variables of names cannot tell those apart. */
void fields_drop_named(struct field *fields, uint32_t count, struct str name);
/* Marks as dropped what must not come in trailers: framing, hop-by-hop and FIELD_REQUEST fields. RFC 9110
 * section 6.5.1. */
void fields_drop_from_trailers(struct field *fields, uint32_t count);
/* The first field with this id that is not dropped, or NULL. */
struct field *fields_find(struct field *fields, uint32_t count, enum field_id id);

#endif
