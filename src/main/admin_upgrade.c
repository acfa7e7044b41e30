/* First the server before answers, later the one that took its place, and in between perhaps nobody: it is asked again
 * until one says how it ended. */
#include "main/admin_upgrade.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "main/admin_client.h"
#include "main/admin_status.h"

enum { LOOK_MS = 50, WAIT_MOST_MS = 150000 };

static bool is_over(const json_t *upgrade, json_int_t number)
{
    const char *state = json_string_value(json_object_get(upgrade, "state"));

    return state && strcmp(state, "waiting") != 0 && json_integer_value(json_object_get(upgrade, "number")) >= number;
}

/* The last answer, or NULL: there was none; why says what stood in the way. */
static json_t *wait_for_end(const struct admin_client *client, json_int_t number, char why[ADMIN_WHY_MAX])
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    int64_t end_ms = clock_steady_ms() + WAIT_MOST_MS;
    json_t *upgrade = NULL;

    do {
        json_decref(upgrade);
        upgrade = NULL;
        (void)nanosleep(&pause, NULL);
        if (admin_client_ask(client, "GET", "/v1/upgrade", NULL, &upgrade, why))
            upgrade = NULL;
    } while (!is_over(upgrade, number) && clock_steady_ms() < end_ms);
    return upgrade;
}

static int print_end(const json_t *upgrade, bool json)
{
    const char *state = json_string_value(json_object_get(upgrade, "state"));

    if (json) {
        json_dumpf(upgrade, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        printf("upgrade %lld: %s: %s\n", (long long)json_integer_value(json_object_get(upgrade, "number")), state,
               json_string_value(json_object_get(upgrade, "sentence")));
    }
    return strcmp(state, "done") == 0 ? 0 : 1;
}

int admin_upgrade_run(const struct options *options)
{
    struct admin_client client;
    char why[ADMIN_WHY_MAX] = "";
    json_t *asked = NULL, *upgrade = NULL;
    int error = admin_client_find(&client, options->flags.admin, options->config_path, why);

    if (!error)
        error = admin_client_ask(&client, "POST", "/v1/upgrade", NULL, &asked, why);
    if (!error)
        upgrade = wait_for_end(&client, json_integer_value(json_object_get(asked, "number")), why);
    json_decref(asked);
    if (!upgrade || !json_is_string(json_object_get(upgrade, "state"))) {
        fprintf(stderr, "ballast: %s\n", why);
        json_decref(upgrade);
        return STATUS_EXIT_UNKNOWN;
    }
    int code = print_end(upgrade, options->json);
    json_decref(upgrade);
    return code;
}
