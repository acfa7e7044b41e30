/* An exchange's answer when Ballast itself makes it: an error, the metrics, TRACE. A part of exchange.c; how such
 * answers look is reply.c.
 */
#ifndef PROXY_OWN_ANSWER_H
#define PROXY_OWN_ANSWER_H

#include "base/assert.h"

struct exchange;

/* What takes long is made before, piece by piece: 1 when another turn is needed for the next, 0 or a code. */
MUST_CHECK int own_answer_prepare(struct exchange *x);
/* Makes it by x->error and by what was asked, and sends it whole. 0 or a code. */
MUST_CHECK int own_answer_send(struct exchange *x);

#endif
