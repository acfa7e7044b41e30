/* The command line, parsed by one table from which the help comes too. Called by main, before anything else runs.
 *
 * Not getopt_long: it prints its own errors, abbreviates what nobody promised, and knows no nearest word.
 */
#include "main/options.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"
#include "control/directive.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_ADDRESSES };

enum {
    FOR_RUN = 1 << OPTIONS_RUN,
    FOR_DEMO = 1 << OPTIONS_DEMO,
    FOR_CHECK = 1 << OPTIONS_CHECK,
};

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
};

#define AT(field) offsetof(struct options, field)

static const struct option_rule rules[] = {
    {"config", 'c', "FILE", FOR_RUN | FOR_CHECK, OPTION_TEXT, AT(config_path), 0, 0, 0, "the configuration file"},
    {"listen", 0, "ADDR", FOR_RUN, OPTION_ADDRESSES, AT(flags.listen_count), AT(listen), 0, 0,
     "listen there instead; may be repeated"},
    {"worker", 0, "ADDR", FOR_RUN, OPTION_ADDRESSES, AT(flags.worker_count), AT(worker), 0, 0,
     "a worker, when no file has pools; may be repeated"},
    {"threads", 0, "N", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.threads), 0, 0, 0, "threads for traffic, or auto"},
    {"access-log", 0, "PATH", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.access_log), 0, 0, 0,
     "a line for each request: a file, - for standard output, or off"},
    {"log-level", 0, "LEVEL", FOR_RUN | FOR_DEMO, OPTION_TEXT, AT(flags.log_level), 0, 0, 0,
     "debug, info, warn, error or off"},
    {"no-keeper", 0, "", FOR_RUN, OPTION_FLAG, AT(no_keeper), 0, 0, 0, "run in one process, for a debugger"},
    {"port", 0, "P", FOR_DEMO, OPTION_NUMBER, AT(demo_port), 0, 1, 65535,
     "listen on this port (80, or 8080 when that cannot be had)"},
    {"workers", 0, "N", FOR_DEMO, OPTION_NUMBER, AT(demo_workers), 0, 1, 64, "so many demo workers (3)"},
    {"schema", 0, "", FOR_CHECK, OPTION_FLAG, AT(schema), 0, 0, 0, "print a JSON Schema of the configuration"},
    {"reference", 0, "", FOR_CHECK, OPTION_FLAG, AT(reference), 0, 0, 0, "print the reference of all settings"},
    {"defaults", 0, "", FOR_CHECK, OPTION_FLAG, AT(defaults), 0, 0, 0, "print every setting at its default"},
};

/* In the order of enum options_command. */
static const struct command_rule commands[] = {
    {"run", "ballast run [options]", "balance; without a file and workers, port 80 over 127.0.0.1:3001 to 3003"},
    {"demo", "ballast demo [options]", "balance over demo workers that are started along"},
    {"check", "ballast check -c FILE", "say what is wrong with a configuration"},
    {"version", "ballast version", "print the version"},
    {"help", "ballast help", "print this"},
};

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

static bool rule_applies(const struct option_rule *rule, enum options_command command)
{
    return (rule->commands & (1U << command)) != 0;
}

static int refuse_option(const struct option_parser *parser, struct str name)
{
    struct str names[ARRAY_SIZE(rules)] = {{NULL, 0}};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (str_eq(str_of(rules[i].name), name))
            return refuse(parser, "--%s is no option of ballast %s", rules[i].name, parser->command->name);
        if (rule_applies(&rules[i], parser->options->command))
            names[count++] = str_of(rules[i].name);
    }
    size_t nearest = directive_nearest_word(names, count, name);
    return refuse(parser, "unknown option --%.*s%s%.*s%s", STR_ARG(config_shown(name)),
                  nearest < count ? "; did you mean --" : "", nearest < count ? (int)names[nearest].n : 0,
                  nearest < count ? names[nearest].p : "", nearest < count ? "?" : "");
}

/* The rule for `--name`, or for `-c`; NULL when there is none for the command. */
static const struct option_rule *rule_find(enum options_command command, struct str name, bool letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        bool same = letter ? name.n == 1 && rules[i].letter == name.p[0] : str_eq(str_of(rules[i].name), name);
        if (same && rule_applies(&rules[i], command))
            return &rules[i];
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
        return refuse(parser, "unknown option %.*s", STR_ARG(config_shown(text)));
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

static int parse_command(struct option_parser *parser, const char *word)
{
    struct str names[ARRAY_SIZE(commands)];
    struct str given = str_of(word);
    if (str_eq(given, STR("--help")) || str_eq(given, STR("-h")))
        given = STR("help");
    if (str_eq(given, STR("--version")) || str_eq(given, STR("-V")))
        given = STR("version");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        names[i] = str_of(commands[i].name);
        if (!str_eq(names[i], given))
            continue;
        parser->command = &commands[i];
        parser->options->command = (enum options_command)i;
        return 0;
    }
    size_t nearest = directive_nearest_word(names, ARRAY_SIZE(names), given);
    if (nearest < ARRAY_SIZE(names))
        return refuse(parser, "unknown command \"%.*s\"; did you mean \"%s\"?", STR_ARG(config_shown(given)),
                      commands[nearest].name);
    return refuse(parser, "unknown command \"%.*s\"; the commands are run, demo, check, version and help",
                  STR_ARG(config_shown(given)));
}

static int check_combination(const struct option_parser *parser)
{
    const struct options *options = parser->options;
    if (options->command != OPTIONS_CHECK)
        return 0;
    int what = (options->config_path != NULL) + options->schema + options->reference + options->defaults;
    if (what == 0)
        return refuse(parser, "ballast check needs a file: -c FILE");
    if (what > 1)
        return refuse(parser, "ballast check takes one of -c, --schema, --reference and --defaults");
    return 0;
}

int options_parse(int argc, char *const *argv, struct options *ret_options, char why[OPTIONS_WHY_MAX])
{
    struct option_parser parser = {.options = ret_options, .why = why};
    *ret_options = (struct options){.demo_workers = 3};
    ret_options->flags.listen = ret_options->listen;
    ret_options->flags.worker = ret_options->worker;
    if (argc < 2)
        return refuse(&parser, "a command is missing: run, demo, check, version or help");
    int result = parse_command(&parser, argv[1]);
    for (int at = 2; at < argc && result == 0; at++) {
        struct str argument = str_of(argv[at]);
        if (str_eq(argument, STR("--help")) || str_eq(argument, STR("-h"))) {
            ret_options->command = OPTIONS_HELP;
            return 0;
        }
        if (argument.n < 2 || argument.p[0] != '-')
            result = refuse(&parser, "unexpected argument \"%.*s\"", STR_ARG(config_shown(argument)));
        else
            result = parse_option(&parser, argc, argv, &at);
    }
    return result != 0 ? result : check_combination(&parser);
}

static void print_options(FILE *out, enum options_command command)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        char left[48];
        if (!rule_applies(&rules[i], command))
            continue;
        char letter[5] = {'-', rules[i].letter, ',', ' ', '\0'};
        (void)snprintf(left, sizeof(left), "%s--%s %s", rules[i].letter != 0 ? letter : "    ", rules[i].name,
                       rules[i].argument);
        (void)fprintf(out, "      %-24s %s\n", left, rules[i].sentence);
    }
}

void options_print_help(FILE *out)
{
    (void)fputs("Ballast, an HTTP load balancer.\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        (void)fprintf(out, "  %-28s %s\n", commands[i].synopsis, commands[i].sentence);
        print_options(out, (enum options_command)i);
    }
    (void)fputs("\nADDR is 3001, :3001, host:3001, [::1]:3001, http://host:3001 or unix:/path.\n"
                "Signals: TERM, INT and QUIT end it when its requests are answered, a second one at once;\n"
                "USR1 opens the access log again.\n"
                "Exit codes: 0 stopped as asked, 1 would not start, 2 forced.\n",
                out);
}
