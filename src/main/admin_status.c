/* Answers of the administration API as lines of text. Called by main; asks once and prints. */
#include "main/admin_status.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "main/admin_client.h"
#include "main/admin_table.h"

enum { TARGET_MAX = 4096, NAME_LEAST = 20, NAME_MOST = 64 };

/* ---- reading answers ---- */

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

    admin_status_span(admin_number(version, "uptime_s"), span);
    printf("Ballast %s is %s%s: up %s, %lld threads, process %lld\n", admin_text(version, "version"),
           admin_text(status, "health"), json_is_true(json_object_get(status, "stopping")) ? ", stopping" : "", span,
           admin_number(version, "threads"), admin_number(version, "pid"));
    printf("rates        %.1f requests/s, %.1f failures/s, p50 %.1f ms, p99 %.1f ms\n",
           admin_real(rates, "requests_per_s"), admin_real(rates, "failures_per_s"), admin_real(rates, "p50_ms"),
           admin_real(rates, "p99_ms"));
    printf("requests     %lld: %lld ok, %lld failed, %lld aborted, %lld active\n", admin_number(requests, "total"),
           admin_number(requests, "ok"), admin_number(requests, "failed"), admin_number(requests, "aborted"),
           admin_number(requests, "active"));
    printf("connections  %lld clients, %lld to workers (%lld idle)\n", admin_number(connections, "clients"),
           admin_number(connections, "workers"), admin_number(connections, "workers_idle"));
}

/* A map of counts by reason, when there are any. */
static void print_reasons(const json_t *status, const char *name, const char *title)
{
    json_t *reasons = json_object_get(status, name), *count;
    const char *reason, *before = title;

    json_object_foreach(reasons, reason, count)
    {
        printf("%s%s %lld", before, reason, (long long)json_integer_value(count));
        before = ", ";
    }
    if (json_object_size(reasons))
        putchar('\n');
}

static void print_differences(const json_t *differences)
{
    size_t count = admin_differences(differences);

    if (count)
        printf("changed      %zu worker%s not as the file says: `ballast worker changes`\n", count,
               count == 1 ? " is" : "s are");
}

static void print_probe(const json_t *worker)
{
    const json_t *probe = json_array_get(json_object_get(worker, "last_probes"), 0);
    const char *detail = admin_text(worker, "detail");

    if (!probe)
        printf("not probed\n");
    else if (json_is_true(json_object_get(probe, "good")))
        printf("%lld in %.1f ms\n", admin_number(probe, "status"), admin_real(probe, "took_ms"));
    else
        printf("%s%s%s\n", admin_text(probe, "cause"), *detail ? ": " : "", detail);
}

/* How wide a screen reads the lines: everything is there for a file and a pipe. */
static int screen_columns(void)
{
    struct winsize size = {.ws_col = 0};

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : INT_MAX;
}

/* As wide as the longest name, but on a screen no wider than leaves room for the numbers. */
static int name_width(const json_t *workers, int screen)
{
    size_t width = NAME_LEAST;

    for (size_t i = 0; i < json_array_size(workers); i++) {
        size_t n = strlen(admin_text(json_array_get(workers, i), "name"));
        width = n > width ? n : width;
    }
    if (screen < INT_MAX && width > NAME_LEAST)
        width = NAME_LEAST;
    return width < NAME_MOST ? (int)width : NAME_MOST;
}

static void print_titles(int names, int screen)
{
    printf("  %-*s %-8s %-9s", names, "WORKER", "STATE", "MODE");
    for (size_t c = 0; c < ADMIN_COLUMNS; c++)
        if (screen >= admin_columns[c].from)
            printf("%*s", admin_columns[c].width, admin_columns[c].title);
    printf("  LAST PROBE\n");
}

static void print_worker(const json_t *worker, int names, int screen)
{
    char name[NAME_MOST + 1], cell[ADMIN_CELL_MAX];

    admin_name_cut(admin_text(worker, "name"), (size_t)names, name);
    printf("  %-*s %-8s %-9s", names, name, admin_text(worker, "state"), admin_text(worker, "mode"));
    for (size_t c = 0; c < ADMIN_COLUMNS; c++)
        if (screen >= admin_columns[c].from) {
            admin_column_text(&admin_columns[c], worker, cell);
            printf("%*s", admin_columns[c].width, cell);
        }
    printf("  ");
    print_probe(worker);
}

static void print_pool(const json_t *pool, int screen)
{
    const json_t *workers = json_object_get(pool, "workers"), *rates = json_object_get(pool, "rates");
    int names = name_width(workers, screen);

    printf("\npool %s is %s: %lld of %zu workers take requests, %s, %.1f/s\n", admin_text(pool, "name"),
           admin_text(pool, "health"), admin_number(pool, "taking"), json_array_size(workers),
           admin_text(pool, "balance"), admin_real(rates, "requests_per_s"));
    print_titles(names, screen);
    for (size_t i = 0; i < json_array_size(workers); i++)
        print_worker(json_array_get(workers, i), names, screen);
}

static int exit_code_of(const json_t *status)
{
    struct str health = str_of(admin_text(status, "health"));

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

static void print_screen(const json_t *status, const json_t *differences)
{
    const json_t *pools = json_object_get(status, "pools");
    int screen = screen_columns();

    print_head(status);
    print_reasons(status, "reasons", "failures     ");
    print_reasons(status, "retries", "tried again  ");
    print_differences(differences);
    for (size_t i = 0; i < json_array_size(pools); i++)
        print_pool(json_array_get(pools, i), screen);
}

int admin_status_run(const struct options *options)
{
    json_t *status = NULL, *differences = NULL;
    int code = STATUS_EXIT_UNKNOWN;

    if (ask(options, "/v1/status", &status) == 0 &&
        (options->json || ask(options, "/v1/differences", &differences) == 0)) {
        if (options->json)
            print_json(status);
        else
            print_screen(status, differences);
        code = exit_code_of(status);
    }
    json_decref(differences);
    json_decref(status);
    return code;
}

/* ---- explain ---- */

static void print_explanation(const json_t *explanation)
{
    const json_t *route = json_object_get(explanation, "route"), *workers = json_object_get(explanation, "workers");
    const char *host = admin_text(route, "host"), *path = admin_text(route, "path");
    const char *pool = admin_text(explanation, "pool");

    printf("%s %s of %s, from %s: %s\n", admin_text(explanation, "method"), admin_text(explanation, "path"),
           admin_text(explanation, "host"), admin_text(explanation, "client"), admin_text(explanation, "answer"));
    if (admin_number(route, "number"))
        printf("route %lld (host %s, path %s) %s%s\n", admin_number(route, "number"), host[0] ? host : "any",
               path[0] ? path : "any", pool[0] ? "leads to pool " : "redirects", pool);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("  %c %-20s %s\n", json_is_true(json_object_get(worker, "chosen")) ? '>' : ' ',
               admin_text(worker, "name"), admin_text(worker, "why"));
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
    int code = admin_text(explanation, "worker")[0] ? 0 : 1;
    json_decref(explanation);
    return code;
}

/* ---- why ---- */

static void print_story(const json_t *story)
{
    const json_t *lines = json_object_get(story, "lines");

    for (size_t i = 0; i < json_array_size(lines); i++)
        printf("%s\n", admin_text(json_array_get(lines, i), "text"));
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
