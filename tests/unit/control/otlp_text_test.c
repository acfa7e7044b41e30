/* The JSON is JSON whatever a client sent, and says what a span has. */
#include "control/otlp_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "control_helper.h"

static const struct otlp_resource resource = {.service = "edge", .host = "lb1", .process = 42};

static json_t *print(const struct span *spans, size_t count)
{
    char *text = NULL;
    size_t n = 0;
    json_error_t error;
    FILE *out = open_memstream(&text, &n);
    otlp_text_print(out, &resource, spans, count);
    assert_int_equal(fclose(out), 0);
    json_t *json = json_loadb(text, n, JSON_ALLOW_NUL, &error);
    if (!json)
        fail_msg("%s: %s", error.text, text);
    free(text);
    return json;
}

static json_t *spans_of(json_t *json)
{
    json_t *resources = json_array_get(json_object_get(json, "resourceSpans"), 0);
    return json_object_get(json_array_get(json_object_get(resources, "scopeSpans"), 0), "spans");
}

/* An attribute's value as text; NULL: it has none. */
static const char *attribute(json_t *span, const char *key)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(span, "attributes"), i, one)
    {
        json_t *value = json_object_get(one, "value");
        if (strcmp(json_string_value(json_object_get(one, "key")), key) == 0)
            return json_string_value(json_object_iter_value(json_object_iter(value)));
    }
    return NULL;
}

static void check(json_t *span, const char *key, const char *wanted)
{
    const char *found = attribute(span, key);
    if (!wanted)
        assert_null(found);
    else if (!found || strcmp(found, wanted) != 0)
        fail_msg("%s is %s, not %s", key, found ? found : "not there", wanted);
}

static void otlp_text_says_all(void **state)
{
    struct span span = {.start_ns = 1000, .end_ns = 5000, .status = 200, .major = 1, .minor = 1, .known_method = true};
    memset(span.trace.id, 0xab, TRACE_ID_BYTES);
    memset(span.trace.parent, 0xcd, TRACE_SPAN_BYTES);
    memset(span.trace.span, 0xef, TRACE_SPAN_BYTES);
    span.trace.sampled = true;
    span.tries = 2;
    (void)snprintf(span.attempts[0].worker, sizeof(span.attempts[0].worker), "red");
    span.attempts[0].error = ERR_CONNECT_REFUSED;
    span.attempts[0].picked_us = 1;
    (void)snprintf(span.attempts[1].worker, sizeof(span.attempts[1].worker), "blue");
    span.attempts[1].picked_us = 2;
    static const char *const texts[SPAN_TEXTS] = {"GET",       "https",  "[::1]:8443", "/a", "b=c",
                                                  "192.0.2.1", "curl/8", "an-id",      "web"};
    for (unsigned i = 0; i < SPAN_TEXTS; i++)
        span_set_text(&span, i, str_of(texts[i]));

    json_t *json = print(&span, 1), *one = json_array_get(spans_of(json), 0);
    assert_string_equal(json_string_value(json_object_get(one, "traceId")), "abababababababababababababababab");
    assert_string_equal(json_string_value(json_object_get(one, "spanId")), "efefefefefefefef");
    assert_string_equal(json_string_value(json_object_get(one, "parentSpanId")), "cdcdcdcdcdcdcdcd");
    assert_string_equal(json_string_value(json_object_get(one, "name")), "GET");
    assert_string_equal(json_string_value(json_object_get(one, "startTimeUnixNano")), "1000");
    assert_string_equal(json_string_value(json_object_get(one, "endTimeUnixNano")), "5000");
    assert_int_equal(json_integer_value(json_object_get(one, "kind")), 2);
    assert_int_equal(json_object_size(json_object_get(one, "status")), 0);
    static const char *const wanted[][2] = {
        {"http.request.method", "GET"},
        {"http.request.method_original", NULL},
        {"url.scheme", "https"},
        {"url.path", "/a"},
        {"url.query", "b=c"},
        {"server.address", "[::1]"},
        {"server.port", "8443"},
        {"client.address", "192.0.2.1"},
        {"user_agent.original", "curl/8"},
        {"network.protocol.version", "1.1"},
        {"http.response.status_code", "200"},
        {"error.type", NULL},
        {"ballast.request_id", "an-id"},
        {"ballast.pool", "web"},
        {"ballast.worker", "blue"},
        {"ballast.tries", "2"},
        {"ballast.answered_by", "worker"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        check(one, wanted[i][0], wanted[i][1]);
    json_t *events = json_object_get(one, "events");
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 0), "timeUnixNano")), "2000");
    check(json_array_get(events, 0), "error.type", "connect_refused");
    check(json_array_get(events, 1), "error.type", NULL);
    json_decref(json);
}

static void otlp_text_tells_failures(void **state)
{
    struct span spans[2] = {{.status = 503, .error = ERR_NO_WORKER, .failed = true, .own = true, .major = 2},
                            {.status = 500, .failed = true, .known_method = true, .major = 1}};
    span_set_text(&spans[0], SPAN_METHOD, STR("BREW"));

    json_t *json = print(spans, 2), *first = json_array_get(spans_of(json), 0), *second;
    second = json_array_get(spans_of(json), 1);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "HTTP");
    assert_null(json_object_get(first, "parentSpanId"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "status"), "code")), 2);
    check(first, "http.request.method", "_OTHER");
    check(first, "http.request.method_original", "BREW");
    check(first, "network.protocol.version", "2");
    check(first, "error.type", "no_worker_alive");
    check(first, "ballast.answered_by", "ballast");
    check(second, "error.type", "500");
    check(second, "network.protocol.version", "1.0");
    json_decref(json);
}

static void otlp_text_stays_json(void **state)
{
    static struct span span = {.known_method = false};
    static char text[SPAN_TEXT_MAX];
    struct rand_gen rand;

    rand_seed(&rand, 3);
    for (int round = 0; round < 300; round++) {
        for (unsigned i = 0; i < SPAN_TEXTS; i++) {
            size_t n = rand_below(&rand, 300);
            for (size_t k = 0; k < n; k++)
                text[k] = (char)rand_below(&rand, round % 2 ? 256 : 64);
            span_set_text(&span, i, str_slice(text, n));
        }
        json_t *json = print(&span, 1);
        assert_int_equal(json_array_size(spans_of(json)), 1);
        json_decref(json);
    }
    json_t *json = print(NULL, 0);
    assert_int_equal(json_array_size(spans_of(json)), 0);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_text_says_all),
        cmocka_unit_test(otlp_text_tells_failures),
        cmocka_unit_test(otlp_text_stays_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
