/* The option table of ballast-worker and its reader.
 *
 * Not getopt: a table of our own lets the range, the help and the error sentence come from one place, as they must
 * agree. Start-up only.
 */
#include "worker/settings.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"

enum option_kind { OPTION_FLAG, OPTION_NUMBER, OPTION_TEXT, OPTION_PORT, OPTION_NAME };

struct option {
    const char *name;
    enum option_kind kind;
    size_t place;
    uint64_t min;
    uint64_t max;
    const char *argument;
    const char *help;
};

#define PLACE(member) offsetof(struct settings, member)
#define NO_LIMIT      ((uint64_t)INT64_MAX)

static const struct option options[] = {
    {"port", OPTION_PORT, 0, 0, 65535, "N", "listen on this port; repeat for more workers; 0: any free one"},
    {"bind", OPTION_TEXT, PLACE(bind), 0, 0, "ADDR", "address to listen on (127.0.0.1)"},
    {"name", OPTION_NAME, 0, 0, 0, "NAME", "name of the worker, the n-th for the n-th port (the port)"},
    {"delay-ms", OPTION_NUMBER, PLACE(delay_ms), 0, 86400000, "N", "wait before each answer"},
    {"status", OPTION_NUMBER, PLACE(status), 200, 599, "N", "status of each answer (200)"},
    {"body-bytes", OPTION_NUMBER, PLACE(body_bytes), 0, NO_LIMIT, "N", "a body of N bytes of a repeating pattern"},
    {"chunked", OPTION_FLAG, PLACE(chunked), 0, 0, NULL, "answer in chunked coding"},
    {"trailers", OPTION_FLAG, PLACE(trailers), 0, 0, NULL, "with --chunked: a trailer X-Bytes after the body"},
    {"close-delimited", OPTION_FLAG, PLACE(close_delimited), 0, 0, NULL, "the end of the connection ends the body"},
    {"close-after", OPTION_NUMBER, PLACE(close_after), 1, NO_LIMIT, "N", "close each connection after N answers"},
    {"keep-alive-ms", OPTION_NUMBER, PLACE(keep_alive_ms), 0, 86400000, "N",
     "close a connection idle for so long (60000; 0: never)"},
    {"truncate-after", OPTION_NUMBER, PLACE(truncate_after), 0, NO_LIMIT, "N",
     "close the connection inside the body, after N bytes"},
    {"reset-after", OPTION_NUMBER, PLACE(reset_after), 0, NO_LIMIT, "N",
     "reset the connection inside the body, after N bytes"},
    {"health-status", OPTION_NUMBER, PLACE(health_status), 200, 599, "N", "status of /health (200)"},
    {"health-delay-ms", OPTION_NUMBER, PLACE(health_delay_ms), 0, 86400000, "N", "wait before answering /health"},
    {"slow-bytes-per-s", OPTION_NUMBER, PLACE(slow_bytes_per_s), 1, NO_LIMIT, "N", "send bodies at this speed"},
    {"no-answer", OPTION_FLAG, PLACE(no_answer), 0, 0, NULL, "accept, but answer nothing other than /health"},
    {"http10", OPTION_FLAG, PLACE(http10), 0, 0, NULL, "speak HTTP/1.0: one answer for a connection, no chunks"},
    {"early", OPTION_FLAG, PLACE(early), 0, 0, NULL, "answer before reading the request's body"},
    {"help", OPTION_FLAG, PLACE(help), 0, 0, NULL, "show this and exit"},
    {"version", OPTION_FLAG, PLACE(version), 0, 0, NULL, "show the version and exit"},
};

static int refuse(char why[SETTINGS_WHY_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char why[SETTINGS_WHY_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, SETTINGS_WHY_BYTES, format, args);
    va_end(args);
    return -ERR_CONFIG;
}

static const struct option *option_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (str_eq(str_of(options[i].name), name))
            return &options[i];
    }
    return NULL;
}

static int refuse_unknown(struct str name, char why[SETTINGS_WHY_BYTES])
{
    const char *nearest = NULL;
    unsigned best = 4;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        unsigned distance = str_distance(name, str_of(options[i].name), 3);
        if (distance < best) {
            best = distance;
            nearest = options[i].name;
        }
    }
    if (nearest != NULL)
        return refuse(why, "unknown option --%.*s; did you mean --%s?", STR_ARG(name), nearest);
    return refuse(why, "unknown option --%.*s; --help lists all", STR_ARG(name));
}

static int add_text(const char **list, int64_t *count, const char *value, const char *name,
                    char why[SETTINGS_WHY_BYTES])
{
    if (*count == SETTINGS_PORTS_MAX)
        return refuse(why, "--%s can be given at most %d times", name, SETTINGS_PORTS_MAX);
    list[(*count)++] = value;
    return 0;
}

/* A name becomes a field's value and a word of the answer. */
static int check_name(const char *value, char why[SETTINGS_WHY_BYTES])
{
    for (const char *p = value; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~')
            return refuse(why, "--name must consist of visible ASCII characters");
    }
    return *value == '\0' ? refuse(why, "--name must not be empty") : 0;
}

static int option_set(struct settings *settings, const struct option *option, const char *value,
                      char why[SETTINGS_WHY_BYTES])
{
    void *place = (char *)settings + option->place;
    uint64_t number = 0;
    if (option->kind == OPTION_NUMBER || option->kind == OPTION_PORT) {
        if (str_parse_u64(str_of(value), option->max, &number) < 0 || number < option->min)
            return refuse(why, "--%s must be a number from %llu to %llu, not \"%s\"", option->name,
                          (unsigned long long)option->min, (unsigned long long)option->max, value);
    }
    switch (option->kind) {
    case OPTION_FLAG: *(bool *)place = true; return 0;
    case OPTION_NUMBER: *(int64_t *)place = (int64_t)number; return 0;
    case OPTION_TEXT: *(const char **)place = value; return 0;
    case OPTION_PORT: return add_text(settings->ports, &settings->port_count, value, option->name, why);
    case OPTION_NAME:
        if (check_name(value, why) < 0)
            return -ERR_CONFIG;
        return add_text(settings->names, &settings->name_count, value, option->name, why);
    }
    return 0;
}

static int check_together(const struct settings *settings, char why[SETTINGS_WHY_BYTES])
{
    if (settings->help || settings->version)
        return 0;
    if (settings->port_count == 0)
        return refuse(why, "no --port given; try --port 3001");
    if (settings->name_count > settings->port_count)
        return refuse(why, "there are more names than ports");
    if (settings->trailers && !settings->chunked)
        return refuse(why, "--trailers needs --chunked");
    if (settings->chunked && (settings->close_delimited || settings->http10))
        return refuse(why, "--chunked excludes --close-delimited and --http10");
    if (settings->truncate_after >= 0 && settings->reset_after >= 0)
        return refuse(why, "--truncate-after and --reset-after exclude each other");
    return 0;
}

int settings_parse(struct settings *settings, int argc, char **argv, char why[SETTINGS_WHY_BYTES])
{
    *settings = (struct settings){.bind = "127.0.0.1",
                                  .status = 200,
                                  .health_status = 200,
                                  .body_bytes = -1,
                                  .keep_alive_ms = 60000,
                                  .truncate_after = -1,
                                  .reset_after = -1};
    for (int i = 1; i < argc; i++) {
        struct str name = str_of(argv[i]);
        if (!str_starts(name, STR("--")))
            return refuse(why, "\"%s\" is not an option; --help lists all", argv[i]);
        name = str_slice(name.p + 2, name.n - 2);
        size_t equals = str_find(name, '=');
        const char *value = equals < name.n ? name.p + equals + 1 : NULL;
        name.n = equals;
        const struct option *option = option_find(name);
        if (option == NULL)
            return refuse_unknown(name, why);
        if (option->kind == OPTION_FLAG && value != NULL)
            return refuse(why, "--%s takes no value", option->name);
        if (option->kind != OPTION_FLAG && value == NULL && i + 1 < argc)
            value = argv[++i];
        if (option->kind != OPTION_FLAG && value == NULL)
            return refuse(why, "--%s needs a value", option->name);
        if (option_set(settings, option, value, why) < 0)
            return -ERR_CONFIG;
    }
    return check_together(settings, why);
}

void settings_print_help(FILE *out)
{
    fputs("usage: ballast-worker --port N [options]\n\n"
          "A small HTTP/1.1 server to stand behind a load balancer. Each answer says which worker gave it.\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char left[40];
        (void)snprintf(left, sizeof left, "--%s %s", options[i].name, options[i].argument ? options[i].argument : "");
        fprintf(out, "  %-24s %s\n", left, options[i].help);
    }
    fputs("\nPaths:\n"
          "  /health      --health-status and a small body; signal USR1 switches between 200 and 503\n"
          "  /echo        the request's body, streamed back in the same framing\n"
          "  /headers     the request's head as it was received\n"
          "  /page        who answered, under a head of twenty fields\n"
          "  /bytes/N     a whole body of N bytes\n"
          "  /status/N    an answer with this status (200 to 599)\n"
          "  /delay/MS    an answer after so many milliseconds\n"
          "  any other    who answered what\n"
          "Queries ?delay_ms=N, ?status=N and ?chunked=1 override the options for one request.\n"
          "--truncate-after and --reset-after spare /health, /echo and /bytes.\n",
          out);
}
