/* Who may ask, which function answers, and what every answer has in common. Owned by the server, on the control thread.
 */
#include "control/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/admin_live.h"
#include "control/admin_traffic.h"
#include "control/admin_workers.h"

/* ---- JSON ---- */

json_t *admin_str(struct str text)
{
    json_t *json = json_stringn(text.n ? text.p : "", text.n);
    char safe[1024];

    if (json)
        return json;
    /* Bytes of a client that are no UTF-8. */
    size_t n = text.n < sizeof(safe) ? text.n : sizeof(safe);
    for (size_t i = 0; i < n; i++)
        safe[i] = (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?';
    return json_stringn(safe, n);
}

json_t *admin_time(int64_t wall_ns)
{
    char text[CLOCK_STAMP_BYTES];

    if (wall_ns == 0)
        return json_string("");
    clock_stamp(text, wall_ns);
    return json_stringn(text, sizeof(text));
}

void admin_set(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

void admin_set_str(json_t *object, const char *name, struct str text)
{
    admin_set(object, name, admin_str(text));
}

const char *admin_member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

void admin_set_int(json_t *object, const char *name, uint64_t number)
{
    admin_set(object, name, json_integer((json_int_t)number));
}

/* ---- answers ---- */

/* allow: a further field, NULL without. */
static void answer_json(struct admin_call *call, uint16_t status, json_t *json, const char *allow)
{
    const struct field fields[] = {{.name = STR("Cache-Control"), .value = STR("no-store")},
                                   {.name = STR("Allow"), .value = str_of(allow ? allow : "")}};
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    struct admin_answer answer = {
        .status = text ? status : 503,
        .content_type = STR("application/json"),
        .fields = fields,
        .count = allow ? 2 : 1,
        .body = text ? str_of(text) : STR("{\"reason\":\"no_memory\",\"sentence\":\"Ballast is out of memory.\"}"),
    };

    admin_call_answer(call, &answer);
    free(text); /* not per request: an operator's; jansson took it from malloc */
    json_decref(json);
}

void admin_answer_json(struct admin_call *call, json_t *json)
{
    answer_json(call, 200, json, NULL);
}

static json_t *error_json(const char *reason, const char *sentence)
{
    return json_pack("{ssso}", "reason", reason, "sentence", admin_str(str_of(sentence)));
}

void admin_answer_error(struct admin_call *call, uint16_t status, const char *reason, const char *sentence)
{
    answer_json(call, status, error_json(reason, sentence), NULL);
}

static void answer_wrong_method(struct admin_call *call)
{
    char methods[ADMIN_METHODS_MAX], sentence[ADMIN_METHODS_MAX + 64];

    admin_route_methods(admin_call_head(call)->path, methods);
    (void)snprintf(sentence, sizeof(sentence), "This path has no such method, but %s; see /openapi.json.", methods);
    answer_json(call, 405, error_json("wrong_method", sentence), methods);
}

/* ---- what a call says ---- */

static struct str decoded(struct admin_call *call, struct str text, bool query)
{
    char *out = arena_take(admin_call_arena(call), text.n + 1);
    size_t n;

    return out && admin_decode(text, query, out, &n) ? str_slice(out, n) : STR_NONE;
}

struct str admin_param(struct admin *admin, struct admin_call *call, const char *name)
{
    struct str text = admin_route_param(admin->route, admin_call_head(call)->path, str_of(name));

    return decoded(call, text, false);
}

static struct str query_of(const struct admin_call *call)
{
    const struct msg *head = admin_call_head(call);

    return head->target.n > head->path.n
               ? str_slice(head->target.p + head->path.n + 1, head->target.n - head->path.n - 1)
               : STR("");
}

static const struct admin_input *input_of(const struct admin *admin, bool in_body, const char *name)
{
    const struct admin_input *input = admin_input_find(admin->route, in_body, str_of(name));

    ASSERT(input); /* else nobody is told that it may be given */
    return input;
}

static void answer_bad_query(struct admin_call *call, const struct admin_input *input)
{
    char sentence[ADMIN_SENTENCE_MAX];

    admin_input_say(input, sentence);
    admin_answer_error(call, 400, "bad_query", sentence);
}

bool admin_query(struct admin *admin, struct admin_call *call, const char *name, struct str *ret_text)
{
    const struct admin_input *input = input_of(admin, false, name);
    struct str given, text = str_of(input->otherwise);

    if (admin_query_find(query_of(call), str_of(name), &given))
        text = decoded(call, given, true);
    bool sound = text.p && admin_input_allows(input, text);
    if (sound)
        *ret_text = text;
    else
        answer_bad_query(call, input);
    return sound;
}

bool admin_query_number(struct admin *admin, struct admin_call *call, const char *name, uint64_t *ret_number)
{
    struct str text;

    if (!admin_query(admin, call, name, &text))
        return false;
    int error = str_parse_u64(text, UINT32_MAX, ret_number);
    ASSERT(!error); /* it is allowed */
    return true;
}

bool admin_query_truth(struct admin *admin, struct admin_call *call, const char *name, bool *ret_truth)
{
    struct str text;
    bool sound = admin_query(admin, call, name, &text);

    if (sound)
        *ret_truth = str_eq(text, STR("true"));
    return sound;
}

json_t *admin_body_json(struct admin_call *call)
{
    struct str body = admin_call_body(call);
    char sentence[JSON_ERROR_TEXT_LENGTH + 100] = "The body must be one JSON object.";
    json_error_t error = {.text = ""};
    json_t *json = json_loadb(body.n ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &error);

    if (json_is_object(json))
        return json;
    if (body.n == 0)
        (void)snprintf(sentence, sizeof(sentence), "The body must be one JSON object; it is empty.");
    else if (!json)
        (void)snprintf(sentence, sizeof(sentence), "The body must be one JSON object; line %d, column %d: %s.",
                       error.line, error.column, error.text);
    json_decref(json);
    admin_answer_error(call, 400, "bad_body", sentence);
    return NULL;
}

json_t *admin_body_order(struct admin *admin, struct admin_call *call)
{
    json_t *body = admin_body_json(call);
    char sentence[ADMIN_SENTENCE_MAX];

    if (!body || !admin_input_judge(admin->route, body, sentence))
        return body;
    json_decref(body);
    admin_answer_error(call, 422, "bad_order", sentence);
    return NULL;
}

const json_t *admin_body_member(const struct admin *admin, const json_t *body, const char *name)
{
    (void)input_of(admin, true, name);
    return json_object_get(body, name);
}

/* ---- who may ask ---- */

static bool knows_token(const struct admin *admin, const struct msg *head)
{
    struct str token = admin->options.config->admin.token;
    bool known = token.n == 0;

    for (uint32_t i = 0; i < head->count && !known; i++) {
        struct str value = head->fields[i].value;
        if (str_ieq(head->fields[i].name, STR("Authorization")) && value.n > 7 &&
            str_ieq(str_slice(value.p, 7), STR("Bearer ")))
            known = admin_secret_equal(str_trim(str_slice(value.p + 7, value.n - 7)), token);
    }
    return known;
}

static void ask_for_token(struct admin_call *call)
{
    static const struct field challenge[] = {{.name = {"WWW-Authenticate", 16}, .value = {"Bearer", 6}}};
    struct admin_answer answer = {
        .status = 401,
        .content_type = STR("application/json"),
        .fields = challenge,
        .count = 1,
        .body = STR("{\"reason\":\"no_token\",\"sentence\":\"Authorization: Bearer TOKEN is missing, or the token is "
                    "another.\"}"),
        .body_lasts = true,
    };

    admin_call_answer(call, &answer);
}

static void on_call(void *context, struct admin_call *call)
{
    struct admin *admin = context;
    const struct msg *head = admin_call_head(call);
    bool path_known;
    const struct admin_route *route = admin_route_find(head->method, head->path, &path_known);

    if ((!route || route->access != ADMIN_OPEN) && !knows_token(admin, head)) {
        ask_for_token(call);
    } else if (!route && path_known) {
        answer_wrong_method(call);
    } else if (!route) {
        admin_answer_error(call, 404, "no_such_path", "There is nothing here; see /openapi.json.");
    } else if (route->access == ADMIN_WRITE && !admin->options.config->admin.write) {
        admin_answer_error(call, 403, "read_only",
                           "The API may only tell: admin.write is not set in the configuration.");
    } else if (route->access == ADMIN_WRITE && admin->retired) {
        admin_answer_error(call, 503, "retired", "Another server has taken over; ask again, and it answers.");
    } else {
        admin->route = route;
        route->run(admin, call);
    }
}

static void on_refused(void *context, struct admin_call *call, int error)
{
    admin_answer_error(call, (uint16_t)err_http_status(error), err_reason(error), err_sentence(error));
}

/* ---- life ---- */

void admin_note_health(struct admin *admin, const struct worker *worker, bool up, struct str cause)
{
    struct admin_worker *known = &admin->workers[worker->index];
    struct admin_change *change = &known->changes[known->count++ % ADMIN_CHANGES];
    size_t n = cause.n < sizeof(change->cause) - 1 ? cause.n : sizeof(change->cause) - 1;

    change->at_ns = clock_wall_ns();
    change->up = up;
    memcpy(change->cause, cause.p, n);
    change->cause[n] = '\0';
}

void admin_on_wake(struct admin *admin)
{
    admin_traffic_look(admin);
}

void admin_set_config(struct admin *admin, const struct config *config)
{
    admin->options.config = config;
}

void admin_note_stopping(struct admin *admin)
{
    admin->stopping = true;
}

void admin_retire(struct admin *admin)
{
    admin->retired = true;
    admin_http_retire(admin->http);
}

void admin_note_handover(struct admin *admin)
{
    pulse_settle(admin->pulse);
}

/* not per request: once a reload. */
int admin_grow(struct admin *admin, uint32_t workers)
{
    uint32_t room = admin->worker_room;

    if (workers <= room)
        return 0;
    struct admin_worker *grown = reallocarray(admin->workers, workers, sizeof(*grown));
    if (!grown)
        return -ERR_NO_MEMORY;
    memset(grown + room, 0, (workers - room) * sizeof(*grown));
    admin->workers = grown;
    admin->worker_room = workers;
    return pulse_grow(admin->pulse, workers);
}

/* start-up only: one a server. */
int admin_create(const struct admin_options *options, struct admin **ret_admin)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    uint32_t workers = roster_count(options->sources->roster);

    if (!admin)
        return -ERR_NO_MEMORY;
    admin->options = *options;
    list_init(&admin->asked);
    list_init(&admin->streams);
    timer_init(&admin->tick, admin_live_tick);
    admin->workers = calloc(workers, sizeof(*admin->workers));
    admin->worker_room = workers;
    int error = admin->workers ? pulse_create(options->sources, &admin->pulse) : -ERR_NO_MEMORY;
    struct admin_http_options http = {
        .io = options->io, .fd = options->fd, .on_call = on_call, .on_refused = on_refused, .context = admin};
    if (!error)
        error = admin_http_create(&http, &admin->http);
    if (error) {
        pulse_destroy(&admin->pulse);
        free(admin->workers);
        free(admin);
        return error;
    }
    io_timer_set(options->io, &admin->tick, io_now_ms(options->io) + PULSE_MS);
    *ret_admin = admin;
    return 0;
}

void admin_stop(struct admin *admin)
{
    io_timer_fini(admin->options.io, &admin->tick);
    admin_http_stop(admin->http);
    admin_traffic_stop(admin);
    admin_workers_stop(admin);
}

bool admin_stopped(const struct admin *admin)
{
    return admin_http_stopped(admin->http);
}

/* start-up only: the other end of admin_create. */
void admin_destroy(struct admin **destroyed)
{
    struct admin *admin = *destroyed;

    *destroyed = NULL;
    admin_http_destroy(&admin->http);
    pulse_destroy(&admin->pulse);
    free(admin->workers);
    free(admin);
}
