/* What changes by itself, told as it happens: the events log, samples, and both as server-sent events.
 */
#ifndef CONTROL_ADMIN_LIVE_H
#define CONTROL_ADMIN_LIVE_H

#include "control/admin.h"

/* The timer admin.tick: every second. */
void admin_live_tick(struct timer *timer);

#endif
