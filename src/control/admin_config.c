/* The configuration as it was loaded, as JSON: a walk along the table of settings, so that a setting that is added is
 * shown without a line here, and a secret never is. Called by control/admin, on the control thread. */
#include "control/admin_config.h"

#include <stdio.h>

#include "control/directive.h"

static json_t *block_json(enum directive_block block, const void *from);

static json_t *number_json(const struct directive *directive, uint64_t number, const char *unit)
{
    char text[32];

    if (number == 0 && directive->words[0])
        return json_string(directive->words);
    if (!unit[0])
        return json_integer((json_int_t)number);
    (void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)number, unit);
    return json_string(text);
}

static json_t *word_json(const struct directive *directive, uint32_t index)
{
    struct str rest = str_of(directive->words), word = STR_NONE;

    for (uint32_t i = 0; i <= index; i++)
        (void)str_cut(&rest, '|', &word);
    return admin_str(word);
}

static json_t *status_json(const struct config_status_range *range)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u-%u", range->min, range->max);
    return json_string(text);
}

static json_t *networks_json(const struct config_networks *networks)
{
    json_t *list = json_array();

    for (size_t i = 0; i < networks->count; i++) {
        const struct config_network *network = &networks->items[i];
        if (network->local) {
            (void)json_array_append_new(list, json_string("unix"));
            continue;
        }
        char host[64], text[80];
        union {
            struct sockaddr_storage storage;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } address = {.storage = {.ss_family = network->v6 ? AF_INET6 : AF_INET}};
        if (network->v6)
            memcpy(&address.in6.sin6_addr, network->bytes, 16);
        else
            memcpy(&address.in.sin_addr, network->bytes, 4);
        char out[SOCK_TEXT_MAX];
        struct str shown = sock_host_text(out, &address.storage);
        (void)snprintf(host, sizeof(host), "%.*s", STR_ARG(shown));
        (void)snprintf(text, sizeof(text), "%s/%u", host, network->bits);
        (void)json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *list_json(const struct directive *directive, const struct config_array *array)
{
    enum directive_block child = directive_child(directive);
    size_t bytes = directive_block_info(child)->bytes;
    bool named = directive->type == DIRECTIVE_MAP;
    json_t *json = named ? json_object() : json_array();

    for (size_t i = 0; i < array->count; i++) {
        const char *item = (const char *)array->items + i * bytes;
        if (named) /* the only named blocks are pools */
            admin_set(json, ((const struct config_pool *)(const void *)item)->name.p, block_json(child, item));
        else
            (void)json_array_append_new(json, block_json(child, item));
    }
    return json;
}

static json_t *setting_json(const struct directive *directive, const void *field)
{
    switch (directive->type) {
    case DIRECTIVE_BOOLEAN: return json_boolean(*(const bool *)field);
    case DIRECTIVE_INTEGER: return number_json(directive, *(const uint32_t *)field, "");
    case DIRECTIVE_PERCENT: return number_json(directive, *(const uint32_t *)field, "%");
    case DIRECTIVE_DURATION: return number_json(directive, *(const uint32_t *)field, "ms");
    case DIRECTIVE_SIZE: return number_json(directive, *(const uint64_t *)field, "");
    case DIRECTIVE_WORD: return word_json(directive, *(const uint32_t *)field);
    case DIRECTIVE_STATUS: return status_json(field);
    case DIRECTIVE_NAME:
    case DIRECTIVE_PATH:
    case DIRECTIVE_URL:
    case DIRECTIVE_HOST:
    case DIRECTIVE_LOG_PATH:
    case DIRECTIVE_LOG_FORMAT: return admin_str(*(const struct str *)field);
    case DIRECTIVE_FILE: return admin_str(((const struct config_file *)field)->path);
    case DIRECTIVE_SECRET: return json_string(((const struct str *)field)->n ? "(hidden)" : "");
    case DIRECTIVE_ADDRESS: return admin_str(((const struct config_address *)field)->text);
    case DIRECTIVE_NETWORKS: return networks_json(field);
    case DIRECTIVE_BLOCK: return block_json(directive_child(directive), field);
    case DIRECTIVE_LIST:
    case DIRECTIVE_MAP: return list_json(directive, field);
    case DIRECTIVE_INCLUDE: break;
    }
    return NULL; /* resolved while files were read */
}

static json_t *block_json(enum directive_block block, const void *from)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    json_t *json = json_object();

    for (size_t i = 0; i < count; i++) {
        json_t *value = setting_json(&list[i], (const char *)from + list[i].offset);
        if (value)
            admin_set(json, list[i].name, value);
    }
    return json;
}

json_t *admin_config_json(const struct config *config)
{
    return block_json(DIRECTIVE_BLOCK_ROOT, config);
}

void admin_do_config(struct admin *admin, struct admin_call *call)
{
    admin_answer_json(call, admin_config_json(admin->options.config));
}
