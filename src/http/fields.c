/* Known fields, tokens, and the rules about which fields travel.
 *
 * Called by the parsers for every field of every message and by the rewriting of heads; on any thread. A name is found
 * by a perfect hash over its length and its first and last letters, filled from fields.def before main: a field that is
 * not known mostly costs one look at a table of 128 bytes. Nothing here allocates.
 */
#include "http/fields.h"

#include "http/bytes.h"

enum { KNOWN_NAME_MAX = 24, SLOT_COUNT = 128 };

static const struct {
    const char *text;
    uint8_t n;
    uint8_t flags;
} names[FIELD_ID_COUNT] = {
    {"", 0, 0},
#define FIELD(id, name, flags) {name, sizeof(name) - 1, flags},
#include "http/fields.def"
#undef FIELD
};

#define FIELD(id, name, flags) \
    _Static_assert(sizeof(name) - 1 >= 2 && sizeof(name) - 1 <= KNOWN_NAME_MAX, "name length: " name);
#include "http/fields.def"
#undef FIELD

/* A name ready to be compared in words: fold holds 0x20 where a letter stands, lower is the name with fold applied. */
struct known {
    char lower[KNOWN_NAME_MAX];
    char fold[KNOWN_NAME_MAX];
};

/* Written once, before main. */
static struct known known[FIELD_ID_COUNT];
static uint8_t slots[SLOT_COUNT];

/* clang-format off */
static const uint8_t tchar[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, /*  !"#$%&'()*+,-./ */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, /* 0123456789:;<=>? */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* @ABCDEFGHIJKLMNO */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, /* PQRSTUVWXYZ[\]^_ */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* `abcdefghijklmno */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, /* pqrstuvwxyz{|}~  */
};
/* clang-format on */

static unsigned slot_of(const char *name, size_t n)
{
    unsigned first = (unsigned char)name[0] | 0x20U;
    unsigned last = (unsigned char)name[n - 1] | 0x20U;
    return ((unsigned)n + first * 5 + last * 4) % SLOT_COUNT;
}

__attribute__((constructor)) static void known_fill(void)
{
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        const char *text = names[id].text;
        for (unsigned i = 0; i < names[id].n && i < KNOWN_NAME_MAX; i++) {
            char lower = (char)(text[i] | 0x20);
            bool letter = lower >= 'a' && lower <= 'z';
            known[id].fold[i] = letter ? 0x20 : 0;
            known[id].lower[i] = letter ? lower : text[i];
        }
        unsigned slot = slot_of(text, names[id].n);
        /* Two known names in one slot: choose other factors in slot_of. */
        ASSERT(slots[slot] == 0);
        slots[slot] = (uint8_t)id;
    }
}

static bool same_word(const struct known *entry, const char *name, size_t at)
{
    uint64_t word, fold, lower;
    memcpy(&word, name + at, sizeof(word));
    memcpy(&fold, entry->fold + at, sizeof(fold));
    memcpy(&lower, entry->lower + at, sizeof(lower));
    return (word | fold) == lower;
}

static bool same_name(const struct known *entry, const char *name, size_t n)
{
    if (n >= 8)
        return same_word(entry, name, 0) && same_word(entry, name, n - 8) && (n <= 16 || same_word(entry, name, 8));
    for (size_t i = 0; i < n; i++) {
        if ((name[i] | entry->fold[i]) != entry->lower[i])
            return false;
    }
    return true;
}

enum field_id field_lookup(struct str name)
{
    if (name.n == 0)
        return FIELD_OTHER;
    enum field_id id = slots[slot_of(name.p, name.n)];
    if (id == FIELD_OTHER || names[id].n != name.n || !same_name(&known[id], name.p, name.n))
        return FIELD_OTHER;
    return id;
}

struct str field_name(enum field_id id)
{
    ASSERT((unsigned)id < FIELD_ID_COUNT);
    return str_slice(names[id].text, names[id].n);
}

struct str field_lower_name(enum field_id id)
{
    ASSERT((unsigned)id < FIELD_ID_COUNT);
    return str_slice(known[id].lower, names[id].n);
}

unsigned field_flags(enum field_id id)
{
    ASSERT((unsigned)id < FIELD_ID_COUNT);
    return names[id].flags;
}

size_t field_token_run(const char *bytes, size_t n)
{
    size_t i = bytes_plain_run(bytes, n);
    while (i < n && tchar[(unsigned char)bytes[i]])
        i++;
    return i;
}

bool field_is_token(struct str text)
{
    return text.n > 0 && field_token_run(text.p, text.n) == text.n;
}

bool field_list_has(struct str value, struct str token)
{
    struct str piece;
    while (str_cut(&value, ',', &piece)) {
        if (str_ieq(piece, token))
            return true;
    }
    return false;
}

static void drop_named(struct field *fields, uint32_t count, struct str name)
{
    enum field_id id = field_lookup(name);
    if (names[id].flags & (FIELD_KEEP | FIELD_HOP))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].id == id && !fields[i].dropped && (id != FIELD_OTHER || str_ieq(fields[i].name, name)))
            fields[i].dropped = true;
    }
}

void fields_drop_hop(struct field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (names[fields[i].id].flags & (FIELD_HOP | FIELD_FRAMING))
            fields[i].dropped = true;
        if (fields[i].id != FIELD_CONNECTION)
            continue;
        struct str rest = fields[i].value, option;
        while (str_cut(&rest, ',', &option))
            drop_named(fields, count, option);
    }
}

static bool is_alike(struct str a, struct str b)
{
    for (size_t i = 0; i < a.n && a.n == b.n; i++) {
        char one = a.p[i] == '_' ? '-' : str_lower(a.p[i]), other = b.p[i] == '_' ? '-' : str_lower(b.p[i]);
        if (one != other)
            return false;
    }
    return a.n == b.n;
}

void fields_drop_named(struct field *fields, uint32_t count, struct str name)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_alike(fields[i].name, name))
            fields[i].dropped = true;
}

void fields_drop_from_trailers(struct field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (names[fields[i].id].flags & (FIELD_HOP | FIELD_FRAMING | FIELD_REQUEST))
            fields[i].dropped = true;
    }
}

struct field *fields_find(struct field *fields, uint32_t count, enum field_id id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].id == id && !fields[i].dropped)
            return &fields[i];
    }
    return NULL;
}
