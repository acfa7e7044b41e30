/* The table of settings as a manual, for `ballast check --reference`. docs/configuration.md is its output; a test
 * fails when the two differ.
 */
#include "control/config_reference.h"

#include "control/directive.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `ballast check --reference`; change src/control/directive.def instead. -->\n"
    "\n"
    "`ballast run` needs no file: it listens on port 80 and serves three workers on 127.0.0.1:3001 to 3003. A file\n"
    "says the rest:\n"
    "\n"
    "```yaml\n"
    "listeners:\n"
    "  - 0.0.0.0:80\n"
    "pools:\n"
    "  web:\n"
    "    workers:\n"
    "      - 127.0.0.1:3001\n"
    "      - { address: 127.0.0.1:3002, name: blue, weight: 2 }\n"
    "    health: { path: /health, interval: 2s, timeout: 1s }\n"
    "  api:\n"
    "    workers: [127.0.0.1:4001, 127.0.0.1:4002]\n"
    "routes: # the first match wins\n"
    "  - { host: api.example.com, path: /v1/, pool: api }\n"
    "  - { pool: web }\n"
    "access_log: { path: /var/log/ballast/access.log, format: json }\n"
    "```\n"
    "\n"
    "`ballast check -c FILE` says what is wrong with a file, where, and what would be right. `ballast check --schema`\n"
    "prints a JSON Schema for editors, `ballast check --defaults` every setting at its default.\n"
    "\n"
    "## The file\n"
    "\n"
    "The file is YAML in UTF-8; JSON, being a part of YAML, can be read too. What surprises is refused: anchors, "
    "aliases,\n"
    "tags, directives, merge keys, several documents, a key that is given twice. A value's type follows from its\n"
    "setting and never from how it looks: `\"2s\"` and `2s` are the same. Up to 20 errors are told in one run, each "
    "with\n"
    "file, line and column, and nothing starts with a file that has one.\n"
    "\n"
    "`include: conf.d/*.yaml` at the top of a file reads other files, in the order of their names, as if they stood\n"
    "there: mappings are merged, lists are appended behind those of the including file, and a setting that is made\n"
    "twice is an error. Paths are relative to the file that includes. A pattern without a match is no error, a plain\n"
    "path without a file is.\n"
    "\n"
    "`${NAME}` in a value is replaced by that variable of the environment, which must be set; `${NAME:-default}` by "
    "the\n"
    "default when it is unset or empty; `$${` stands for a plain `${`. This happens after the file was parsed, so no\n"
    "variable can change its structure.\n"
    "\n"
    "Options of `ballast run` go before the file: `--listen` replaces its listeners, `--threads`, `--access-log` and\n"
    "`--log-level` their settings. `--worker` gives the workers of one pool `default`, for use without a file or with\n"
    "one that has no pools.\n"
    "\n"
    "## Values\n"
    "\n"
    "| kind | is written |\n"
    "|---|---|\n"
    "| duration | a whole number and its unit: `500ms`, `2s`, `1m`, `1h`; a number alone is refused |\n"
    "| size | bytes, or a whole number and `KiB`, `MiB`, `GiB` or `TiB`: `8192`, `32KiB` |\n"
    "| percentage | `10%` |\n"
    "| boolean | `true` or `false`, nothing else |\n"
    "| address | `3001`, `:3001`, `host:3001`, `[::1]:3001`, `http://host:3001` or `unix:/path` |\n"
    "| network | `10.0.0.0/8`, `fd00::/8`, one address, or `unix`: whoever comes through a Unix socket |\n"
    "| status | `200`, or a range: `200-399` |\n";

static void print_anchor(FILE *out, const char *where)
{
    for (const char *p = where; *p != '\0'; p++) {
        if (*p == ' ')
            (void)fputc('-', out);
        else if (strchr(".[]", *p) == NULL)
            (void)fputc(str_lower(*p), out);
    }
}

/* Markdown's cells end at |. */
static void print_cell(FILE *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '|')
            (void)fputc('\\', out);
        (void)fputc(*p, out);
    }
}

static void print_setting(FILE *out, const struct directive *directive)
{
    char kind[DIRECTIVE_TEXT_MAX];
    directive_describe(directive, kind, sizeof(kind));
    (void)fprintf(out, "| `%s` | ", directive->name);
    bool nested =
        directive->type == DIRECTIVE_BLOCK || directive->type == DIRECTIVE_LIST || directive->type == DIRECTIVE_MAP;
    if (nested) {
        const char *where = directive_block_info(directive_child(directive))->where;
        (void)fprintf(out, "[%s](#", kind);
        print_anchor(out, where);
        (void)fputc(')', out);
    } else {
        print_cell(out, kind);
    }
    if (directive->initial == NULL)
        (void)fputs(" | must be given | ", out);
    else if (directive->initial[0] == '\0')
        (void)fputs(" | | ", out);
    else
        (void)fprintf(out, " | `%s` | ", directive->initial);
    print_cell(out, directive->sentence);
    (void)fputs(" |\n", out);
}

void config_reference_print(FILE *out)
{
    (void)fputs(introduction, out);
    for (int block = 0; block < DIRECTIVE_BLOCK_COUNT; block++) {
        const struct directive_block_info *info = directive_block_info((enum directive_block)block);
        size_t count;
        const struct directive *list = directive_list((enum directive_block)block, &count);
        (void)fprintf(out, "\n## %s\n\n%s\n\n| setting | value | default | meaning |\n|---|---|---|---|\n", info->where,
                      info->sentence);
        for (size_t i = 0; i < count; i++)
            print_setting(out, &list[i]);
    }
}
