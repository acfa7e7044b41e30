/* Three tables turned into one document (OpenAPI 3.1). Called by control/admin for GET /openapi.json, and by
 * `ballast check --openapi` for the copy in docs/. */
#include "control/admin_openapi.h"

#include "control/admin.h"

enum field_type { TYPE_STRING, TYPE_INTEGER, TYPE_NUMBER, TYPE_BOOLEAN, TYPE_OBJECT, TYPE_LIST, TYPE_MAP };

static const struct object_row {
    const char *name, *sentence;
} objects[] = {
#define OBJECT(name, sentence) {name, sentence},
#define FIELD(object, name, type, of, sentence)
#include "control/admin_object.def"
#undef OBJECT
#undef FIELD
};

static const struct field_row {
    const char *object, *name;
    enum field_type type;
    const char *of, *sentence;
} fields[] = {
#define OBJECT(name, sentence)
#define FIELD(object, name, type, of, sentence) {object, name, TYPE_##type, of, sentence},
#include "control/admin_object.def"
#undef OBJECT
#undef FIELD
};

static json_t *reference(const char *object)
{
    return json_pack("{ss+}", "$ref", "#/components/schemas/", object);
}

static json_t *string_schema(const char *words)
{
    json_t *schema = json_pack("{ss}", "type", "string");
    struct str rest = str_of(words), word;
    json_t *list = json_array();

    while (words[0] && str_cut(&rest, '|', &word))
        (void)json_array_append_new(list, json_stringn(word.p, word.n));
    if (words[0])
        admin_set(schema, "enum", json_incref(list));
    json_decref(list);
    return schema;
}

static json_t *field_schema(const struct field_row *field)
{
    json_t *schema = NULL;

    switch (field->type) {
    case TYPE_STRING: schema = string_schema(field->of); break;
    case TYPE_INTEGER: schema = json_pack("{ss}", "type", "integer"); break;
    case TYPE_NUMBER: schema = json_pack("{ss}", "type", "number"); break;
    case TYPE_BOOLEAN: schema = json_pack("{ss}", "type", "boolean"); break;
    case TYPE_OBJECT: schema = reference(field->of); break;
    case TYPE_LIST: schema = json_pack("{ssso}", "type", "array", "items", reference(field->of)); break;
    case TYPE_MAP: schema = json_pack("{sss{ss}}", "type", "object", "additionalProperties", "type", "integer"); break;
    }
    admin_set(schema, "description", json_string(field->sentence));
    return schema;
}

static json_t *object_schema(const struct object_row *object)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (strcmp(fields[i].object, object->name) != 0)
            continue;
        admin_set(properties, fields[i].name, field_schema(&fields[i]));
        (void)json_array_append_new(required, json_string(fields[i].name));
    }
    return json_pack("{sssssososb}", "type", "object", "description", object->sentence, "properties", properties,
                     "required", required, "additionalProperties", 0);
}

/* ---- what a call may say ---- */

/* In the type of its schema. */
static json_t *otherwise_of(const struct admin_input *input)
{
    uint64_t number = 0;

    switch (input->type) {
    case ADMIN_STRING: break;
    case ADMIN_INTEGER:
        return str_parse_u64(str_of(input->otherwise), UINT32_MAX, &number) ? NULL : json_integer((json_int_t)number);
    case ADMIN_BOOLEAN: return json_boolean(strcmp(input->otherwise, "true") == 0);
    }
    return json_string(input->otherwise);
}

static json_t *integer_schema(const struct admin_input *input)
{
    uint64_t least, most;

    admin_input_range(input, &least, &most);
    json_t *schema = json_pack("{sssI}", "type", "integer", "minimum", (json_int_t)least);
    if (most != UINT64_MAX)
        admin_set_int(schema, "maximum", most);
    return schema;
}

static json_t *input_schema(const struct admin_input *input)
{
    json_t *schema = NULL;

    switch (input->type) {
    case ADMIN_STRING: schema = string_schema(input->of); break;
    case ADMIN_INTEGER: schema = integer_schema(input); break;
    case ADMIN_BOOLEAN: schema = json_pack("{ss}", "type", "boolean"); break;
    }
    if (input->otherwise[0])
        admin_set(schema, "default", otherwise_of(input));
    return schema;
}

static void add_path_parameters(json_t *list, const char *path)
{
    for (const char *at = strchr(path, '{'); at; at = strchr(at + 1, '{')) {
        size_t n = strcspn(at + 1, "}");
        (void)json_array_append_new(list, json_pack("{ss#sssbs{ss}}", "name", at + 1, (int)n, "in", "path", "required",
                                                    1, "schema", "type", "string"));
    }
}

static json_t *parameters_of(const struct admin_route *route)
{
    json_t *list = json_array();

    add_path_parameters(list, route->path);
    for (size_t i = 0; i < admin_input_count; i++) {
        const struct admin_input *input = &admin_inputs[i];
        if (input->run == route->run && input->place == ADMIN_QUERY)
            (void)json_array_append_new(list,
                                        json_pack("{sssssbssso}", "name", input->name, "in", "query", "required", 0,
                                                  "description", input->sentence, "schema", input_schema(input)));
    }
    return list;
}

/* NULL: the route reads none. */
static json_t *body_of(const struct admin_route *route)
{
    json_t *properties = json_object(), *required = json_array();
    bool needed = true;

    for (size_t i = 0; i < admin_input_count; i++) {
        const struct admin_input *input = &admin_inputs[i];
        if (input->run != route->run || input->place == ADMIN_QUERY)
            continue;
        json_t *schema = input_schema(input);
        admin_set(schema, "description", json_string(input->sentence));
        admin_set(properties, input->name, schema);
        if (input->place == ADMIN_MUST)
            (void)json_array_append_new(required, json_string(input->name));
        needed = needed && input->place != ADMIN_MAY;
    }
    if (json_object_size(properties) > 0)
        return json_pack("{sbs{s{s{sssososb}}}}", "required", needed, "content", "application/json", "schema", "type",
                         "object", "properties", properties, "required", required, "additionalProperties", 0);
    json_decref(properties);
    json_decref(required);
    return NULL;
}

/* ---- the whole ---- */

static json_t *operation_of(const struct admin_route *route)
{
    static const char *const access[] = {"open", "read", "write"};
    json_t *good = json_pack("{ss}", "description", route->summary);
    json_t *bad = json_pack("{sss{s{so}}}", "description", "What went wrong.", "content", "application/json", "schema",
                            reference("Error"));
    json_t *body = body_of(route);

    if (route->answer[0])
        admin_set(good, "content", json_pack("{s{so}}", "application/json", "schema", reference(route->answer)));
    json_t *operation = json_pack("{sssss{soso}so}", "summary", route->summary, "x-access", access[route->access],
                                  "responses", "200", good, "default", bad, "parameters", parameters_of(route));
    if (body)
        admin_set(operation, "requestBody", body);
    if (route->access == ADMIN_OPEN)
        admin_set(operation, "security", json_array());
    return operation;
}

static json_t *paths(void)
{
    json_t *all = json_object();

    for (size_t i = 0; i < admin_route_count; i++) {
        const struct admin_route *route = &admin_routes[i];
        json_t *path = json_object_get(all, route->path);
        char method[16] = {0};
        for (size_t k = 0; route->method_text[k] && k < sizeof(method) - 1; k++)
            method[k] = str_lower(route->method_text[k]);
        if (!path) {
            admin_set(all, route->path, json_object());
            path = json_object_get(all, route->path);
        }
        admin_set(path, method, operation_of(route));
    }
    return all;
}

json_t *admin_openapi_json(void)
{
    json_t *schemas = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        admin_set(schemas, objects[i].name, object_schema(&objects[i]));
    return json_pack("{sss{ssss}s[{s[]}]sos{sos{s{ssss}}}}", "openapi", "3.1.0", "info", "title",
                     "Ballast's administration API", "version", "1", "security", "token", "paths", paths(),
                     "components", "schemas", schemas, "securitySchemes", "token", "type", "http", "scheme", "bearer");
}

void admin_openapi_print(FILE *out)
{
    json_t *json = admin_openapi_json();

    if (json)
        (void)json_dumpf(json, out, JSON_INDENT(2));
    (void)fputc('\n', out);
    json_decref(json);
}

void admin_do_openapi(struct admin *admin, struct admin_call *call)
{
    admin_answer_json(call, admin_openapi_json());
}
