/* The dashboard's page. Called by control/admin. */
#include "control/admin_page.h"

void admin_do_page(struct admin *admin, struct admin_call *call)
{
    admin_answer_error(call, 404, "no_dashboard", "This program was built without the dashboard; see /openapi.json.");
}
