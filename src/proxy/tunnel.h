/* An exchange whose request a worker answered with 101: what differs from a message that ends (RFC 9110 section 7.8).
 *
 * Part of an exchange's life, on its reactor's thread; sessions do the switch itself (http/session.h).
 */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H

#include <stdbool.h>

#include "net/conn.h"

enum { TUNNEL_CLOSE_MS = CONN_LINGER_MS };

struct exchange;
struct exchange_home;

/* The request asks for a WebSocket by other means than HTTP/1.1's: it gets a key. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int tunnel_add_key(struct exchange *x);
/* Of the worker's final head: a 101 must be to something that was asked for, and to our key where we gave one; and what
 * is a tunnel or nothing must not become an ordinary answer. 0, -ERR_ANSWER_SWITCHED, -ERR_ANSWER_NOT_SWITCHED. */
MUST_CHECK int tunnel_judge(struct exchange *x);
/* That head was sent: from now on both flows carry bytes. */
void tunnel_open(struct exchange *x);
/* The balancer is to stop: the tunnel may end by itself for tunnel_drain_ms more. */
void tunnel_note_drain(struct exchange *x);
/* Workers may have been removed, or have come back: tunnels to one that was may end by themselves for tunnel_leave_ms
 * more. */
void tunnel_follow_workers(struct exchange_home *home);
/* Those are over. */
bool tunnel_has_drained(const struct exchange *x);
/* Both directions have ended, or one has and the other has nobody to go to. */
bool tunnel_is_over(const struct exchange *x);
/* Both have ended, and the client has not taken all yet: what becomes of the worker does not matter any more. */
bool tunnel_waits_for_client(const struct exchange *x);
/* We end it ourselves, for this reason: both sides are told the end (RFC 9113 section 8.5: END_STREAM is what a FIN
 * is), behind what has been sent to them; what they still say is dropped. 0 or a code of session_send_end. */
MUST_CHECK int tunnel_close(struct exchange *x, int why);
/* It was closed: both sides have ended too, or had TUNNEL_CLOSE_MS to do so. */
bool tunnel_is_closed(struct exchange *x);

#endif
