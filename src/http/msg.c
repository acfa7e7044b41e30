/* What is true of a message in every version of HTTP: methods, added fields, reason phrases.
 *
 * Called by sessions and by the exchange, on any thread; nothing here allocates.
 */
#include "http/msg.h"

#define METHOD_IS(name) (memcmp(text.p, name, sizeof(name) - 1) == 0)

enum msg_method msg_method_of(struct str text)
{
    switch (text.n) {
    case 3: return METHOD_IS("GET") ? METHOD_GET : METHOD_IS("PUT") ? METHOD_PUT : METHOD_OTHER;
    case 4: return METHOD_IS("POST") ? METHOD_POST : METHOD_IS("HEAD") ? METHOD_HEAD : METHOD_OTHER;
    case 5: return METHOD_IS("PATCH") ? METHOD_PATCH : METHOD_IS("TRACE") ? METHOD_TRACE : METHOD_OTHER;
    case 6: return METHOD_IS("DELETE") ? METHOD_DELETE : METHOD_OTHER;
    case 7: return METHOD_IS("OPTIONS") ? METHOD_OPTIONS : METHOD_IS("CONNECT") ? METHOD_CONNECT : METHOD_OTHER;
    default: return METHOD_OTHER;
    }
}

bool msg_method_repeatable(enum msg_method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE: return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_CONNECT: return false;
    }
    return false;
}

struct str msg_protocol(const struct msg *msg)
{
    return msg->major == 2 ? STR("HTTP/2") : msg->minor ? STR("HTTP/1.1") : STR("HTTP/1.0");
}

struct str msg_via(const struct msg *msg)
{
    return msg->major == 2 ? STR("2 ballast") : msg->minor ? STR("1.1 ballast") : STR("1.0 ballast");
}

void msg_add_field(struct msg *msg, enum field_id id, struct str name, struct str value)
{
    ASSERT(msg->count < msg->cap);
    ASSERT((unsigned)id < FIELD_ID_COUNT);
    msg->fields[msg->count++] = (struct field){.name = name, .value = value, .id = (uint8_t)id};
}

/* By class and number, RFC 9110 section 15 and the registry of status codes; 451 stands too far out for a row. */
static const char *const reasons[5][32] = {
    {"Continue", "Switching Protocols", "Processing", "Early Hints"},
    {"OK", "Created", "Accepted", "Non-Authoritative Information", "No Content", "Reset Content", "Partial Content",
     "Multi-Status", "Already Reported"},
    {"Multiple Choices", "Moved Permanently", "Found", "See Other", "Not Modified", "Use Proxy", NULL,
     "Temporary Redirect", "Permanent Redirect"},
    {"Bad Request",
     "Unauthorized",
     "Payment Required",
     "Forbidden",
     "Not Found",
     "Method Not Allowed",
     "Not Acceptable",
     "Proxy Authentication Required",
     "Request Timeout",
     "Conflict",
     "Gone",
     "Length Required",
     "Precondition Failed",
     "Content Too Large",
     "URI Too Long",
     "Unsupported Media Type",
     "Range Not Satisfiable",
     "Expectation Failed",
     NULL,
     NULL,
     NULL,
     "Misdirected Request",
     "Unprocessable Content",
     "Locked",
     "Failed Dependency",
     "Too Early",
     "Upgrade Required",
     NULL,
     "Precondition Required",
     "Too Many Requests",
     NULL,
     "Request Header Fields Too Large"},
    {"Internal Server Error", "Not Implemented", "Bad Gateway", "Service Unavailable", "Gateway Timeout",
     "HTTP Version Not Supported", "Variant Also Negotiates", "Insufficient Storage", "Loop Detected", NULL, NULL,
     "Network Authentication Required"},
};

struct str msg_reason_of(int status)
{
    if (status == 451)
        return STR("Unavailable For Legal Reasons");
    if (status < 100 || status > 599 || status % 100 >= 32)
        return STR("");
    const char *reason = reasons[status / 100 - 1][status % 100];
    return str_of(reason ? reason : "");
}
