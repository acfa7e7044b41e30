/* Text from outside made safe for a line of a log: no line break, quote or control byte gets through.
 *
 * Both write at most `room` bytes (no NUL), return how many, and stop before what does not fit: an escape or a UTF-8
 * sequence is never split. Bytes that are not UTF-8 become U+FFFD.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

#include "base/str.h"

/* The inside of a JSON string (RFC 8259 section 7), without its quotes. */
size_t escape_json(char *out, size_t room, struct str text);
/* As it is if it is one plain ASCII word; otherwise in double quotes, with JSON's escapes. Always well formed;
 * nothing if room is under 2. */
size_t escape_text(char *out, size_t room, struct str text);

#endif
