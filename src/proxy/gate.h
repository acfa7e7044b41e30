/* How many connections each client has, over all reactors: those above the limit are turned away.
 *
 * A client is one IPv4 address or one IPv6 network of 64 bits, which is what a single subscriber is given. A client
 * without an address (a Unix socket) is not counted. One gate a server, shared: it is asked once a connection, not once
 * a request.
 */
#ifndef PROXY_GATE_H
#define PROXY_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/assert.h"

struct gate;

/* clients: the most that can be inside at the same time, over all reactors. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int gate_create(uint32_t limit, uint32_t clients, struct gate **ret_gate);
/* Nulls. Nobody is inside, or nobody will leave. */
void gate_destroy(struct gate **gate);
/* Any thread. False: that client has as many connections as it may; it is not let in and does not leave. */
bool gate_enter(struct gate *gate, const struct sockaddr *client);
/* Any thread: one that was let in ends. */
void gate_leave(struct gate *gate, const struct sockaddr *client);

#endif
