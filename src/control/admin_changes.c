/* By names, so that versions understand each other. Called by control/admin_handover. */
#include "control/admin_changes.h"

#include "control/admin.h"
#include "control/admin_pools.h"

json_t *admin_changes_json(const struct changes *changes)
{
    json_t *list = json_array();
    char addr[SOCK_TEXT_MAX];

    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];
        json_t *json = json_object();
        admin_set(json, "what", json_string(change_word(change->kind)));
        admin_set_str(json, "pool", str_of(change->pool));
        admin_set_str(json, "address", str_of(change->address));
        admin_set_str(json, "socket", sock_addr_text(addr, &change->addr.storage));
        admin_set_str(json, "given", str_of(change->name));
        admin_set(json, "mode", json_string(admin_mode_word(change->mode)));
        admin_set_int(json, "weight", change->weight);
        admin_set(json, "keep", json_boolean(change->keep));
        admin_set_int(json, "at_ns", (uint64_t)change->at_ns);
        admin_set_str(json, "by", str_of(change->by));
        (void)json_array_append_new(list, json);
    }
    return list;
}

static bool read_kind(const char *word, enum change_kind *ret_kind)
{
    for (enum change_kind kind = CHANGE_ADDED; kind <= CHANGE_SET; kind++)
        if (strcmp(word, change_word(kind)) == 0) {
            *ret_kind = kind;
            return true;
        }
    return false;
}

static bool change_read(const json_t *json, struct change *ret_change)
{
    json_int_t weight = json_integer_value(json_object_get(json, "weight"));
    struct change change = {
        .weight = weight > 0 && weight <= POOL_WEIGHT_MAX ? (uint32_t)weight : 0,
        .keep = json_is_true(json_object_get(json, "keep")),
        .at_ns = json_integer_value(json_object_get(json, "at_ns")),
    };
    struct sock_name name;
    const char *why;

    if (!read_kind(admin_member_text(json, "what"), &change.kind) ||
        !admin_mode_read(admin_member_text(json, "mode"), &change.mode) ||
        sock_name_parse(str_of(admin_member_text(json, "socket")), STR(""), &name, &why) ||
        sock_addr_numeric(&name, &change.addr))
        return false;
    change_text(change.pool, sizeof(change.pool), str_of(admin_member_text(json, "pool")));
    change_text(change.address, sizeof(change.address), str_of(admin_member_text(json, "address")));
    change_text(change.name, sizeof(change.name), str_of(admin_member_text(json, "given")));
    change_text(change.by, sizeof(change.by), str_of(admin_member_text(json, "by")));
    *ret_change = change;
    return change.pool[0] && change.address[0] && (change.kind != CHANGE_ADDED || change.weight);
}

int admin_changes_read(const json_t *list, struct changes *ret_changes)
{
    struct changes changes = {.items = NULL};
    size_t i;
    json_t *json;

    json_array_foreach((json_t *)(uintptr_t)list, i, json)
    {
        struct change change;
        int error = change_read(json, &change) ? changes_put(&changes, &change) : 0;
        if (error) {
            changes_fini(&changes);
            return error;
        }
    }
    *ret_changes = changes;
    return 0;
}
