/* What would change if one configuration took another's place: for `ballast reload --plan`, and for the line that says
 * what a reload did.
 */
#ifndef CONTROL_ADMIN_PLAN_H
#define CONTROL_ADMIN_PLAN_H

#include <jansson.h>

#include "balance/roster.h"
#include "control/overlay.h"
#include "proxy/account.h"

enum { PLAN_ID_MAX = 20, PLAN_TEXT_MAX = 200 };

/* What is under way while the plan is made. */
struct plan_world {
    const struct roster *roster;
    const struct account *const *accounts;
    uint32_t account_count;
};

struct plan;

/* From and to with what was changed at run time; `carried` says what becomes of that. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int plan_create(const struct config *from, const struct config *to, const struct carried *carried,
                           const struct plan_world *world, struct plan **ret_plan);
/* What plan_json has told, elsewhere perhaps; takes a reference. NULL: no memory. */
struct plan *plan_from_json(const json_t *json);
/* NULL is harmless. */
void plan_destroy(struct plan **plan);
/* The Plan of admin_object.def; a new reference. */
json_t *plan_json(const struct plan *plan);
/* Stands for both configurations and what their files held: another one when either is another. */
void plan_id(const struct config *from, const struct config *to, char ret_id[PLAN_ID_MAX]);
/* In one line. */
void plan_text(const struct plan *plan, char ret_text[PLAN_TEXT_MAX]);
/* Whether a setting, named as in a plan, counts only from the next start or upgrade on. */
bool plan_needs_start(const char *setting);

#endif
