/* Paths, queries and options to a plan. Called by client.c once for each request.
 */
#include "worker/plan.h"

#include "base/err.h"

/* False: the path does not begin with prefix. A number that is none, or too large, plans a 400. */
static bool path_number(struct str path, struct str prefix, uint64_t max, struct plan *plan, uint64_t *ret_number)
{
    if (!str_starts(path, prefix))
        return false;
    if (str_parse_u64(str_slice(path.p + prefix.n, path.n - prefix.n), max, ret_number) == 0)
        return true;
    plan->status = 400;
    return false;
}

static void plan_status(struct plan *plan, uint64_t status)
{
    plan->status = status < 200 ? 400 : (int)status;
}

static void plan_query(struct plan *plan, struct str target)
{
    size_t mark = str_find(target, '?');
    struct str rest = mark < target.n ? str_slice(target.p + mark + 1, target.n - mark - 1) : STR_NONE;
    struct str piece;
    while (rest.p != NULL && str_cut(&rest, '&', &piece)) {
        size_t equals = str_find(piece, '=');
        struct str name = str_slice(piece.p, equals);
        struct str value = equals < piece.n ? str_slice(piece.p + equals + 1, piece.n - equals - 1) : STR("");
        uint64_t number;
        if (str_parse_u64(value, 86400000, &number) < 0)
            continue;
        if (str_eq(name, STR("delay_ms")))
            plan->delay_ms = (int64_t)number;
        else if (str_eq(name, STR("status")))
            plan_status(plan, number > 599 ? 0 : number);
        else if (str_eq(name, STR("chunked")))
            plan->chunked = number != 0;
    }
}

static void plan_path(struct plan *plan, struct str path)
{
    uint64_t number;
    if (str_eq(path, STR("/echo"))) {
        plan->body = PLAN_ECHO;
        plan->early = false; /* an echo is early by nature: it answers as it reads */
        plan->stop_after = -1;
    } else if (str_eq(path, STR("/headers"))) {
        plan->body = PLAN_HEAD;
    } else if (str_eq(path, STR("/page"))) {
        plan->shop = true;
    } else if (path_number(path, STR("/bytes/"), INT64_MAX, plan, &number)) {
        plan->body = PLAN_PATTERN;
        plan->pattern_bytes = (int64_t)number;
        plan->status = 200;
        plan->stop_after = -1;
    } else if (path_number(path, STR("/status/"), 599, plan, &number)) {
        plan_status(plan, number);
    } else if (path_number(path, STR("/delay/"), 86400000, plan, &number)) {
        plan->delay_ms = (int64_t)number;
    }
}

/* Who may be told what: RFC 9112 sections 6.1 (no chunks to 1.0) and 9.3 (persistence). */
static void plan_framing(struct plan *plan, const struct h1_head *request)
{
    bool old = plan->http10 || request->msg.minor == 0;
    if (plan->body == PLAN_ECHO)
        plan->chunked = request->chunked;
    plan->bodyless = request->msg.method == METHOD_HEAD || plan->status == 204 || plan->status == 304;
    if (plan->chunked && old) {
        plan->chunked = false;
        plan->until_close = true;
    }
    if (plan->chunked)
        plan->until_close = false;
    plan->trailers = plan->trailers && plan->chunked;
    /* Answered early, a client that expects 100 may or may not send its body: nobody could tell the next request. */
    if ((plan->until_close && !plan->bodyless) || plan->http10 || !request->keep_alive ||
        (plan->early && request->msg.expect_continue))
        plan->close = true;
}

void plan_make(const struct settings *settings, const struct h1_head *request, int64_t answers, int health_status,
               struct plan *ret_plan)
{
    struct plan plan = {.stop_after = -1, .status = health_status, .http10 = settings->http10};
    plan.close = settings->close_after > 0 && answers + 1 >= settings->close_after;
    if (str_eq(request->msg.path, STR("/health"))) {
        plan.body = PLAN_HEALTH;
        plan.delay_ms = settings->health_delay_ms;
    } else {
        plan.body = settings->body_bytes >= 0 ? PLAN_PATTERN : PLAN_WHO;
        plan.status = (int)settings->status;
        plan.delay_ms = settings->delay_ms;
        plan.pattern_bytes = settings->body_bytes >= 0 ? settings->body_bytes : 0;
        plan.stop_after = settings->truncate_after >= 0 ? settings->truncate_after : settings->reset_after;
        plan.stop_by_reset = settings->reset_after >= 0;
        plan.bytes_per_s = settings->slow_bytes_per_s;
        plan.chunked = settings->chunked;
        plan.trailers = settings->trailers;
        plan.until_close = settings->close_delimited;
        plan.early = settings->early;
        plan_path(&plan, request->msg.path);
        plan_query(&plan, request->msg.target);
        if (settings->no_answer)
            plan.body = PLAN_SILENCE;
    }
    plan_framing(&plan, request);
    *ret_plan = plan;
}

void plan_make_error(int code, struct plan *ret_plan)
{
    int status = err_http_status(code);
    *ret_plan = (struct plan){
        .body = PLAN_ERROR, .status = status >= 400 ? status : 400, .stop_after = -1, .early = true, .close = true};
}
