/* Files to one merged tree. Called by config_load, on the loading thread; may block on files.
 *
 * Variables are put in after parsing, into values only: no value of the environment can change the structure of a
 * file. A file that is included merges where its settings would stand, so that a list can be spread over many files.
 */
#include "control/config_source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "control/config_expand.h"
#include "control/config_yaml.h"

/* A file being read, and the one that includes it. */
struct open_file {
    const struct open_file *above;
    const char *name;
    dev_t device;
    ino_t inode;
    unsigned depth;
};

static int source_error(struct config_source *source, const struct config_place *place, const char *path, int number)
{
    char text[128];
    const char *reason = number == EFBIG ? "it is larger than 8 MiB" : strerror_r(number, text, sizeof(text));
    if (place->file == path)
        config_error_add(source->errors, place, "cannot be read: %s", reason);
    else
        config_error_add(source->errors, place, "include: \"%.*s\" cannot be read: %s",
                         STR_ARG(config_shown(str_of(path))), reason);
    return -ERR_CONFIG;
}

static int source_merge_file(struct config_source *source, const char *path, const struct config_place *place,
                             const struct open_file *above, struct config_node **ret_root);

/* `dir/` of the including file in front of a relative pattern, with the characters that glob(3) knows escaped. */
static char *pattern_path(struct config_source *source, const char *file, struct str pattern)
{
    const char *slash = strrchr(file, '/');
    size_t dir = slash == NULL || pattern.p[0] == '/' ? 0 : (size_t)(slash - file) + 1;
    char *path = arena_take(source->arena, 2 * dir + pattern.n + 1);
    if (path == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < dir; i++) {
        if (strchr("*?[]\\", file[i]) != NULL)
            path[used++] = '\\';
        path[used++] = file[i];
    }
    memcpy(path + used, pattern.p, pattern.n);
    path[used + pattern.n] = '\0';
    return path;
}

static int include_matches(struct config_source *source, const glob_t *found, const struct config_place *place,
                           const struct open_file *file, struct config_node *root)
{
    for (size_t i = 0; i < found->gl_pathc && !config_errors_full(source->errors); i++) {
        struct config_node *extra = NULL;
        int result = source_merge_file(source, found->gl_pathv[i], place, file, &extra);
        if (result == -ERR_NO_MEMORY)
            return result;
        if (result == 0)
            config_node_merge(source->errors, root, extra);
        else
            source->broken = true;
    }
    return 0;
}

static int include_pattern(struct config_source *source, const struct config_node *node, const struct open_file *file,
                           struct config_node *root)
{
    if (node->bad)
        return 0;
    if (node->kind != CONFIG_NODE_TEXT || node->text.n == 0) {
        config_error_add(source->errors, &node->place, "include: expected a path or a list of paths");
        return 0;
    }
    char *path = pattern_path(source, file->name, node->text);
    if (path == NULL)
        return -ERR_NO_MEMORY;
    glob_t found = {0};
    int status = glob(path, GLOB_ERR, NULL, &found);
    int result = 0;
    if (status == 0)
        result = include_matches(source, &found, &node->place, file, root);
    else if (status == GLOB_NOSPACE)
        result = -ERR_NO_MEMORY;
    else if (status != GLOB_NOMATCH || strpbrk(node->text.p, "*?[") == NULL)
        source->broken =
            source_error(source, &node->place, node->text.p, status == GLOB_NOMATCH ? ENOENT : EACCES) != 0;
    globfree(&found);
    return result;
}

static int source_include(struct config_source *source, const struct open_file *file, struct config_node *root)
{
    struct config_node *include = config_node_find(root, STR("include"));
    if (include == NULL)
        return 0;
    config_node_remove(root, include);
    if (source->sealed) {
        config_error_add(source->errors, &include->key_place, "include: no other file may be read here");
        return 0;
    }
    if (include->kind != CONFIG_NODE_LIST)
        return include_pattern(source, include, file, root);
    for (const struct config_node *item = include->first; item != NULL; item = item->next) {
        int result = include_pattern(source, item, file, root);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Parses, puts variables in, and resolves the includes of one file. */
static int source_build(struct config_source *source, const struct open_file *file, struct str text,
                        struct config_node **ret_root)
{
    struct config_node *root = NULL;
    int result = config_yaml_parse(source->arena, source->errors, file->name, text, &root);
    if (result != 0)
        return result;
    if (root->blank)
        root->kind = CONFIG_NODE_MAP;
    if (root->kind != CONFIG_NODE_MAP) {
        config_error_add(source->errors, &root->place, "expected a mapping of settings, found %s",
                         root->kind == CONFIG_NODE_LIST ? "a list" : "a text");
        return -ERR_CONFIG;
    }
    result = config_expand(source->arena, source->errors, source->sealed, root);
    if (result == 0)
        result = source_include(source, file, root);
    if (result == 0)
        *ret_root = root;
    return result;
}

static int source_check_file(struct config_source *source, const struct config_place *place,
                             const struct open_file *file)
{
    for (const struct open_file *other = file->above; other != NULL; other = other->above) {
        if (other->device == file->device && other->inode == file->inode) {
            config_error_add(source->errors, place, "include: \"%.*s\" includes itself",
                             STR_ARG(config_shown(str_of(file->name))));
            return -ERR_CONFIG;
        }
    }
    if (file->depth > CONFIG_INCLUDE_DEPTH_MAX || ++source->files > CONFIG_FILES_MAX) {
        config_error_add(source->errors, place, "include: %s",
                         file->depth > CONFIG_INCLUDE_DEPTH_MAX ? "files are included more than 8 levels deep"
                                                                : "there are more than 1000 files");
        return -ERR_CONFIG;
    }
    return 0;
}

static int source_merge_file(struct config_source *source, const char *path, const struct config_place *place,
                             const struct open_file *above, struct config_node **ret_root)
{
    struct str name = arena_print(source->names, "%s", path);
    if (name.p == NULL)
        return -ERR_NO_MEMORY;
    struct open_file file = {.above = above, .name = name.p, .depth = above != NULL ? above->depth + 1 : 0};
    struct config_place top = {name.p, 0, 0};
    bool named_by_file = place != NULL;
    const struct config_place *blamed = named_by_file ? place : &top;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return source_error(source, blamed, named_by_file ? path : name.p, errno);
    struct stat status;
    int number = fstat(fd, &status) == 0 ? 0 : errno;
    file.device = status.st_dev;
    file.inode = status.st_ino;
    struct str text = STR_NONE;
    int result = number == 0 ? source_check_file(source, blamed, &file) : -ERR_SYSTEM;
    if (result == 0)
        result = config_file_take(source->arena, fd, &text, &number);
    (void)close(fd);
    if (result == -ERR_SYSTEM)
        return source_error(source, blamed, named_by_file ? path : name.p, number);
    return result != 0 ? result : source_build(source, &file, text, ret_root);
}

int config_source_file(struct config_source *source, const char *path, struct config_node **ret_root)
{
    return source_merge_file(source, path, NULL, NULL, ret_root);
}

int config_source_text(struct config_source *source, const char *name, struct str text, struct config_node **ret_root)
{
    struct str copy = arena_print(source->names, "%s", name);
    if (copy.p == NULL)
        return -ERR_NO_MEMORY;
    struct open_file file = {.name = copy.p};
    return source_build(source, &file, text, ret_root);
}
