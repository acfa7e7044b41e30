/* Printed and not built as a tree: the shape never varies, and a batch of hundreds is made on the control thread. */
#include "control/otlp_text.h"

#include <inttypes.h>

#include "base/err.h"
#include "base/escape.h"

/* ---- attributes ---- */

struct attributes {
    FILE *out;
    bool any;
};

static void put_escaped(FILE *out, struct str text)
{
    char escaped[6 * SPAN_TEXT_MAX];

    (void)fwrite(escaped, 1, escape_json(escaped, sizeof(escaped), text), out);
}

static void put_key(struct attributes *to, const char *key)
{
    (void)fprintf(to->out, "%s{\"key\":\"%s\",\"value\":", to->any ? "," : "", key);
    to->any = true;
}

/* An empty one is left out. */
static void put_text(struct attributes *to, const char *key, struct str text)
{
    if (text.n == 0)
        return;
    put_key(to, key);
    (void)fputs("{\"stringValue\":\"", to->out);
    put_escaped(to->out, text);
    (void)fputs("\"}}", to->out);
}

/* Numbers of 64 bits are texts in this JSON. */
static void put_number(struct attributes *to, const char *key, uint64_t number)
{
    put_key(to, key);
    (void)fprintf(to->out, "{\"intValue\":\"%" PRIu64 "\"}}", number);
}

static void put_host(struct attributes *to, struct str authority)
{
    size_t colon = authority.n;
    uint64_t port;

    while (colon > 0 && authority.p[colon - 1] >= '0' && authority.p[colon - 1] <= '9')
        colon--;
    bool has_port = colon > 0 && colon < authority.n && authority.p[colon - 1] == ':';
    put_text(to, "server.address", str_slice(authority.p, has_port ? colon - 1 : authority.n));
    if (has_port && str_parse_u64(str_slice(authority.p + colon, authority.n - colon), 65535, &port) == 0)
        put_number(to, "server.port", port);
}

static void put_error_type(struct attributes *to, const struct span *span)
{
    char digits[20];

    if (span->error)
        put_text(to, "error.type", str_of(err_reason(span->error)));
    else if (span->status >= 500)
        put_text(to, "error.type", str_slice(digits, str_put_u64(digits, span->status)));
}

static void put_http(struct attributes *to, const struct span *span)
{
    struct str method = span_get_text(span, SPAN_METHOD);
    char version[4] = {(char)('0' + span->major), '.', (char)('0' + span->minor), '\0'};

    put_text(to, "http.request.method", span->known_method ? method : STR("_OTHER"));
    if (!span->known_method)
        put_text(to, "http.request.method_original", method);
    put_text(to, "url.scheme", span_get_text(span, SPAN_SCHEME));
    put_text(to, "url.path", span_get_text(span, SPAN_PATH));
    put_text(to, "url.query", span_get_text(span, SPAN_QUERY));
    put_host(to, span_get_text(span, SPAN_HOST));
    put_text(to, "client.address", span_get_text(span, SPAN_CLIENT));
    put_text(to, "user_agent.original", span_get_text(span, SPAN_AGENT));
    put_text(to, "network.protocol.name", STR("http"));
    put_text(to, "network.protocol.version", span->major >= 2 ? str_slice(version, 1) : str_slice(version, 3));
    if (span->status)
        put_number(to, "http.response.status_code", span->status);
    put_number(to, "http.request.body.size", span->bytes_in);
    put_number(to, "http.response.body.size", span->bytes_out);
    put_error_type(to, span);
}

static void put_ours(struct attributes *to, const struct span *span)
{
    put_text(to, "ballast.request_id", span_get_text(span, SPAN_REQUEST_ID));
    put_text(to, "ballast.pool", span_get_text(span, SPAN_POOL));
    if (span->tries > 0)
        put_text(to, "ballast.worker", str_of(span->attempts[span->tries - 1].worker));
    put_number(to, "ballast.tries", span->tries);
    put_text(to, "ballast.answered_by", span->own ? STR("ballast") : STR("worker"));
}

/* ---- spans ---- */

static void put_id(FILE *out, const char *key, const uint8_t *bytes, size_t n)
{
    char hex[2 * TRACE_ID_BYTES];

    trace_hex(hex, bytes, n);
    (void)fprintf(out, "\"%s\":\"%.*s\",", key, (int)(2 * n), hex);
}

/* A try is an event; what became of it is told by the one that follows. */
static void put_tries(FILE *out, const struct span *span)
{
    (void)fputs("\"events\":[", out);
    for (uint8_t i = 0; i < span->tries; i++) {
        const struct span_try *attempt = &span->attempts[i];
        struct attributes to = {.out = out};
        (void)fprintf(out, "%s{\"timeUnixNano\":\"%" PRId64 "\",\"name\":\"try\",\"attributes\":[", i ? "," : "",
                      span->start_ns + (int64_t)attempt->picked_us * 1000);
        put_text(&to, "ballast.worker", str_of(attempt->worker));
        if (attempt->error)
            put_text(&to, "error.type", str_of(err_reason(attempt->error)));
        (void)fputs("]}", out);
    }
    (void)fputs("],", out);
}

static void put_span(FILE *out, const struct span *span)
{
    struct attributes to = {.out = out};

    (void)fputc('{', out);
    put_id(out, "traceId", span->trace.id, TRACE_ID_BYTES);
    put_id(out, "spanId", span->trace.span, TRACE_SPAN_BYTES);
    if (!trace_is_zero(span->trace.parent, TRACE_SPAN_BYTES))
        put_id(out, "parentSpanId", span->trace.parent, TRACE_SPAN_BYTES);
    (void)fprintf(out, "\"flags\":%d,\"name\":\"", span->trace.sampled ? 1 : 0);
    put_escaped(out, span->known_method ? span_get_text(span, SPAN_METHOD) : STR("HTTP"));
    (void)fprintf(out, "\",\"kind\":2,\"startTimeUnixNano\":\"%" PRId64 "\",\"endTimeUnixNano\":\"%" PRId64 "\",",
                  span->start_ns, span->end_ns);
    (void)fputs("\"attributes\":[", out);
    put_http(&to, span);
    put_ours(&to, span);
    (void)fputs("],", out);
    put_tries(out, span);
    (void)fprintf(out, "\"status\":{%s}}", span->failed ? "\"code\":2" : "");
}

void otlp_text_print(FILE *out, const struct otlp_resource *resource, const struct span *spans, size_t count)
{
    struct attributes to = {.out = out};

    (void)fputs("{\"resourceSpans\":[{\"resource\":{\"attributes\":[", out);
    put_text(&to, "service.name", str_of(resource->service));
    put_text(&to, "service.version", str_of(BALLAST_VERSION));
    put_text(&to, "host.name", str_of(resource->host));
    put_number(&to, "process.pid", resource->process);
    (void)fputs("]},\"scopeSpans\":[{\"scope\":{\"name\":\"ballast\",\"version\":\"" BALLAST_VERSION "\"},\"spans\":[",
                out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)fputc(',', out);
        put_span(out, &spans[i]);
    }
    (void)fputs("]}]}]}", out);
}
