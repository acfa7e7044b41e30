/* Answers of the administration API as lines of text. Called by main; asks once and prints. */
#include "main/admin_status.h"

#include <stdio.h>

#include "main/admin_client.h"

enum { TARGET_MAX = 4096 };

/* ---- reading answers ---- */

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

static unsigned long long number_of(const json_t *json, const char *name)
{
    return (unsigned long long)json_integer_value(json_object_get(json, name));
}

static double real_of(const json_t *json, const char *name)
{
    return json_number_value(json_object_get(json, name));
}

static int ask(const struct options *options, const char *target, json_t **ret_answer)
{
    struct admin_client client;
    char why[ADMIN_WHY_MAX] = "";
    int error = admin_client_find(&client, options->flags.admin, options->config_path, why);

    if (!error)
        error = admin_client_ask(&client, "GET", target, NULL, ret_answer, why);
    if (error)
        fprintf(stderr, "ballast: %s\n", why);
    return error;
}

void admin_status_span(uint64_t seconds, char out[STATUS_SPAN_MAX])
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t at = 0;

    while (at < ARRAY_SIZE(units) - 1 && seconds < units[at].seconds)
        at++;
    unsigned long long first = seconds / units[at].seconds, rest = seconds % units[at].seconds;
    if (at == ARRAY_SIZE(units) - 1 || rest / units[at + 1].seconds == 0)
        (void)snprintf(out, STATUS_SPAN_MAX, "%llu %s", first, units[at].name);
    else
        (void)snprintf(out, STATUS_SPAN_MAX, "%llu %s %llu %s", first, units[at].name,
                       (unsigned long long)(rest / units[at + 1].seconds), units[at + 1].name);
}

/* ---- status ---- */

static void print_head(const json_t *status)
{
    const json_t *version = json_object_get(status, "version"), *requests = json_object_get(status, "requests");
    const json_t *rates = json_object_get(status, "rates"), *connections = json_object_get(status, "connections");
    char span[STATUS_SPAN_MAX];

    admin_status_span(number_of(version, "uptime_s"), span);
    printf("Ballast %s is %s%s: up %s, %llu threads, process %llu\n", text_of(version, "version"),
           text_of(status, "health"), json_is_true(json_object_get(status, "stopping")) ? ", stopping" : "", span,
           number_of(version, "threads"), number_of(version, "pid"));
    printf("requests     %llu: %llu ok, %llu failed, %llu aborted, %llu active; %.1f/s, p50 %.1f ms, p99 %.1f ms\n",
           number_of(requests, "total"), number_of(requests, "ok"), number_of(requests, "failed"),
           number_of(requests, "aborted"), number_of(requests, "active"), real_of(rates, "requests_per_s"),
           real_of(rates, "p50_ms"), real_of(rates, "p99_ms"));
    printf("connections  %llu clients, %llu to workers (%llu idle)\n", number_of(connections, "clients"),
           number_of(connections, "workers"), number_of(connections, "workers_idle"));
}

static void print_reasons(const json_t *status)
{
    json_t *reasons = json_object_get(status, "reasons"), *count;
    const char *reason, *before = "failures     ";

    json_object_foreach(reasons, reason, count)
    {
        printf("%s%s %llu", before, reason, (unsigned long long)json_integer_value(count));
        before = ", ";
    }
    if (json_object_size(reasons))
        putchar('\n');
}

static void print_probe(const json_t *worker)
{
    const json_t *probe = json_array_get(json_object_get(worker, "last_probes"), 0);

    if (!probe)
        printf("not probed\n");
    else if (json_is_true(json_object_get(probe, "good")))
        printf("%llu in %.1f ms\n", number_of(probe, "status"), real_of(probe, "took_ms"));
    else
        printf("%s\n", text_of(probe, "cause"));
}

static void print_worker(const json_t *worker)
{
    const json_t *rates = json_object_get(worker, "rates");

    printf("  %-20.20s %-8s %-9s %6llu %7llu %10llu %8.1f %8.1f %8.1f  ", text_of(worker, "name"),
           text_of(worker, "state"), text_of(worker, "mode"), number_of(worker, "weight"), number_of(worker, "active"),
           number_of(worker, "requests"), real_of(rates, "requests_per_s"), real_of(rates, "p50_ms"),
           real_of(rates, "p99_ms"));
    print_probe(worker);
}

static void print_pool(const json_t *pool)
{
    const json_t *workers = json_object_get(pool, "workers"), *rates = json_object_get(pool, "rates");

    printf("\npool %s is %s: %llu of %zu workers take requests, %s, %.1f/s\n", text_of(pool, "name"),
           text_of(pool, "health"), number_of(pool, "taking"), json_array_size(workers), text_of(pool, "balance"),
           real_of(rates, "requests_per_s"));
    printf("  %-20s %-8s %-9s %6s %7s %10s %8s %8s %8s  %s\n", "WORKER", "STATE", "MODE", "WEIGHT", "ACTIVE",
           "REQUESTS", "RATE/S", "P50 MS", "P99 MS", "LAST PROBE");
    for (size_t i = 0; i < json_array_size(workers); i++)
        print_worker(json_array_get(workers, i));
}

static int exit_code_of(const json_t *status)
{
    struct str health = str_of(text_of(status, "health"));

    if (str_eq(health, STR("ok")))
        return STATUS_EXIT_OK;
    if (str_eq(health, STR("degraded")))
        return STATUS_EXIT_DEGRADED;
    return str_eq(health, STR("down")) ? STATUS_EXIT_DOWN : STATUS_EXIT_UNKNOWN;
}

static void print_json(json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

int admin_status_run(const struct options *options)
{
    json_t *status = NULL;

    if (ask(options, "/v1/status", &status))
        return STATUS_EXIT_UNKNOWN;
    const json_t *pools = json_object_get(status, "pools");
    if (options->json) {
        print_json(status);
    } else {
        print_head(status);
        print_reasons(status);
        for (size_t i = 0; i < json_array_size(pools); i++)
            print_pool(json_array_get(pools, i));
    }
    int code = exit_code_of(status);
    json_decref(status);
    return code;
}

/* ---- explain ---- */

static void print_explanation(const json_t *explanation)
{
    const json_t *route = json_object_get(explanation, "route"), *workers = json_object_get(explanation, "workers");
    const char *host = text_of(route, "host"), *path = text_of(route, "path");
    const char *pool = text_of(explanation, "pool");

    printf("%s %s of %s, from %s: %s\n", text_of(explanation, "method"), text_of(explanation, "path"),
           text_of(explanation, "host"), text_of(explanation, "client"), text_of(explanation, "answer"));
    if (number_of(route, "number"))
        printf("route %llu (host %s, path %s) %s%s\n", number_of(route, "number"), host[0] ? host : "any",
               path[0] ? path : "any", pool[0] ? "leads to pool " : "redirects", pool);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("  %c %-20s %s\n", json_is_true(json_object_get(worker, "chosen")) ? '>' : ' ', text_of(worker, "name"),
               text_of(worker, "why"));
    }
}

/* False when it is too long. */
static bool put_query(char target[TARGET_MAX], const char *name, const char *value)
{
    size_t n = strlen(target);

    if (!value)
        return true;
    int wrote = snprintf(target + n, TARGET_MAX - n, "%c%s=", strchr(target, '?') ? '&' : '?', name);
    return wrote > 0 && n + (size_t)wrote < TARGET_MAX &&
           admin_client_escape(str_of(value), target + n + wrote, TARGET_MAX - n - (size_t)wrote);
}

int admin_explain_run(const struct options *options)
{
    char target[TARGET_MAX] = "/v1/explain";
    json_t *explanation = NULL;

    if (!put_query(target, "method", options->method) || !put_query(target, "scheme", options->scheme) ||
        !put_query(target, "host", options->host) || !put_query(target, "path", options->path) ||
        !put_query(target, "client", options->client)) {
        fprintf(stderr, "ballast: the request is too long to be explained\n");
        return STATUS_EXIT_UNKNOWN;
    }
    if (ask(options, target, &explanation))
        return STATUS_EXIT_UNKNOWN;
    if (options->json)
        print_json(explanation);
    else
        print_explanation(explanation);
    int code = text_of(explanation, "worker")[0] ? 0 : 1;
    json_decref(explanation);
    return code;
}

/* ---- why ---- */

static void print_story(const json_t *story)
{
    const json_t *lines = json_object_get(story, "lines");

    for (size_t i = 0; i < json_array_size(lines); i++)
        printf("%s\n", text_of(json_array_get(lines, i), "text"));
}

int admin_why_run(const struct options *options)
{
    char target[TARGET_MAX] = "/v1/requests/";
    size_t n = strlen(target);
    json_t *story = NULL;

    if (!admin_client_escape(str_of(options->words[0]), target + n, TARGET_MAX - n)) {
        fprintf(stderr, "ballast: that is too long for a request id\n");
        return STATUS_EXIT_UNKNOWN;
    }
    if (ask(options, target, &story))
        return STATUS_EXIT_UNKNOWN;
    if (options->json)
        print_json(story);
    else
        print_story(story);
    json_decref(story);
    return 0;
}
