/* Reads JSON and UTF-8 the slow, plain way, so that it shares no thought with what it checks. Harnesses call it.
 */
#include "json_check.h"

#include <ctype.h>

/* The code point at p and how many bytes it has; 0 bytes: no well-formed sequence (RFC 3629 section 3). */
static size_t read_point(const unsigned char *p, size_t n, uint32_t *ret_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (bytes == 0 || bytes > n)
        return 0;
    uint32_t point = bytes == 1 ? p[0] : p[0] & (0xffU >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (point < least[bytes] || point > 0x10ffff || surrogate)
        return 0;
    *ret_point = point;
    return bytes;
}

size_t utf8_points(struct str text, uint32_t *points, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n && count < cap; count++) {
        size_t bytes = read_point((const unsigned char *)text.p + i, text.n - i, &points[count]);
        if (bytes == 0)
            points[count] = 0xfffd;
        i += bytes == 0 ? 1 : bytes;
    }
    return count;
}

/* What stands behind a backslash. Returns its length. */
static size_t read_escape(struct str text, uint32_t *ret_point)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    uint64_t point;
    ASSERT(text.n > 0 && text.p[0] != '\0');
    const char *letter = strchr(letters, text.p[0]);
    if (letter) {
        *ret_point = (unsigned char)meanings[letter - letters];
        return 1;
    }
    ASSERT(text.p[0] == 'u' && text.n >= 5 && str_parse_hex(str_slice(text.p + 1, 4), 0xffff, &point) == 0);
    ASSERT(point < 0xd800 || point > 0xdfff);
    *ret_point = (uint32_t)point;
    return 5;
}

size_t json_points(struct str inside, uint32_t *points, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < inside.n; count++) {
        uint32_t point = 0;
        size_t bytes = read_point((const unsigned char *)inside.p + i, inside.n - i, &point);
        ASSERT(bytes > 0);
        i += bytes;
        if (point == '\\')
            i += read_escape(str_slice(inside.p + i, inside.n - i), &point);
        else
            ASSERT(point >= 0x20 && point != '"' && (point < 0x7f || point >= 0xa0));
        if (count < cap)
            points[count] = point;
    }
    return count;
}

/* A string with its quotes off the front of *rest. */
static struct str take_string(struct str *rest)
{
    size_t n = 1;
    ASSERT(rest->n >= 2 && rest->p[0] == '"');
    while (n < rest->n && rest->p[n] != '"')
        n += rest->p[n] == '\\' ? 2 : 1;
    ASSERT(n < rest->n);
    struct str inside = str_slice(rest->p + 1, n - 1);
    *rest = str_slice(rest->p + n + 1, rest->n - n - 1);
    (void)json_points(inside, NULL, 0);
    return inside;
}

static void take_byte(struct str *rest, char byte)
{
    ASSERT(rest->n > 0 && rest->p[0] == byte);
    *rest = str_slice(rest->p + 1, rest->n - 1);
}

static void take_number(struct str *rest)
{
    size_t n = rest->n > 0 && rest->p[0] == '-';
    size_t digits = 0;
    while (n + digits < rest->n && isdigit((unsigned char)rest->p[n + digits]))
        digits++;
    ASSERT(digits > 0 && (digits == 1 || rest->p[n] != '0'));
    *rest = str_slice(rest->p + n + digits, rest->n - n - digits);
}

void json_check_object(struct str text)
{
    take_byte(&text, '{');
    do {
        ASSERT(take_string(&text).n > 0);
        take_byte(&text, ':');
        if (text.n > 0 && text.p[0] == '"')
            (void)take_string(&text);
        else
            take_number(&text);
        if (text.n > 0 && text.p[0] == ',')
            take_byte(&text, ',');
        else
            break;
    } while (true);
    take_byte(&text, '}');
    ASSERT(text.n == 0);
}
