/* TLS of a configuration: its files are read when it is loaded, so that one that names a wrong file does not load and
 * none is looked for later; settings for connections are made of what they held.
 */
#ifndef CONTROL_CONFIG_TLS_H
#define CONTROL_CONFIG_TLS_H

#include "control/config.h"

enum { CONFIG_TLS_WARN_DAYS = 14 };

/* Fills in the bytes of a checked configuration's files, and of ticket keys where no file has them; adds to errors what
 * cannot be used, and warns of certificates that end soon. now_s: seconds since 1970. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int config_tls_load(struct config *config, struct config_errors *errors, int64_t now_s);
/* What connections of a listener, or to the workers of a pool, go by; the caller's reference. NULL: no TLS there. 0,
 * -ERR_NO_MEMORY, or -ERR_CONFIG with why, of which struct config_file: never for what was loaded. */
MUST_CHECK int config_tls_listener(const struct config *config, size_t listener, struct tls_ctx **ret_ctx,
                                   struct tls_why *ret_why);
MUST_CHECK int config_tls_pool(const struct config *config, size_t pool, struct tls_ctx **ret_ctx,
                               struct tls_why *ret_why);

/* Ticket keys that were made here, not read, are those of `from` in `to` too, for listeners at the same address:
 * sessions outlive a reload, and a crash after it. `to` is not yet in use. */
void config_tls_keep_tickets(const struct config *from, struct config *to);
/* Would connections go by the same? By what files hold, not by their names. */
bool config_tls_same_listener(const struct config *a, size_t listener_a, const struct config *b, size_t listener_b);
bool config_tls_same_pool(const struct config *a, size_t pool_a, const struct config *b, size_t pool_b);

#endif
