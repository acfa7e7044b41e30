/* The server's logs: opened before it is confined, reopened for rotation, closed last. On the control thread.
 */
#ifndef CONTROL_LOGS_H
#define CONTROL_LOGS_H

#include "base/sink.h"
#include "control/config.h"

struct logs {
    struct sink *access; /* NULL: off */
    struct sink *events; /* NULL: standard error */
};

/* For a keeper, which has no thread: its lines go to the events log's file too. Anywhere else they would go by a
 * thread: they stay on standard error then. */
void logs_keep(const struct config *config);
/* What happens is logged where the configuration says from then on. 0 or a negative code, which is said. */
MUST_CHECK int logs_open(struct logs *logs, const struct config *config);
/* Opens the files again; logs_look says how that went. */
void logs_reopen(struct logs *logs);
/* False while it is not known yet. */
bool logs_look(const struct logs *logs, const struct config *config);
/* Before _exit, while others may still write: what was handed over is written, and nothing is freed. */
void logs_finish(struct logs *logs);
/* Nobody writes to the access log any more; what is logged goes to standard error again. */
void logs_close(struct logs *logs);

#endif
