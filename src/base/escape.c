/* Escapes for the log and the access log. Pure; any thread; on the path of every logged request.
 *
 * DEL and the C1 controls are escaped although JSON does not ask for it: lines are read in terminals.
 */
#include "base/escape.h"

enum { ESCAPE_BYTES = 6 }; /* the longest: \uXXXX */

static bool escape_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes of the well-formed multi-byte sequence at p (Unicode, table 3-7); 0 if there is none. */
static size_t escape_utf8_bytes(const unsigned char *p, size_t n)
{
    size_t bytes = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : p[0] >= 0xe0 && p[0] <= 0xef ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < bytes)
        return 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < bytes; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return bytes;
}

static size_t escape_pair(char *out, char letter)
{
    out[0] = '\\';
    out[1] = letter;
    return 2;
}

static size_t escape_control(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '\n': return escape_pair(out, 'n');
    case '\r': return escape_pair(out, 'r');
    case '\t': return escape_pair(out, 't');
    default: break;
    }
    memcpy(out, "\\u00", 4);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return ESCAPE_BYTES;
}

/* Escapes the character at p, which is not plain; *ret_taken is how many bytes it has. Returns bytes in out. */
static size_t escape_char(char out[ESCAPE_BYTES], const unsigned char *p, size_t n, size_t *ret_taken)
{
    *ret_taken = 1;
    if (p[0] == '"' || p[0] == '\\')
        return escape_pair(out, (char)p[0]);
    if (p[0] < 0x80)
        return escape_control(out, p[0]);
    size_t bytes = escape_utf8_bytes(p, n);
    if (bytes == 0) {
        memcpy(out, "\\ufffd", ESCAPE_BYTES);
        return ESCAPE_BYTES;
    }
    *ret_taken = bytes;
    if (bytes == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return escape_control(out, p[1]);
    memcpy(out, p, bytes);
    return bytes;
}

size_t escape_json(char *out, size_t room, struct str text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t written = 0;
    for (size_t i = 0; i < text.n;) {
        if (escape_is_plain(p[i])) {
            if (written == room)
                break;
            out[written++] = (char)p[i++];
            continue;
        }
        char escaped[ESCAPE_BYTES];
        size_t taken;
        size_t n = escape_char(escaped, p + i, text.n - i, &taken);
        if (n > room - written)
            break;
        memcpy(out + written, escaped, n);
        written += n;
        i += taken;
    }
    return written;
}

static bool escape_is_word(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (!escape_is_plain((unsigned char)text.p[i]) || text.p[i] == ' ')
            return false;
    }
    return text.n > 0;
}

size_t escape_text(char *out, size_t room, struct str text)
{
    if (room < 2)
        return 0;
    if (escape_is_word(text))
        return escape_json(out, room, text);
    size_t n = escape_json(out + 1, room - 2, text);
    out[0] = '"';
    out[n + 1] = '"';
    return n + 2;
}
