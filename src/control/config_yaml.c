/* libyaml's events to a tree. Called by config_source for each file, on the loading thread.
 *
 * Events instead of libyaml's own documents: those would resolve aliases and keep no place for what is refused here.
 * The rest of the program knows nothing of libyaml.
 */
#include "control/config_yaml.h"

#include <yaml.h>

#include "base/err.h"

struct builder {
    struct arena *arena;
    struct config_errors *errors;
    const char *file;
    struct str input;
    struct config_node *open[CONFIG_YAML_DEPTH_MAX]; /* lists and maps not ended yet, outermost first */
    size_t depth;
    bool has_key; /* the map on top has a key waiting for its value */
    struct str key;
    struct config_place key_place;
    bool key_bad; /* reported; its value is not judged */
    struct config_node *root;
    size_t nodes;
    size_t documents;
    int result;
};

static struct config_place place_of(const struct builder *builder, const yaml_mark_t *mark)
{
    return (struct config_place){builder->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

/* Reports and stops: what follows could not be understood. */
static void builder_stop(struct builder *builder, const yaml_mark_t *mark, const char *sentence)
{
    struct config_place place = place_of(builder, mark);
    config_error_add(builder->errors, &place, "%s", sentence);
    builder->result = -ERR_CONFIG;
}

static void builder_refuse(struct builder *builder, const yaml_mark_t *mark, const char *sentence)
{
    struct config_place place = place_of(builder, mark);
    config_error_add(builder->errors, &place, "%s", sentence);
}

static void builder_add(struct builder *builder, struct config_node *node)
{
    struct config_node *parent = builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;
    if (parent == NULL) {
        builder->root = node;
        return;
    }
    if (parent->kind == CONFIG_NODE_MAP) {
        ASSERT(builder->has_key);
        node->key = builder->key;
        node->key_place = builder->key_place;
        node->bad = node->bad || builder->key_bad;
        builder->has_key = false;
    }
    config_node_append(parent, node);
}

static bool wants_key(const struct builder *builder)
{
    return builder->depth > 0 && builder->open[builder->depth - 1]->kind == CONFIG_NODE_MAP && !builder->has_key;
}

static struct config_node *builder_node(struct builder *builder, enum config_node_kind kind, const yaml_mark_t *mark)
{
    if (++builder->nodes > CONFIG_YAML_NODES_MAX) {
        builder_stop(builder, mark, "the file has more than 1000000 values");
        return NULL;
    }
    struct config_place place = place_of(builder, mark);
    struct config_node *node = config_node_create(builder->arena, kind, &place);
    if (node == NULL)
        builder->result = -ERR_NO_MEMORY;
    return node;
}

static void refuse_properties(struct builder *builder, const yaml_mark_t *mark, const void *anchor, const void *tag)
{
    if (anchor != NULL)
        builder_refuse(builder, mark, "anchors are not supported; write the value out");
    if (tag != NULL)
        builder_refuse(builder, mark, "tags are not supported; types follow from the setting");
}

static void on_open(struct builder *builder, enum config_node_kind kind, const yaml_event_t *event)
{
    if (wants_key(builder)) {
        builder_stop(builder, &event->start_mark, "a key must be a plain text");
        return;
    }
    if (builder->depth == CONFIG_YAML_DEPTH_MAX) {
        builder_stop(builder, &event->start_mark, "the nesting is deeper than 24 levels");
        return;
    }
    struct config_node *node = builder_node(builder, kind, &event->start_mark);
    if (node == NULL)
        return;
    builder_add(builder, node);
    builder->open[builder->depth++] = node;
}

static void on_close(struct builder *builder)
{
    ASSERT(builder->depth > 0 && !builder->has_key);
    struct config_node *node = builder->open[--builder->depth];
    if (node->kind == CONFIG_NODE_MAP)
        builder->result = config_node_check_keys(builder->arena, builder->errors, node);
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
            return true;
    }
    return false;
}

static void on_text(struct builder *builder, const yaml_event_t *event)
{
    struct str text = str_slice((const char *)event->data.scalar.value, event->data.scalar.length);
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    refuse_properties(builder, &event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
    if (text.n > CONFIG_YAML_TEXT_MAX) {
        builder_stop(builder, &event->start_mark, "the text is longer than 64 KiB");
        return;
    }
    bool control = has_control(text);
    if (control)
        builder_refuse(builder, &event->start_mark, "the text has a control character");

    struct str copy = config_text_copy(builder->arena, text);
    if (copy.p == NULL) {
        builder->result = -ERR_NO_MEMORY;
        return;
    }
    if (wants_key(builder)) {
        bool merge = plain && str_eq(text, STR("<<"));
        if (merge)
            builder_refuse(builder, &event->start_mark, "merge keys are not supported; write the settings out");
        builder->key = copy;
        builder->key_bad = merge || control;
        builder->key_place = place_of(builder, &event->start_mark);
        builder->has_key = true;
        return;
    }
    struct config_node *node = builder_node(builder, CONFIG_NODE_TEXT, &event->start_mark);
    if (node == NULL)
        return;
    node->text = copy;
    node->bad = control;
    node->blank = plain && text.n == 0;
    /* libyaml gives a value that was left out the place of what follows it. */
    if (node->blank && builder->has_key)
        node->place = builder->key_place;
    builder_add(builder, node);
}

static void on_document(struct builder *builder, const yaml_event_t *event)
{
    if (builder->documents++ > 0) {
        builder_stop(builder, &event->start_mark, "the file has more than one document");
        return;
    }
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        builder_refuse(builder, &event->start_mark, "directives are not supported");
}

static void builder_take(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: on_document(builder, event); break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(builder, &event->start_mark, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        on_open(builder, CONFIG_NODE_LIST, event);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_properties(builder, &event->start_mark, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        on_open(builder, CONFIG_NODE_MAP, event);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: on_close(builder); break;
    case YAML_SCALAR_EVENT: on_text(builder, event); break;
    case YAML_ALIAS_EVENT:
        builder_stop(builder, &event->start_mark, "aliases are not supported; write the value out");
        break;
    default: break;
    }
}

/* The byte at a mark, or NUL; a mark counts characters. */
static char byte_at(struct str input, const yaml_mark_t *mark)
{
    size_t at = 0;
    for (size_t line = 0; line < mark->line && at < input.n; line++)
        at += str_find(str_slice(input.p + at, input.n - at), '\n') + 1;
    for (size_t column = 0; column < mark->column && at < input.n; column++) {
        do
            at++;
        while (at < input.n && ((unsigned char)input.p[at] & 0xC0) == 0x80);
    }
    return at < input.n ? input.p[at] : '\0';
}

/* libyaml's reader knows only an offset in bytes. */
static yaml_mark_t mark_at(struct str input, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < input.n; i++) {
        if (input.p[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)input.p[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static void on_parser_error(struct builder *builder, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        builder->result = -ERR_NO_MEMORY;
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_at(builder->input, parser->problem_offset);
        bool control = parser->problem != NULL && strstr(parser->problem, "control") != NULL;
        builder_stop(builder, &mark, control ? "the file has a control character" : "the file is not UTF-8");
        return;
    }
    char sentence[256];
    bool tab = byte_at(builder->input, &parser->problem_mark) == '\t';
    (void)snprintf(sentence, sizeof(sentence), "%s%s%s", parser->problem != NULL ? parser->problem : "malformed YAML",
                   parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
    builder_stop(builder, &parser->problem_mark, tab ? "a tab cannot indent; use spaces" : sentence);
}

static void builder_run(struct builder *builder, yaml_parser_t *parser)
{
    bool ended = false;
    while (!ended && builder->result == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            on_parser_error(builder, parser);
            return;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        builder_take(builder, &event);
        yaml_event_delete(&event);
        if (builder->result == 0 && config_errors_full(builder->errors))
            builder->result = -ERR_CONFIG;
    }
}

int config_yaml_parse(struct arena *arena, struct config_errors *errors, const char *file, struct str text,
                      struct config_node **ret_root)
{
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        text = str_slice(text.p + 3, text.n - 3);
    struct builder builder = {.arena = arena, .errors = errors, .file = file, .input = text};

    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return -ERR_NO_MEMORY;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    builder_run(&builder, &parser);
    yaml_parser_delete(&parser);
    if (builder.result != 0)
        return builder.result;

    struct config_place start = {file, 1, 1};
    if (builder.root == NULL) {
        builder.root = config_node_create(arena, CONFIG_NODE_TEXT, &start);
        if (builder.root == NULL)
            return -ERR_NO_MEMORY;
        builder.root->blank = true;
        builder.root->text = STR("");
    }
    *ret_root = builder.root;
    return 0;
}
