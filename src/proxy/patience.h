/* Whom an exchange waits for, how long, and what it comes to when that is too long: a part of exchange.c.
 *
 * One timer an exchange. Each step that waits sets it; when it fires, what is asked here is whether the wait is over,
 * because one who moves slowly is not silent, and after a pause of the whole process the deadline may have passed
 * beside data.
 */
#ifndef PROXY_PATIENCE_H
#define PROXY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;

/* The deadline in so many milliseconds, whoever is waited for. A client that has ended its sending and has no answer
 * yet may have gone: nothing is waited for beyond gone_at_ms; nor beyond a call's own deadline. */
void patience_set_for(struct exchange *x, int64_t ms);
/* The deadline by whom the exchange waits for now: silence, or the end of a window of the least rate. */
void patience_set(struct exchange *x);
/* A tunnel whose clock alone has woken it (`told`: no, events have), and nobody has moved since patience_set: to be
 * asked before anything is moved. */
bool patience_is_idle(struct exchange *x, bool told);
/* The deadline of patience_set goes on: for who was woken before it, and idle. */
void patience_go_on(struct exchange *x);
/* The deadline of patience_set has passed: was the wait too long, by silence or by too low a rate? */
bool patience_is_lost(struct exchange *x);
/* What it comes to then: the code for the one who is waited for. */
int patience_error(const struct exchange *x);
/* The client has ended its sending: without an answer it counts as gone in half_closed_ms. */
void patience_note_half_closed(struct exchange *x);
/* That time is over. */
bool patience_with_half_closed_ends(const struct exchange *x);
/* The call's own deadline is over. */
bool patience_has_expired(const struct exchange *x);

#endif
