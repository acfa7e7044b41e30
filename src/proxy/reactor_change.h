/* How a reactor turns to another configuration. For the reactor's own files (proxy/reactor_parts.h); what the control
 * thread calls is in proxy/reactor.h. */
#ifndef PROXY_REACTOR_CHANGE_H
#define PROXY_REACTOR_CHANGE_H

#include "proxy/reactor_parts.h"

/* Of the rules of these options; frees itself when they are released. NULL: no memory. */
struct exchange_epoch *reactor_epoch_make(const struct reactor_options *options);
/* Its thread: what was published (MAIL_CHANGE). Takes it over. */
void reactor_change_apply(struct reactor *reactor, struct reactor_change *change);
/* The same, when nothing is looked at any more: its rules are released. */
void reactor_change_drop(struct reactor_change *change);

#endif
