/* Slices: comparing, cutting, and numbers that must be exactly right. Pure; any thread.
 *
 * The C library's number parsers accept spaces, signs and overlong digits and need a NUL: here a number is its digits
 * or it is refused.
 */
#include "base/str.h"

#include <endian.h>

#include "base/err.h"

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (str_lower(a.p[i]) != str_lower(b.p[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str text, struct str prefix)
{
    return text.n >= prefix.n && str_eq(str_slice(text.p, prefix.n), prefix);
}

bool str_ends(struct str text, struct str suffix)
{
    return text.n >= suffix.n && (suffix.n == 0 || str_eq(str_slice(text.p + text.n - suffix.n, suffix.n), suffix));
}

static bool str_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str text)
{
    while (text.n > 0 && str_is_blank(text.p[text.n - 1]))
        text.n--;
    while (text.n > 0 && str_is_blank(text.p[0])) {
        text.p++;
        text.n--;
    }
    return text;
}

uint32_t str_hash(uint32_t hash, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * 16777619U;
    return (hash ^ 0xff) * 16777619U;
}

size_t str_find(struct str text, char byte)
{
    const char *found = text.n > 0 ? memchr(text.p, byte, text.n) : NULL;
    return found ? (size_t)(found - text.p) : text.n;
}

bool str_cut(struct str *rest, char separator, struct str *ret_piece)
{
    if (!rest->p)
        return false;
    size_t at = str_find(*rest, separator);
    *ret_piece = str_trim(str_slice(rest->p, at));
    *rest = at < rest->n ? str_slice(rest->p + at + 1, rest->n - at - 1) : STR_NONE;
    return true;
}

int str_parse_u64(struct str text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.n == 0)
        return -ERR_CONFIG;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';
        if (digit > 9 || digit > max || value > (max - digit) / 10)
            return -ERR_CONFIG;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return 0;
}

/* 16 for what is no digit. */
static unsigned str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c = str_lower(c);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

int str_parse_hex(struct str text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.n == 0 || text.n > 16)
        return -ERR_CONFIG;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = str_hex_digit(text.p[i]);
        if (digit > 15)
            return -ERR_CONFIG;
        value = value << 4 | digit;
    }
    if (value > max)
        return -ERR_CONFIG;
    *ret_value = value;
    return 0;
}

size_t str_put_u64(char *out, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + sizeof(digits) - n, n);
    return n;
}

/* Eight digits at once, a byte each: spread, then '0' added, and what is between '9' and 'a' to those above 9. */
static uint64_t hex_digits(uint64_t bits)
{
    bits = (bits | bits << 16) & UINT64_C(0x0000ffff0000ffff);
    bits = (bits | bits << 8) & UINT64_C(0x00ff00ff00ff00ff);
    bits = (bits | bits << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = ((bits + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return bits + UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1);
}

void str_put_hex64(char *out, uint64_t bits)
{
    for (size_t i = 0; i < 2; i++, bits >>= 32) {
        uint64_t digits = htole64(hex_digits(bits & UINT32_MAX));
        memcpy(out + 8 * i, &digits, sizeof(digits));
    }
}

enum { STR_DISTANCE_MAX = 64 };

static unsigned str_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned str_distance(struct str a, struct str b, unsigned limit)
{
    /* Three rows of the table: the one being filled, the one before, and the one before that for swaps. */
    unsigned rows[3][STR_DISTANCE_MAX + 1];
    if (a.n > STR_DISTANCE_MAX || b.n > STR_DISTANCE_MAX)
        return limit + 1;
    for (unsigned j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *swapped = rows[(i + 1) % 3];
        unsigned least = row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned replace = before[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            row[j] = str_min(replace, str_min(before[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = str_min(row[j], swapped[j - 2] + 1);
            least = str_min(least, row[j]);
        }
        /* A swap reaches back two rows, but adds one to a row that is at most one better than this. */
        if (least > limit)
            return limit + 1;
    }
    return str_min(rows[a.n % 3][b.n], limit + 1);
}
