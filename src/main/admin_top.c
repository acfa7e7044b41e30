/* A screen once a second, made of /v1/status and /v1/events, and keys between. Called by main; one thread, which waits
 * for a key with a timeout and for the answers. A balancer that is away is said, and asked again. */
#include "main/admin_top.h"

#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "main/admin_client.h"
#include "main/admin_status.h"

enum { TOP_MS = 1000, ROWS_MAX = 4096, FILTER_MAX = 32, EVENT_ROWS = 2, KEY_ESCAPE = 27, KEY_RETURN = '\n' };
enum top_color { COLOR_GOOD = 1, COLOR_BAD, COLOR_DOUBT, COLOR_HEAD };

struct column {
    const char *title, *field; /* of the worker, or of its rates */
    int width;
    bool in_rates;
    int from; /* columns that the terminal must have: on a narrow one the least important are left out */
};

static const struct column columns[] = {
    {"WEIGHT", "weight", 7, false, 112},      {"ACTIVE", "active", 7, false, 88},
    {"REQUESTS", "requests", 11, false, 138}, {"RATE/S", "requests_per_s", 9, true, 0},
    {"P50 MS", "p50_ms", 9, true, 97},        {"P99 MS", "p99_ms", 9, true, 0},
    {"BROKEN", "broken", 8, false, 105},
};

struct top {
    struct admin_client client;
    json_t *status, *events; /* as last told; NULL before */
    const json_t *rows[ROWS_MAX];
    int count, selected, first; /* of the rows shown */
    int sort;                   /* column; -1: the order of the file */
    char filter[FILTER_MAX];
    bool filtering;
    char said[ADMIN_WHY_MAX]; /* on the last line */
};

/* ---- what is told ---- */

static void refresh_status(struct top *top)
{
    json_t *status = NULL, *events = NULL;
    char why[ADMIN_WHY_MAX] = "";

    if (admin_client_ask(&top->client, "GET", "/v1/status", NULL, &status, why) ||
        admin_client_ask(&top->client, "GET", "/v1/events", NULL, &events, why)) {
        json_decref(status);
        (void)snprintf(top->said, sizeof(top->said), "%s", why);
        return;
    }
    json_decref(top->status);
    json_decref(top->events);
    top->status = status;
    top->events = events;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

static double value_of(const json_t *worker, const struct column *column)
{
    const json_t *from = column->in_rates ? json_object_get(worker, "rates") : worker;

    return json_number_value(json_object_get(from, column->field));
}

static bool is_shown(const struct top *top, const json_t *worker)
{
    return !top->filter[0] || strstr(text_of(worker, "name"), top->filter) ||
           strstr(text_of(worker, "pool"), top->filter) || strstr(text_of(worker, "state"), top->filter) ||
           strstr(text_of(worker, "mode"), top->filter);
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct column *column = context;
    double x = value_of(*(const json_t *const *)a, column), y = value_of(*(const json_t *const *)b, column);

    return (x < y) - (x > y);
}

/* Marks which worker is selected by its identity: rows move. */
static void gather_rows(struct top *top)
{
    const json_t *pools = json_object_get(top->status, "pools");

    top->count = 0;
    for (size_t p = 0; p < json_array_size(pools); p++) {
        const json_t *workers = json_object_get(json_array_get(pools, p), "workers");
        for (size_t i = 0; i < json_array_size(workers) && top->count < ROWS_MAX; i++)
            if (is_shown(top, json_array_get(workers, i)))
                top->rows[top->count++] = json_array_get(workers, i);
    }
    if (top->sort >= 0) {
        struct column column = columns[top->sort];
        qsort_r(top->rows, (size_t)top->count, sizeof(top->rows[0]), compare_rows, &column);
    }
    if (top->selected >= top->count)
        top->selected = top->count > 0 ? top->count - 1 : 0;
}

/* ---- the screen ---- */

/* Of 80 columns on, a worker's cause of being down is on the screen: names and older probes give way to it. */
static const struct widths {
    int pool, worker, state, mode, probes;
} narrow = {10, 15, 8, 9, 1}, wide = {12, 20, 9, 10, 8};

static const struct widths *widths(void)
{
    return COLS < 127 ? &narrow : &wide;
}

/* Up to the right margin, and no further: what would go beyond is not on the screen. */
__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    char text[1024];
    int room = COLS - 1 - getcurx(stdscr);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (room > 0)
        addnstr(text, room);
}

static int color_of(const char *word)
{
    if (strcmp(word, "up") == 0 || strcmp(word, "ok") == 0)
        return COLOR_PAIR(COLOR_GOOD);
    if (strcmp(word, "down") == 0 || strcmp(word, "error") == 0)
        return COLOR_PAIR(COLOR_BAD) | A_BOLD;
    return strcmp(word, "ready") == 0 || strcmp(word, "info") == 0 ? A_NORMAL : COLOR_PAIR(COLOR_DOUBT);
}

__attribute__((nonnull)) static void put_word(const char *word, int width)
{
    attron(color_of(word));
    put("%-*.*s", width, width - 1, word);
    attroff(color_of(word));
}

static long long number_of(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static void draw_head(const struct top *top)
{
    const json_t *version = json_object_get(top->status, "version"), *rates = json_object_get(top->status, "rates");
    const json_t *requests = json_object_get(top->status, "requests");
    const json_t *connections = json_object_get(top->status, "connections");
    char span[STATUS_SPAN_MAX];

    admin_status_span((uint64_t)number_of(version, "uptime_s"), span);
    move(0, 0);
    put("Ballast %s  ", text_of(version, "version"));
    put_word(text_of(top->status, "health"), 10);
    put("up %s  %lld threads%s", span, number_of(version, "threads"),
        json_is_true(json_object_get(top->status, "stopping")) ? "  STOPPING" : "");
    move(1, 0);
    put("%9.1f requests/s  %.1f failures/s  p50 %.1f ms  p99 %.1f ms",
        json_number_value(json_object_get(rates, "requests_per_s")),
        json_number_value(json_object_get(rates, "failures_per_s")),
        json_number_value(json_object_get(rates, "p50_ms")), json_number_value(json_object_get(rates, "p99_ms")));
    move(2, 0);
    put("%9lld requests: %lld failed, %lld aborted, %lld active  %lld clients  %lld to workers (%lld idle)",
        number_of(requests, "total"), number_of(requests, "failed"), number_of(requests, "aborted"),
        number_of(requests, "active"), number_of(connections, "clients"), number_of(connections, "workers"),
        number_of(connections, "workers_idle"));
}

static void draw_reasons(const struct top *top)
{
    json_t *reasons = json_object_get(top->status, "reasons"), *count;
    const char *reason;

    move(3, 0);
    if (json_object_size(reasons))
        put("  reasons:");
    json_object_foreach(reasons, reason, count) put("  %s %lld", reason, json_integer_value(count));
}

static void draw_titles(const struct top *top)
{
    attron(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    move(5, 0);
    const struct widths *w = widths();
    put("%-*s%-*s%-*s%-*s", w->pool, "POOL", w->worker, "WORKER", w->state, "STATE", w->mode, "MODE");
    for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
        if (COLS < columns[c].from)
            continue;
        if (top->sort == (int)c)
            attron(A_UNDERLINE);
        put("%*s", columns[c].width, columns[c].title);
        attroff(A_UNDERLINE);
    }
    put("  %-*s", COLS, "PROBES");
    attroff(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
}

/* The newest last: a dot a good one, an x a bad one; then what the newest said. */
static void draw_probes(const json_t *worker)
{
    const json_t *probes = json_object_get(worker, "last_probes");
    size_t count = json_array_size(probes), most = (size_t)widths()->probes;

    put("  ");
    for (size_t i = count < most ? count : most; i-- > 0;) {
        bool good = json_is_true(json_object_get(json_array_get(probes, i), "good"));
        attron(COLOR_PAIR(good ? COLOR_GOOD : COLOR_BAD));
        put("%c", good ? '.' : 'x');
        attroff(COLOR_PAIR(good ? COLOR_GOOD : COLOR_BAD));
    }
    const json_t *newest = json_array_get(probes, 0);
    if (newest && text_of(newest, "cause")[0])
        put(" %s", text_of(newest, "cause"));
    else if (newest)
        put(" %.1f ms", json_number_value(json_object_get(newest, "took_ms")));
}

static void draw_worker(const struct top *top, int row, int line)
{
    const json_t *worker = top->rows[row];
    const struct widths *w = widths();

    move(line, 0);
    if (row == top->selected)
        attron(A_REVERSE);
    put("%-*.*s%-*.*s", w->pool, w->pool - 1, text_of(worker, "pool"), w->worker, w->worker - 1,
        text_of(worker, "name"));
    attroff(A_REVERSE);
    put_word(text_of(worker, "state"), w->state);
    put_word(text_of(worker, "mode"), w->mode);
    for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
        if (COLS >= columns[c].from)
            put("%*.*f", columns[c].width, columns[c].in_rates ? 1 : 0, value_of(worker, &columns[c]));
    draw_probes(worker);
}

static void draw_events(const struct top *top, int line)
{
    const json_t *events = json_object_get(top->events, "events");
    size_t count = json_array_size(events);

    attron(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    move(line++, 0);
    put("%-*s", COLS, "RECENT EVENTS");
    attroff(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    for (size_t i = count; i-- > 0 && line < LINES - 1; line++) {
        const json_t *event = json_array_get(events, i);
        move(line, 0);
        put("%.8s ", strlen(text_of(event, "time")) > 19 ? text_of(event, "time") + 11 : "");
        put_word(text_of(event, "level"), 6);
        put("%s  %s", text_of(event, "message"), text_of(event, "facts"));
    }
}

static void draw_foot(const struct top *top)
{
    move(LINES - 1, 0);
    attron(A_BOLD);
    if (top->filtering)
        put("filter: %s_", top->filter);
    else if (top->said[0])
        put("%s", top->said);
    else
        put("q quit  s sort%s%s  / filter%s%s  d drain  r ready  x disable  + - weight", top->sort >= 0 ? ": " : "",
            top->sort >= 0 ? columns[top->sort].title : "", top->filter[0] ? ": " : "", top->filter);
    attroff(A_BOLD);
}

static void draw(struct top *top)
{
    /* Workers first: the last events are told in whatever is left below them, at least EVENT_ROWS lines. */
    int room = LINES - 6 - EVENT_ROWS - 3;

    erase();
    if (top->status) {
        gather_rows(top);
        if (room < 1)
            room = 1;
        if (top->selected < top->first)
            top->first = top->selected;
        if (top->selected >= top->first + room)
            top->first = top->selected - room + 1;
        draw_head(top);
        draw_reasons(top);
        draw_titles(top);
        int shown = top->count - top->first < room ? top->count - top->first : room;
        for (int i = 0; i < shown; i++)
            draw_worker(top, top->first + i, 6 + i);
        draw_events(top, 6 + shown + 1);
    }
    draw_foot(top);
    refresh();
}

/* ---- keys ---- */

static void order(struct top *top, json_t *body)
{
    char pool[256], name[256], target[600], why[ADMIN_WHY_MAX] = "";
    const json_t *worker = top->count > 0 ? top->rows[top->selected] : NULL;
    json_t *answer = NULL;

    if (worker && admin_client_escape(str_of(text_of(worker, "pool")), pool, sizeof(pool)) &&
        admin_client_escape(str_of(text_of(worker, "name")), name, sizeof(name))) {
        (void)snprintf(target, sizeof(target), "/v1/pools/%s/workers/%s", pool, name);
        if (admin_client_ask(&top->client, "PATCH", target, body, &answer, why))
            (void)snprintf(top->said, sizeof(top->said), "%s", why);
        else
            (void)snprintf(top->said, sizeof(top->said), "%s: mode %s, weight %lld", text_of(answer, "name"),
                           text_of(answer, "mode"), number_of(answer, "weight"));
        json_decref(answer);
    }
    json_decref(body);
    char said[ADMIN_WHY_MAX];
    memcpy(said, top->said, sizeof(said));
    refresh_status(top);
    memcpy(top->said, said, sizeof(said));
}

static void order_weight(struct top *top, int change)
{
    long long weight = top->count > 0 ? number_of(top->rows[top->selected], "weight") + change : 0;

    if (weight >= 1)
        order(top, json_pack("{sI}", "weight", (json_int_t)weight));
}

static void take_filter_key(struct top *top, int key)
{
    size_t n = strlen(top->filter);

    if (key == KEY_RETURN || key == KEY_ENTER) {
        top->filtering = false;
    } else if (key == KEY_ESCAPE) {
        top->filtering = false;
        top->filter[0] = '\0';
    } else if (key == KEY_BACKSPACE || key == 127 || key == 8) {
        top->filter[n > 0 ? n - 1 : 0] = '\0';
    } else if (key > ' ' && key < 127 && n + 1 < FILTER_MAX) {
        top->filter[n] = (char)key;
        top->filter[n + 1] = '\0';
    }
}

/* False: the end is wanted. */
static bool take_key(struct top *top, int key)
{
    if (top->filtering) {
        take_filter_key(top, key);
        return true;
    }
    top->said[0] = '\0';
    switch (key) {
    case 'q': return false;
    case 's': top->sort = top->sort + 1 == (int)ARRAY_SIZE(columns) ? -1 : top->sort + 1; break;
    case '/': top->filtering = true; break;
    case 'd': order(top, json_pack("{ss}", "mode", "drain")); break;
    case 'r': order(top, json_pack("{ss}", "mode", "ready")); break;
    case 'x': order(top, json_pack("{ss}", "mode", "disabled")); break;
    case '+': order_weight(top, 1); break;
    case '-': order_weight(top, -1); break;
    case 'j':
    case KEY_DOWN: top->selected += top->selected + 1 < top->count; break;
    case 'k':
    case KEY_UP: top->selected -= top->selected > 0; break;
    default: break;
    }
    return true;
}

static void start_screen(void)
{
    (void)setlocale(LC_ALL, "");
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    timeout(TOP_MS);
    if (!has_colors())
        return;
    start_color();
    use_default_colors();
    init_pair(COLOR_GOOD, COLOR_GREEN, -1);
    init_pair(COLOR_BAD, COLOR_RED, -1);
    init_pair(COLOR_DOUBT, COLOR_YELLOW, -1);
    init_pair(COLOR_HEAD, COLOR_CYAN, -1);
}

int admin_top_run(const struct options *options)
{
    static struct top top = {.sort = -1};
    char why[ADMIN_WHY_MAX] = "";
    int error = admin_client_find(&top.client, options->flags.admin, options->config_path, why);

    if (!error)
        error = admin_client_ask(&top.client, "GET", "/v1/status", NULL, &top.status, why);
    if (error) {
        fprintf(stderr, "ballast: %s\n", why);
        return STATUS_EXIT_UNKNOWN;
    }
    start_screen();
    for (bool on = true; on;) {
        draw(&top);
        int key = getch();
        if (key == ERR || !top.events) {
            if (!top.filtering)
                top.said[0] = '\0';
            refresh_status(&top);
        }
        on = key == ERR
        || take_key(&top, key);
    }
    endwin();
    json_decref(top.status);
    json_decref(top.events);
    return STATUS_EXIT_OK;
}
