/* What an exchange came to, written down once: counters and the access line. A part of exchange.c.
 */
#ifndef PROXY_ENDING_H
#define PROXY_ENDING_H

#include "proxy/account.h"

struct exchange;

enum account_outcome ending_outcome(const struct exchange *x);
/* Counts it, and writes its access line where there is a log. */
void ending_note(struct exchange *x);

#endif
