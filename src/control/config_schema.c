/* The table of settings as a JSON Schema, for `ballast check --schema`.
 *
 * Values may hold `${VARIABLE}` wherever a text may stand, so each setting allows for one. The schema is a help while
 * typing; `ballast check` judges.
 */
#include "control/config_schema.h"

#include "base/escape.h"
#include "control/directive.h"

static void print_block(FILE *out, enum directive_block block, int indent);

static void print_text(FILE *out, const char *text)
{
    char escaped[1024];
    size_t n = escape_json(escaped, sizeof(escaped), str_of(text));
    (void)fprintf(out, "\"%.*s\"", (int)n, escaped);
}

static void print_words(FILE *out, const char *words)
{
    struct str rest = str_of(words);
    struct str word;
    const char *before = "{\"enum\": [";
    while (str_cut(&rest, '|', &word)) {
        (void)fprintf(out, "%s\"%.*s\"", before, STR_ARG(word));
        before = ", ";
    }
    (void)fputs("]}", out);
}

/* The forms that a single value may have, each a schema. */
static void print_forms(FILE *out, const struct directive *directive)
{
    switch (directive->type) {
    case DIRECTIVE_BOOLEAN: (void)fputs("{\"type\": \"boolean\"}", out); break;
    case DIRECTIVE_INTEGER:
        (void)fprintf(out, "{\"type\": \"integer\", \"minimum\": %s, \"maximum\": %s}", directive->min, directive->max);
        break;
    case DIRECTIVE_PERCENT: (void)fputs("{\"type\": \"string\", \"pattern\": \"^[0-9]+%$\"}", out); break;
    case DIRECTIVE_SIZE:
        (void)fputs("{\"type\": \"integer\", \"minimum\": 0}, "
                    "{\"type\": \"string\", \"pattern\": \"^[0-9]+(KiB|MiB|GiB|TiB)?$\"}",
                    out);
        break;
    case DIRECTIVE_DURATION: (void)fputs("{\"type\": \"string\", \"pattern\": \"^[0-9]+(ms|s|m|h)$\"}", out); break;
    case DIRECTIVE_STATUS:
        (void)fprintf(out,
                      "{\"type\": \"integer\", \"minimum\": %s, \"maximum\": %s}, "
                      "{\"type\": \"string\", \"pattern\": \"^[0-9]+(-[0-9]+)?$\"}",
                      directive->min, directive->max);
        break;
    case DIRECTIVE_WORD: print_words(out, directive->words); break;
    case DIRECTIVE_PATH: (void)fputs("{\"type\": \"string\", \"pattern\": \"^/\"}", out); break;
    case DIRECTIVE_NETWORKS: (void)fputs("{\"type\": \"array\", \"items\": {\"type\": \"string\"}}", out); break;
    case DIRECTIVE_INCLUDE:
        (void)fputs("{\"type\": \"string\"}, {\"type\": \"array\", \"items\": {\"type\": \"string\"}}", out);
        break;
    default: (void)fputs("{\"type\": [\"string\", \"integer\"]}", out); break;
    }
    bool number = directive->type == DIRECTIVE_INTEGER || directive->type == DIRECTIVE_SIZE ||
                  directive->type == DIRECTIVE_DURATION;
    if (number && directive->words[0] != '\0')
        (void)fprintf(out, ", {\"const\": \"%s\"}", directive->words);
    (void)fputs(", {\"$ref\": \"#/$defs/variable\"}", out);
}

/* A block where it stands: alone, as the items of a list, or as the members of a map. */
static void print_structure(FILE *out, const struct directive *directive, int indent)
{
    enum directive_block child = directive_child(directive);
    switch (directive->type) {
    case DIRECTIVE_LIST:
        (void)fprintf(out, "\"type\": \"array\", \"minItems\": %s, \"items\": ", directive->min);
        print_block(out, child, indent);
        break;
    case DIRECTIVE_MAP:
        (void)fputs("\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": ", out);
        print_block(out, child, indent);
        break;
    default:
        (void)fputs("\"allOf\": [", out);
        print_block(out, child, indent);
        (void)fputs("]", out);
        break;
    }
}

static void print_setting(FILE *out, const struct directive *directive, int indent)
{
    (void)fprintf(out, "%*s\"%s\": {\"description\": ", indent, "", directive->name);
    print_text(out, directive->sentence);
    (void)fputs(", ", out);
    if (directive->type == DIRECTIVE_BLOCK || directive->type == DIRECTIVE_LIST || directive->type == DIRECTIVE_MAP) {
        print_structure(out, directive, indent);
    } else {
        if (directive->initial != NULL && directive->initial[0] != '\0') {
            (void)fputs("\"default\": ", out);
            print_text(out, directive->initial);
            (void)fputs(", ", out);
        }
        (void)fputs("\"anyOf\": [", out);
        print_forms(out, directive);
        (void)fputs("]", out);
    }
    (void)fputs("}", out);
}

static void print_required(FILE *out, const struct directive *list, size_t count)
{
    const char *before = ", \"required\": [";
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (list[i].initial != NULL)
            continue;
        (void)fprintf(out, "%s\"%s\"", before, list[i].name);
        before = ", ";
        any = true;
    }
    (void)fputs(any ? "]" : "", out);
}

static void print_members(FILE *out, enum directive_block block, int indent)
{
    size_t count;
    const struct directive *list = directive_list(block, &count);
    (void)fputs("\"type\": \"object\", \"additionalProperties\": false", out);
    print_required(out, list, count);
    (void)fputs(", \"properties\": {\n", out);
    for (size_t i = 0; i < count; i++) {
        print_setting(out, &list[i], indent + 2);
        (void)fputs(i + 1 < count ? ",\n" : "\n", out);
    }
    (void)fprintf(out, "%*s}", indent, "");
}

static void print_block(FILE *out, enum directive_block block, int indent)
{
    const struct directive_block_info *info = directive_block_info(block);
    (void)fputs("{", out);
    if (info->short_form[0] != '\0') {
        (void)fputs("\"anyOf\": [", out);
        print_forms(out, directive_find(block, str_of(info->short_form)));
        (void)fputs(", {", out);
    }
    print_members(out, block, indent);
    (void)fputs(info->short_form[0] != '\0' ? "}]}" : "}", out);
}

void config_schema_print(FILE *out)
{
    (void)fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                "  \"title\": \"Ballast configuration\",\n"
                "  \"$defs\": {\"variable\": {\"type\": \"string\", \"pattern\": \"\\\\$\\\\{.+\\\\}\"}},\n  ",
                out);
    print_members(out, DIRECTIVE_BLOCK_ROOT, 2);
    (void)fputs("\n}\n", out);
}
