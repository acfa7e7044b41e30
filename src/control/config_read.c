/* Walks a tree along the table of settings. Called by config_load, on the loading thread.
 *
 * One walk for all blocks: a setting that is added to the table is parsed, defaulted and checked without a line here.
 */
#include "control/config_read.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "control/config_address.h"
#include "control/config_value.h"
#include "control/directive.h"

enum { WHERE_MAX = 320 };

struct reader {
    struct config_errors *errors;
    struct config_value value;
    char where[WHERE_MAX]; /* the setting being read, such as `pools.web.health.path` */
    size_t where_n;
};

static int read_block(struct reader *reader, enum directive_block block, const struct config_node *node, void *target);

/* ---- Saying where and what ---- */

static size_t where_push(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends to the path and returns its length before; where_pop takes that. */
static size_t where_push(struct reader *reader, const char *format, ...)
{
    size_t before = reader->where_n;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(reader->where + before, WHERE_MAX - before, format, arguments);
    va_end(arguments);
    reader->where_n += n > 0 ? (size_t)n : 0;
    if (reader->where_n >= WHERE_MAX)
        reader->where_n = WHERE_MAX - 1;
    return before;
}

static void where_pop(struct reader *reader, size_t before)
{
    reader->where_n = before;
    reader->where[before] = '\0';
}

static void read_error(struct reader *reader, const struct config_place *place, const char *sentence)
{
    /* A flag is its own path. */
    if (place->line == 0 || reader->where_n == 0)
        config_error_add(reader->errors, place, "%s", sentence);
    else
        config_error_add(reader->errors, place, "%s: %s", reader->where, sentence);
}

static const char *kind_name(const struct config_node *node)
{
    switch (node->kind) {
    case CONFIG_NODE_LIST: return "a list";
    case CONFIG_NODE_MAP: return "a mapping";
    default: return node->text.n == 0 ? "nothing" : "a text";
    }
}

static void kind_error(struct reader *reader, const struct directive *directive, const struct config_node *node)
{
    char expected[DIRECTIVE_TEXT_MAX];
    char sentence[DIRECTIVE_TEXT_MAX + 64];
    directive_describe(directive, expected, sizeof(expected));
    (void)snprintf(sentence, sizeof(sentence), "expected %s, found %s", expected, kind_name(node));
    read_error(reader, &node->place, sentence);
}

static void unknown_key(struct reader *reader, enum directive_block block, const struct config_node *node)
{
    if (node->bad)
        return;
    const char *nearest = directive_nearest(block, node->key);
    config_error_add(reader->errors, &node->key_place, "unknown key \"%.*s\"%s%s%s%s%s",
                     STR_ARG(config_shown(node->key)), reader->where_n > 0 ? " in " : "", reader->where,
                     nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "\"?" : "");
}

/* ---- Defaults ---- */

static int read_defaults(struct reader *reader, enum directive_block block, void *target)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        void *field = (char *)target + list[i].offset;
        bool is_array = list[i].type == DIRECTIVE_LIST || list[i].type == DIRECTIVE_MAP;
        if (list[i].type == DIRECTIVE_BLOCK)
            result = read_defaults(reader, directive_child(&list[i]), field);
        else if (!is_array && list[i].initial != NULL && list[i].initial[0] != '\0')
            result = config_value_parse(&reader->value, &list[i], str_of(list[i].initial), field);
        ASSERT(result == 0 || result == -ERR_NO_MEMORY);
    }
    return result;
}

/* An element of a list or a map, at its defaults and with its place. */
static int read_element(struct reader *reader, enum directive_block block, const struct config_place *place,
                        void *element)
{
    memset(element, 0, directive_block_info(block)->bytes);
    *(struct config_place *)element = *place;
    return read_defaults(reader, block, element);
}

/* ---- Settings ---- */

/* Room for the children of node, or NULL with *ret_result set: 0 when their number is wrong (reported). */
static void *array_take(struct reader *reader, const struct directive *directive, const struct config_node *node,
                        int *ret_result)
{
    uint64_t min = 0;
    uint64_t max = 0;
    *ret_result = 0;
    if (str_parse_u64(str_of(directive->min), SIZE_MAX, &min) != 0 ||
        str_parse_u64(str_of(directive->max), SIZE_MAX, &max) != 0)
        ASSERT(!"bounds of a list");
    if (node->count < min) {
        read_error(reader, &node->key_place, "there must be at least one");
        return NULL;
    }
    if (node->count > max) {
        char sentence[64];
        (void)snprintf(sentence, sizeof(sentence), "there are %zu; the most is %s", node->count, directive->max);
        read_error(reader, &node->key_place, sentence);
        return NULL;
    }
    if (node->count == 0)
        return NULL;
    size_t bytes = directive_block_info(directive_child(directive))->bytes;
    void *items = arena_take(reader->value.arena, node->count * bytes);
    *ret_result = items != NULL ? 0 : -ERR_NO_MEMORY;
    return items;
}

static int read_list(struct reader *reader, const struct directive *directive, const struct config_node *node,
                     struct config_array *ret_array)
{
    enum directive_block child = directive_child(directive);
    int result;
    char *items = array_take(reader, directive, node, &result);
    if (items == NULL)
        return result;
    size_t bytes = directive_block_info(child)->bytes;
    size_t count = 0;
    for (const struct config_node *item = node->first; item != NULL && result == 0; item = item->next, count++) {
        size_t before = where_push(reader, "[%zu]", count);
        result = read_element(reader, child, &item->place, items + count * bytes);
        if (result == 0)
            result = read_block(reader, child, item, items + count * bytes);
        where_pop(reader, before);
    }
    if (result == 0)
        *ret_array = (struct config_array){items, count};
    return result;
}

/* The only named blocks are pools: the key is their name. */
static int read_map(struct reader *reader, const struct directive *directive, const struct config_node *node,
                    struct config_array *ret_array)
{
    static const struct directive name_rule = {.name = "name", .type = DIRECTIVE_NAME};
    enum directive_block child = directive_child(directive);
    ASSERT(child == DIRECTIVE_BLOCK_POOL);
    int result;
    struct config_pool *pools = array_take(reader, directive, node, &result);
    if (pools == NULL)
        return result;
    size_t count = 0;
    for (const struct config_node *item = node->first; item != NULL && result == 0; item = item->next, count++) {
        result = read_element(reader, child, &item->key_place, &pools[count]);
        if (result != 0)
            break;
        result = config_value_parse(&reader->value, &name_rule, item->key, &pools[count].name);
        if (result == -ERR_CONFIG) {
            read_error(reader, &item->key_place, reader->value.why);
            pools[count].name = STR("");
        }
        size_t before = where_push(reader, ".%.*s", STR_ARG(config_shown(item->key)));
        if (result != -ERR_NO_MEMORY)
            result = read_block(reader, child, item, &pools[count]);
        where_pop(reader, before);
    }
    if (result == 0)
        *ret_array = (struct config_array){pools, count};
    return result;
}

static int read_networks(struct reader *reader, const struct config_node *node, struct config_networks *ret_networks)
{
    if (node->count == 0)
        return 0;
    struct config_network *items = arena_take(reader->value.arena, node->count * sizeof(*items));
    if (items == NULL)
        return -ERR_NO_MEMORY;
    size_t count = 0;
    for (const struct config_node *item = node->first; item != NULL; item = item->next) {
        if (item->bad)
            continue;
        if (item->kind != CONFIG_NODE_TEXT)
            read_error(reader, &item->place, "expected a network such as 10.0.0.0/8");
        else if (config_address_network(&reader->value, item->text, &items[count]) != 0)
            read_error(reader, &item->place, reader->value.why);
        else
            count++;
    }
    *ret_networks = (struct config_networks){items, count};
    return 0;
}

static int read_single(struct reader *reader, const struct directive *directive, const struct config_node *node,
                       void *field)
{
    if (node->kind != CONFIG_NODE_TEXT) {
        kind_error(reader, directive, node);
        return 0;
    }
    if (directive->type == DIRECTIVE_FILE)
        ((struct config_file *)field)->place = node->place;
    int result = config_value_parse(&reader->value, directive, node->text, field);
    if (result != -ERR_CONFIG)
        return result;
    read_error(reader, &node->place, reader->value.why);
    return 0;
}

static int read_child_block(struct reader *reader, const struct directive *directive, const struct config_node *node,
                            void *field)
{
    *(struct config_place *)field = node->key_place;
    return read_block(reader, directive_child(directive), node, field);
}

static int read_setting(struct reader *reader, const struct directive *directive, const struct config_node *node,
                        void *target)
{
    void *field = (char *)target + directive->offset;
    bool list = node->kind == CONFIG_NODE_LIST || node->blank;
    bool map = node->kind == CONFIG_NODE_MAP || node->blank;
    if (node->bad)
        return 0;
    switch (directive->type) {
    case DIRECTIVE_BLOCK: return read_child_block(reader, directive, node, field);
    case DIRECTIVE_LIST:
        if (list)
            return read_list(reader, directive, node, field);
        break;
    case DIRECTIVE_MAP:
        if (map)
            return read_map(reader, directive, node, field);
        break;
    case DIRECTIVE_NETWORKS:
        if (list)
            return read_networks(reader, node, field);
        break;
    case DIRECTIVE_INCLUDE:
        read_error(reader, &node->key_place, "files can only be included at the top of a file");
        return 0;
    default: return read_single(reader, directive, node, field);
    }
    kind_error(reader, directive, node);
    return 0;
}

/* ---- Blocks ---- */

/* A bare value in place of a mapping. */
static int read_short_form(struct reader *reader, enum directive_block block, const struct config_node *node,
                           void *target)
{
    const struct directive_block_info *info = directive_block_info(block);
    if (node->bad)
        return 0;
    if (node->kind == CONFIG_NODE_TEXT && info->short_form[0] != '\0')
        return read_setting(reader, directive_find(block, str_of(info->short_form)), node, target);
    char sentence[96];
    (void)snprintf(sentence, sizeof(sentence), "expected a mapping%s%s, found %s",
                   info->short_form[0] != '\0' ? " or the " : "", info->short_form, kind_name(node));
    read_error(reader, &node->place, sentence);
    return 0;
}

static void check_required(struct reader *reader, enum directive_block block, const struct config_node *node,
                           const struct config_place *place)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    for (size_t i = 0; i < count; i++) {
        if (list[i].initial != NULL || config_node_find(node, str_of(list[i].name)) != NULL)
            continue;
        char sentence[64];
        (void)snprintf(sentence, sizeof(sentence), "\"%s\" is missing", list[i].name);
        read_error(reader, place, sentence);
    }
}

static int read_block(struct reader *reader, enum directive_block block, const struct config_node *node, void *target)
{
    bool required = true;
    if (node->kind != CONFIG_NODE_MAP && !node->blank)
        return read_short_form(reader, block, node, target);
    int result = 0;
    for (const struct config_node *child = node->first; child != NULL && result == 0; child = child->next) {
        const struct directive *directive = directive_find(block, child->key);
        if (directive == NULL) {
            unknown_key(reader, block, child);
            required = false; /* it may be the missing one, misspelt */
            continue;
        }
        size_t before = where_push(reader, reader->where_n > 0 ? ".%s" : "%s", directive->name);
        result = read_setting(reader, directive, child, target);
        where_pop(reader, before);
    }
    if (result == 0 && required)
        check_required(reader, block, node, target);
    return result;
}

int config_read(struct config *config, struct config_errors *errors, bool sealed, const struct config_node *root)
{
    ASSERT(root->kind == CONFIG_NODE_MAP);
    struct reader reader = {.errors = errors, .value = {.arena = &config->arena, .sealed = sealed}};
    config->place = root->place;
    config->place.line = 0;
    int result = read_defaults(&reader, DIRECTIVE_BLOCK_ROOT, config);
    return result != 0 ? result : read_block(&reader, DIRECTIVE_BLOCK_ROOT, root, config);
}

int config_read_worker(struct config_worker *ret_worker, struct config_errors *errors, struct arena *arena,
                       const struct config_node *node)
{
    struct reader reader = {.errors = errors, .value = {.arena = arena, .sealed = true}};
    int result = read_element(&reader, DIRECTIVE_BLOCK_WORKER, &node->place, ret_worker);
    return result != 0 ? result : read_block(&reader, DIRECTIVE_BLOCK_WORKER, node, ret_worker);
}
