/* An exchange whose request a worker answered with 101: what differs from a message that ends (RFC 9110 section 7.8).
 *
 * Part of an exchange's life, on its reactor's thread; sessions do the switch itself (http/session.h).
 */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H

#include <stdbool.h>

struct exchange;

/* The worker's head is a 101 to something that was asked for. */
bool tunnel_is_wanted(const struct exchange *x);
/* That head was sent: from now on both flows carry bytes. */
void tunnel_open(struct exchange *x);
/* The balancer is to stop: the tunnel may end by itself for tunnel_drain_ms more. */
void tunnel_note_drain(struct exchange *x);
/* Those are over. */
bool tunnel_has_drained(const struct exchange *x);
/* Both directions have ended, or one has and the other has nobody to go to. */
bool tunnel_is_over(const struct exchange *x);

#endif
