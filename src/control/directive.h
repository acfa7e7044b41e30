/* The table of settings (directive.def) as data: what exists, of which type, and what is nearest to a wrong word.
 */
#ifndef CONTROL_DIRECTIVE_H
#define CONTROL_DIRECTIVE_H

#include <stddef.h>

#include "base/str.h"

enum directive_type {
    DIRECTIVE_BOOLEAN,    /* bool */
    DIRECTIVE_INTEGER,    /* uint32_t */
    DIRECTIVE_PERCENT,    /* uint32_t */
    DIRECTIVE_SIZE,       /* uint64_t, bytes */
    DIRECTIVE_DURATION,   /* uint32_t, milliseconds */
    DIRECTIVE_WORD,       /* an enum */
    DIRECTIVE_STATUS,     /* struct config_status_range */
    DIRECTIVE_NAME,       /* struct str */
    DIRECTIVE_PATH,       /* struct str */
    DIRECTIVE_HOST,       /* struct str */
    DIRECTIVE_URL,        /* struct str */
    DIRECTIVE_LOG_PATH,   /* struct str */
    DIRECTIVE_LOG_FORMAT, /* struct str */
    DIRECTIVE_SECRET,     /* struct str; never shown */
    DIRECTIVE_FILE,       /* struct config_file */
    DIRECTIVE_ADDRESS,    /* struct config_address; min is the host that a bare port means; words: `fd` where it may be
                             inherited */
    DIRECTIVE_NETWORKS,   /* struct config_networks */
    DIRECTIVE_BLOCK,      /* the block's struct */
    DIRECTIVE_LIST,       /* struct config_array of blocks; min and max bound their number */
    DIRECTIVE_MAP,        /* the same, named */
    DIRECTIVE_INCLUDE,    /* no field: resolved while files are read */
};

enum directive_block {
#define BLOCK(id, key, where, type, short_form, sentence) DIRECTIVE_BLOCK_##id,
#define DIRECTIVE(block, name, type, field, initial, min, max, words, sentence)
#include "control/directive.def"
#undef BLOCK
#undef DIRECTIVE
    DIRECTIVE_BLOCK_COUNT
};

struct directive_block_info {
    const char *key;
    const char *where;
    size_t bytes; /* of its struct */
    const char *short_form;
    const char *sentence;
};

struct directive {
    enum directive_block block;
    const char *name;
    enum directive_type type;
    size_t offset; /* of its field in the block's struct */
    const char *initial;
    const char *min;
    const char *max;
    const char *words;
    const char *sentence;
};

const struct directive_block_info *directive_block_info(enum directive_block block);
/* The settings of a block in the table's order; *ret_count of them. */
const struct directive *directive_list(enum directive_block block, size_t *ret_count);
/* NULL when the block has no setting of that name. */
const struct directive *directive_find(enum directive_block block, struct str name);
/* The name in the block that was probably meant; NULL when none is near. */
const char *directive_nearest(enum directive_block block, struct str name);
/* The block that a BLOCK, LIST or MAP holds. */
enum directive_block directive_child(const struct directive *directive);

/* What is expected of a value, such as "a duration from 10ms to 1h", with a NUL, cut to n bytes. */
enum { DIRECTIVE_TEXT_MAX = 160 };
void directive_describe(const struct directive *directive, char *out, size_t n);

/* Of `count` words, the one nearest to `word` and near enough to be meant; `count` when none is. */
size_t directive_nearest_word(const struct str *words, size_t count, struct str word);

#endif
