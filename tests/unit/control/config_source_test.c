/* Files: includes in all their forms, what cannot be read, and files that include themselves. */
#include "control/config_source.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "control_helper.h"

static char directory[256];

static int make_directory(void **state)
{
    /* A name that glob(3) would take for a pattern must not become one. */
    (void)snprintf(directory, sizeof(directory), "/tmp/ballast[x]-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    return remove(path);
}

static int remove_directory(void **state)
{
    return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Every line that the load says, without the directory. */
static const char *load(const char *name, struct config **ret_config)
{
    static char said[8192];
    struct config_flags flags = {0};
    struct config_errors errors;
    config_errors_init(&errors);
    int result = config_load(path_of(name), &flags, &errors, ret_config);
    assert_int_equal(result, errors.error_count > 0 ? -ERR_CONFIG : 0);
    size_t used = 0;
    size_t skip = strlen(directory) + 1;
    for (size_t i = 0; i < errors.count; i++) {
        const char *line = errors.items[i].text.p;
        const char *at;
        while ((at = strstr(line, directory)) != NULL) {
            used += (size_t)snprintf(said + used, sizeof(said) - used, "%.*s", (int)(at - line), line);
            line = at + skip;
        }
        used += (size_t)snprintf(said + used, sizeof(said) - used, "%s\n", line);
    }
    said[used] = '\0';
    config_errors_fini(&errors);
    return said;
}

static void check_said(const char *name, const char *expected)
{
    struct config *config = NULL;
    assert_string_equal(load(name, &config), expected);
    config_destroy(&config);
}

static void source_includes(void **state)
{
    put("main.yaml", "include: conf.d/*.yaml\nroutes: [{path: /a, pool: a}]\npools: {a: {workers: [3001]}}\n");
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    put("conf.d/20.yaml", "routes: [{pool: a}]\nlimits: {headers: 20}\n");
    put("conf.d/10.yaml", "include: [deep/x.yaml]\npools: {a: {workers: [3002]}}\nlimits: {connections: 5}\n");
    put("conf.d/README", "not: {read: [");
    assert_int_equal(mkdir(path_of("conf.d/deep"), 0755), 0);
    put("conf.d/deep/x.yaml", "pools:\n  b: {workers: [3003]}\nroutes: [{path: /b, pool: b}]\n");
    struct config *config = NULL;
    assert_string_equal(load("main.yaml", &config), "");
    assert_int_equal(config->pools.count, 2);
    assert_int_equal(config->pools.items[0].workers.count, 2);
    assert_str(config->pools.items[0].workers.items[1].id, "3002");
    assert_int_equal(config->routes.count, 3);
    assert_str(config->routes.items[0].path, "/a");
    assert_str(config->routes.items[1].path, "/b");
    assert_str(config->routes.items[2].path, "/");
    assert_int_equal(config->limits.headers, 20);
    assert_int_equal(config->limits.connections, 5);
    assert_non_null(strstr(config->pools.items[1].place.file, "/conf.d/deep/x.yaml"));
    assert_int_equal(config->pools.items[1].place.line, 2);
    config_destroy(&config);
}

static void source_include_errors(void **state)
{
    put("bad.yaml", "limits: {headerz: 1}\nthreads: [\n");
    put("twice.yaml", "threads: 2\n");
    put("a1.yaml", "include: bad.yaml\npools: {w: {workers: [x]}}\n");
    check_said("a1.yaml", "bad.yaml:3:1: did not find expected node content while parsing a flow node\n");
    put("a2.yaml", "include: twice.yaml\nthreads: 1\npools: {w: {workers: [3001]}}\n");
    check_said("a2.yaml", "twice.yaml:1:1: \"threads\" is set here and at a2.yaml:2:1\n");
    put("a3.yaml", "include: [none.yaml, none-*.yaml, {a: b}, '']\npools: {w: {workers: [3001]}}\n");
    check_said("a3.yaml", "a3.yaml:1:11: include: \"none.yaml\" cannot be read: No such file or directory\n"
                          "a3.yaml:1:35: include: expected a path or a list of paths\n"
                          "a3.yaml:1:43: include: expected a path or a list of paths\n");
    put("a4.yaml", "include: {a: b}\npools: {w: {workers: [3001]}}\n");
    check_said("a4.yaml", "a4.yaml:1:10: include: expected a path or a list of paths\n");
    put("a5.yaml", "include: ${BALLAST_TEST_UNSET}\npools: {w: {workers: [3001]}}\n");
    check_said("a5.yaml", "a5.yaml:1:10: the environment has no variable \"BALLAST_TEST_UNSET\"; set it, or write "
                          "${BALLAST_TEST_UNSET:-default}\n");
    put("word.yaml", "just words\n");
    put("a6.yaml", "include: word.yaml\npools: {w: {workers: [3001]}}\n");
    check_said("a6.yaml", "word.yaml:1:1: expected a mapping of settings, found a text\n");
}

static void source_circles(void **state)
{
    put("self.yaml", "include: self.yaml\npools: {w: {workers: [3001]}}\n");
    put("one.yaml", "include: two.yaml\npools: {w: {workers: [3001]}}\n");
    put("two.yaml", "include: ./one.yaml\n");
    struct config *config = NULL;
    assert_non_null(strstr(load("self.yaml", &config), "self.yaml:1:10: include: \""));
    assert_non_null(strstr(load("self.yaml", &config), "includes itself\n"));
    assert_non_null(strstr(load("one.yaml", &config), "two.yaml:1:10: include: \""));
    assert_null(config);
    for (int i = 0; i < 10; i++) {
        char name[32];
        char text[64];
        (void)snprintf(name, sizeof(name), "level%d.yaml", i);
        (void)snprintf(text, sizeof(text), "include: level%d.yaml\n", i + 1);
        put(name, text);
    }
    check_said("level0.yaml", "level8.yaml:1:10: include: files are included more than 8 levels deep\n");
}

static void source_unreadable(void **state)
{
    struct config *config = NULL;
    assert_string_equal(load("missing.yaml", &config), "missing.yaml: cannot be read: No such file or directory\n");
    assert_int_equal(mkdir(path_of("folder"), 0755), 0);
    assert_string_equal(load("folder", &config), "folder: cannot be read: Is a directory\n");
    put("empty.yaml", "");
    assert_string_equal(load("empty.yaml", &config), "empty.yaml: \"pools\" is missing\n");
    put("large.yaml", "# ");
    assert_int_equal(truncate(path_of("large.yaml"), CONFIG_FILE_BYTES_MAX + 1), 0);
    assert_string_equal(load("large.yaml", &config), "large.yaml: cannot be read: it is larger than 8 MiB\n");
}

/* `-c <(generate)`: a pipe has no size. */
static void source_pipe(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    static const char text[] = "pools: {w: {workers: [3001]}}\n";
    assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(ends[1]);
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    struct config_flags flags = {0};
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    assert_int_equal(config_load(path, &flags, &errors, &config), 0);
    assert_int_equal(config->worker_count, 1);
    config_destroy(&config);
    config_errors_fini(&errors);
    (void)close(ends[0]);
}

static void source_sealed(void **state)
{
    assert_string_equal(helper_errors("include: /etc/passwd\npools: {w: {workers: [3001]}}\n"),
                        "1:1: include: no other file may be read here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(source_includes, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(source_include_errors, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(source_circles, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(source_unreadable, make_directory, remove_directory),
        cmocka_unit_test(source_pipe),
        cmocka_unit_test(source_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
