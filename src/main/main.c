/* The program `ballast`: reads its command line and does what it says. */
#include <stdio.h>

#include "control/admin_openapi.h"
#include "control/config_man.h"
#include "control/config_print.h"
#include "control/config_reference.h"
#include "control/config_schema.h"
#include "main/admin_reload.h"
#include "main/admin_status.h"
#include "main/admin_top.h"
#include "main/admin_upgrade.h"
#include "main/admin_worker.h"
#include "main/demo.h"
#include "main/doctor.h"
#include "main/keeper_upgrade.h"
#include "main/options.h"
#include "main/options_print.h"

static int load(const struct options *options, struct config **ret_config)
{
    struct config_errors errors;

    config_errors_init(&errors);
    int error = config_load(options->config_path, &options->flags, &errors, ret_config);
    config_print_errors(stderr, &errors);
    config_errors_fini(&errors);
    return error;
}

static int run(const struct options *options, char *const *arguments)
{
    static struct keeper keeper;

    if (keeper_prepare(options->config_path, &options->flags, arguments, &keeper))
        return SERVER_EXIT_NOT_STARTED;
    if (keeper.rehearses) {
        puts(KEEPER_CAN_TAKE_OVER);
        keeper_release(&keeper);
        return 0;
    }
    int code = options->no_keeper ? keeper_run_alone(&keeper) : keeper_run(&keeper);
    keeper_release(&keeper);
    return code;
}

static int check(const struct options *options)
{
    if (options->schema)
        config_schema_print(stdout);
    else if (options->reference)
        config_reference_print(stdout);
    else if (options->openapi)
        admin_openapi_print(stdout);
    else if (options->defaults)
        config_print_defaults(stdout);
    else if (options->man)
        config_man_print(stdout);
    else
        return config_check_print(options->config_path, &options->flags, stdout);
    return 0;
}

/* Of the configuration that `ballast run` would have with the same options. */
static int doctor(const struct options *options)
{
    struct config *config;
    struct doctor_facts facts;

    if (load(options, &config))
        return 1;
    doctor_look(config, &facts);
    unsigned bad = doctor_print(&facts, stdout);
    config_destroy(&config);
    return bad > 0;
}

static int help(const struct options *options)
{
    if (options->man) {
        options_print_man(stdout);
    } else if (!options->completion) {
        options_print_help(stdout);
    } else if (!options_print_completion(stdout, options->completion)) {
        fprintf(stderr, "ballast: --completion: bash, zsh or fish, not \"%s\"\n", options->completion);
        return 1;
    }
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
    case OPTIONS_RUN: return run(&options, argv);
    case OPTIONS_DEMO: return demo_run(&options);
    case OPTIONS_CHECK: return check(&options);
    case OPTIONS_STATUS: return admin_status_run(&options);
    case OPTIONS_TOP: return admin_top_run(&options);
    case OPTIONS_EXPLAIN: return admin_explain_run(&options);
    case OPTIONS_WHY: return admin_why_run(&options);
    case OPTIONS_WORKER: return admin_worker_run(&options);
    case OPTIONS_RELOAD: return admin_reload_run(&options);
    case OPTIONS_UPGRADE: return admin_upgrade_run(&options);
    case OPTIONS_VERSION: printf("ballast %s\n", BALLAST_VERSION); return 0;
    case OPTIONS_DOCTOR: return doctor(&options);
    case OPTIONS_HELP: return help(&options);
    }
    return SERVER_EXIT_NOT_STARTED;
}
