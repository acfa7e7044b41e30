/* A strict subset of YAML to a tree; JSON, being inside the subset, too.
 *
 * Refused, each with its place: anchors, aliases, tags, directives, merge keys, several documents, a key twice, what is
 * not UTF-8, control characters, texts over 64 KiB, nesting over 24 levels, more than a million nodes. Values are
 * texts: whether quoted or plain makes no difference.
 */
#ifndef CONTROL_CONFIG_YAML_H
#define CONTROL_CONFIG_YAML_H

#include "control/config_node.h"

enum { CONFIG_YAML_DEPTH_MAX = 24, CONFIG_YAML_TEXT_MAX = 65536, CONFIG_YAML_NODES_MAX = 1000000 };

/* file: for places; outlives the tree. 0 with *ret_root, although errors may have been added for what is refused but
 * understood; -ERR_CONFIG with errors added when there is no tree; -ERR_NO_MEMORY. A text with nothing in it gives a
 * blank node. */
MUST_CHECK int config_yaml_parse(struct arena *arena, struct config_errors *errors, const char *file, struct str text,
                                 struct config_node **ret_root);

#endif
