/* Server-Timing (W3C): tells whoever asked how long their request waited, took to reach a worker, and was worked on.
 * A part of exchange.c.
 */
#ifndef PROXY_SERVER_TIMING_H
#define PROXY_SERVER_TIMING_H

#include "base/assert.h"

struct exchange;

/* Adds it to the worker's answer, behind what the worker says itself. Once its head is there. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int server_timing_add(struct exchange *x);

#endif
