/* The command line of `ballast`: which command, with which options.
 */
#ifndef MAIN_OPTIONS_H
#define MAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/config.h"

enum { OPTIONS_ADDRESSES_MAX = 256, OPTIONS_WHY_MAX = 256, OPTIONS_WORDS_MAX = 3 };

enum options_command {
    OPTIONS_RUN,
    OPTIONS_DEMO,
    OPTIONS_CHECK,
    OPTIONS_DOCTOR,
    OPTIONS_STATUS,
    OPTIONS_TOP,
    OPTIONS_EXPLAIN,
    OPTIONS_WHY,
    OPTIONS_WORKER,
    OPTIONS_RELOAD,
    OPTIONS_UPGRADE,
    OPTIONS_VERSION,
    OPTIONS_HELP
};

/* Texts are borrowed from argv. What was not given is zero, unless said otherwise. */
struct options {
    enum options_command command;
    const char *config_path;
    struct config_flags flags; /* its lists are the arrays below */
    bool no_keeper;
    uint32_t demo_port;    /* 0: not given */
    uint32_t demo_workers; /* 3 unless given */
    bool schema;           /* check: one of these instead of a file */
    bool reference;
    bool defaults;
    bool openapi;
    /* Without dashes: why's id; worker's order, pool, worker; help's command. */
    const char *words[OPTIONS_WORDS_MAX];
    bool json;                                          /* status, explain, why */
    const char *method, *scheme, *host, *path, *client; /* explain */
    const char *name;                                   /* worker, as the next */
    uint32_t weight;                                    /* 0: not given */
    bool keep, no_keep;
    bool plan;              /* reload: only say what would change */
    const char *apply;      /* reload: the id of a plan */
    bool man;               /* check, help: a manual page instead */
    const char *completion; /* help: for this shell instead */
    const char *listen[OPTIONS_ADDRESSES_MAX];
    const char *worker[OPTIONS_ADDRESSES_MAX];
};

/* argv as main has it. Values that the configuration has too are judged when it loads. 0, or -ERR_CONFIG with a
 * sentence in why; *ret_options is written in any case. It must stay where it is: flags point into it. */
MUST_CHECK int options_parse(int argc, char *const *argv, struct options *ret_options, char why[OPTIONS_WHY_MAX]);

#endif
