/* Configurations in words, for `ballast check` and for whoever starts with one that does not load. Called by main/.
 */
#include "control/config_print.h"

#include "base/err.h"
#include "control/directive.h"
#include "control/hazard.h"

void config_print_errors(FILE *out, const struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        (void)fprintf(out, "%.*s\n", STR_ARG(errors->items[i].text));
    if (errors->error_count > CONFIG_ERRORS_MAX)
        (void)fprintf(out, "... and %u more errors\n", errors->error_count - CONFIG_ERRORS_MAX);
    if (errors->warning_count > CONFIG_ERRORS_MAX)
        (void)fprintf(out, "... and %u more warnings\n", errors->warning_count - CONFIG_ERRORS_MAX);
}

static void print_count(FILE *out, const char *before, size_t count, const char *noun)
{
    (void)fprintf(out, "%s%zu %s%s", before, count, noun, count == 1 ? "" : "s");
}

static void print_summary(FILE *out, const char *path, const struct config *config)
{
    (void)fprintf(out, "%s: ok", path);
    print_count(out, " (", config->listeners.count, "listener");
    print_count(out, ", ", config->pools.count, "pool");
    print_count(out, ", ", config->worker_count, "worker");
    print_count(out, ", ", config->routes.count, "route");
    (void)fputs(")\n", out);
}

int config_check_print(const char *path, const struct config_flags *flags, FILE *out)
{
    struct config_errors errors;
    config_errors_init(&errors);
    struct config *config = NULL;
    const char *name = path != NULL ? path : "(built in)";
    int result = config_load(path, flags, &errors, &config);
    struct hazard_means means = hazard_means();
    if (result == 0)
        hazard_find(config, &means, &errors);
    config_errors_sort(&errors);
    config_print_errors(out, &errors);
    if (result == 0) {
        print_summary(out, name, config);
    } else if (result == -ERR_NO_MEMORY) {
        (void)fprintf(out, "%s: out of memory\n", name);
    } else {
        (void)fprintf(out, "%s:", name);
        print_count(out, " ", errors.error_count, "error");
        (void)fputc('\n', out);
    }
    config_destroy(&config);
    config_errors_fini(&errors);
    return result == 0 ? 0 : 1;
}

/* ---- Defaults ---- */

static void print_block(FILE *out, enum directive_block block, int indent);

static void print_array(FILE *out, const struct directive *directive, int indent)
{
    static const char *const workers[] = {"127.0.0.1:3001", "127.0.0.1:3002", "127.0.0.1:3003"};
    if (directive_child(directive) == DIRECTIVE_BLOCK_WORKER) {
        (void)fputc('\n', out);
        for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
            (void)fprintf(out, "%*s- %s\n", indent + 2, "", workers[i]);
    } else if (directive->initial[0] != '\0') {
        (void)fprintf(out, "\n%*s- %s\n", indent + 2, "", directive->initial);
    } else {
        (void)fputs(" []\n", out);
    }
}

static void print_setting(FILE *out, const struct directive *directive, int indent)
{
    bool is_block = directive->type == DIRECTIVE_BLOCK;
    bool left_out =
        directive->type == DIRECTIVE_INCLUDE || directive->type == DIRECTIVE_SECRET ||
        (is_block && (directive_child(directive) == DIRECTIVE_BLOCK_ADMIN ||
                      directive_child(directive) == DIRECTIVE_BLOCK_TRACING ||
                      directive_child(directive) == DIRECTIVE_BLOCK_PROXY_PROTOCOL ||
                      directive_child(directive) == DIRECTIVE_BLOCK_TLS)) || /* none by default */
        (directive->initial != NULL && directive->initial[0] == '\0' &&
         (directive->type == DIRECTIVE_NAME || directive->type == DIRECTIVE_HOST || directive->type == DIRECTIVE_FILE));
    if (left_out)
        return;
    (void)fprintf(out, "%*s%s:", indent, "", directive->name);
    switch (directive->type) {
    case DIRECTIVE_BLOCK:
        (void)fputc('\n', out);
        print_block(out, directive_child(directive), indent + 2);
        break;
    case DIRECTIVE_MAP:
        (void)fprintf(out, "\n%*sdefault:\n", indent + 2, "");
        print_block(out, directive_child(directive), indent + 4);
        break;
    case DIRECTIVE_LIST: print_array(out, directive, indent); break;
    case DIRECTIVE_NETWORKS: (void)fputs(" []\n", out); break;
    case DIRECTIVE_LOG_PATH: (void)fprintf(out, " '%s'\n", directive->initial); break;
    default: (void)fprintf(out, " %s\n", directive->initial); break;
    }
}

static void print_block(FILE *out, enum directive_block block, int indent)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    for (size_t i = 0; i < count; i++)
        print_setting(out, &list[i], indent);
}

void config_print_defaults(FILE *out)
{
    print_block(out, DIRECTIVE_BLOCK_ROOT, 0);
}
