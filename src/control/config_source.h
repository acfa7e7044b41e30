/* From a path to one tree: reads files, resolves `include:` and `${VARIABLE}`.
 */
#ifndef CONTROL_CONFIG_SOURCE_H
#define CONTROL_CONFIG_SOURCE_H

#include "control/config_file.h"
#include "control/config_node.h"

enum { CONFIG_INCLUDE_DEPTH_MAX = 8, CONFIG_FILES_MAX = 1000 };

struct config_source {
    struct arena *arena; /* of the trees */
    struct arena *names; /* of file names, which places in the configuration point to */
    struct config_errors *errors;
    bool sealed; /* no other file, no environment */
    bool broken; /* a file could not be read: what is missing elsewhere says nothing */
    unsigned files;
};

/* Both give 0 with *ret_root, a map, although errors may have been added; -ERR_CONFIG with errors added;
 * -ERR_NO_MEMORY. */
MUST_CHECK int config_source_file(struct config_source *source, const char *path, struct config_node **ret_root);
MUST_CHECK int config_source_text(struct config_source *source, const char *name, struct str text,
                                  struct config_node **ret_root);

#endif
