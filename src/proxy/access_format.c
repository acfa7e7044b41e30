/* Templates of access lines. Called when a configuration is loaded, to check one, and for a snapshot, to have what its
 * reactors write by. */
#include "proxy/access_format.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"

/* ---- the two that are built in ---- */

#define TEXT_STAMP(name)  "{" name "}"
#define TEXT_TEXT(name)   " " name "={" name "}"
#define TEXT_NUMBER(name) TEXT_TEXT(name)
#define TEXT_TAKEN(name)  ""
#define JSON_STAMP(name)  "\"" name "\":\"{" name "}\""
#define JSON_TEXT(name)   ",\"" name "\":\"{" name "}\""
#define JSON_NUMBER(name) ",\"" name "\":{" name "}"
#define JSON_TAKEN(name)  ""

static const char text_template[] =
#define FIELD(id, name, kind, member, sentence) TEXT_##kind(name)
#include "proxy/access_field.def"
#undef FIELD
    ;

static const char json_template[] = "{{"
#define FIELD(id, name, kind, member, sentence) JSON_##kind(name)
#include "proxy/access_field.def"
#undef FIELD
                                    "}}";

static const struct {
    const char *name;
    enum access_kind kind;
} fields[ACCESS_FIELDS] = {
#define FIELD(id, name, kind, member, sentence) {name, ACCESS_##kind},
#include "proxy/access_field.def"
#undef FIELD
};

_Static_assert(ACCESS_FIELDS < 32, "a bit for each");

const char *access_field_name(enum access_field field)
{
    return fields[field].name;
}

enum access_kind access_field_kind(enum access_field field)
{
    return fields[field].kind;
}

/* ---- taking a template apart ---- */

struct compiler {
    struct access_format *format;
    struct str text;
    size_t at;
    struct access_piece piece; /* its beginning, as far as it is known */
    char *literals;            /* where the next literal byte goes */
    size_t quote;              /* where the quote that is open stands */
    bool quoted;
    struct access_format_error *error;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct compiler *compiler, size_t at, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(compiler->error->why, sizeof(compiler->error->why), format, arguments);
    va_end(arguments);
    compiler->error->at = at;
    return -ERR_CONFIG;
}

static void put_literal(struct compiler *compiler, char c)
{
    *compiler->literals++ = c;
    compiler->piece.before.n++;
}

static void end_piece(struct compiler *compiler, enum access_field field)
{
    struct access_format *format = compiler->format;

    compiler->piece.field = (uint8_t)field;
    compiler->piece.quoted = compiler->quoted;
    format->pieces[format->count++] = compiler->piece;
    format->fields |= field < ACCESS_FIELDS ? 1u << field : 0;
    compiler->piece = (struct access_piece){.before = str_slice(compiler->literals, 0)};
}

static enum access_field field_of(struct str name)
{
    enum access_field field = 0;

    while (field < ACCESS_FIELDS && !str_eq(str_of(fields[field].name), name))
        field++;
    return field;
}

/* NULL: none is near enough to be meant. */
static const char *nearest_field(struct str name)
{
    const char *nearest = NULL;
    unsigned limit = 3;

    for (int i = 0; i < ACCESS_FIELDS && limit > 0; i++) {
        unsigned distance = str_distance(str_of(fields[i].name), name, limit);
        if (distance >= name.n || distance > limit - (nearest != NULL))
            continue;
        nearest = fields[i].name;
        limit = distance;
    }
    return nearest;
}

static int take_field(struct compiler *compiler)
{
    size_t begin = compiler->at + 1;
    struct str rest = str_slice(compiler->text.p + begin, compiler->text.n - begin);
    size_t n = str_find(rest, '}');
    struct str name = str_slice(rest.p, n);

    if (n == rest.n)
        return refuse(compiler, compiler->at, "this brace is never closed; write {{ for a brace");
    enum access_field field = field_of(name);
    if (field == ACCESS_FIELDS) {
        const char *nearest = nearest_field(name);
        return refuse(compiler, begin, "there is no field \"%.*s\"%s%s%s", (int)(name.n < 40 ? name.n : 40), name.p,
                      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    end_piece(compiler, field);
    compiler->at = begin + n + 1;
    return 0;
}

static int take_one(struct compiler *compiler)
{
    size_t at = compiler->at;
    char c = compiler->text.p[at];
    bool twice = at + 1 < compiler->text.n && compiler->text.p[at + 1] == c;

    if ((unsigned char)c < 0x20 || c == 0x7f)
        return refuse(compiler, at, "a control character cannot stand in a line");
    if (c == '{' && !twice)
        return take_field(compiler);
    if (c == '}' && !twice)
        return refuse(compiler, at, "this brace closes nothing; write }} for a brace");
    if (c == '"') {
        compiler->quoted = !compiler->quoted;
        compiler->quote = at;
    }
    put_literal(compiler, c);
    compiler->at += c == '{' || c == '}' ? 2 : 1;
    return 0;
}

/* The least that a piece takes: its literal, and of its field the most for a number, and an empty text. */
static size_t least_of(const struct access_piece *piece)
{
    if (piece->field == ACCESS_FIELDS)
        return piece->before.n;
    switch (fields[piece->field].kind) {
    case ACCESS_STAMP: return piece->before.n + CLOCK_STAMP_BYTES;
    case ACCESS_NUMBER: return piece->before.n + ACCESS_NUMBER_MAX;
    case ACCESS_TEXT:
    case ACCESS_TAKEN: break;
    }
    return piece->before.n + 2;
}

static int reserve(struct compiler *compiler)
{
    struct access_format *format = compiler->format;
    size_t after = 0;

    for (uint32_t i = format->count; i-- > 0;) {
        format->pieces[i].after = (uint16_t)after;
        after += least_of(&format->pieces[i]);
        if (after > ACCESS_FIXED_MAX)
            return refuse(compiler, 0, "it makes lines that are too long");
    }
    return 0;
}

static int take_apart(struct compiler *compiler)
{
    int error = 0;

    while (!error && compiler->at < compiler->text.n)
        error = take_one(compiler);
    if (error)
        return error;
    if (compiler->quoted)
        return refuse(compiler, compiler->quote, "this quote is never closed");
    end_piece(compiler, ACCESS_FIELDS);
    if (!compiler->format->fields)
        return refuse(compiler, 0, "it is neither \"text\" nor \"json\", nor a template with fields such as {time}");
    return reserve(compiler);
}

static uint32_t count_braces(struct str text)
{
    uint32_t count = 0;

    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == '{';
    return count;
}

int access_format_init(struct access_format *format, struct str text, struct arena *arena,
                       struct access_format_error *ret_error)
{
    bool json = str_eq(text, STR("json"));
    struct str source = json ? str_of(json_template) : str_eq(text, STR("text")) ? str_of(text_template) : text;
    struct compiler compiler = {.format = format, .text = source, .error = ret_error};

    *format = (struct access_format){.json = json};
    if (source.n > ACCESS_FORMAT_MAX)
        return refuse(&compiler, ACCESS_FORMAT_MAX, "it is longer than %d bytes", ACCESS_FORMAT_MAX);
    format->pieces = arena_take(arena, (count_braces(source) + 1) * sizeof(*format->pieces));
    compiler.literals = arena_take(arena, source.n + 1);
    if (!format->pieces || !compiler.literals)
        return -ERR_NO_MEMORY;
    compiler.piece.before = str_slice(compiler.literals, 0);
    return take_apart(&compiler);
}
