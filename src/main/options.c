/* The command line, parsed by the table from which help, manual and completions come too. Called by main, before
 * anything else runs.
 *
 * Not getopt_long: it prints its own errors, abbreviates what nobody promised, and knows no nearest word.
 */
#include "main/options.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "control/directive.h"
#include "main/admin_worker.h"
#include "main/options_table.h"

struct option_parser {
    struct options *options;
    const struct command_rule *command;
    char *why;
};

static int refuse(const struct option_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(const struct option_parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(parser->why, OPTIONS_WHY_MAX, format, arguments);
    va_end(arguments);
    return -ERR_CONFIG;
}

static int refuse_option(const struct option_parser *parser, struct str name)
{
    struct str names[OPTION_RULES_MAX] = {{NULL, 0}};
    size_t count = 0;
    for (size_t i = 0; i < option_rule_count; i++) {
        if (str_eq(str_of(option_rules[i].name), name))
            return refuse(parser, "--%s is no option of ballast %s; ballast help lists those that are",
                          option_rules[i].name, parser->command->name);
        if (option_rule_applies(&option_rules[i], parser->options->command))
            names[count++] = str_of(option_rules[i].name);
    }
    size_t nearest = directive_nearest_word(names, count, name);
    return refuse(parser, "unknown option --%.*s%s%.*s%s", STR_ARG(config_shown(name)),
                  nearest < count ? "; did you mean --" : "", nearest < count ? (int)names[nearest].n : 0,
                  nearest < count ? names[nearest].p : "", nearest < count ? "?" : "; ballast help lists them");
}

/* The rule for `--name`, or for `-c`; NULL when there is none for the command. */
static const struct option_rule *rule_find(enum options_command command, struct str name, bool letter)
{
    for (size_t i = 0; i < option_rule_count; i++) {
        bool same =
            letter ? name.n == 1 && option_rules[i].letter == name.p[0] : str_eq(str_of(option_rules[i].name), name);
        if (same && option_rule_applies(&option_rules[i], command))
            return &option_rules[i];
    }
    return NULL;
}

static int option_store(const struct option_parser *parser, const struct option_rule *rule, const char *value)
{
    char *target = (char *)parser->options + rule->offset;
    switch (rule->kind) {
    case OPTION_FLAG: *(bool *)target = true; return 0;
    case OPTION_TEXT:
        if (*(const char **)target != NULL)
            return refuse(parser, "--%s is given twice", rule->name);
        *(const char **)target = value;
        return 0;
    case OPTION_NUMBER: {
        uint64_t number;
        if (str_parse_u64(str_of(value), rule->max, &number) != 0 || number < rule->min)
            return refuse(parser, "--%s: \"%.*s\" is no whole number from %u to %u", rule->name,
                          STR_ARG(config_shown(str_of(value))), rule->min, rule->max);
        *(uint32_t *)target = (uint32_t)number;
        return 0;
    }
    case OPTION_ADDRESSES: {
        size_t *count = (size_t *)(void *)target;
        const char **list = (const char **)(void *)((char *)parser->options + rule->list);
        if (*count == OPTIONS_ADDRESSES_MAX)
            return refuse(parser, "--%s is given more than %d times; use a configuration file", rule->name,
                          OPTIONS_ADDRESSES_MAX);
        list[(*count)++] = value;
        return 0;
    }
    }
    return 0;
}

/* One option with its value, which may be the next argument; *at is left on the last one used. */
static int parse_option(const struct option_parser *parser, int argc, char *const *argv, int *at)
{
    struct str text = str_of(argv[*at]);
    bool letter = !str_starts(text, STR("--"));
    size_t dashes = letter ? 1 : 2;
    struct str name = str_slice(text.p + dashes, text.n - dashes);
    const char *value = letter ? NULL : strchr(name.p, '=');
    if (value != NULL) {
        name.n = (size_t)(value - name.p);
        value++;
    }
    const struct option_rule *rule = rule_find(parser->options->command, name, letter);
    if (rule == NULL && letter)
        return refuse(parser, "unknown option %.*s; ballast help lists them", STR_ARG(config_shown(text)));
    if (rule == NULL)
        return refuse_option(parser, name);
    if (rule->kind == OPTION_FLAG && value != NULL)
        return refuse(parser, "--%s takes no value", rule->name);
    if (rule->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 >= argc)
            return refuse(parser, "--%s needs a value: %s", rule->name, rule->argument);
        value = argv[++*at];
    }
    return option_store(parser, rule, value);
}

static int find_command(const struct option_parser *parser, struct str given, enum options_command *ret_command)
{
    struct str names[OPTION_COMMANDS_MAX] = {{NULL, 0}};
    for (size_t i = 0; i < option_command_count; i++) {
        names[i] = str_of(option_commands[i].name);
        if (!str_eq(names[i], given))
            continue;
        *ret_command = (enum options_command)i;
        return 0;
    }
    size_t nearest = directive_nearest_word(names, option_command_count, given);
    if (nearest < option_command_count)
        return refuse(parser, "unknown command \"%.*s\"; did you mean \"%s\"?", STR_ARG(config_shown(given)),
                      option_commands[nearest].name);
    return refuse(parser, "unknown command \"%.*s\"; ballast help lists them", STR_ARG(config_shown(given)));
}

static int parse_command(struct option_parser *parser, const char *word)
{
    struct str given = str_of(word);
    if (str_eq(given, STR("--help")) || str_eq(given, STR("-h")))
        given = STR("help");
    if (str_eq(given, STR("--version")) || str_eq(given, STR("-V")))
        given = STR("version");
    int result = find_command(parser, given, &parser->options->command);
    parser->command = &option_commands[parser->options->command];
    return result;
}

/* The help of a command stands in the one of all. */
static int check_help(const struct option_parser *parser)
{
    const struct options *options = parser->options;
    enum options_command asked;
    if ((options->words[0] != NULL) + options->man + (options->completion != NULL) > 1)
        return refuse(parser, "ballast help takes one of COMMAND, --man and --completion");
    return options->words[0] ? find_command(parser, str_of(options->words[0]), &asked) : 0;
}

static int check_combination(const struct option_parser *parser)
{
    const struct options *options = parser->options;
    if (options->command == OPTIONS_HELP)
        return check_help(parser);
    if (options->command == OPTIONS_WORKER && admin_worker_misuse(options))
        return refuse(parser, "%s", admin_worker_misuse(options));
    if (options->command == OPTIONS_WHY && !options->words[0])
        return refuse(parser, "ballast why needs the id of a request: X-Request-ID, or `id` in the access log");
    if (options->command == OPTIONS_RELOAD && options->plan && options->apply)
        return refuse(parser, "a plan is made or applied: one of --plan and --apply");
    if (options->command != OPTIONS_CHECK)
        return 0;
    int what = (options->config_path != NULL) + options->schema + options->reference + options->defaults +
               options->man + options->openapi;
    if (what == 0)
        return refuse(parser, "ballast check needs a file: -c FILE");
    if (what > 1)
        return refuse(parser, "ballast check takes one of -c, --schema, --reference, --defaults, --openapi, --man");
    return 0;
}

int options_parse(int argc, char *const *argv, struct options *ret_options, char why[OPTIONS_WHY_MAX])
{
    struct option_parser parser = {.options = ret_options, .why = why};
    *ret_options = (struct options){.demo_workers = 3};
    ret_options->flags.listen = ret_options->listen;
    ret_options->flags.worker = ret_options->worker;
    if (argc < 2)
        return refuse(&parser, "a command is missing; ballast help lists them");
    int result = parse_command(&parser, argv[1]);
    unsigned words = 0;
    for (int at = 2; at < argc && result == 0; at++) {
        struct str argument = str_of(argv[at]);
        if (str_eq(argument, STR("--help")) || str_eq(argument, STR("-h"))) {
            ret_options->command = OPTIONS_HELP;
            return 0;
        }
        if (words < parser.command->words && argument.n > 0 && argument.p[0] != '-')
            ret_options->words[words++] = argv[at];
        else if (argument.n < 2 || argument.p[0] != '-')
            result = refuse(&parser, "unexpected argument \"%.*s\"; ballast help tells what ballast %s takes",
                            STR_ARG(config_shown(argument)), parser.command->name);
        else
            result = parse_option(&parser, argc, argv, &at);
    }
    return result != 0 ? result : check_combination(&parser);
}
