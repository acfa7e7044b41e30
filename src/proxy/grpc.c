/* Few rules, each in one function. Called by exchanges on their reactor's thread. */
#include "proxy/grpc.h"

#include "base/err.h"

static struct str value_of(const struct msg *msg, struct str name)
{
    for (uint32_t i = 0; i < msg->count; i++)
        if (!msg->fields[i].dropped && str_ieq(msg->fields[i].name, name))
            return msg->fields[i].value;
    return STR_NONE;
}

bool grpc_is_call(const struct msg *request)
{
    static const struct str type = {"application/grpc", 16};

    if (request->method != METHOD_POST || !request->trailers_wanted)
        return false;
    struct str value = value_of(request, STR("content-type"));
    if (value.n < type.n || !str_ieq(str_slice(value.p, type.n), type))
        return false;
    return value.n == type.n || value.p[type.n] == '+' || value.p[type.n] == ';';
}

/* At most eight digits and a unit. */
int64_t grpc_timeout_ms(const struct msg *request)
{
    struct str value = value_of(request, STR("grpc-timeout"));
    uint64_t count;

    if (value.n < 2 || value.n > 9 || str_parse_u64(str_slice(value.p, value.n - 1), 99999999, &count) != 0)
        return -1;
    switch (value.p[value.n - 1]) {
    case 'H': return (int64_t)count * 3600000;
    case 'M': return (int64_t)count * 60000;
    case 'S': return (int64_t)count * 1000;
    case 'm': return (int64_t)count;
    case 'u': return (int64_t)(count + 999) / 1000;
    case 'n': return (int64_t)(count + 999999) / 1000000;
    default: return -1;
    }
}

enum grpc_status grpc_status_of(int error)
{
    if (error == -ERR_DEADLINE || error == -ERR_DEADLINE_OVER)
        return GRPC_DEADLINE_EXCEEDED;
    switch (err_http_status(error)) {
    case 400:
    case 500: return GRPC_INTERNAL;
    case 404:
    case 501: return GRPC_UNIMPLEMENTED;
    case 408:
    case 499: return GRPC_CANCELLED;
    case 413:
    case 414:
    case 431: return GRPC_RESOURCE_EXHAUSTED;
    case 502:
    case 503:
    case 504: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}

int grpc_reply(struct reply *ret_reply, int error, struct str id, struct str date, struct arena *arena)
{
    struct msg *head = &ret_reply->head;

    if (reply_text(ret_reply, STR(""), STR("application/grpc"), date, arena))
        return -ERR_NO_MEMORY;
    struct str status = arena_print(arena, "%d", (int)grpc_status_of(error));
    struct str message =
        arena_print(arena, "%s (reason: %s, request: %.*s)", err_sentence(error), err_reason(error), STR_ARG(id));
    struct str proxy_status =
        arena_print(arena, "ballast; error=%s; details=\"%s\"", err_proxy_status(error), err_reason(error));
    if (!status.p || !message.p || !proxy_status.p)
        return -ERR_NO_MEMORY;
    msg_add_field(head, FIELD_OTHER, STR("grpc-status"), status);
    msg_add_field(head, FIELD_OTHER, STR("grpc-message"), message);
    msg_add_field(head, FIELD_OTHER, STR("Proxy-Status"), proxy_status);
    msg_add_field(head, FIELD_X_REQUEST_ID, STR("X-Request-ID"), id);
    return 0;
}
