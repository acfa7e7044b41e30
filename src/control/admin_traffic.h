/* What only the reactors know: requests in flight and clients' connections, asked of them by order and answer.
 */
#ifndef CONTROL_ADMIN_TRAFFIC_H
#define CONTROL_ADMIN_TRAFFIC_H

#include "control/admin.h"

/* The loop was woken: answers what the reactors have told by now. */
void admin_traffic_look(struct admin *admin);
/* No reactor runs any more: what was asked and never told is given up. */
void admin_traffic_stop(struct admin *admin);

#endif
