/* A worker's health: probe results in, state out. Pure; who probes and when is probe.h's business.
 *
 * Only probes are results. A worker starts unknown and gets no traffic; its first good answer brings it in, however
 * late it comes. Then `fall` bad results in a row take it out, and `rise` good ones bring it back.
 */
#ifndef BALANCE_HEALTH_H
#define BALANCE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct health_rules {
    uint32_t rise;
    uint32_t fall;
    int64_t interval_ms;
    int64_t doubt_ms;   /* interval while the last results disagree with the state */
    int64_t timeout_ms; /* for a whole probe: connect, ask, answer read to its end */
    uint32_t jitter_percent;
    uint16_t status_min, status_max; /* a good answer has one of these */
};

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

struct health {
    uint8_t state;   /* enum health_state */
    uint32_t streak; /* results in a row that speak against the state */
};

enum health_change { HEALTH_SAME, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

/* Enters one result. HEALTH_WENT_DOWN is also told, once, of a worker that has failed its first `fall` probes: its
 * state stays unknown. */
enum health_change health_note(struct health *health, const struct health_rules *rules, bool good);
/* Until the next probe, without jitter. */
int64_t health_interval_ms(const struct health *health, const struct health_rules *rules);
/* Until the probe after a change: any part of the interval, so that workers that changed together, as they all do at
 * the start, are spread over it. From 1 to interval_ms. */
int64_t health_spread_ms(int64_t interval_ms, uint32_t spread);
/* interval with jitter: spread is an even random number from 0 to 2^32 - 1. */
int64_t health_jitter_ms(int64_t interval_ms, uint32_t jitter_percent, uint32_t spread);

#endif
