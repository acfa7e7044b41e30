/* Whether a client keeps to a least rate, over the time in which it is the one that is waited for.
 *
 * Only moments are noted, in which it changes who is waited for; bytes are looked at once a window. The first window is
 * the client's grace: it gives the count that the second begins with.
 */
#ifndef PROXY_PACE_H
#define PROXY_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_WINDOW_MS = 5000 };

struct pace {
    int what;          /* the client is waited for: to send, to read, as the owner numbers it; 0: it is not */
    int64_t since_ms;  /* with what */
    int64_t waited_ms; /* of this window, before since_ms */
    int counted;       /* which `what` bytes is of; 0: of none */
    uint64_t bytes;    /* as this window began */
};

/* All zero begins. From now on the client is waited for like this. Milliseconds until pace_is_slow is to be asked,
 * INT64_MAX for never. */
int64_t pace_wait(struct pace *pace, int what, int64_t now_ms);
/* The window is over, the client having been waited for as long. */
bool pace_is_due(const struct pace *pace, int64_t now_ms);
/* When it is due: whether the client moved fewer than bytes_per_s, `bytes` being all that it has moved so far in the
 * present way. The next window begins. */
bool pace_is_slow(struct pace *pace, uint64_t bytes, uint64_t bytes_per_s, int64_t now_ms);

#endif
