/* The tree between the YAML parser and the settings. Used by config_yaml, config_source and config_read, on the
 * loading thread.
 *
 * A tree, and not settings straight from the parser's events, because includes merge before anything is judged.
 */
#include "control/config_node.h"

#include <stdlib.h>

#include "base/err.h"

struct str config_text_copy(struct arena *arena, struct str text)
{
    char *copy = arena_take(arena, text.n + 1);
    if (copy == NULL)
        return STR_NONE;
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return str_slice(copy, text.n);
}

struct config_node *config_node_create(struct arena *arena, enum config_node_kind kind,
                                       const struct config_place *place)
{
    struct config_node *node = arena_take(arena, sizeof(*node));
    if (node == NULL)
        return NULL;
    *node = (struct config_node){.kind = kind, .place = *place, .key_place = *place};
    return node;
}

void config_node_append(struct config_node *parent, struct config_node *child)
{
    ASSERT(parent->kind != CONFIG_NODE_TEXT);
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

struct config_node *config_node_find(const struct config_node *map, struct str key)
{
    if (map->kind != CONFIG_NODE_MAP)
        return NULL;
    struct config_node *child = map->first;
    while (child != NULL && !str_eq(child->key, key))
        child = child->next;
    return child;
}

void config_node_remove(struct config_node *parent, struct config_node *child)
{
    struct config_node *before = NULL;
    for (struct config_node *node = parent->first; node != NULL; before = node, node = node->next) {
        if (node != child)
            continue;
        if (before == NULL)
            parent->first = child->next;
        else
            before->next = child->next;
        if (parent->last == child)
            parent->last = before;
        parent->count--;
        return;
    }
}

void config_node_put(struct config_node *map, struct config_node *child)
{
    config_node_remove(map, config_node_find(map, child->key));
    config_node_append(map, child);
}

void config_node_merge(struct config_errors *errors, struct config_node *base, struct config_node *extra)
{
    ASSERT(base->kind == CONFIG_NODE_MAP && extra->kind == CONFIG_NODE_MAP);
    struct config_node *next;
    for (struct config_node *child = extra->first; child != NULL; child = next) {
        next = child->next;
        struct config_node *same = config_node_find(base, child->key);
        if (same == NULL) {
            config_node_append(base, child);
        } else if (same->kind == CONFIG_NODE_MAP && child->kind == CONFIG_NODE_MAP) {
            config_node_merge(errors, same, child);
        } else if (same->kind == CONFIG_NODE_LIST && child->kind == CONFIG_NODE_LIST) {
            for (struct config_node *item = child->first, *after; item != NULL; item = after) {
                after = item->next;
                config_node_append(same, item);
            }
        } else {
            char first[CONFIG_PLACE_MAX];
            config_error_add(errors, &child->key_place, "\"%.*s\" is set here and at %s",
                             STR_ARG(config_shown(child->key)), config_place_print(first, &same->key_place));
        }
    }
}

struct keyed {
    struct config_node *node;
    size_t order;
};

static int keyed_compare(const void *left, const void *right)
{
    const struct keyed *a = left;
    const struct keyed *b = right;
    size_t n = a->node->key.n < b->node->key.n ? a->node->key.n : b->node->key.n;
    int bytes = n > 0 ? memcmp(a->node->key.p, b->node->key.p, n) : 0;
    if (bytes != 0)
        return bytes;
    if (a->node->key.n != b->node->key.n)
        return a->node->key.n < b->node->key.n ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

int config_node_check_keys(struct arena *arena, struct config_errors *errors, struct config_node *map)
{
    if (map->count < 2)
        return 0;
    struct keyed *keys = arena_take(arena, map->count * sizeof(*keys));
    if (keys == NULL)
        return -ERR_NO_MEMORY;
    size_t count = 0;
    for (struct config_node *child = map->first; child != NULL; child = child->next, count++)
        keys[count] = (struct keyed){child, count};
    qsort(keys, count, sizeof(*keys), keyed_compare);
    size_t first = 0;
    for (size_t i = 1; i < count && !config_errors_full(errors); i++) {
        if (!str_eq(keys[first].node->key, keys[i].node->key)) {
            first = i;
            continue;
        }
        char place[CONFIG_PLACE_MAX];
        config_error_add(errors, &keys[i].node->key_place, "key \"%.*s\" is given twice; first at %s",
                         STR_ARG(config_shown(keys[i].node->key)),
                         config_place_print(place, &keys[first].node->key_place));
        config_node_remove(map, keys[i].node);
    }
    return 0;
}
