/* A reload takes as long as the files and the first probes do, so it is asked after until it is over. */
#include "main/admin_reload.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "main/admin_client.h"
#include "main/admin_status.h"
#include "main/admin_table.h"

enum { LOOK_MS = 50, WAIT_MOST_MS = 60000 };

static bool waits(const json_t *reload)
{
    return strcmp(admin_text(reload, "state"), "waiting") == 0;
}

static json_t *wish_of(const struct options *options)
{
    json_t *wish = json_object();

    if (options->plan)
        json_object_set_new(wish, "plan", json_true());
    if (options->apply)
        json_object_set_new(wish, "apply", json_string(options->apply));
    return wish;
}

static int ask(const struct admin_client *client, const struct options *options, json_t **ret_reload)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    char why[ADMIN_WHY_MAX] = "", target[64];
    json_t *wish = wish_of(options), *reload = NULL;
    int64_t end_ms = clock_steady_ms() + WAIT_MOST_MS;
    int error = admin_client_ask(client, "POST", "/v1/reload", wish, &reload, why);

    json_decref(wish);
    if (!error)
        (void)snprintf(target, sizeof(target), "/v1/reloads/%lld", admin_number(reload, "number"));
    while (!error && waits(reload) && clock_steady_ms() < end_ms) {
        json_decref(reload);
        reload = NULL;
        (void)nanosleep(&pause, NULL);
        error = admin_client_ask(client, "GET", target, NULL, &reload, why);
    }
    if (error)
        fprintf(stderr, "ballast: %s\n", why);
    *ret_reload = reload;
    return error;
}

/* ---- printing ---- */

static void print_workers(const json_t *plan, const char *list, char sign)
{
    const json_t *workers = json_object_get(plan, list);

    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("  %c worker %s of pool %s at %s\n", sign, admin_text(worker, "worker"), admin_text(worker, "pool"),
               admin_text(worker, "address"));
    }
}

static void print_listeners(const json_t *plan, const char *list, char sign)
{
    const json_t *listeners = json_object_get(plan, list);

    for (size_t i = 0; i < json_array_size(listeners); i++)
        printf("  %c listener %s\n", sign, admin_text(json_array_get(listeners, i), "address"));
}

static const char *or_none(const char *text)
{
    return text[0] ? text : "(none)";
}

static void print_settings(const json_t *plan)
{
    const json_t *settings = json_object_get(plan, "settings");

    for (size_t i = 0; i < json_array_size(settings); i++) {
        const json_t *setting = json_array_get(settings, i);
        printf("  ~ %s: %s -> %s%s\n", admin_text(setting, "name"), or_none(admin_text(setting, "from")),
               or_none(admin_text(setting, "to")),
               json_is_true(json_object_get(setting, "start")) ? " (from the next start or upgrade on)" : "");
    }
}

static void print_differences(const json_t *plan)
{
    const json_t *differences = json_object_get(plan, "differences");

    for (size_t i = 0; i < json_array_size(differences); i++) {
        const json_t *one = json_array_get(differences, i);
        const char *fate = admin_text(one, "fate");
        bool kept = strcmp(fate, "kept") == 0;
        printf("  %c worker %s of pool %s, %s at run time: %s%s%s\n", kept ? '=' : '!', admin_text(one, "address"),
               admin_text(one, "pool"), admin_text(one, "what"), kept ? "goes on" : fate, kept ? "" : ", ",
               admin_text(one, "why"));
    }
}

static void print_plan(const json_t *plan)
{
    print_listeners(plan, "listeners_opened", '+');
    print_listeners(plan, "listeners_closed", '-');
    print_workers(plan, "workers_added", '+');
    print_workers(plan, "workers_removed", '-');
    print_settings(plan);
    print_differences(plan);
    printf("  = %lld workers and %lld listeners are kept; %lld requests are at workers that go, of %lld under way from "
           "%lld clients\n",
           admin_number(plan, "workers_kept"), admin_number(plan, "listeners_kept"),
           admin_number(plan, "requests_at_removed"), admin_number(plan, "requests_active"),
           admin_number(plan, "clients"));
}

static void print_reload(const json_t *reload)
{
    const json_t *plan = json_object_get(reload, "plan");

    printf("reload %lld is %s: %s\n", admin_number(reload, "number"), admin_text(reload, "state"),
           admin_text(reload, "sentence"));
    if (plan)
        print_plan(plan);
    if (plan && strcmp(admin_text(reload, "state"), "planned") == 0)
        printf("ballast reload --apply %s does just this\n", admin_text(plan, "id"));
}

int admin_reload_run(const struct options *options)
{
    struct admin_client client;
    char why[ADMIN_WHY_MAX] = "";
    json_t *reload = NULL;

    if (admin_client_find(&client, options->flags.admin, options->config_path, why)) {
        fprintf(stderr, "ballast: %s\n", why);
        return STATUS_EXIT_UNKNOWN;
    }
    if (ask(&client, options, &reload))
        return STATUS_EXIT_UNKNOWN;
    if (options->json) {
        json_dumpf(reload, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_reload(reload);
    }
    const char *state = admin_text(reload, "state");
    int code = strcmp(state, "applied") == 0 || strcmp(state, "planned") == 0 ? 0 : 1;
    json_decref(reload);
    return code;
}
