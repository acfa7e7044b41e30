/* Orders of an operator as changes of the list that control/reload has. One that adds or removes a worker is answered
 * when every thread goes by it; modes and weights count at once. Control thread. */
#include "control/admin_workers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/admin_pools.h"
#include "control/reload.h"

enum { SETTINGS_MAX = 8 };

/* ---- entries ---- */

static struct change change_of_worker(enum change_kind kind, const struct worker *worker)
{
    struct change change = {.kind = kind, .addr = worker->addr};

    change_text(change.pool, sizeof(change.pool), worker->pool_name);
    change_text(change.address, sizeof(change.address), worker->address);
    change_text(change.name, sizeof(change.name), roster_given_name(worker));
    return change;
}

static void sign(const struct admin *admin, struct change *change)
{
    change->at_ns = clock_wall_ns();
    (void)snprintf(change->by, sizeof(change->by), "%s %s", admin->route->method_text, admin->route->path);
}

/* NULL: it has never been in use. */
static struct worker *worker_of(const struct admin *admin, const struct change *change)
{
    struct roster_entry entry = {
        .pool_name = str_of(change->pool),
        .address = str_of(change->address),
        .given_name = str_of(change->name),
        .addr = &change->addr,
    };

    return roster_known(admin->options.sources->roster, &entry);
}

/* ---- adding and removing ---- */

static void on_done(void *context)
{
    struct admin *admin = context;
    struct admin_call *call = admin->changing;

    admin->changing = NULL;
    if (call)
        admin_answer_worker(admin, call, admin->changed);
}

void admin_workers_stop(struct admin *admin)
{
    struct admin_call *call = admin->changing;

    admin->changing = NULL;
    if (call)
        admin_answer_error(call, 503, "stopping", "The server ends.");
}

static void answer_failure(struct admin_call *call, int error, const char *why)
{
    char sentence[OVERLAY_WHY_MAX + 2];

    (void)snprintf(sentence, sizeof(sentence), "%s.", why);
    if (error == -ERR_CONFIG)
        admin_answer_error(call, 422, "bad_worker", sentence);
    else
        admin_answer_error(call, 503, err_reason(error), err_sentence(error));
}

static bool can_change(struct admin *admin, struct admin_call *call)
{
    bool can = reload_is_idle(admin->options.reload);

    if (!can)
        admin_answer_error(call, 409, "busy", "Another change or a reload is under way; ask again when it is over.");
    return can;
}

/* One entry more, in place of the one of its worker, or, without `with`, one less. The call is answered. */
static void change_list(struct admin *admin, struct admin_call *call, const struct change *change, bool with)
{
    const struct changes *now = reload_changes(admin->options.reload);
    char why[OVERLAY_WHY_MAX] = "";
    struct changes next = {.items = NULL};
    int error = changes_copy(now, &next);

    if (!error && with)
        error = changes_put(&next, change);
    else if (!error)
        changes_drop(&next, changes_find(&next, str_of(change->pool), str_of(change->address), &change->addr));
    if (!error)
        error = reload_change(admin->options.reload, &next, on_done, admin, why);
    changes_fini(&next); /* empty where they were put into use */
    if (error) {
        answer_failure(call, error, why);
        return;
    }
    admin->changing = call;
    admin->changed = worker_of(admin, change);
    ASSERT(admin->changed);
    log_info(admin->changed->pool ? "worker is added at run time" : "worker is removed at run time",
             LOG_Z("pool", change->pool), LOG_S("worker", worker_name(admin->changed)),
             LOG_Z("address", change->address), LOG_Z("keep", with && change->keep ? "yes" : "no"));
}

/* A setting's text; NULL: it is of no type that a setting has. */
static const char *setting_text(struct admin_call *call, const json_t *value)
{
    struct str text = STR_NONE;

    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        text = arena_print(admin_call_arena(call), "%lld", (long long)json_integer_value(value));
    return text.p;
}

/* What the body says, weight_change: the weight, if it does; NULL, or what is wrong with it. */
static const char *read_worker(const struct admin *admin, struct admin_call *call, json_t *body,
                               struct config_worker *ret_worker, bool *ret_keep, char why[OVERLAY_WHY_MAX])
{
    struct overlay_setting settings[SETTINGS_MAX];
    size_t count = 0;
    const char *key;
    json_t *value;

    *ret_keep = json_is_true(admin_body_member(admin, body, "keep"));
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "keep") == 0 && json_is_boolean(value))
            continue;
        if (count == SETTINGS_MAX)
            return "the body holds more than a worker has";
        settings[count] = (struct overlay_setting){key, setting_text(call, value)};
        if (!settings[count++].text)
            return "`address` and `name` are texts, `weight` is a number, `keep` is true or false";
    }
    int error = overlay_worker(settings, count, admin_call_arena(call), ret_worker, why);
    if (error == -ERR_NO_MEMORY)
        return err_sentence(error);
    if (!error)
        ret_worker->weight_change = admin_body_member(admin, body, "weight") ? ret_worker->weight : 0;
    return error ? why : NULL;
}

static const struct worker *find_there(const struct pool *pool, const struct config_address *address)
{
    for (uint32_t i = 0; i < pool->count; i++)
        if (sock_addr_equal(&pool->workers[i]->addr.storage, &address->addr.storage))
            return pool->workers[i];
    return NULL;
}

/* One that was removed comes back as the file has it, or with another weight. */
static void bring_back(struct admin *admin, struct admin_call *call, struct change *removed,
                       const struct config_worker *wanted, bool keep)
{
    const struct worker *worker = worker_of(admin, removed);
    bool other_name = wanted->name.n > 0 && !str_eq(wanted->name, str_of(removed->name));
    struct change change = *removed;

    if (other_name) {
        admin_answer_error(call, 409, "other_name",
                           "The file has a worker at this address, which was removed, under another name; without a "
                           "name it comes back.");
        return;
    }
    change.kind = CHANGE_SET;
    change.keep = keep;
    change.weight = wanted->weight_change;
    sign(admin, &change);
    change_list(admin, call, &change, change.weight && change.weight != worker->weight);
}

static void add(struct admin *admin, struct admin_call *call, const struct pool *pool,
                const struct config_worker *worker, bool keep)
{
    struct change *known =
        changes_find(reload_changes(admin->options.reload), pool->name, worker->address.text, &worker->address.addr);
    struct change change = {.kind = CHANGE_ADDED, .weight = worker->weight, .keep = keep, .addr = worker->address.addr};

    if (find_there(pool, &worker->address)) {
        admin_answer_error(call, 409, "worker_exists", "The pool has a worker at this address.");
    } else if (known) {
        bring_back(admin, call, known, worker, keep);
    } else {
        change_text(change.pool, sizeof(change.pool), pool->name);
        change_text(change.address, sizeof(change.address), worker->address.text);
        change_text(change.name, sizeof(change.name), worker->name);
        sign(admin, &change);
        change_list(admin, call, &change, true);
    }
}

void admin_do_add_worker(struct admin *admin, struct admin_call *call)
{
    const struct pool *pool = admin_find_pool(admin, call);
    json_t *body = pool ? admin_body_json(call) : NULL;
    struct config_worker worker;
    char why[OVERLAY_WHY_MAX];
    bool keep;

    if (!body)
        return;
    const char *wrong = read_worker(admin, call, body, &worker, &keep, why);
    json_decref(body); /* of its texts there are copies */
    if (wrong)
        answer_failure(call, -ERR_CONFIG, wrong);
    else if (can_change(admin, call))
        add(admin, call, pool, &worker, keep);
}

void admin_do_remove_worker(struct admin *admin, struct admin_call *call)
{
    const struct worker *worker = admin_find_worker(admin, call);
    bool keep;

    if (!worker || !admin_query_truth(admin, call, "keep", &keep) || !can_change(admin, call))
        return;
    struct change *known = changes_of(reload_changes(admin->options.reload), worker);
    struct change change = change_of_worker(CHANGE_REMOVED, worker);
    change.keep = keep;
    sign(admin, &change);
    if (worker->pool->count == 1)
        admin_answer_error(call, 409, "last_worker",
                           "It is the pool's last worker, and a pool has at least one; drain it instead.");
    else
        change_list(admin, call, &change, !known || known->kind != CHANGE_ADDED);
}

/* ---- modes and weights ---- */

struct order {
    bool has_mode, has_weight, has_keep;
    enum worker_mode mode;
    uint32_t weight;
    bool keep;
};

/* False: it orders nothing. */
static bool read_order(const struct admin *admin, const json_t *body, struct order *ret_order)
{
    const json_t *mode = admin_body_member(admin, body, "mode"), *weight = admin_body_member(admin, body, "weight"),
                 *keep = admin_body_member(admin, body, "keep");

    *ret_order = (struct order){.has_mode = mode != NULL,
                                .has_weight = weight != NULL,
                                .has_keep = keep != NULL,
                                .weight = (uint32_t)json_integer_value(weight),
                                .keep = !json_is_false(keep)};
    bool known = !mode || admin_mode_read(json_string_value(mode), &ret_order->mode);
    ASSERT(known);
    return mode || weight || keep;
}

static void carry_out(struct admin *admin, struct worker *worker, const struct order *order)
{
    if (order->has_mode && order->mode != atomic_load(&worker->mode)) {
        pool_set_mode(worker->pool, worker, order->mode);
        prober_pause(admin->options.prober, worker, order->mode == WORKER_DISABLED);
        log_info("worker's mode was changed", LOG_S("pool", worker->pool->name), LOG_S("worker", worker_name(worker)),
                 LOG_Z("mode", admin_mode_word(order->mode)));
    }
    if (order->has_weight)
        log_info("worker's weight was changed", LOG_S("pool", worker->pool->name), LOG_S("worker", worker_name(worker)),
                 LOG_N("weight", order->weight), LOG_N("configured", worker->weight));
}

/* The list has room. Where worker and file are the same again, there is no entry. */
static void note(const struct admin *admin, struct changes *changes, const struct worker *worker,
                 const struct order *order)
{
    struct change *known = changes_of(changes, worker);
    struct change change = known ? *known : change_of_worker(CHANGE_SET, worker);
    int error = 0;

    if (order->has_mode)
        change.mode = order->mode;
    if (order->has_weight && (change.kind == CHANGE_ADDED || order->weight != worker->weight))
        change.weight = order->weight;
    else if (order->has_weight)
        change.weight = 0;
    if (order->has_keep || !known)
        change.keep = order->keep;
    sign(admin, &change);
    if (change.kind != CHANGE_SET || change.mode != WORKER_READY || change.weight)
        error = changes_put(changes, &change);
    else if (known)
        changes_drop(changes, known);
    ASSERT(!error);
}

void admin_do_change_worker(struct admin *admin, struct admin_call *call)
{
    struct worker *worker = admin_find_worker(admin, call);
    json_t *body = worker ? admin_body_order(admin, call) : NULL;
    struct changes *changes = reload_changes(admin->options.reload);
    struct order order;

    if (!body)
        return;
    bool orders = read_order(admin, body, &order);
    json_decref(body);
    if (!orders) {
        admin_answer_error(call, 422, "bad_order", "The body holds neither `mode` nor `weight` nor `keep`.");
        return;
    }
    /* What may fail comes first: then all of it is done, or none. */
    int error = changes_reserve(changes);
    if (!error && order.has_weight)
        error = pool_set_weight(worker->pool, worker, order.weight);
    if (error) {
        admin_answer_error(call, 503, "full", "The pool's schedule has no room for such a weight.");
        return;
    }
    carry_out(admin, worker, &order);
    note(admin, changes, worker, &order);
    reload_note_changes(admin->options.reload);
    admin_answer_worker(admin, call, worker);
}

/* ---- what there is ---- */

static json_t *difference_json(const struct admin *admin, const struct change *change)
{
    const struct worker *worker = worker_of(admin, change);
    json_t *json = json_object();

    admin_set_str(json, "pool", str_of(change->pool));
    admin_set_str(json, "worker", worker ? worker_name(worker) : str_of(change->name));
    admin_set_str(json, "address", str_of(change->address));
    admin_set(json, "what", json_string(change_word(change->kind)));
    admin_set(json, "mode", json_string(admin_mode_word(change->mode)));
    admin_set_int(json, "weight", change->weight);
    admin_set(json, "keep", json_boolean(change->keep));
    admin_set(json, "since", admin_time(change->at_ns));
    admin_set_str(json, "by", str_of(change->by));
    return json;
}

static json_t *leaving_json(const struct admin *admin)
{
    const struct roster *roster = admin->options.sources->roster;
    json_t *list = json_array();

    for (uint32_t i = 0; i < roster_count(roster); i++) {
        const struct worker *worker = roster_at(roster, i);
        uint64_t active = worker->pool ? 0 : admin_active_at(admin, worker);
        if (active == 0)
            continue;
        json_t *json = json_object();
        admin_set_str(json, "pool", worker->pool_name);
        admin_set_str(json, "worker", worker_name(worker));
        admin_set_str(json, "address", worker->address);
        admin_set_int(json, "active", active);
        (void)json_array_append_new(list, json);
    }
    return list;
}

void admin_do_differences(struct admin *admin, struct admin_call *call)
{
    const struct changes *changes = reload_changes(admin->options.reload);
    json_t *list = json_array();

    pulse_read(admin->pulse);
    for (size_t i = 0; i < changes->count; i++)
        (void)json_array_append_new(list, difference_json(admin, &changes->items[i]));
    admin_answer_json(call, json_pack("{soso}", "differences", list, "leaving", leaving_json(admin)));
}
