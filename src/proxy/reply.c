/* Ballast's own answers. Small, whole and rare: built in the exchange's arena in one go. */
#include "proxy/reply.h"

#include "base/err.h"
#include "http/target.h"

enum { REPLY_FIELDS = 8, HTTPS_PORT = 443 };

/* What every form of an error says. */
struct reply_facts {
    int status;
    struct str phrase;
    const char *sentence;
    const char *reason;
    struct str id;
    struct arena *arena;
};

static struct str html_body(const struct reply_facts *facts)
{
    return arena_print(
        facts->arena,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%d %.*s</title></head>\n"
        "<body><h1>%d %.*s</h1><p>%s</p><p>Reason: <code>%s</code>. Request: <code>%.*s</code></p></body></html>\n",
        facts->status, STR_ARG(facts->phrase), facts->status, STR_ARG(facts->phrase), facts->sentence, facts->reason,
        STR_ARG(facts->id));
}

static struct str json_body(const struct reply_facts *facts)
{
    return arena_print(facts->arena,
                       "{\"status\": %d, \"title\": \"%.*s\", \"detail\": \"%s\", \"reason\": \"%s\", "
                       "\"request_id\": \"%.*s\"}\n",
                       facts->status, STR_ARG(facts->phrase), facts->sentence, facts->reason, STR_ARG(facts->id));
}

static struct str text_body(const struct reply_facts *facts)
{
    return arena_print(facts->arena, "%d %.*s: %s (reason: %s, request: %.*s)\n", facts->status, STR_ARG(facts->phrase),
                       facts->sentence, facts->reason, STR_ARG(facts->id));
}

struct reply_form {
    const char *media; /* as Accept names it */
    const char *content_type;
    struct str (*body)(const struct reply_facts *facts);
};

static const struct reply_form forms[] = {
    {"text/html", "text/html; charset=utf-8", html_body},
    {"application/json", "application/json", json_body},
    {"text/plain", "text/plain; charset=utf-8", text_body},
};

/* The first form that Accept names; quality values are not weighed. Plain text when it names none. */
static const struct reply_form *choose_form(struct str accept)
{
    struct str piece, media;

    while (str_cut(&accept, ',', &piece)) {
        if (!str_cut(&piece, ';', &media))
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
            if (str_ieq(media, str_of(forms[i].media)))
                return &forms[i];
    }
    return &forms[ARRAY_SIZE(forms) - 1];
}

static int begin(struct reply *reply, int status, struct str content_type, struct str date, struct arena *arena)
{
    struct field *fields = arena_take(arena, REPLY_FIELDS * sizeof(*fields));
    if (!fields)
        return -ERR_NO_MEMORY;
    *reply = (struct reply){.head = {
                                .status = (uint16_t)status,
                                .reason = msg_reason_of(status),
                                .major = 1,
                                .minor = 1,
                                .body = MSG_BODY_LENGTH,
                                .fields = fields,
                                .cap = REPLY_FIELDS,
                            }};
    msg_add_field(&reply->head, FIELD_DATE, STR("Date"), date);
    msg_add_field(&reply->head, FIELD_OTHER, STR("Content-Type"), content_type);
    return 0;
}

static void set_body(struct reply *reply, struct str body)
{
    reply->body = body;
    reply->head.length = (int64_t)body.n;
}

int reply_error(struct reply *ret_reply, int error, struct str id, struct str date, struct str accept,
                int64_t retry_after_s, struct arena *arena)
{
    const struct reply_form *form = choose_form(accept);
    int status = err_http_status(error) ? err_http_status(error) : 500; /* codes that no client should ever meet */
    struct msg *head = &ret_reply->head;

    if (begin(ret_reply, status, str_of(form->content_type), date, arena))
        return -ERR_NO_MEMORY;
    struct str proxy_status =
        arena_print(arena, "ballast; error=%s; details=\"%s\"", err_proxy_status(error), err_reason(error));
    struct reply_facts facts = {status, head->reason, err_sentence(error), err_reason(error), id, arena};
    struct str body = form->body(&facts);
    if (!proxy_status.p || !body.p)
        return -ERR_NO_MEMORY;
    msg_add_field(head, FIELD_OTHER, STR("Proxy-Status"), proxy_status);
    msg_add_field(head, FIELD_X_REQUEST_ID, STR("X-Request-ID"), id);
    msg_add_field(head, FIELD_OTHER, STR("Cache-Control"), STR("no-store"));
    if (retry_after_s > 0) {
        struct str seconds = arena_print(arena, "%lld", (long long)retry_after_s);
        if (!seconds.p)
            return -ERR_NO_MEMORY;
        msg_add_field(head, FIELD_OTHER, STR("Retry-After"), seconds);
    }
    set_body(ret_reply, body);
    return 0;
}

int reply_text(struct reply *ret_reply, struct str body, struct str content_type, struct str date, struct arena *arena)
{
    int error = begin(ret_reply, 200, content_type, date, arena);

    if (!error)
        set_body(ret_reply, body);
    return error;
}

/* The request's own target stands behind a URL that has no path; `*` is none. */
static struct str target_behind(const struct msg *request)
{
    return request->target.n > 0 && request->target.p[0] == '/' ? request->target : STR("/");
}

static bool has_path(struct str url)
{
    size_t host = str_find(url, '/') + 2; /* behind "https://": it was checked */

    return str_find(str_slice(url.p + host, url.n - host), '/') < url.n - host;
}

struct str reply_location(const struct route_redirect *redirect, const struct msg *request, struct arena *arena)
{
    struct str host = target_host_name(request->authority), target = target_behind(request);

    if (!redirect->to_https)
        return has_path(redirect->to) ? redirect->to
                                      : arena_print(arena, "%.*s%.*s", STR_ARG(redirect->to), STR_ARG(target));
    if (redirect->port == HTTPS_PORT)
        return arena_print(arena, "https://%.*s%.*s", STR_ARG(host), STR_ARG(target));
    return arena_print(arena, "https://%.*s:%u%.*s", STR_ARG(host), (unsigned)redirect->port, STR_ARG(target));
}

int reply_redirect(struct reply *ret_reply, int status, struct str location, struct str id, struct str date,
                   struct arena *arena)
{
    if (begin(ret_reply, status, STR("text/plain; charset=utf-8"), date, arena))
        return -ERR_NO_MEMORY;
    struct msg *head = &ret_reply->head;
    struct str body = arena_print(arena, "%d %.*s: %.*s\n", status, STR_ARG(head->reason), STR_ARG(location));
    if (!body.p)
        return -ERR_NO_MEMORY;
    msg_add_field(head, FIELD_OTHER, STR("Location"), location);
    msg_add_field(head, FIELD_X_REQUEST_ID, STR("X-Request-ID"), id);
    set_body(ret_reply, body);
    return 0;
}

static bool may_hold_secrets(const struct field *field)
{
    return str_ieq(field->name, STR("Authorization")) || str_ieq(field->name, STR("Cookie")) ||
           field->id == FIELD_PROXY_AUTHORIZATION;
}

int reply_trace(struct reply *ret_reply, const struct msg *request, struct str date, struct arena *arena)
{
    enum { AROUND = 64 }; /* method, version, Host and the ends of lines */
    size_t room = request->target.n + request->authority.n + AROUND;

    for (uint32_t i = 0; i < request->count; i++)
        room += request->fields[i].name.n + request->fields[i].value.n + 4;
    char *text = arena_take(arena, room);
    if (!text)
        return -ERR_NO_MEMORY;
    char *at = str_put(str_put(text, STR("TRACE ")), request->target);
    at = str_put(at, request->minor ? STR(" HTTP/1.1\r\nHost: ") : STR(" HTTP/1.0\r\nHost: "));
    at = str_put(str_put(at, request->authority), STR("\r\n"));
    for (uint32_t i = 0; i < request->count; i++) {
        const struct field *field = &request->fields[i];
        if (!field->dropped && !may_hold_secrets(field))
            at = str_put(str_put(str_put(str_put(at, field->name), STR(": ")), field->value), STR("\r\n"));
    }
    return reply_text(ret_reply, str_slice(text, (size_t)(at - text)), STR("message/http"), date, arena);
}
