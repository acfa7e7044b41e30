/* Values of single settings: numbers with units, words, names and paths. Called by config_read, on the loading thread.
 *
 * Nothing is guessed: the setting's type says how its text is read, and a text that could be meant in two ways (a
 * duration without a unit) is refused.
 */
#include "control/config_value.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "control/config_address.h"
#include "control/config_node.h"
#include "proxy/access_format.h"

struct unit {
    struct str name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}, {{NULL, 0}, 0}};
static const struct unit size_units[] = {{{"", 0}, 1},
                                         {{"KiB", 3}, 1ULL << 10},
                                         {{"MiB", 3}, 1ULL << 20},
                                         {{"GiB", 3}, 1ULL << 30},
                                         {{"TiB", 3}, 1ULL << 40},
                                         {{NULL, 0}, 0}};
static const struct unit percent_units[] = {{{"%", 1}, 1}, {{NULL, 0}, 0}};
static const struct unit plain_units[] = {{{"", 0}, 1}, {{NULL, 0}, 0}};

int config_value_refuse(struct config_value *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value->why, sizeof(value->why), format, arguments);
    va_end(arguments);
    return -ERR_CONFIG;
}

int config_value_unexpected(struct config_value *value, const struct directive *directive, struct str text,
                            const char *wrong)
{
    char expected[DIRECTIVE_TEXT_MAX];
    directive_describe(directive, expected, sizeof(expected));
    if (text.n == 0)
        return config_value_refuse(value, "the value is missing; expected %s", expected);
    return config_value_refuse(value, "\"%.*s\" %s; expected %s", STR_ARG(config_shown(text)), wrong, expected);
}

static const struct unit *units_of(enum directive_type type)
{
    switch (type) {
    case DIRECTIVE_DURATION: return duration_units;
    case DIRECTIVE_SIZE: return size_units;
    case DIRECTIVE_PERCENT: return percent_units;
    default: return plain_units;
    }
}

static size_t count_digits(struct str text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    return n;
}

static const struct unit *unit_find(enum directive_type type, struct str name)
{
    const struct unit *unit = units_of(type);
    while (unit->name.p != NULL && !str_eq(unit->name, name))
        unit++;
    return unit->name.p != NULL ? unit : NULL;
}

int config_value_number(const struct directive *directive, struct str text, uint64_t *ret_number)
{
    size_t digits = count_digits(text);
    const struct unit *unit = unit_find(directive->type, str_slice(text.p + digits, text.n - digits));
    uint64_t number;
    if (unit == NULL || str_parse_u64(str_slice(text.p, digits), UINT64_MAX / unit->factor, &number) != 0)
        return -ERR_CONFIG;
    *ret_number = number * unit->factor;
    return 0;
}

static uint64_t bound(const struct directive *directive, const char *text)
{
    uint64_t number = 0;
    int result = config_value_number(directive, str_of(text), &number);
    ASSERT(result == 0);
    return number;
}

static const char *no_number(enum directive_type type)
{
    switch (type) {
    case DIRECTIVE_DURATION: return "is no duration";
    case DIRECTIVE_SIZE: return "is no size";
    case DIRECTIVE_PERCENT: return "is no percentage";
    default: return "is no whole number";
    }
}

static int refuse_number(struct config_value *value, const struct directive *directive, struct str text)
{
    size_t digits = count_digits(text);
    struct str unit = str_slice(text.p + digits, text.n - digits);
    struct str number = config_shown(str_slice(text.p, digits));
    if (digits == 0)
        return config_value_unexpected(value, directive, text, no_number(directive->type));
    if (unit.n > 0 && (unit.p[0] == '.' || unit.p[0] == ','))
        return config_value_unexpected(value, directive, text, "is no whole number");
    if (unit_find(directive->type, unit) != NULL)
        return config_value_unexpected(value, directive, text, "is out of range");
    if (unit.n == 0 && directive->type == DIRECTIVE_DURATION)
        return config_value_refuse(value, "\"%.*s\" has no unit; write %.*ss or %.*sms", STR_ARG(number),
                                   STR_ARG(number), STR_ARG(number));
    if (unit.n == 0)
        return config_value_refuse(value, "\"%.*s\" has no unit; write %.*s%%", STR_ARG(number), STR_ARG(number));
    switch (directive->type) {
    case DIRECTIVE_DURATION:
        return config_value_refuse(value, "\"%.*s\" has an unknown unit; the units are ms, s, m and h",
                                   STR_ARG(config_shown(text)));
    case DIRECTIVE_SIZE:
        return config_value_refuse(
            value, "\"%.*s\" has an unknown unit; the units are KiB, MiB, GiB and TiB, or none for bytes",
            STR_ARG(config_shown(text)));
    default: return config_value_unexpected(value, directive, text, no_number(directive->type));
    }
}

static int parse_number(struct config_value *value, const struct directive *directive, struct str text,
                        uint64_t *ret_number)
{
    if (directive->words[0] != '\0' && str_eq(text, str_of(directive->words))) {
        *ret_number = 0;
        return 0;
    }
    uint64_t number;
    if (config_value_number(directive, text, &number) != 0)
        return refuse_number(value, directive, text);
    if (number < bound(directive, directive->min) || number > bound(directive, directive->max))
        return config_value_unexpected(value, directive, text, "is out of range");
    *ret_number = number;
    return 0;
}

static int parse_u32(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    uint64_t number;
    int result = parse_number(value, directive, text, &number);
    if (result == 0)
        *(uint32_t *)field = (uint32_t)number;
    return result;
}

static int parse_word(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    struct str words[16] = {{NULL, 0}};
    size_t count = 0;
    struct str rest = str_of(directive->words);
    while (count < ARRAY_SIZE(words) && str_cut(&rest, '|', &words[count])) {
        if (str_eq(words[count], text)) {
            *(uint32_t *)field = (uint32_t)count;
            return 0;
        }
        count++;
    }
    int result = config_value_unexpected(value, directive, text, "is not known here");
    size_t nearest = directive_nearest_word(words, count, text);
    size_t used = strlen(value->why);
    if (nearest < count && count > 1)
        (void)snprintf(value->why + used, sizeof(value->why) - used, "; did you mean \"%.*s\"?",
                       STR_ARG(words[nearest]));
    return result;
}

static int parse_boolean(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    bool on = str_eq(text, STR("true"));
    if (!on && !str_eq(text, STR("false")))
        return config_value_unexpected(value, directive, text, "is no boolean");
    *(bool *)field = on;
    return 0;
}

static int parse_status(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    size_t dash = str_find(text, '-');
    struct str first = str_slice(text.p, dash);
    struct str last = dash < text.n ? str_slice(text.p + dash + 1, text.n - dash - 1) : first;
    uint64_t min;
    uint64_t max;
    if (str_parse_u64(first, UINT16_MAX, &min) != 0 || str_parse_u64(last, UINT16_MAX, &max) != 0)
        return config_value_unexpected(value, directive, text, "is no status");
    if (min < bound(directive, directive->min) || max > bound(directive, directive->max))
        return config_value_refuse(value, "\"%.*s\" is out of range; a status is from %s to %s",
                                   STR_ARG(config_shown(text)), directive->min, directive->max);
    if (min > max)
        return config_value_refuse(value, "\"%.*s\" is empty; write the lower status first",
                                   STR_ARG(config_shown(text)));
    *(struct config_status_range *)field = (struct config_status_range){(uint16_t)min, (uint16_t)max};
    return 0;
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = str_lower(text.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-')
            return false;
    }
    return text.n >= 1 && text.n <= 64;
}

/* What may stand in a request's path (RFC 3986 section 3.3), without query and fragment. */
static bool is_path(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= 0x20 || c >= 0x7F || strchr("?#\"<>\\^`{|}", c) != NULL)
            return false;
    }
    return text.n >= 1 && text.p[0] == '/';
}

static bool is_log_path(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F)
            return false;
    }
    return text.n >= 1;
}

/* What may stand in a header field as one word. */
static bool is_secret(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7F)
            return false;
    }
    return text.n >= 16 && text.n <= 256;
}

/* Its text is in no message: messages end in logs. */
static int parse_secret(struct config_value *value, struct str text, struct str *ret_secret)
{
    if (!is_secret(text))
        return config_value_refuse(value, "the secret is not of 16 to 256 visible characters; it has %zu characters",
                                   text.n);
    struct str copy = config_text_copy(value->arena, text);
    if (copy.p == NULL)
        return -ERR_NO_MEMORY;
    *ret_secret = copy;
    return 0;
}

/* Taken apart to see that it can be; a snapshot does it again for itself. */
static int parse_log_format(struct config_value *value, struct str text, struct str *ret_format)
{
    struct access_format format;
    struct access_format_error wrong;
    int error = access_format_init(&format, text, value->arena, &wrong);
    if (error == -ERR_CONFIG)
        return config_value_refuse(value, "\"%.*s\" is no format, at its character %zu: %s",
                                   STR_ARG(config_shown(text)), wrong.at + 1, wrong.why);
    struct str copy = config_text_copy(value->arena, text);
    if (error != 0 || copy.p == NULL)
        return -ERR_NO_MEMORY;
    *ret_format = copy;
    return 0;
}

/* `https`, or enough of a URL to send a client to: a scheme, a host, and nothing that has no place in a field. */
static bool is_url(struct str text)
{
    size_t scheme = str_starts(text, STR("https://")) ? 8 : str_starts(text, STR("http://")) ? 7 : 0;
    if (str_eq(text, STR("https")))
        return true;
    if (scheme == 0 || text.n == scheme || strchr("/?#:@", text.p[scheme]) != NULL)
        return false;
    for (size_t i = scheme; i < text.n; i++) {
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7F || strchr("\"<>\\^`{|}", text.p[i]) != NULL)
            return false;
    }
    return true;
}

static int parse_text(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    bool valid;
    const char *wrong = "has a character that cannot stand there";
    if (directive->type == DIRECTIVE_NAME) {
        valid = is_name(text);
        wrong = "is no name";
    } else if (directive->type == DIRECTIVE_URL) {
        valid = is_url(text);
        wrong = "is no URL";
    } else if (directive->type == DIRECTIVE_PATH) {
        valid = is_path(text);
        wrong = text.n > 0 && text.p[0] == '/' ? wrong : "is no path";
    } else {
        valid = is_log_path(text);
    }
    if (!valid)
        return config_value_unexpected(value, directive, text, wrong);
    struct str copy = config_text_copy(value->arena, text);
    if (copy.p == NULL)
        return -ERR_NO_MEMORY;
    *(struct str *)field = copy;
    return 0;
}

int config_value_parse(struct config_value *value, const struct directive *directive, struct str text, void *field)
{
    switch (directive->type) {
    case DIRECTIVE_BOOLEAN: return parse_boolean(value, directive, text, field);
    case DIRECTIVE_INTEGER:
    case DIRECTIVE_PERCENT:
    case DIRECTIVE_DURATION: return parse_u32(value, directive, text, field);
    case DIRECTIVE_SIZE: return parse_number(value, directive, text, field);
    case DIRECTIVE_WORD: return parse_word(value, directive, text, field);
    case DIRECTIVE_STATUS: return parse_status(value, directive, text, field);
    case DIRECTIVE_URL:
    case DIRECTIVE_NAME:
    case DIRECTIVE_PATH:
    case DIRECTIVE_LOG_PATH:
    case DIRECTIVE_FILE: return parse_text(value, directive, text, &((struct config_file *)field)->path);
    case DIRECTIVE_LOG_FORMAT: return parse_log_format(value, text, field);
    case DIRECTIVE_SECRET: return parse_secret(value, text, field);
    case DIRECTIVE_HOST: return config_address_host(value, directive, text, field);
    case DIRECTIVE_ADDRESS: return config_address_parse(value, directive, text, field);
    case DIRECTIVE_NETWORKS:
    case DIRECTIVE_BLOCK:
    case DIRECTIVE_LIST:
    case DIRECTIVE_MAP:
    case DIRECTIVE_INCLUDE: break;
    }
    ASSERT(!"a single value");
    return -ERR_INTERNAL;
}
