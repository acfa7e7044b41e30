/* The state machine of a worker's health. Called by the prober on the control thread; pure, so that its table is its
 * test. */
#include "balance/health.h"

enum health_change health_note(struct health *health, const struct health_rules *rules, bool good)
{
    if (health->state == HEALTH_UNKNOWN && good) {
        *health = (struct health){.state = HEALTH_UP};
        return HEALTH_WENT_UP;
    }
    if (health->state == HEALTH_UNKNOWN) {
        if (health->streak < rules->fall)
            health->streak++;
        else
            return HEALTH_SAME;
        return health->streak == rules->fall ? HEALTH_WENT_DOWN : HEALTH_SAME;
    }
    if (good == (health->state == HEALTH_UP)) {
        health->streak = 0;
        return HEALTH_SAME;
    }
    if (++health->streak < (good ? rules->rise : rules->fall))
        return HEALTH_SAME;
    *health = (struct health){.state = good ? HEALTH_UP : HEALTH_DOWN};
    return good ? HEALTH_WENT_UP : HEALTH_WENT_DOWN;
}

int64_t health_interval_ms(const struct health *health, const struct health_rules *rules)
{
    bool doubt = health->state == HEALTH_UNKNOWN ? health->streak < rules->fall : health->streak > 0;

    return doubt ? rules->doubt_ms : rules->interval_ms;
}

int64_t health_spread_ms(int64_t interval_ms, uint32_t spread)
{
    return 1 + (int64_t)(((uint64_t)interval_ms * spread) >> 32);
}

int64_t health_jitter_ms(int64_t interval_ms, uint32_t jitter_percent, uint32_t spread)
{
    int64_t range = interval_ms * jitter_percent / 100;

    return interval_ms - range + (int64_t)(((uint64_t)(2 * range + 1) * spread) >> 32);
}
