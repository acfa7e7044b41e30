/* Each word is one call of the API; its answer comes when the order is carried out. */
#include "main/admin_worker.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "main/admin_client.h"
#include "main/admin_table.h"

enum { TARGET_MAX = 1024, BUSY_MS = 10000, BUSY_LOOK_MS = 20 };

enum word { WORD_ADD, WORD_REMOVE, WORD_SET, WORD_DRAIN, WORD_DISABLE, WORD_READY, WORD_CHANGES, WORDS };

static const struct {
    const char *name;
    const char *method;
    const char *mode; /* NULL: none */
} words[WORDS] = {
    [WORD_ADD] = {"add", "POST", NULL},
    [WORD_REMOVE] = {"remove", "DELETE", NULL},
    [WORD_SET] = {"set", "PATCH", NULL},
    [WORD_DRAIN] = {"drain", "PATCH", "drain"},
    [WORD_DISABLE] = {"disable", "PATCH", "disabled"},
    [WORD_READY] = {"ready", "PATCH", "ready"},
    [WORD_CHANGES] = {"changes", "GET", NULL},
};

/* WORDS: it is none of them. */
static enum word word_of(const struct options *options)
{
    enum word word = WORD_ADD;

    while (word < WORDS && (!options->words[0] || strcmp(words[word].name, options->words[0]) != 0))
        word++;
    return word;
}

const char *admin_worker_misuse(const struct options *options)
{
    enum word word = word_of(options);

    if (word == WORDS)
        return "ballast worker needs one of add, remove, set, drain, disable, ready, changes";
    if (word == WORD_CHANGES)
        return options->words[1] ? "ballast worker changes takes no pool: it lists all" : NULL;
    if (!options->words[2])
        return word == WORD_ADD ? "ballast worker add needs a pool and an address"
                                : "ballast worker needs a pool, and a worker's name or address";
    if (options->keep && options->no_keep)
        return "a change is kept or not: one of --keep and --no-keep";
    if (options->name && word != WORD_ADD)
        return "--name is for a worker that is added";
    if (options->weight && word == WORD_REMOVE)
        return "--weight is for a worker that stays";
    if (word == WORD_SET && !options->weight && !options->keep && !options->no_keep)
        return "ballast worker set needs --weight N, --keep or --no-keep";
    return NULL;
}

/* ---- asking ---- */

static json_t *body_of(const struct options *options, enum word word)
{
    json_t *body = json_object();

    if (word == WORD_ADD)
        json_object_set_new(body, "address", json_string(options->words[2]));
    if (options->name)
        json_object_set_new(body, "name", json_string(options->name));
    if (options->weight)
        json_object_set_new(body, "weight", json_integer(options->weight));
    if (words[word].mode)
        json_object_set_new(body, "mode", json_string(words[word].mode));
    if (options->keep || options->no_keep)
        json_object_set_new(body, "keep", json_boolean(options->keep));
    return body;
}

static bool append(char target[TARGET_MAX], const char *before, const char *text)
{
    size_t n = strlen(target);
    int wrote = snprintf(target + n, TARGET_MAX - n, "%s", before);

    return wrote >= 0 && n + (size_t)wrote < TARGET_MAX &&
           admin_client_escape(str_of(text), target + n + wrote, TARGET_MAX - n - (size_t)wrote);
}

/* False: it is too long. */
static bool target_of(const struct options *options, enum word word, char target[TARGET_MAX])
{
    bool whole = true;

    target[0] = '\0';
    if (word == WORD_CHANGES)
        return append(target, "/v1/differences", "");
    whole = append(target, "/v1/pools/", options->words[1]) && append(target, "/workers", "");
    if (word != WORD_ADD)
        whole = whole && append(target, "/", options->words[2]);
    if (word == WORD_REMOVE && options->keep)
        whole = whole && append(target, "?keep=true", "");
    return whole;
}

/* While another change or a reload is under way it is asked again: several may come at once. */
static int ask_until_idle(const struct admin_client *client, enum word word, const char *target, json_t *body,
                          json_t **ret_answer, char why[ADMIN_WHY_MAX])
{
    int64_t end_ms = clock_steady_ms() + BUSY_MS;
    int error;

    while ((error = admin_client_ask(client, words[word].method, target, body, ret_answer, why)) == -ERR_FULL &&
           clock_steady_ms() < end_ms)
        (void)poll(NULL, 0, BUSY_LOOK_MS);
    return error;
}

/* *ret_before: how a worker was that is told something else, for the sentence about it; NULL: nobody asked. */
static int ask(const struct options *options, enum word word, json_t **ret_before, json_t **ret_answer)
{
    struct admin_client client;
    char why[ADMIN_WHY_MAX] = "the pool or the worker is too long a word", target[TARGET_MAX];
    bool fits = target_of(options, word, target), orders = strcmp(words[word].method, "PATCH") == 0;
    json_t *body = orders || word == WORD_ADD ? body_of(options, word) : NULL;
    int error = fits ? admin_client_find(&client, options->flags.admin, options->config_path, why) : -ERR_CONFIG;

    if (!error && orders && !options->json)
        error = admin_client_ask(&client, "GET", target, NULL, ret_before, why);
    if (!error)
        error = ask_until_idle(&client, word, target, body, ret_answer, why);
    json_decref(body);
    if (error)
        fprintf(stderr, "ballast: %s\n", why);
    return error;
}

/* ---- printing ---- */

static bool is(const json_t *json, const char *name, const char *word)
{
    return strcmp(admin_text(json, name), word) == 0;
}

static const char *mode_of(const json_t *json)
{
    return is(json, "mode", "drain") ? "drained" : admin_text(json, "mode");
}

static void print_requests(const json_t *json, const char *where)
{
    long long active = admin_number(json, "active");

    printf(active == 1 ? "%lld request is %s" : "%lld requests are %s", active, where);
}

static void print_change(const json_t *before, const json_t *now)
{
    long long old = admin_number(before, "weight"), weight = admin_number(now, "weight");
    bool same_mode = strcmp(admin_text(before, "mode"), admin_text(now, "mode")) == 0;

    if (!same_mode && old != weight)
        printf("was %s, of weight %lld, and is %s now, of weight %lld", mode_of(before), old, mode_of(now), weight);
    else if (!same_mode)
        printf("was %s and is %s now", mode_of(before), mode_of(now));
    else if (old != weight)
        printf("had weight %lld and has weight %lld now", old, weight);
    else
        printf("is %s, of weight %lld, as it was", mode_of(now), weight);
}

/* What that means for requests. */
static const char *consequence(enum word word, const json_t *now)
{
    if (word == WORD_REMOVE || is(now, "mode", "drain"))
        return "it gets no new requests";
    if (is(now, "mode", "disabled"))
        return "it gets no new requests and no probes";
    if (is(now, "state", "up"))
        return "it is up and gets requests";
    return is(now, "state", "down") ? "it is down and gets no requests until its probes are good again"
                                    : "it gets requests after its first good probe";
}

static void print_worker(enum word word, const json_t *before, const json_t *now)
{
    printf("worker %s of pool %s at %s ", admin_text(now, "name"), admin_text(now, "pool"), admin_text(now, "address"));
    if (word == WORD_REMOVE)
        printf("is removed");
    else if (word == WORD_ADD)
        printf("is added, of weight %lld", admin_number(now, "weight"));
    else
        print_change(before, now);
    printf(": %s, and ", consequence(word, now));
    print_requests(now, "at it\n");
}

static void print_differences(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "differences"), *leaving = json_object_get(answer, "leaving");

    if (json_array_size(list) == 0)
        printf("all workers are as the file says\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *what = admin_text(one, "what");
        printf("%c worker %s of pool %s at %s: %s",
               what[0] == 'a'   ? '+'
               : what[0] == 'r' ? '-'
                                : '~',
               admin_text(one, "worker"), admin_text(one, "pool"), admin_text(one, "address"), what);
        if (!is(one, "mode", "ready"))
            printf(", %s", mode_of(one));
        if (admin_number(one, "weight"))
            printf(", of weight %lld", admin_number(one, "weight"));
        printf("; %s over reloads; since %s by %s\n", json_is_true(json_object_get(one, "keep")) ? "kept" : "not kept",
               admin_text(one, "since"), admin_text(one, "by"));
    }
    for (size_t i = 0; i < json_array_size(leaving); i++) {
        const json_t *one = json_array_get(leaving, i);
        printf("  worker %s of pool %s at %s is gone: ", admin_text(one, "worker"), admin_text(one, "pool"),
               admin_text(one, "address"));
        print_requests(one, "still at it\n");
    }
}

int admin_worker_run(const struct options *options)
{
    enum word word = word_of(options);
    json_t *before = NULL, *answer = NULL;
    int error = ask(options, word, &before, &answer);

    if (error) {
        json_decref(before);
        return 1;
    }
    if (options->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else if (word == WORD_CHANGES) {
        print_differences(answer);
    } else {
        print_worker(word, before, answer);
    }
    json_decref(before);
    json_decref(answer);
    return 0;
}
