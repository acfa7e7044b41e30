/* Where the access log and the events log go: what the words of their paths mean.
 *
 * `off`; `-`, standard output or standard error; `syslog`, `syslog:unix:/path`, `syslog:udp://host:port`,
 * `syslog:tcp://host:port`; `journal`, `journal:unix:/path`; and all else is a file.
 */
#ifndef CONTROL_CONFIG_LOG_H
#define CONTROL_CONFIG_LOG_H

#include "base/sink.h"
#include "control/config.h"

/* Finds the addresses, a name's too, and adds errors for what cannot be meant. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_log_check(struct config *config, struct config_errors *errors, bool sealed);

/* A file that is opened by its name? */
bool config_log_is_file(const struct config_log_to *to);
/* For base/sink. Its texts are the configuration's, and `host`, which has room for CONFIG_LOG_HOST_MAX. */
enum { CONFIG_LOG_HOST_MAX = 256 };
void config_log_target(const struct config *config, const struct config_log_to *to, const char *kind,
                       char host[CONFIG_LOG_HOST_MAX], struct sink_target *ret_target);

#endif
