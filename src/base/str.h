/* Slices: pointer and length, never owned, never NUL-terminated; and the parsing of numbers inside bounds.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf: "%.*s", STR_ARG(slice) */
#define STR_ARG(slice) (int)(slice).n, (slice).p

static inline struct str str_of(const char *text)
{
    return (struct str){text, strlen(text)};
}

static inline struct str str_slice(const char *p, size_t n)
{
    return (struct str){p, n};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal but for the case of ASCII letters. */
bool str_ieq(struct str a, struct str b);
/* `text` begins with `prefix`. */
bool str_starts(struct str text, struct str prefix);
bool str_ends(struct str text, struct str suffix);
/* Without spaces and tabs at both ends (OWS of RFC 9110 section 5.6.3). */
struct str str_trim(struct str text);
#define STR_HASH_BEGIN 2166136261U
/* `hash` (STR_HASH_BEGIN, or what came of the text before) gone on with by this text and its end: FNV-1a, so not for
 * texts of whoever gains by collisions. */
uint32_t str_hash(uint32_t hash, struct str text);
/* Index of the first `byte`, or text.n. */
size_t str_find(struct str text, char byte);
/* Takes what stands before the first `separator` off the front of *rest, trimmed; the separator is dropped. False
 * when *rest was used up (rest->p is NULL then). An empty piece between two separators is returned as such. */
bool str_cut(struct str *rest, char separator, struct str *ret_piece);

/* Decimal digits only, no sign, no space, at most `max`. 0, or -ERR_CONFIG (not a number, too large); *ret_value is
 * untouched on failure. */
MUST_CHECK int str_parse_u64(struct str text, uint64_t max, uint64_t *ret_value);
/* The same for 1 to 16 hexadecimal digits in either case. */
MUST_CHECK int str_parse_hex(struct str text, uint64_t max, uint64_t *ret_value);

/* Writes `value` in decimal to `out` (room for 20 bytes), no NUL; returns the number of bytes. */
size_t str_put_u64(char *out, uint64_t value);
enum { STR_HEX64_BYTES = 16 };
/* All 16 hexadecimal digits of `bits`, the lowest first: for ids, whose digits are in no order. */
void str_put_hex64(char *out, uint64_t bits);

/* Copies text to `at`, where there is room; returns the place behind it. */
static inline char *str_put(char *at, struct str text)
{
    if (text.n > 0)
        memcpy(at, text.p, text.n);
    return at + text.n;
}

static inline char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Edit distance (insert, delete, replace, swap of neighbours), for "did you mean"; stops counting above `limit` and
 * returns limit + 1. Texts over 64 bytes count as too far. */
unsigned str_distance(struct str a, struct str b, unsigned limit);

#endif
