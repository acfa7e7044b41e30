/* Help, manual page and completions, so that none of them can name an option that does not exist, or forget one. */
#include "main/options_print.h"

#include <string.h>

#include "control/roff.h"
#include "main/options_table.h"

static const char signals_text[] =
    "Signals: TERM, INT and QUIT end it when its requests are answered, a second one at once;\n"
    "HUP reads the configuration again, USR1 opens the logs again,\n"
    "USR2 puts the installed program in this one's place.\n";
static const char addresses_text[] = "ADDR is 3001, :3001, host:3001, [::1]:3001, http://host:3001 or unix:/path.\n";
static const char exits_text[] = "Exit codes: 0 stopped as asked, 1 would not start, 2 forced.\n";

/* ---- help ---- */

static void print_options(FILE *out, enum options_command command)
{
    for (size_t i = 0; i < option_rule_count; i++) {
        const struct option_rule *rule = &option_rules[i];
        char left[48];
        if (!option_rule_applies(rule, command))
            continue;
        char letter[5] = {'-', rule->letter, ',', ' ', '\0'};
        (void)snprintf(left, sizeof(left), "%s--%s %s", rule->letter != 0 ? letter : "    ", rule->name,
                       rule->argument);
        (void)fprintf(out, "      %-24s %s\n", left, rule->sentence);
    }
}

void options_print_help(FILE *out)
{
    (void)fputs("Ballast, an HTTP load balancer.\n\n", out);
    for (size_t i = 0; i < option_command_count; i++) {
        (void)fprintf(out, "  %-28s %s\n", option_commands[i].synopsis, option_commands[i].sentence);
        print_options(out, (enum options_command)i);
    }
    (void)fprintf(out, "\n%s%s%s", addresses_text, signals_text, exits_text);
}

/* ---- the manual page ---- */

static void man_options(FILE *out, enum options_command command)
{
    for (size_t i = 0; i < option_rule_count; i++) {
        const struct option_rule *rule = &option_rules[i];
        if (!option_rule_applies(rule, command))
            continue;
        (void)fputs(".TP\n", out);
        if (rule->letter != 0)
            (void)fprintf(out, "\\fB\\-%c\\fR, ", rule->letter);
        (void)fprintf(out, "\\fB\\-\\-%s\\fR", rule->name);
        if (rule->argument[0] != '\0')
            (void)fprintf(out, " \\fI%s\\fR", rule->argument);
        (void)fputc('\n', out);
        roff_text(out, rule->sentence);
    }
}

void options_print_man(FILE *out)
{
    (void)fputs(".TH BALLAST 8 \"\" \"Ballast " BALLAST_VERSION "\"\n.SH NAME\nballast \\- HTTP load balancer\n"
                ".SH SYNOPSIS\n",
                out);
    for (size_t i = 0; i < option_command_count; i++) {
        (void)fputs(i > 0 ? ".br\n.B " : ".B ", out);
        roff_text(out, option_commands[i].synopsis);
    }
    (void)fputs(".SH DESCRIPTION\nOne entry point for HTTP traffic, many workers behind it: each request goes to the "
                "next healthy worker in turn.\nHealth checks alone decide who is healthy.\n",
                out);
    for (size_t i = 0; i < option_command_count; i++) {
        (void)fputs(".SS ", out);
        roff_text(out, option_commands[i].synopsis);
        roff_text(out, option_commands[i].sentence);
        man_options(out, (enum options_command)i);
    }
    (void)fputs(".SH ADDRESSES\n", out);
    roff_text(out, addresses_text);
    (void)fputs(".SH SIGNALS\n", out);
    roff_text(out, signals_text);
    (void)fputs(".SH EXIT STATUS\n", out);
    roff_text(out, exits_text);
    (void)fputs(".SH SEE ALSO\n.BR ballast.yaml (5)\n", out);
}

/* ---- completions ---- */

/* "a b c": the commands. */
static void put_commands(FILE *out)
{
    for (size_t i = 0; i < option_command_count; i++)
        (void)fprintf(out, "%s%s", i > 0 ? " " : "", option_commands[i].name);
}

static bool has_choices(enum options_command command)
{
    return option_commands[command].choices || command == OPTIONS_HELP;
}

/* Of its first word. */
static void put_choices(FILE *out, enum options_command command)
{
    if (command == OPTIONS_HELP)
        put_commands(out);
    else
        (void)fputs(option_commands[command].choices, out);
}

static void put_options(FILE *out, enum options_command command)
{
    const char *before = "";

    if (has_choices(command)) {
        put_choices(out, command);
        before = " ";
    }
    for (size_t i = 0; i < option_rule_count; i++) {
        if (!option_rule_applies(&option_rules[i], command))
            continue;
        (void)fprintf(out, "%s--%s", before, option_rules[i].name);
        before = " ";
    }
}

/* The value is the name of a file. */
static bool takes_file(const struct option_rule *rule)
{
    return strcmp(rule->argument, "FILE") == 0 || strcmp(rule->argument, "PATH") == 0;
}

static void complete_bash(FILE *out)
{
    (void)fputs("# bash completion for ballast\n_ballast() {\n    local word=${COMP_WORDS[COMP_CWORD]} options=\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"",
                out);
    put_commands(out);
    (void)fputs("\" -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[COMP_CWORD - 1]} in\n    -c", out);
    for (size_t i = 0; i < option_rule_count; i++)
        if (takes_file(&option_rules[i]))
            (void)fprintf(out, " | --%s", option_rules[i].name);
    (void)fputs(") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n    esac\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; i < option_command_count; i++) {
        (void)fprintf(out, "    %s) options='", option_commands[i].name);
        put_options(out, (enum options_command)i);
        (void)fputs("' ;;\n", out);
    }
    (void)fputs("    esac\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\ncomplete -F _ballast ballast\n",
                out);
}

/* In single quotes, where zsh and fish want it so; the sentences hold none. */
static void zsh_option(FILE *out, const char *name, const struct option_rule *rule)
{
    (void)fprintf(out, " \\\n        '%s[%s]", name, rule->sentence);
    if (rule->kind != OPTION_FLAG)
        (void)fprintf(out, ":%s:%s", rule->argument, takes_file(rule) ? "_files" : "");
    (void)fputc('\'', out);
}

static void complete_zsh(FILE *out)
{
    (void)fputs("#compdef ballast\n_ballast() {\n    if (( CURRENT == 2 )); then\n        local -a commands=(\n", out);
    for (size_t i = 0; i < option_command_count; i++)
        (void)fprintf(out, "            '%s:%s'\n", option_commands[i].name, option_commands[i].sentence);
    (void)fputs("        )\n        _describe command commands\n        return\n    fi\n"
                /* To _arguments the command is the program. */
                "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n",
                out);
    for (size_t i = 0; i < option_command_count; i++) {
        (void)fprintf(out, "    %s) _arguments", option_commands[i].name);
        if (has_choices((enum options_command)i)) {
            (void)fprintf(out, " \\\n        '1:%s:(", i == OPTIONS_HELP ? "COMMAND" : "ORDER");
            put_choices(out, (enum options_command)i);
            (void)fputs(")'", out);
        }
        for (size_t k = 0; k < option_rule_count; k++) {
            const struct option_rule *rule = &option_rules[k];
            if (!option_rule_applies(rule, (enum options_command)i))
                continue;
            char letter[] = {'-', rule->letter, '\0'};
            if (rule->letter != 0)
                zsh_option(out, letter, rule);
            char name[32];
            (void)snprintf(name, sizeof(name), "--%s", rule->name);
            zsh_option(out, name, rule);
        }
        (void)fputs(" ;;\n", out);
    }
    (void)fputs("    esac\n}\n_ballast \"$@\"\n", out);
}

static void complete_fish(FILE *out)
{
    (void)fputs("# fish completion for ballast\ncomplete -c ballast -f\n", out);
    for (size_t i = 0; i < option_command_count; i++) {
        const char *command = option_commands[i].name;
        (void)fprintf(out, "complete -c ballast -n __fish_use_subcommand -a %s -d '%s'\n", command,
                      option_commands[i].sentence);
        if (has_choices((enum options_command)i)) {
            (void)fprintf(out, "complete -c ballast -n '__fish_seen_subcommand_from %s' -a '", command);
            put_choices(out, (enum options_command)i);
            (void)fputs("'\n", out);
        }
        for (size_t k = 0; k < option_rule_count; k++) {
            const struct option_rule *rule = &option_rules[k];
            if (!option_rule_applies(rule, (enum options_command)i))
                continue;
            (void)fprintf(out, "complete -c ballast -n '__fish_seen_subcommand_from %s' -l %s", command, rule->name);
            if (rule->letter != 0)
                (void)fprintf(out, " -s %c", rule->letter);
            if (rule->kind != OPTION_FLAG)
                (void)fputs(takes_file(rule) ? " -r -F" : " -x", out);
            (void)fprintf(out, " -d '%s'\n", rule->sentence);
        }
    }
}

bool options_print_completion(FILE *out, const char *shell)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out);
    } scripts[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};

    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        if (strcmp(scripts[i].shell, shell) != 0)
            continue;
        scripts[i].print(out);
        return true;
    }
    return false;
}
