/* The load of a configuration from its beginning to its end. Called at the start and at a reload, on the thread that
 * may block.
 *
 * The built-in layout and the flags take the same way as a file: the layout is a text that is parsed, and flags are
 * laid over the tree before anything is judged. So there is one set of rules, and one kind of error.
 */
#include "control/config.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/config_check.h"
#include "control/config_log.h"
#include "control/config_node.h"
#include "control/config_read.h"
#include "control/config_source.h"
#include "control/config_tls.h"
#include "control/directive.h"

enum { TREE_BYTES_MAX = 1 << 30, CONFIG_BYTES_MAX = 1 << 30 };

static const char builtin_layout[] = "pools: {default: {workers: [127.0.0.1:3001, 127.0.0.1:3002, 127.0.0.1:3003]}}\n";

/* ---- Flags over the tree ---- */

static struct config_node *flag_node(struct arena *arena, enum config_node_kind kind, const char *flag, const char *key,
                                     const char *text)
{
    struct config_place place = {flag, 0, 0};
    struct config_node *node = config_node_create(arena, kind, &place);
    if (node == NULL)
        return NULL;
    node->key = key != NULL ? str_of(key) : STR_NONE;
    node->text = text != NULL ? str_of(text) : STR("");
    return node;
}

/* A list of addresses under key. */
static struct config_node *flag_list(struct arena *arena, const char *flag, const char *key, const char *const *texts,
                                     size_t count)
{
    struct config_node *list = flag_node(arena, CONFIG_NODE_LIST, flag, key, NULL);
    for (size_t i = 0; i < count && list != NULL; i++) {
        struct config_node *item = flag_node(arena, CONFIG_NODE_TEXT, flag, NULL, texts[i]);
        if (item == NULL)
            return NULL;
        config_node_append(list, item);
    }
    return list;
}

static int flag_workers(struct arena *arena, struct config_errors *errors, const struct config_flags *flags,
                        struct config_node *root)
{
    const struct config_node *pools = config_node_find(root, STR("pools"));
    if (pools != NULL) {
        struct config_place place = {"--worker", 0, 0};
        char first[CONFIG_PLACE_MAX];
        config_error_add(errors, &place, "workers are given here and as pools at %s; take one of them away",
                         config_place_print(first, &pools->key_place));
        return 0;
    }
    struct config_node *map = flag_node(arena, CONFIG_NODE_MAP, "--worker", "pools", NULL);
    struct config_node *pool = flag_node(arena, CONFIG_NODE_MAP, "--worker", "default", NULL);
    struct config_node *workers = flag_list(arena, "--worker", "workers", flags->worker, flags->worker_count);
    if (map == NULL || pool == NULL || workers == NULL)
        return -ERR_NO_MEMORY;
    config_node_append(pool, workers);
    config_node_append(map, pool);
    config_node_append(root, map);
    return 0;
}

/* One setting of a block, the others of which stay as the file says. */
static int flag_setting(struct arena *arena, struct config_node *root, const char *flag, const char *block,
                        const char *key, const char *text)
{
    if (text == NULL)
        return 0;
    struct config_node *node = flag_node(arena, CONFIG_NODE_TEXT, flag, key, text);
    if (node == NULL)
        return -ERR_NO_MEMORY;
    if (block == NULL) {
        config_node_put(root, node);
        return 0;
    }
    struct config_node *map = config_node_find(root, str_of(block));
    /* A bare value in the file is the setting that the flag replaces. */
    if (map == NULL || map->kind != CONFIG_NODE_MAP) {
        map = flag_node(arena, CONFIG_NODE_MAP, flag, block, NULL);
        if (map == NULL)
            return -ERR_NO_MEMORY;
        config_node_put(root, map);
    }
    config_node_put(map, node);
    return 0;
}

static int flag_listeners(struct arena *arena, const struct config_flags *flags, struct config_node *root)
{
    const struct directive *directive = directive_find(DIRECTIVE_BLOCK_ROOT, STR("listeners"));
    bool given = flags->listen_count > 0;
    if (!given && config_node_find(root, STR("listeners")) != NULL)
        return 0;
    const char *text = directive->initial;
    struct config_node *list = given ? flag_list(arena, "--listen", "listeners", flags->listen, flags->listen_count)
                                     : flag_list(arena, "listeners", "listeners", &text, 1);
    if (list == NULL)
        return -ERR_NO_MEMORY;
    config_node_put(root, list);
    return 0;
}

static int lay_flags(struct arena *arena, struct config_errors *errors, const struct config_flags *flags,
                     struct config_node *root)
{
    int result = flag_listeners(arena, flags, root);
    if (result == 0 && flags->worker_count > 0)
        result = flag_workers(arena, errors, flags, root);
    if (result == 0)
        result = flag_setting(arena, root, "--threads", NULL, "threads", flags->threads);
    if (result == 0)
        result = flag_setting(arena, root, "--access-log", "access_log", "path", flags->access_log);
    if (result == 0)
        result = flag_setting(arena, root, "--log-level", "log", "level", flags->log_level);
    if (result == 0)
        result = flag_setting(arena, root, "--admin", "admin", "address", flags->admin);
    if (result == 0)
        result = flag_setting(arena, root, "--admin", "admin", "token", flags->admin_token);
    if (result == 0)
        result = flag_setting(arena, root, "--admin", "admin", "write", flags->admin_write);
    return result;
}

/* ---- Loading ---- */

/* What a load reads: a file, or a text under a name. */
struct origin {
    const char *path;
    struct str text; /* p NULL: read the path */
};

static int load_tree(struct config *config, struct arena *tree, const struct origin *origin,
                     const struct config_flags *flags, struct config_errors *errors, struct config_node **ret_root)
{
    struct config_source source = {.arena = tree, .names = &config->arena, .errors = errors, .sealed = flags->sealed};
    struct config_node *root = NULL;
    int result = origin->text.p != NULL ? config_source_text(&source, origin->path, origin->text, &root)
                                        : config_source_file(&source, origin->path, &root);
    if (result == 0 && source.broken)
        result = -ERR_CONFIG;
    if (result == 0)
        result = lay_flags(tree, errors, flags, root);
    if (result == 0)
        *ret_root = root;
    return result;
}

static int load_into(struct config *config, const struct origin *origin, const struct config_flags *flags,
                     struct config_errors *errors)
{
    struct arena tree;
    arena_init(&tree, TREE_BYTES_MAX);
    struct config_node *root = NULL;
    int result = load_tree(config, &tree, origin, flags, errors, &root);
    if (result == 0)
        result = config_read(config, errors, flags->sealed, root);
    if (result == 0)
        result = config_check(config, errors, &tree);
    if (result == 0)
        result = config_log_check(config, errors, flags->sealed);
    arena_fini(&tree);
    if (result == 0 && errors->error_count == 0 && !flags->sealed)
        result = config_tls_load(config, errors, clock_wall_ns() / 1000000000);
    if (result == 0 && errors->error_count > 0)
        result = -ERR_CONFIG;
    return result;
}

static int load(const struct origin *origin, const struct config_flags *flags, struct config_errors *errors,
                struct config **ret_config)
{
    struct arena arena;
    arena_init_in(&arena, flags->region, CONFIG_BYTES_MAX);
    struct config *config = arena_take(&arena, sizeof(*config));
    if (config == NULL)
        return -ERR_NO_MEMORY;
    *config = (struct config){.arena = arena};
    int result = load_into(config, origin, flags, errors);
    config_errors_sort(errors);
    if (result != 0) {
        config_destroy(&config);
        return result;
    }
    *ret_config = config;
    return 0;
}

int config_load(const char *path, const struct config_flags *flags, struct config_errors *errors,
                struct config **ret_config)
{
    struct origin origin = {path, STR_NONE};
    if (path == NULL)
        origin = (struct origin){"(built in)", flags->worker_count > 0 ? STR("") : str_of(builtin_layout)};
    return load(&origin, flags, errors, ret_config);
}

int config_load_text(const char *name, struct str text, const struct config_flags *flags, struct config_errors *errors,
                     struct config **ret_config)
{
    struct origin origin = {name, text.p != NULL ? text : STR("")};
    return load(&origin, flags, errors, ret_config);
}

void config_destroy(struct config **config)
{
    if (*config == NULL)
        return;
    struct arena arena = (*config)->arena;
    *config = NULL;
    arena_fini(&arena);
}
