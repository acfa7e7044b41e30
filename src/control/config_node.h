/* A configuration file as a tree of texts, lists and maps, each with its place; what the texts mean is decided later.
 *
 * Lives in the arena of one load and is freed with it.
 */
#ifndef CONTROL_CONFIG_NODE_H
#define CONTROL_CONFIG_NODE_H

#include "base/arena.h"
#include "control/config_error.h"

enum config_node_kind { CONFIG_NODE_TEXT, CONFIG_NODE_LIST, CONFIG_NODE_MAP };

struct config_node {
    enum config_node_kind kind;
    bool blank;      /* a text that was left out (`limits:` and nothing): an empty map or list too */
    bool bad;        /* an error was reported already: not to be judged again */
    struct str key;  /* inside a map */
    struct str text; /* of a text; a NUL stands behind it */
    struct config_place place;
    struct config_place key_place;
    struct config_node *first;
    struct config_node *last;
    struct config_node *next;
    size_t count; /* of children */
};

/* A copy with a NUL behind it; {NULL, 0} without memory. */
struct str config_text_copy(struct arena *arena, struct str text);

/* NULL without memory. */
struct config_node *config_node_create(struct arena *arena, enum config_node_kind kind,
                                       const struct config_place *place);
void config_node_append(struct config_node *parent, struct config_node *child);
/* The child of a map; NULL when there is none, or when the node is no map. */
struct config_node *config_node_find(const struct config_node *map, struct str key);
/* Takes the child off its parent; child may be NULL. */
void config_node_remove(struct config_node *parent, struct config_node *child);
/* Puts the child under its key, in the place of the one that has this key, or at the end. */
void config_node_put(struct config_node *map, struct config_node *child);
/* Moves all of extra into base: maps are merged, lists appended, and what is set twice is an error. Both are maps. */
void config_node_merge(struct config_errors *errors, struct config_node *base, struct config_node *extra);
/* Reports each key that a map has twice, and takes the later one off. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_node_check_keys(struct arena *arena, struct config_errors *errors, struct config_node *map);

#endif
