/* A reader of JSON as strict as RFC 8259, for checking what is written. Only flat objects of strings and integers.
 */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include <stdint.h>

#include "base/str.h"

/* The code points of UTF-8 text, up to `cap` of them; each byte that belongs to no well-formed sequence is U+FFFD. */
size_t utf8_points(struct str text, uint32_t *points, size_t cap);
/* The code points of the inside of a JSON string; every byte is checked (no raw control, quote, DEL or C1 control, only
 * known escapes, well-formed UTF-8). */
size_t json_points(struct str inside, uint32_t *points, size_t cap);
/* `{"name":"text","name":-12}` and nothing else. */
void json_check_object(struct str text);

#endif
