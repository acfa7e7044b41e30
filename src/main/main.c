/* The program `ballast`: reads its command line and does what it says. */
#include <stdio.h>

#include "control/config_print.h"
#include "control/config_reference.h"
#include "control/config_schema.h"
#include "main/demo.h"
#include "main/keeper.h"
#include "main/options.h"

static int load(const struct options *options, struct config **ret_config)
{
    struct config_errors errors;

    config_errors_init(&errors);
    int error = config_load(options->config_path, &options->flags, &errors, ret_config);
    config_print_errors(stderr, &errors);
    config_errors_fini(&errors);
    return error;
}

static int run(const struct options *options)
{
    struct config *config;
    struct keeper_plan plan;
    int error = load(options, &config);

    if (!error)
        error = keeper_prepare(config, &plan);
    if (error)
        return SERVER_EXIT_NOT_STARTED;
    int code = options->no_keeper ? keeper_run_alone(&plan) : keeper_run(&plan);
    keeper_release(&plan);
    return code;
}

static int check(const struct options *options)
{
    if (options->schema)
        config_schema_print(stdout);
    else if (options->reference)
        config_reference_print(stdout);
    else if (options->defaults)
        config_print_defaults(stdout);
    else
        return config_check_print(options->config_path, &options->flags, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static struct options options;
    char why[OPTIONS_WHY_MAX];

    if (options_parse(argc, argv, &options, why)) {
        fprintf(stderr, "ballast: %s\n", why);
        return SERVER_EXIT_NOT_STARTED;
    }
    switch (options.command) {
    case OPTIONS_RUN: return run(&options);
    case OPTIONS_DEMO: return demo_run(&options);
    case OPTIONS_CHECK: return check(&options);
    case OPTIONS_VERSION: printf("ballast %s\n", BALLAST_VERSION); return 0;
    case OPTIONS_HELP: options_print_help(stdout); return 0;
    }
    return SERVER_EXIT_NOT_STARTED;
}
