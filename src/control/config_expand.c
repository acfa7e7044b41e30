/* Variables of the environment in a tree's texts. Called by config_source for each file, on the loading thread.
 *
 * After parsing, and never twice: what a variable holds is a text, whatever stands in it.
 */
#include "control/config_expand.h"

#include <stdlib.h>

#include "base/err.h"
#include "control/config_yaml.h"

enum { NAME_MAX_BYTES = 128 };

struct expansion {
    struct arena *arena;
    struct config_errors *errors;
    const struct config_place *place;
    bool sealed;
    bool failed;
    char *out; /* NULL while the length is being counted */
    size_t used;
};

static void expansion_put(struct expansion *expansion, struct str text)
{
    if (expansion->out != NULL && text.n > 0)
        memcpy(expansion->out + expansion->used, text.p, text.n);
    expansion->used += text.n;
}

static bool name_valid(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = str_lower(name.p[i]);
        bool digit = c >= '0' && c <= '9';
        if (!(c >= 'a' && c <= 'z') && c != '_' && !(digit && i > 0))
            return false;
    }
    return name.n > 0 && name.n < NAME_MAX_BYTES;
}

static struct str variable_find(const struct expansion *expansion, struct str name)
{
    char terminated[NAME_MAX_BYTES];
    memcpy(terminated, name.p, name.n);
    terminated[name.n] = '\0';
    const char *value = expansion->sealed ? NULL : getenv(terminated);
    return value != NULL ? str_of(value) : STR_NONE;
}

/* Puts the value of what stands between `${` and `}`. */
static void expansion_variable(struct expansion *expansion, struct str inner)
{
    size_t colon = str_find(inner, ':');
    struct str name = str_slice(inner.p, colon);
    struct str rest = str_slice(inner.p + colon, inner.n - colon);
    bool has_default = str_starts(rest, STR(":-"));
    if (!name_valid(name) || (rest.n > 0 && !has_default)) {
        config_error_add(expansion->errors, expansion->place,
                         "\"${%.*s}\" is malformed; write ${NAME}, ${NAME:-default}, or $${ for a plain ${",
                         STR_ARG(config_shown(inner)));
        expansion->failed = true;
        return;
    }
    struct str value = variable_find(expansion, name);
    if (has_default && value.n == 0)
        value = str_slice(rest.p + 2, rest.n - 2);
    if (value.p == NULL) {
        config_error_add(expansion->errors, expansion->place,
                         "the environment has no variable \"%.*s\"; set it, or write ${%.*s:-default}",
                         STR_ARG(config_shown(name)), STR_ARG(config_shown(name)));
        expansion->failed = true;
        return;
    }
    expansion_put(expansion, value);
}

static void expansion_run(struct expansion *expansion, struct str text)
{
    expansion->used = 0;
    while (text.n > 0 && !expansion->failed) {
        if (str_starts(text, STR("$${"))) {
            expansion_put(expansion, STR("${"));
            text = str_slice(text.p + 3, text.n - 3);
        } else if (str_starts(text, STR("${"))) {
            size_t end = str_find(text, '}');
            if (end == text.n) {
                config_error_add(expansion->errors, expansion->place,
                                 "\"${\" has no end; write ${NAME}, or $${ for a plain ${");
                expansion->failed = true;
                return;
            }
            expansion_variable(expansion, str_slice(text.p + 2, end - 2));
            text = str_slice(text.p + end + 1, text.n - end - 1);
        } else {
            expansion_put(expansion, str_slice(text.p, 1));
            text = str_slice(text.p + 1, text.n - 1);
        }
    }
}

static int expand_text(struct expansion *expansion, struct config_node *node)
{
    if (memmem(node->text.p, node->text.n, "${", 2) == NULL)
        return 0;
    expansion->place = &node->place;
    expansion->failed = false;
    expansion->out = NULL;
    expansion_run(expansion, node->text);
    if (!expansion->failed && expansion->used > CONFIG_YAML_TEXT_MAX) {
        config_error_add(expansion->errors, &node->place, "the text is longer than 64 KiB with its variables");
        expansion->failed = true;
    }
    node->bad = expansion->failed;
    if (node->bad)
        return 0;
    char *out = arena_take(expansion->arena, expansion->used + 1);
    if (out == NULL)
        return -ERR_NO_MEMORY;
    expansion->out = out;
    expansion_run(expansion, node->text);
    out[expansion->used] = '\0';
    node->text = str_slice(out, expansion->used);
    return 0;
}

static int expand_node(struct expansion *expansion, struct config_node *node)
{
    int result = node->kind == CONFIG_NODE_TEXT ? expand_text(expansion, node) : 0;
    for (struct config_node *child = node->first; child != NULL && result == 0; child = child->next)
        result = expand_node(expansion, child);
    return result;
}

int config_expand(struct arena *arena, struct config_errors *errors, bool sealed, struct config_node *node)
{
    struct expansion expansion = {.arena = arena, .errors = errors, .sealed = sealed};
    return expand_node(&expansion, node);
}
