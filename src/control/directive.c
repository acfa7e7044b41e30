/* The table of settings as data. Read on any thread; nothing here changes.
 *
 * A table instead of a parse function for each setting: what the parser accepts, what the manual says and what the
 * defaults are cannot drift apart.
 */
#include "control/directive.h"

#include <stdio.h>

#include "control/config.h"

#define STRUCT_ROOT           struct config
#define STRUCT_LISTENER       struct config_listener
#define STRUCT_TLS            struct config_tls
#define STRUCT_PROXY_PROTOCOL struct config_proxy_protocol
#define STRUCT_CERTIFICATE    struct config_certificate
#define STRUCT_POOL           struct config_pool
#define STRUCT_WORKER_TLS     struct config_worker_tls
#define STRUCT_WORKER         struct config_worker
#define STRUCT_HEALTH         struct config_health
#define STRUCT_ROUTE          struct config_route
#define STRUCT_REDIRECT       struct config_redirect
#define STRUCT_HSTS           struct config_hsts
#define STRUCT_METRICS        struct config_metrics
#define STRUCT_ACCESS_LOG     struct config_access_log
#define STRUCT_LOG            struct config_log
#define STRUCT_LIMITS         struct config_limits
#define STRUCT_TIMEOUTS       struct config_timeouts
#define STRUCT_HTTP2          struct config_http2
#define STRUCT_RELOAD         struct config_reload
#define STRUCT_FORWARDED      struct config_forwarded
#define STRUCT_SYSLOG         struct config_syslog
#define STRUCT_TRACING        struct config_tracing
#define STRUCT_ADMIN          struct config_admin

/* Bytes of the C type that each setting type is stored in; the child structs of BLOCK and INCLUDE vary. */
#define BYTES_BOOLEAN(field)    sizeof(bool)
#define BYTES_INTEGER(field)    sizeof(uint32_t)
#define BYTES_PERCENT(field)    sizeof(uint32_t)
#define BYTES_SIZE(field)       sizeof(uint64_t)
#define BYTES_DURATION(field)   sizeof(uint32_t)
#define BYTES_WORD(field)       sizeof(enum config_balance)
#define BYTES_STATUS(field)     sizeof(struct config_status_range)
#define BYTES_NAME(field)       sizeof(struct str)
#define BYTES_PATH(field)       sizeof(struct str)
#define BYTES_HOST(field)       sizeof(struct str)
#define BYTES_URL(field)        sizeof(struct str)
#define BYTES_LOG_PATH(field)   sizeof(struct str)
#define BYTES_LOG_FORMAT(field) sizeof(struct str)
#define BYTES_SECRET(field)     sizeof(struct str)
#define BYTES_FILE(field)       sizeof(struct config_file)
#define BYTES_ADDRESS(field)    sizeof(struct config_address)
#define BYTES_NETWORKS(field)   sizeof(struct config_networks)
#define BYTES_LIST(field)       sizeof(struct config_array)
#define BYTES_MAP(field)        sizeof(struct config_array)
#define BYTES_BLOCK(field)      sizeof(field)
#define BYTES_INCLUDE(field)    sizeof(field)

#define FIELD_OF(block, field)  (((STRUCT_##block *)0)->field)

#define BLOCK(id, key, where, type, short_form, sentence) \
    _Static_assert(sizeof(struct type) == sizeof(STRUCT_##id), "the block's struct");
#define DIRECTIVE(block, name, type, field, initial, min, max, words, sentence) \
    _Static_assert(sizeof(FIELD_OF(block, field)) == BYTES_##type(FIELD_OF(block, field)), "the field's type");
#include "control/directive.def"
#undef BLOCK
#undef DIRECTIVE

static const struct directive_block_info blocks[DIRECTIVE_BLOCK_COUNT] = {
#define BLOCK(id, key, where, type, short_form, sentence) {key, where, sizeof(struct type), short_form, sentence},
#define DIRECTIVE(block, name, type, field, initial, min, max, words, sentence)
#include "control/directive.def"
#undef BLOCK
#undef DIRECTIVE
};

static const struct directive directives[] = {
#define BLOCK(id, key, where, type, short_form, sentence)
#define DIRECTIVE(block, name, type, field, initial, min, max, words, sentence) \
    {DIRECTIVE_BLOCK_##block,                                                   \
     name,                                                                      \
     DIRECTIVE_##type,                                                          \
     offsetof(STRUCT_##block, field),                                           \
     initial,                                                                   \
     min,                                                                       \
     max,                                                                       \
     words,                                                                     \
     sentence},
#include "control/directive.def"
#undef BLOCK
#undef DIRECTIVE
};

enum { NAMES_MAX = 32 }; /* settings in one block */

const struct directive_block_info *directive_block_info(enum directive_block block)
{
    ASSERT(block < DIRECTIVE_BLOCK_COUNT);
    return &blocks[block];
}

const struct directive *directive_list(enum directive_block block, size_t *ret_count)
{
    size_t first = 0;
    while (first < ARRAY_SIZE(directives) && directives[first].block != block)
        first++;
    size_t end = first;
    while (end < ARRAY_SIZE(directives) && directives[end].block == block)
        end++;
    ASSERT(end > first && end - first <= NAMES_MAX);
    *ret_count = end - first;
    return &directives[first];
}

const struct directive *directive_find(enum directive_block block, struct str name)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(str_of(list[i].name), name))
            return &list[i];
    }
    return NULL;
}

size_t directive_nearest_word(const struct str *words, size_t count, struct str word)
{
    unsigned limit = word.n <= 3 ? 1 : 3;
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = str_distance(words[i], word, limit);
        if (distance <= limit && distance < words[i].n && (best == count || distance < limit)) {
            best = i;
            limit = distance;
        }
    }
    return best;
}

const char *directive_nearest(enum directive_block block, struct str name)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    struct str names[NAMES_MAX] = {{NULL, 0}};
    for (size_t i = 0; i < count; i++)
        names[i] = str_of(list[i].name);
    size_t nearest = directive_nearest_word(names, count, name);
    return nearest < count ? list[nearest].name : NULL;
}

enum directive_block directive_child(const struct directive *directive)
{
    for (size_t i = 0; i < DIRECTIVE_BLOCK_COUNT; i++) {
        if (str_eq(str_of(blocks[i].key), str_of(directive->name)))
            return (enum directive_block)i;
    }
    ASSERT(!"a block of that name");
    return DIRECTIVE_BLOCK_COUNT;
}

/* "a", "a or b", "a, b or c" */
static void describe_words(const char *words, char *out, size_t n)
{
    struct str rest = str_of(words);
    struct str word;
    size_t used = 0;
    out[0] = '\0';
    while (str_cut(&rest, '|', &word) && used < n) {
        const char *between = used == 0 ? "" : (rest.p == NULL ? " or " : ", ");
        int wrote = snprintf(out + used, n - used, "%s%.*s", between, STR_ARG(word));
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static const char *number_noun(enum directive_type type)
{
    switch (type) {
    case DIRECTIVE_DURATION: return "a duration";
    case DIRECTIVE_SIZE: return "a size";
    case DIRECTIVE_PERCENT: return "a percentage";
    default: return "a whole number";
    }
}

void directive_describe(const struct directive *directive, char *out, size_t n)
{
    const char *plain = NULL;
    switch (directive->type) {
    case DIRECTIVE_BOOLEAN: plain = "true or false"; break;
    case DIRECTIVE_NAME: plain = "1 to 64 letters, digits, _, . or -"; break;
    case DIRECTIVE_PATH: plain = "a path that begins with /"; break;
    case DIRECTIVE_URL: plain = "https, or a URL that begins with http:// or https://"; break;
    case DIRECTIVE_HOST: plain = "a host name, or *. and a host name"; break;
    case DIRECTIVE_LOG_PATH: plain = "a file, -, syslog, journal or off"; break;
    case DIRECTIVE_LOG_FORMAT: plain = "text, json, or a template with fields such as {time}"; break;
    case DIRECTIVE_SECRET: plain = "16 to 256 visible characters"; break;
    case DIRECTIVE_FILE: plain = "a file"; break;
    case DIRECTIVE_ADDRESS: plain = "an address such as 127.0.0.1:3001"; break;
    case DIRECTIVE_NETWORKS: plain = "a list of networks such as 10.0.0.0/8"; break;
    case DIRECTIVE_STATUS: plain = "a status such as 200, or a range such as 200-399"; break;
    case DIRECTIVE_INCLUDE: plain = "a path or a list of paths"; break;
    case DIRECTIVE_BLOCK: plain = "a mapping"; break;
    case DIRECTIVE_LIST: plain = "a list"; break;
    case DIRECTIVE_MAP: plain = "a mapping of names"; break;
    case DIRECTIVE_WORD: describe_words(directive->words, out, n); return;
    case DIRECTIVE_INTEGER:
    case DIRECTIVE_PERCENT:
    case DIRECTIVE_SIZE:
    case DIRECTIVE_DURATION:
        (void)snprintf(out, n, "%s%s%s from %s to %s", directive->words, directive->words[0] ? " or " : "",
                       number_noun(directive->type), directive->min, directive->max);
        return;
    }
    (void)snprintf(out, n, "%s", plain);
}
