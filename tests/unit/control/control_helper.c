/* Shared by the tests of floor control; linked into each. */
#include "control_helper.h"

#include <stdlib.h>

#include "base/err.h"

static const struct config_flags sealed = {.sealed = true};
static char said[16384];

static int load(const char *text, struct config **ret_config)
{
    static const struct str mark = {"ballast.yaml:", 13};
    struct config_errors errors;
    config_errors_init(&errors);
    int result = config_load_text("ballast.yaml", str_of(text), &sealed, &errors, ret_config);
    size_t used = 0;
    for (size_t i = 0; i < errors.count; i++) {
        struct str line = errors.items[i].text;
        assert_true(str_starts(line, mark));
        used += (size_t)snprintf(said + used, sizeof(said) - used, "%s%.*s", i > 0 ? "\n" : "",
                                 STR_ARG(str_slice(line.p + mark.n, line.n - mark.n)));
    }
    said[used] = '\0';
    assert_int_equal(result, errors.error_count > 0 ? -ERR_CONFIG : 0);
    config_errors_fini(&errors);
    return result;
}

struct config *helper_load(const char *text)
{
    struct config *config = NULL;
    if (load(text, &config) != 0)
        fail_msg("%s", said);
    return config;
}

const char *helper_errors(const char *text)
{
    struct config *config = NULL;
    (void)load(text, &config);
    config_destroy(&config);
    return said;
}

void helper_check_cases(const struct bad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *lines = helper_errors(cases[i].text);
        if (strcmp(lines, cases[i].lines) != 0)
            fail_msg("case %zu:\n%s\nexpected:\n%s\nsaid:\n%s", i, cases[i].text, cases[i].lines, lines);
    }
}

char *helper_print(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

char *helper_source(const char *path)
{
    char full[1024];
    (void)snprintf(full, sizeof(full), "%s/%s", SOURCE_ROOT, path);
    FILE *file = fopen(full, "r");
    if (file == NULL)
        return NULL;
    size_t room = 1 << 20;
    char *text = calloc(1, room);
    assert_non_null(text);
    size_t n = fread(text, 1, room - 1, file);
    assert_true(n < room - 1);
    (void)fclose(file);
    return text;
}
