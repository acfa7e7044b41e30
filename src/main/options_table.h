/* Commands and options as data: the parser, the help, the manual page and the completions are made from these tables.
 */
#ifndef MAIN_OPTIONS_TABLE_H
#define MAIN_OPTIONS_TABLE_H

#include <stddef.h>

#include "main/options.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_ADDRESSES };

struct option_rule {
    const char *name;
    char letter; /* 0: none */
    const char *argument;
    unsigned commands;
    enum option_kind kind;
    size_t offset; /* in struct options; of the count for OPTION_ADDRESSES */
    size_t list;   /* OPTION_ADDRESSES: offset of the array */
    uint32_t min;
    uint32_t max;
    const char *sentence;
};

struct command_rule {
    const char *name;
    const char *synopsis;
    const char *sentence;
    unsigned words;      /* so many without dashes, at most */
    const char *choices; /* of the first of them; NULL: anything */
};

enum { OPTION_RULES_MAX = 64, OPTION_COMMANDS_MAX = 32 };

extern const struct option_rule option_rules[];
extern const size_t option_rule_count;
/* In the order of enum options_command. */
extern const struct command_rule option_commands[];
extern const size_t option_command_count;

bool option_rule_applies(const struct option_rule *rule, enum options_command command);

#endif
