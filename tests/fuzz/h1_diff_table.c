/* The rows of h1_diff.def and the conditions they name.
 *
 * Called by the differential harness alone. The conditions look at the raw input and at what http_parser made of it,
 * not at Ballast's parser: a row is no licence for a code, only for inputs that show its reason. They are written so
 * that plain input fulfils none.
 */
#include "h1_diff_table.h"

#include <ctype.h>

#include "base/err.h"

/* ---- plain texts ---- */

static bool all_digits(struct str text, size_t most)
{
    for (size_t i = 0; i < text.n; i++) {
        if (!isdigit((unsigned char)text.p[i]))
            return false;
    }
    return text.n > 0 && text.n <= most;
}

static bool plain_host(struct str host)
{
    size_t colon = str_find(host, ':');
    if (colon < host.n && !all_digits(str_slice(host.p + colon + 1, host.n - colon - 1), 4))
        return false;
    for (size_t i = 0; i < colon; i++) {
        if (!isalnum((unsigned char)host.p[i]) && host.p[i] != '.' && host.p[i] != '-')
            return false;
    }
    return colon > 0;
}

static bool plain_path(struct str path)
{
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] < 0x21 || path.p[i] > 0x7e || path.p[i] == '#')
            return false;
    }
    return path.n > 0 && path.p[0] == '/';
}

/* ---- what http_parser found ---- */

static bool is_named(const struct their_field *field, struct str name)
{
    return str_ieq(field->name, name);
}

static uint32_t count_named(const struct their_request *their, struct str name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < their->count; i++)
        count += is_named(&their->fields[i], name);
    return count;
}

/* ---- the conditions ---- */

static bool bare_line_end(const struct diff_case *seen)
{
    struct str input = seen->input;
    for (size_t i = 0; i < input.n; i++) {
        bool after_cr = i > 0 && input.p[i - 1] == '\r';
        if ((input.p[i] == '\n') != after_cr)
            return true;
    }
    return false;
}

static bool folded_line(const struct diff_case *seen)
{
    struct str input = seen->input;
    for (size_t i = 1; i < input.n; i++) {
        if (input.p[i - 1] == '\n' && (input.p[i] == ' ' || input.p[i] == '\t'))
            return true;
    }
    return false;
}

static bool odd_name(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        struct str name = seen->their->fields[i].name;
        if (str_find(name, ' ') < name.n)
            return true;
    }
    return false;
}

static bool control_in_value(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        struct str value = seen->their->fields[i].value;
        if (value.n > 0 && (iscntrl((unsigned char)value.p[0]) && value.p[0] != '\t'))
            return true;
    }
    return false;
}

static bool odd_host(const struct diff_case *seen)
{
    const struct their_request *their = seen->their;
    uint32_t count = count_named(their, STR("host"));
    if (count != 1)
        return count > 1 || their->minor > 0;
    for (uint32_t i = 0; i < their->count; i++) {
        if (is_named(&their->fields[i], STR("host")))
            return !plain_host(str_trim(their->fields[i].value));
    }
    return false;
}

static bool odd_length(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        const struct their_field *field = &seen->their->fields[i];
        if (is_named(field, STR("content-length")) && !all_digits(str_trim(field->value), 18))
            return true;
    }
    return false;
}

static bool odd_coding(const struct diff_case *seen)
{
    const struct their_request *their = seen->their;
    for (uint32_t i = 0; i < their->count; i++) {
        const struct their_field *field = &their->fields[i];
        if (is_named(field, STR("transfer-encoding")) && !str_ieq(str_trim(field->value), STR("chunked")))
            return true;
    }
    return their->minor == 0 || count_named(their, STR("transfer-encoding")) > 1;
}

static bool odd_target(const struct diff_case *seen)
{
    struct str url = seen->their->url;
    if (str_starts(url, STR("http://"))) {
        url = str_slice(url.p + 7, url.n - 7);
        size_t slash = str_find(url, '/');
        return !plain_host(str_slice(url.p, slash)) ||
               (slash < url.n && !plain_path(str_slice(url.p + slash, url.n - slash)));
    }
    return !plain_path(url);
}

/* Anything but `METHOD url HTTP/x.y`. */
static bool odd_line(const struct diff_case *seen)
{
    const struct their_request *their = seen->their;
    size_t method = strlen(their->method);
    struct str line = seen->line;
    if (line.n != method + 1 + their->url.n + sizeof(" HTTP/1.1") - 1 || their->url.p != line.p + method + 1)
        return true;
    return !str_starts(str_slice(line.p + line.n - 9, 9), STR(" HTTP/"));
}

static bool odd_version(const struct diff_case *seen)
{
    return seen->their->major != 1;
}

static bool odd_expect(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        const struct their_field *field = &seen->their->fields[i];
        if (is_named(field, STR("expect")) && !str_ieq(str_trim(field->value), STR("100-continue")))
            return true;
    }
    return false;
}

static bool connect_method(const struct diff_case *seen)
{
    return strcmp(seen->their->method, "CONNECT") == 0;
}

static bool unknown_method(const struct diff_case *seen)
{
    static const char *const known[] = {
#define METHOD(number, name, text) #text,
        HTTP_METHOD_MAP(METHOD)
#undef METHOD
    };
    struct str method = str_slice(seen->line.p, str_find(seen->line, ' '));
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (str_eq(method, str_of(known[i])))
            return false;
    }
    return true;
}

static bool framing_name(struct str name)
{
    return str_ieq(name, STR("content-length")) || str_ieq(name, STR("transfer-encoding"));
}

/* Their white space around these two values is the space alone. */
static bool tab_around(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->our->msg.count; i++) {
        const struct field *field = &seen->our->msg.fields[i];
        const char *p = field->name.p + field->name.n;
        for (; framing_name(field->name) && *p != '\r'; p++) {
            if (*p == '\t')
                return true;
        }
    }
    return false;
}

static bool coding_prefix(const struct diff_case *seen)
{
    struct str coding = STR("transfer-encoding");
    for (uint32_t i = 0; i < seen->our->msg.count; i++) {
        struct str name = seen->our->msg.fields[i].name;
        if (name.n > coding.n && str_ieq(str_slice(name.p, coding.n), coding))
            return true;
    }
    return false;
}

/* They stop inside the second one, so the count is of ours: at least two, and all the same. */
static bool length_again(const struct diff_case *seen)
{
    uint32_t count = 0;
    uint64_t length = 0, value;
    for (uint32_t i = 0; i < seen->our->msg.count; i++) {
        struct str rest = seen->our->msg.fields[i].value, piece;
        while (str_ieq(seen->our->msg.fields[i].name, STR("content-length")) && str_cut(&rest, ',', &piece)) {
            if (str_parse_u64(piece, UINT64_MAX, &value) != 0 || (count++ > 0 && value != length))
                return false;
            length = value;
        }
    }
    return count > 1;
}

static bool has_option(const struct diff_case *seen, struct str option)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        struct str rest = seen->their->fields[i].value, piece;
        while (is_named(&seen->their->fields[i], STR("connection")) && str_cut(&rest, ',', &piece)) {
            if (str_ieq(piece, option))
                return true;
        }
    }
    return false;
}

static bool close_and_keep(const struct diff_case *seen)
{
    return seen->their->minor == 0 && has_option(seen, STR("close")) && has_option(seen, STR("keep-alive"));
}

static bool proxy_connection(const struct diff_case *seen)
{
    return count_named(seen->their, STR("proxy-connection")) > 0;
}

static bool empty_option(const struct diff_case *seen)
{
    return has_option(seen, STR(""));
}

/* `u`, `clos`, `keep-`. */
static bool begun_option(const struct diff_case *seen)
{
    static const struct str words[] = {{"close", 5}, {"keep-alive", 10}, {"upgrade", 7}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (size_t n = 1; n < words[i].n; n++) {
            if (has_option(seen, str_slice(words[i].p, n)))
                return true;
        }
    }
    return false;
}

/* Bytes in Connection that neither a token nor a list has; and `_`, which they take for another. */
static bool odd_option(const struct diff_case *seen)
{
    for (uint32_t i = 0; i < seen->their->count; i++) {
        struct str value = seen->their->fields[i].value;
        for (size_t k = 0; is_named(&seen->their->fields[i], STR("connection")) && k < value.n; k++) {
            if (!isalnum((unsigned char)value.p[k]) &&
                (value.p[k] == '\0' || !strchr("!#$%&'*+-.^`|~, \t", value.p[k])))
                return true;
        }
    }
    return false;
}

static bool framing_trailer(const struct diff_case *seen)
{
    for (size_t i = 0; i < seen->body.n; i++) {
        struct str rest = str_slice(seen->body.p + i, seen->body.n - i);
        struct str name = str_slice(rest.p, str_find(rest, ':'));
        if (i > 0 && rest.p[-1] == '\n' && framing_name(name))
            return true;
    }
    return false;
}

/* A tab in the white space between a chunk's size and its extension. */
static bool tab_after_size(const struct diff_case *seen)
{
    for (size_t i = 0; i < seen->body.n; i++) {
        bool tab = false;
        size_t end = i;
        while (end < seen->body.n && (seen->body.p[end] == '\t' || seen->body.p[end] == ' '))
            tab |= seen->body.p[end++] == '\t';
        if (tab && end < seen->body.n && seen->body.p[end] == ';')
            return true;
    }
    return false;
}

/* `name: value` in letters and digits. */
static bool plain_trailer(struct str line)
{
    size_t colon = str_find(line, ':');
    for (size_t i = 0; i < line.n; i++) {
        if (i != colon && !isalnum((unsigned char)line.p[i]) && (i < colon || line.p[i] != ' '))
            return false;
    }
    return colon > 0 && colon < line.n;
}

/* Takes a line that ends in CR LF off *rest. */
static bool cut_line(struct str *rest, struct str *ret_line)
{
    size_t n = str_find(*rest, '\n');
    if (n == rest->n || n == 0 || rest->p[n - 1] != '\r')
        return false;
    *ret_line = str_slice(rest->p, n - 1);
    *rest = str_slice(rest->p + n + 1, rest->n - n - 1);
    return true;
}

enum { SIZE_DIGITS = 15 }; /* what h1_chunk promises to read */

/* A third reading, of the plainest chunked bodies alone: no extensions, small sizes, plain trailers. */
static bool odd_body(const struct diff_case *seen)
{
    struct str rest = seen->body, line;
    uint64_t size;
    do {
        if (!cut_line(&rest, &line) || line.n > SIZE_DIGITS || str_parse_hex(line, seen->body.n, &size) != 0)
            return true;
        if (size > 0 && (size + 2 > rest.n || memcmp(rest.p + size, "\r\n", 2) != 0))
            return true;
        if (size > 0)
            rest = str_slice(rest.p + size + 2, rest.n - size - 2);
    } while (size > 0);
    while (cut_line(&rest, &line)) {
        if (line.n == 0)
            return false;
        if (!plain_trailer(line))
            return true;
    }
    return true;
}

/* ---- the table ---- */

static const struct {
    enum diff_side side;
    int code;
    bool (*condition)(const struct diff_case *seen);
    const char *clause, *reason;
} rows[] = {
#define DIFF(side, code, condition, clause, reason) {DIFF_##side, code, condition, clause, reason},
#include "h1_diff.def"
#undef DIFF
};

bool diff_is_accepted(enum diff_side side, int code, const struct diff_case *seen)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].side == side && rows[i].code == code && rows[i].condition(seen))
            return true;
    }
    return false;
}
