/* A screen once a second, made of /v1/status and /v1/events, and keys between. Called by main; one thread, which waits
 * for a key with a timeout and for the answers. A balancer that is away is said, and asked again. */
#include "main/admin_top.h"

#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/admin_client.h"
#include "main/admin_status.h"
#include "main/admin_table.h"

enum {
    TOP_MS = 1000,
    ROWS_MAX = 4096,
    FILTER_MAX = 32,
    EVENT_ROWS = 2,
    HEAD_ROWS = 7,
    KEY_ESCAPE = 27,
    KEY_RETURN = '\n'
};
enum { SORT_NONE = -1, SORT_STATE = ADMIN_COLUMNS };       /* otherwise a column of the table */
enum { SAID_MS = 6000, IDENTITY_MAX = 512, NARROW = 127 }; /* what is said stays long enough to be read */
enum top_color { COLOR_GOOD = 1, COLOR_BAD, COLOR_DOUBT, COLOR_HEAD };

struct top {
    struct admin_client client;
    json_t *status, *events, *differences; /* as last told; NULL before */
    bool away;                             /* the last question had no answer: what is shown is older */
    const json_t *rows[ROWS_MAX];
    int count, selected, first;  /* of the rows shown */
    char identity[IDENTITY_MAX]; /* of the selected worker: rows move, and keys are for the one that was meant */
    int sort;
    char filter[FILTER_MAX];
    bool filtering;
    char said[ADMIN_WHY_MAX]; /* on the last line, until said_until_ms */
    int64_t said_until_ms;
};

/* ---- what is told ---- */

static void say(struct top *top, const char *text)
{
    (void)snprintf(top->said, sizeof(top->said), "%s", text);
    top->said_until_ms = clock_steady_ms() + SAID_MS;
}

static void replace(json_t **at, json_t *answer)
{
    json_decref(*at);
    *at = answer;
}

static void refresh_status(struct top *top)
{
    json_t *status = NULL, *events = NULL, *differences = NULL;
    char why[ADMIN_WHY_MAX] = "";

    top->away = admin_client_ask(&top->client, "GET", "/v1/status", NULL, &status, why) ||
                admin_client_ask(&top->client, "GET", "/v1/events", NULL, &events, why) ||
                admin_client_ask(&top->client, "GET", "/v1/differences", NULL, &differences, why);
    if (top->away) {
        json_decref(status);
        json_decref(events);
        say(top, why);
        return;
    }
    replace(&top->status, status);
    replace(&top->events, events);
    replace(&top->differences, differences);
}

static bool is_shown(const struct top *top, const json_t *worker)
{
    return !top->filter[0] || strstr(admin_text(worker, "name"), top->filter) ||
           strstr(admin_text(worker, "pool"), top->filter) || strstr(admin_text(worker, "state"), top->filter) ||
           strstr(admin_text(worker, "mode"), top->filter);
}

static double rank_of(int sort, const json_t *worker)
{
    if (sort != SORT_STATE)
        return admin_column_value(&admin_columns[sort], worker);
    return (strcmp(admin_text(worker, "state"), "up") != 0 ? 2 : 0) +
           (strcmp(admin_text(worker, "mode"), "ready") != 0 ? 1 : 0);
}

/* Equal ones stand by name, so that no row moves without a reason. */
static int compare_rows(const void *a, const void *b, void *context)
{
    const json_t *one = *(const json_t *const *)a, *other = *(const json_t *const *)b;
    double x = rank_of(*(const int *)context, one), y = rank_of(*(const int *)context, other);
    int pools = strcmp(admin_text(one, "pool"), admin_text(other, "pool"));

    if (x < y || x > y)
        return x < y ? 1 : -1;
    return pools ? pools : strcmp(admin_text(one, "name"), admin_text(other, "name"));
}

static void identity_of(const json_t *worker, char out[IDENTITY_MAX])
{
    (void)snprintf(out, IDENTITY_MAX, "%s\n%s", admin_text(worker, "pool"), admin_text(worker, "name"));
}

static void select_row(struct top *top, int row)
{
    top->selected = row < top->count ? row : top->count - 1;
    if (top->selected < 0)
        top->selected = 0;
    if (top->count > 0)
        identity_of(top->rows[top->selected], top->identity);
}

/* The worker that was selected, wherever it stands now; when it is gone, whoever took its row. */
static void select_again(struct top *top)
{
    char identity[IDENTITY_MAX];
    int row = 0;

    for (; row < top->count; row++) {
        identity_of(top->rows[row], identity);
        if (strcmp(identity, top->identity) == 0)
            break;
    }
    select_row(top, row < top->count ? row : top->selected);
}

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
    if (top->sort != SORT_NONE)
        qsort_r(top->rows, (size_t)top->count, sizeof(top->rows[0]), compare_rows, &top->sort);
    select_again(top);
}

static const char *sort_title(int sort)
{
    return sort == SORT_STATE ? "STATE" : admin_columns[sort].title;
}

/* State first, because whoever sorts looks for trouble; then the columns that there is room for. */
static int next_sort(int sort)
{
    int next = sort == SORT_NONE ? SORT_STATE : sort == SORT_STATE ? 0 : sort + 1;

    while (next < ADMIN_COLUMNS && COLS < admin_columns[next].from)
        next++;
    return next == ADMIN_COLUMNS && sort != SORT_NONE ? SORT_NONE : next;
}

/* ---- the screen ---- */

/* Of 80 columns on, a worker's cause of being down is on the screen: names and older probes give way to it. */
static const struct widths {
    int pool, worker, state, mode, probes;
} narrow = {10, 15, 8, 9, 1}, wide = {12, 20, 9, 10, 8};

static const struct widths *widths(void)
{
    return COLS < NARROW ? &narrow : &wide;
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
    if (strcmp(word, "down") == 0 || strcmp(word, "error") == 0 || strncmp(word, "NO ANSWER", 9) == 0)
        return COLOR_PAIR(COLOR_BAD) | A_BOLD;
    return strcmp(word, "ready") == 0 || strcmp(word, "info") == 0 ? A_NORMAL : COLOR_PAIR(COLOR_DOUBT);
}

__attribute__((nonnull)) static void put_word(const char *word, int width)
{
    attron(color_of(word));
    put("%-*.*s", width, width - 1, word);
    attroff(color_of(word));
}

static void count_taking(const struct top *top, long long *ret_taking, size_t *ret_all)
{
    const json_t *pools = json_object_get(top->status, "pools");

    *ret_taking = 0;
    *ret_all = 0;
    for (size_t p = 0; p < json_array_size(pools); p++) {
        *ret_taking += admin_number(json_array_get(pools, p), "taking");
        *ret_all += json_array_size(json_object_get(json_array_get(pools, p), "workers"));
    }
}

static void draw_head(const struct top *top)
{
    const json_t *version = json_object_get(top->status, "version"), *rates = json_object_get(top->status, "rates");
    const json_t *requests = json_object_get(top->status, "requests");
    const json_t *connections = json_object_get(top->status, "connections");
    char span[STATUS_SPAN_MAX];
    long long taking;
    size_t all;

    count_taking(top, &taking, &all);
    admin_status_span((uint64_t)admin_number(version, "uptime_s"), span);
    move(0, 0);
    put("Ballast %s  ", admin_text(version, "version"));
    if (top->away)
        put_word("NO ANSWER, below is how it was", 32);
    else
        put_word(admin_text(top->status, "health"), 10);
    put("%lld of %zu workers take requests  up %s%s", taking, all, span,
        json_is_true(json_object_get(top->status, "stopping")) ? "  STOPPING" : "");
    move(1, 0);
    put("  %.1f requests/s  %.1f failures/s  p50 %.1f ms  p99 %.1f ms", admin_real(rates, "requests_per_s"),
        admin_real(rates, "failures_per_s"), admin_real(rates, "p50_ms"), admin_real(rates, "p99_ms"));
    move(2, 0);
    put("  %lld requests: %lld failed, %lld aborted, %lld active", admin_number(requests, "total"),
        admin_number(requests, "failed"), admin_number(requests, "aborted"), admin_number(requests, "active"));
    move(3, 0);
    put("  %lld clients, %lld connections to workers (%lld idle)", admin_number(connections, "clients"),
        admin_number(connections, "workers"), admin_number(connections, "workers_idle"));
}

static void draw_reasons(const struct top *top, const char *name, const char *title)
{
    json_t *reasons = json_object_get(top->status, name), *count;
    const char *reason, *before = "";

    if (!json_object_size(reasons))
        return;
    put("  %s: ", title);
    json_object_foreach(reasons, reason, count)
    {
        put("%s%s %lld", before, reason, json_integer_value(count));
        before = ", ";
    }
}

/* What differs from the usual, each only where it is so. */
static void draw_notes(const struct top *top, int shown)
{
    size_t changed = admin_differences(top->differences);

    move(4, 0);
    draw_reasons(top, "reasons", "failures");
    draw_reasons(top, "retries", "tried again");
    move(5, 0);
    if (top->sort != SORT_NONE)
        put("  sort: %s", sort_title(top->sort));
    if (top->filter[0])
        put("  filter: %s (Esc: all)", top->filter);
    if (shown < top->count)
        put("  rows %d to %d of %d", top->first + 1, top->first + shown, top->count);
    if (changed)
        put("  %zu worker%s not as the file says", changed, changed == 1 ? " is" : "s are");
}

static void draw_titles(const struct top *top)
{
    const struct widths *w = widths();

    attron(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    move(HEAD_ROWS - 1, 0);
    put("%-*s%-*s%-*s%-*s", w->pool, "POOL", w->worker, "WORKER", w->state, "STATE", w->mode, "MODE");
    for (int c = 0; c < ADMIN_COLUMNS; c++) {
        if (COLS < admin_columns[c].from)
            continue;
        if (top->sort == c)
            attron(A_UNDERLINE);
        put("%*s", admin_columns[c].width, admin_columns[c].title);
        attroff(A_UNDERLINE);
    }
    put("  %-*s", COLS, "PROBES");
    attroff(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
}

/* The newest last: a dot a good one, an x a bad one; then what the newest said. */
static void draw_probes(const json_t *worker)
{
    const char *detail = admin_text(worker, "detail");
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
    if (newest && admin_text(newest, "cause")[0])
        put(" %s%s%s", admin_text(newest, "cause"), *detail ? ": " : "", detail);
    else if (newest)
        put(" %.1f ms", json_number_value(json_object_get(newest, "took_ms")));
}

static void put_name(const json_t *worker, const char *field, int width)
{
    char name[64];

    admin_name_cut(admin_text(worker, field), (size_t)width - 1, name);
    put("%-*s", width, name);
}

static void draw_worker(const struct top *top, int row, int line)
{
    const json_t *worker = top->rows[row];
    const struct widths *w = widths();
    char cell[ADMIN_CELL_MAX];

    move(line, 0);
    if (row == top->selected)
        attron(A_REVERSE);
    put_name(worker, "pool", w->pool);
    put_name(worker, "name", w->worker);
    attroff(A_REVERSE);
    put_word(admin_text(worker, "state"), w->state);
    put_word(admin_text(worker, "mode"), w->mode);
    for (size_t c = 0; c < ADMIN_COLUMNS; c++)
        if (COLS >= admin_columns[c].from) {
            admin_column_text(&admin_columns[c], worker, cell);
            put("%*s", admin_columns[c].width, cell);
        }
    draw_probes(worker);
}

/* On a narrow screen without the address of a worker that is named: the cause stands behind it. */
static void put_facts(const char *facts)
{
    const char *address = COLS < NARROW && strstr(facts, "worker=") ? strstr(facts, " address=") : NULL;

    if (address)
        put("%.*s%s", (int)(address - facts), facts, address + 1 + strcspn(address + 1, " "));
    else
        put("%s", facts);
}

static void draw_events(const struct top *top, int line)
{
    const json_t *events = json_object_get(top->events, "events");
    size_t count = json_array_size(events);

    attron(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    move(line++, 0);
    put("%-*s", COLS, "RECENT EVENTS, newest first, UTC");
    attroff(COLOR_PAIR(COLOR_HEAD) | A_BOLD);
    for (size_t i = count; i-- > 0 && line < LINES - 1; line++) {
        const json_t *event = json_array_get(events, i);
        move(line, 0);
        put("%.8s ", strlen(admin_text(event, "time")) > 19 ? admin_text(event, "time") + 11 : "");
        put_word(admin_text(event, "level"), 6);
        put("%s  ", admin_text(event, "message"));
        put_facts(admin_text(event, "facts"));
    }
}

static void draw_foot(const struct top *top)
{
    move(LINES - 1, 0);
    attron(A_BOLD);
    if (top->filtering)
        put("filter: %s_   Enter: keep it, Esc: all workers", top->filter);
    else if (top->said[0])
        put("%s", top->said);
    else
        put("q quit  j k select  s sort  / filter  d drain  r ready  x disable  + - weight");
    attroff(A_BOLD);
}

/* Between workers and events: a low screen needs it for a worker. */
static int gap_rows(void)
{
    return LINES < 20 ? 0 : 1;
}

/* In the gap: why the selected worker's last probe was bad, which few screens have room for behind its numbers. */
static void draw_gap(const struct top *top, int line)
{
    const json_t *worker = top->count > 0 ? top->rows[top->selected] : NULL;
    const char *detail = admin_text(worker, "detail");

    move(line, 0);
    if (gap_rows() && *detail)
        put("  %s: %s", admin_text(worker, "name"), detail);
}

/* The selected row is among those shown. Returns how many are: the last events have at least EVENT_ROWS lines below. */
static int scroll_rows(struct top *top)
{
    int room = LINES - HEAD_ROWS - gap_rows() - 1 - EVENT_ROWS - 1;

    if (room < 1)
        room = 1;
    if (top->selected < top->first)
        top->first = top->selected;
    if (top->selected >= top->first + room)
        top->first = top->selected - room + 1;
    return top->count - top->first < room ? top->count - top->first : room;
}

static void draw(struct top *top)
{
    erase();
    if (top->status) {
        gather_rows(top);
        int shown = scroll_rows(top);
        draw_head(top);
        draw_notes(top, shown);
        draw_titles(top);
        for (int i = 0; i < shown; i++)
            draw_worker(top, top->first + i, HEAD_ROWS + i);
        draw_gap(top, HEAD_ROWS + shown);
        draw_events(top, HEAD_ROWS + shown + gap_rows());
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

    if (worker && admin_client_escape(str_of(admin_text(worker, "pool")), pool, sizeof(pool)) &&
        admin_client_escape(str_of(admin_text(worker, "name")), name, sizeof(name))) {
        (void)snprintf(target, sizeof(target), "/v1/pools/%s/workers/%s", pool, name);
        if (admin_client_ask(&top->client, "PATCH", target, body, &answer, why) == 0)
            (void)snprintf(why, sizeof(why), "%.128s: mode %s, weight %lld", admin_text(answer, "name"),
                           admin_text(answer, "mode"), admin_number(answer, "weight"));
        json_decref(answer);
    }
    json_decref(body);
    refresh_status(top);
    if (why[0])
        say(top, why);
}

static void order_weight(struct top *top, int change)
{
    long long weight = top->count > 0 ? admin_number(top->rows[top->selected], "weight") + change : 0;

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
    case 's': top->sort = next_sort(top->sort); break;
    case KEY_ESCAPE: top->filter[0] = '\0'; break;
    case '/': top->filtering = true; break;
    case 'd': order(top, json_pack("{ss}", "mode", "drain")); break;
    case 'r': order(top, json_pack("{ss}", "mode", "ready")); break;
    case 'x': order(top, json_pack("{ss}", "mode", "disabled")); break;
    case '+': order_weight(top, 1); break;
    case '-': order_weight(top, -1); break;
    case 'j':
    case KEY_DOWN: select_row(top, top->selected + 1); break;
    case 'k':
    case KEY_UP: select_row(top, top->selected - 1); break;
    default: break;
    }
    return true;
}

static bool open_screen(void)
{
    (void)setlocale(LC_ALL, "");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !newterm(NULL, stdout, stdin))
        return false;
    if (tigetstr("cup"))
        return true;
    endwin();
    return false;
}

static void set_up_screen(void)
{
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
    static struct top top = {.sort = SORT_NONE};
    char why[ADMIN_WHY_MAX] = "";
    int error = admin_client_find(&top.client, options->flags.admin, options->config_path, why);

    if (!error)
        error = admin_client_ask(&top.client, "GET", "/v1/status", NULL, &top.status, why);
    if (error) {
        fprintf(stderr, "ballast: %s\n", why);
        return STATUS_EXIT_UNKNOWN;
    }
    if (!open_screen()) {
        fprintf(stderr, "ballast: top needs a terminal whose cursor can be moved; ballast status does not\n");
        return STATUS_EXIT_UNKNOWN;
    }
    set_up_screen();
    for (bool on = true; on;) {
        draw(&top);
        int key = getch();
        if (key == ERR || !top.events) {
            if (clock_steady_ms() >= top.said_until_ms)
                top.said[0] = '\0';
            refresh_status(&top);
        }
        on = key == ERR
        || take_key(&top, key);
    }
    endwin();
    json_decref(top.status);
    json_decref(top.events);
    json_decref(top.differences);
    return STATUS_EXIT_OK;
}
