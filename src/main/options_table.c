/* The tables. A new option is a row here and its field in struct options. */
#include "main/options_table.h"

enum {
    FOR_RUN = 1 << OPTIONS_RUN,
    FOR_DEMO = 1 << OPTIONS_DEMO,
    FOR_CHECK = 1 << OPTIONS_CHECK,
    FOR_DOCTOR = 1 << OPTIONS_DOCTOR,
    FOR_STATUS = 1 << OPTIONS_STATUS,
    FOR_EXPLAIN = 1 << OPTIONS_EXPLAIN,
    FOR_WHY = 1 << OPTIONS_WHY,
    FOR_WORKER = 1 << OPTIONS_WORKER,
    FOR_RELOAD = 1 << OPTIONS_RELOAD,
    FOR_UPGRADE = 1 << OPTIONS_UPGRADE,
    FOR_ASKING = FOR_RELOAD | FOR_UPGRADE | FOR_STATUS | FOR_EXPLAIN | FOR_WHY | FOR_WORKER |
                 1 << OPTIONS_TOP, /* one that runs */
    FOR_HELP = 1 << OPTIONS_HELP,
};

#define AT(field) offsetof(struct options, field)

const struct option_rule option_rules[] = {
    {"config", 'c', "FILE", FOR_RUN | FOR_CHECK | FOR_DOCTOR | FOR_ASKING, OPTION_TEXT, AT(config_path), 0, 0, 0,
     "the configuration file"},
    {"listen", 0, "ADDR", FOR_RUN, OPTION_ADDRESSES, AT(flags.listen_count), AT(listen), 0, 0,
     "listen there instead; may be repeated"},
    {"worker", 0, "ADDR", FOR_RUN, OPTION_ADDRESSES, AT(flags.worker_count), AT(worker), 0, 0,
     "a worker, when no file has pools; may be repeated"},
    {"threads", 0, "N", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.threads), 0, 0, 0, "threads for traffic, or auto"},
    {"access-log", 0, "PATH", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.access_log), 0, 0, 0,
     "a line for each request: a file, - for standard output, or off"},
    {"log-level", 0, "LEVEL", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.log_level), 0, 0, 0,
     "debug, info, warn, error or off"},
    {"admin", 0, "ADDR", FOR_RUN | FOR_DEMO | FOR_ASKING, OPTION_TEXT, AT(flags.admin), 0, 0, 0,
     "where the administration API is: unix:/path or an IP address and port"},
    {"json", 0, "", FOR_RELOAD | FOR_UPGRADE | FOR_STATUS | FOR_EXPLAIN | FOR_WHY | FOR_WORKER, OPTION_FLAG, AT(json),
     0, 0, 0, "print JSON"},
    {"plan", 0, "", FOR_RELOAD, OPTION_FLAG, AT(plan), 0, 0, 0, "only say what a reload would change"},
    {"apply", 0, "ID", FOR_RELOAD, OPTION_TEXT, AT(apply), 0, 0, 0, "reload only if the plan of this id still holds"},
    {"method", 0, "METHOD", FOR_EXPLAIN, OPTION_TEXT, AT(method), 0, 0, 0, "of the request (GET)"},
    {"scheme", 0, "SCHEME", FOR_EXPLAIN, OPTION_TEXT, AT(scheme), 0, 0, 0, "http or https (http)"},
    {"host", 0, "HOST", FOR_EXPLAIN, OPTION_TEXT, AT(host), 0, 0, 0, "of the request (localhost)"},
    {"path", 0, "TARGET", FOR_EXPLAIN, OPTION_TEXT, AT(path), 0, 0, 0, "of the request (/)"},
    {"client", 0, "IP", FOR_EXPLAIN, OPTION_TEXT, AT(client), 0, 0, 0, "who asks (127.0.0.1)"},
    {"name", 0, "NAME", FOR_WORKER, OPTION_TEXT, AT(name), 0, 0, 0, "add: what it is called in logs and metrics"},
    {"weight", 0, "N", FOR_WORKER, OPTION_NUMBER, AT(weight), 0, 1, 256, "its share of requests"},
    {"keep", 0, "", FOR_WORKER, OPTION_FLAG, AT(keep), 0, 0, 0, "the change goes on over reloads and upgrades"},
    {"no-keep", 0, "", FOR_WORKER, OPTION_FLAG, AT(no_keep), 0, 0, 0, "the next reload or upgrade takes it back"},
    {"no-keeper", 0, "", FOR_RUN, OPTION_FLAG, AT(no_keeper), 0, 0, 0, "run in one process, for a debugger"},
    {"port", 0, "P", FOR_DEMO, OPTION_NUMBER, AT(demo_port), 0, 1, 65535,
     "listen on this port (80, or 8080 when that cannot be had)"},
    {"workers", 0, "N", FOR_DEMO, OPTION_NUMBER, AT(demo_workers), 0, 1, 64, "so many demo workers (3)"},
    {"schema", 0, "", FOR_CHECK, OPTION_FLAG, AT(schema), 0, 0, 0, "print a JSON Schema of the configuration"},
    {"reference", 0, "", FOR_CHECK, OPTION_FLAG, AT(reference), 0, 0, 0, "print the reference of all settings"},
    {"defaults", 0, "", FOR_CHECK, OPTION_FLAG, AT(defaults), 0, 0, 0, "print every setting at its default"},
    {"openapi", 0, "", FOR_CHECK, OPTION_FLAG, AT(openapi), 0, 0, 0,
     "print the OpenAPI document of the administration API"},
    {"man", 0, "", FOR_CHECK | FOR_HELP, OPTION_FLAG, AT(man), 0, 0, 0, "print the manual page"},
    {"completion", 0, "SHELL", FOR_HELP, OPTION_TEXT, AT(completion), 0, 0, 0,
     "print what completes commands and options in bash, zsh or fish"},
};

/* In the order of enum options_command. */
const struct command_rule option_commands[] = {
    {"run", "ballast run [options]", "balance; without a file and workers, from port 80 to ports 3001 to 3003", 0,
     NULL},
    {"demo", "ballast demo [options]", "balance over demo workers that are started along", 0, NULL},
    {"check", "ballast check -c FILE", "say what is wrong with a configuration", 0, NULL},
    {"doctor", "ballast doctor [options]", "say what of this machine stands in the way, and the remedy", 0, NULL},
    {"status", "ballast status [options]",
     "how a balancer that runs is; exits with 0 ok, 1 degraded, 2 down, 3 unknown", 0, NULL},
    {"top", "ballast top [options]", "the same as a live screen, with keys to sort, filter and drain", 0, NULL},
    {"explain", "ballast explain [options]", "say which route, pool and worker a request would get now, and why", 0,
     NULL},
    {"why", "ballast why REQUEST-ID [options]", "say what became of a recent request, try by try", 1, NULL},
    {"worker", "ballast worker ORDER [POOL WORKER] [options]",
     "add, remove, set, drain, disable, ready workers; list changes", 3, "add remove set drain disable ready changes"},
    {"reload", "ballast reload [options]", "have a balancer that runs read its configuration again", 0, NULL},
    {"upgrade", "ballast upgrade [options]", "have the program that is now installed replace one that runs", 0, NULL},
    {"version", "ballast version", "print the version", 0, NULL},
    {"help", "ballast help [COMMAND] [options]", "print this", 1, NULL},
};

const size_t option_rule_count = ARRAY_SIZE(option_rules);
const size_t option_command_count = ARRAY_SIZE(option_commands);
_Static_assert(ARRAY_SIZE(option_rules) <= OPTION_RULES_MAX, "names of all options fit");
_Static_assert(ARRAY_SIZE(option_commands) <= OPTION_COMMANDS_MAX, "names of all commands fit");

bool option_rule_applies(const struct option_rule *rule, enum options_command command)
{
    return (rule->commands & (1U << command)) != 0;
}
