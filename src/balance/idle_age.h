/* How long a worker keeps an idle connection, learned from those it has closed.
 *
 * A request sent as its worker closes the connection is lost, and a POST among them fails. So idle connections are to
 * be retired before the age at which their worker has been seen closing them. One closing proves nothing (a restart
 * closes connections of any age): an age is believed when two closings, apart in time, agree on it. One connection of
 * each worker is kept beyond, unused, as a scout, so that a worker that changes its mind is noticed (balance/lease).
 *
 * One for each worker, shared by all reactors: a single word, changed by compare and exchange.
 */
#ifndef BALANCE_IDLE_AGE_H
#define BALANCE_IDLE_AGE_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    IDLE_AGE_LEAST_MS = 200, /* younger ones were closed for another reason */
    IDLE_AGE_APART_MS = 64,  /* closings within it are one event */
    IDLE_AGE_MARGIN_MS = 100,
};

struct idle_age {
    _Atomic uint64_t word; /* 0: nothing known */
};

/* Any thread. The worker closed a connection that had been idle for so long. now_ms: steady. */
void idle_age_note_closed(struct idle_age *age, int64_t idle_ms, int64_t now_ms);
/* Any thread. The worker kept one for as long as we keep any: there is nothing to fear. */
void idle_age_note_kept(struct idle_age *age);
/* Any thread. The age at which it closes them; 0: none is known. */
int64_t idle_age_learned_ms(const struct idle_age *age);
/* Any thread. The age from which none is to be used: a tenth, and at least IDLE_AGE_MARGIN_MS, before that; INT64_MAX
 * when none is known. */
int64_t idle_age_retire_ms(const struct idle_age *age);

#endif
