/* What an operator can look at of the time before, as JSON for the server that takes this one's place, which may be of
 * another version: the last lines of the events log, and what became of the last reloads. Control thread.
 */
#ifndef CONTROL_ADMIN_PAST_H
#define CONTROL_ADMIN_PAST_H

#include <jansson.h>

#include "control/journal.h"
#include "control/reload_history.h"

/* A plan of more bytes is not told on; its reload is. */
enum { ADMIN_PAST_PLAN_BYTES = 64 << 10 };

/* New references. The lines that are still there, oldest first, each in this form. */
json_t *admin_events_list(struct journal *journal, json_t *(*form)(const struct journal_line *line));
json_t *admin_events_json(struct journal *journal);
json_t *admin_history_json(const struct reload_history *history);
/* What those made, as much as there is room for; entries that make no sense are left out. The journal numbers its own
 * lines behind them. 0 or -ERR_NO_MEMORY, and the journal is as it was. */
MUST_CHECK int admin_events_read(const json_t *list, struct journal *journal);
/* Into a history that is empty. What was under way has failed. */
void admin_history_read(const json_t *list, struct reload_history *history);

#endif
