/* Escaping for logs: whatever the text and the room, what comes out is the inside of one JSON string on one line, says
 * what the text says, and ends before what does not fit.
 *
 * The first byte is the room when it is odd; else there is room for all.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/escape.h"
#include "json_check.h"

enum { TEXT_MAX = 4096, LONGEST = 6 };

static uint32_t wanted[TEXT_MAX], got[TEXT_MAX];

static void check_json(struct str out, size_t room, struct str text)
{
    size_t all = utf8_points(text, wanted, TEXT_MAX);
    size_t count = json_points(out, got, TEXT_MAX);
    ASSERT(count <= all && memcmp(got, wanted, count * sizeof(got[0])) == 0);
    ASSERT(count == all || room - out.n < LONGEST);
}

static void try_json(struct str text, size_t room)
{
    /* As much memory as there is room, so that a write past it is seen. */
    char *out = malloc(room > 0 ? room : 1);
    ASSERT(out);
    size_t n = escape_json(out, room, text);
    ASSERT(n <= room);
    check_json(str_slice(out, n), room, text);
    free(out);
}

static void check_word(struct str out, struct str text)
{
    ASSERT(out.n <= text.n && (out.n == 0 || memcmp(out.p, text.p, out.n) == 0));
    for (size_t i = 0; i < out.n; i++)
        ASSERT(out.p[i] > 0x20 && out.p[i] < 0x7f && out.p[i] != '"' && out.p[i] != '\\');
}

static void try_text(struct str text, size_t room)
{
    char *out = malloc(room > 0 ? room : 1);
    ASSERT(out);
    size_t n = escape_text(out, room, text);
    ASSERT(n <= room && (room >= 2 || n == 0));
    if (n > 0 && out[0] == '"') {
        ASSERT(n >= 2 && out[n - 1] == '"');
        check_json(str_slice(out + 1, n - 2), room - 2, text);
    } else {
        check_word(str_slice(out, n), text);
        ASSERT(n == text.n || n == room || room < 2);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0 || n > TEXT_MAX)
        return 0;
    struct str text = str_slice((const char *)bytes + 1, n - 1);
    size_t room = bytes[0] % 2 == 1 ? bytes[0] / 2 : n * LONGEST + 2;
    try_json(text, room);
    try_text(text, room);
    return 0;
}
