/* Reloads and upgrades, asked for and told of. Control thread; the work is control/reload's. */
#include "control/admin_reload.h"

#include <stdio.h>
#include <string.h>

#include "control/admin_plan.h"
#include "control/upgrade.h"

json_t *admin_reload_json(const struct reload_entry *entry)
{
    json_t *json = json_object();

    admin_set_int(json, "number", entry->number);
    admin_set(json, "time", admin_time(entry->at_ns));
    admin_set_str(json, "cause", str_of(entry->cause));
    admin_set_str(json, "state", str_of(entry->state));
    admin_set_str(json, "sentence", str_of(entry->sentence));
    if (entry->plan)
        admin_set(json, "plan", plan_json(entry->plan));
    return json;
}

/* What the body asks for; NULL, or what is wrong with it. */
static const char *read_wish(const struct admin *admin, const json_t *body, enum link_purpose *ret_purpose,
                             char ret_id[PLAN_ID_MAX])
{
    const json_t *apply = admin_body_member(admin, body, "apply");

    *ret_purpose = json_is_true(admin_body_member(admin, body, "plan")) ? LINK_TO_PLAN : LINK_TO_APPLY;
    (void)snprintf(ret_id, PLAN_ID_MAX, "%s", apply ? json_string_value(apply) : "");
    if (json_string_length(apply) >= PLAN_ID_MAX)
        return "`apply` is the id of a plan; none is as long.";
    return *ret_purpose == LINK_TO_PLAN && ret_id[0] ? "A plan is made or applied, not both." : NULL;
}

static void answer_busy(struct admin_call *call, int error)
{
    if (error == -ERR_FULL)
        admin_answer_error(call, 409, "busy", "A reload is under way; ask again when it is over (GET /v1/reloads).");
    else
        admin_answer_error(call, 503, "no_keeper",
                           "This process runs without its keeper (--no-keeper), which would read the files.");
}

void admin_do_reload(struct admin *admin, struct admin_call *call)
{
    json_t *body = admin_call_body(call).n > 0 ? admin_body_order(admin, call) : json_object(); /* none: a reload */
    enum link_purpose purpose;
    char id[PLAN_ID_MAX];
    uint32_t number;

    if (!body)
        return;
    const char *wrong = read_wish(admin, body, &purpose, id);
    json_decref(body);
    if (wrong) {
        admin_answer_error(call, 422, "bad_order", wrong);
        return;
    }
    int error = reload_ask(admin->options.reload, purpose, id, "api", &number);
    if (error)
        answer_busy(call, error);
    else
        admin_answer_json(call, admin_reload_json(reload_entry(admin->options.reload, number)));
}

void admin_do_reloads(struct admin *admin, struct admin_call *call)
{
    const struct reload *reload = admin->options.reload;
    const struct reload_entry *entry;
    json_t *list = json_array();

    for (uint32_t number = reload_newest(reload); (entry = reload_entry(reload, number)); number--)
        (void)json_array_append_new(list, admin_reload_json(entry));
    admin_answer_json(call, json_pack("{so}", "reloads", list));
}

void admin_do_reload_entry(struct admin *admin, struct admin_call *call)
{
    uint64_t number = 0;
    int error = str_parse_u64(admin_param(admin, call, "number"), UINT32_MAX, &number);
    const struct reload_entry *entry = error ? NULL : reload_entry(admin->options.reload, (uint32_t)number);

    if (entry)
        admin_answer_json(call, admin_reload_json(entry));
    else
        admin_answer_error(call, 404, "no_such_reload", "There was no reload of that number, or it is long ago.");
}

static json_t *upgrade_json(const struct admin *admin)
{
    static const char *const states[] = {"none", "waiting", "failed", "done"};
    struct upgrade_view view = upgrade_look(admin->options.upgrade);
    json_t *json = json_object();

    admin_set_int(json, "number", view.number);
    admin_set_str(json, "state", str_of(states[view.state]));
    admin_set_str(json, "sentence", str_of(view.sentence));
    admin_set_str(json, "version", str_of(BALLAST_VERSION));
    return json;
}

void admin_do_upgrade_state(struct admin *admin, struct admin_call *call)
{
    admin_answer_json(call, upgrade_json(admin));
}

void admin_do_upgrade(struct admin *admin, struct admin_call *call)
{
    int error = upgrade_ask(admin->options.upgrade);

    if (error == -ERR_FULL)
        admin_answer_error(call, 409, "busy", "An upgrade is under way; ask again when it is over (GET /v1/upgrade).");
    else if (error)
        answer_busy(call, error);
    else
        admin_answer_json(call, upgrade_json(admin));
}
