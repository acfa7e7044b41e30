/* Each hazard is one condition; its words stand in hazard.def. The numbers in the conditions are those that operators
 * meet: other programs' defaults and people's patience. */
#include "control/hazard.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/tls_kernel.h"
#include "proxy/tunnel.h"

enum {
    PATIENCE_MS = 60000,      /* of most clients, and of proxies in front */
    DETECTION_MS = 30000,     /* a worker that is dead for longer than that without notice */
    NODE_KEEP_ALIVE_MS = 5000 /* Node.js's server.keepAliveTimeout */
};

static const struct {
    const char *code, *reason, *fix;
} hazards[HAZARD_COUNT] = {
#define HAZARD(name, code, reason, fix) {code, reason, fix},
#include "control/hazard.def"
#undef HAZARD
};

const char *hazard_code(enum hazard hazard)
{
    return hazards[hazard].code;
}

static void note(struct config_errors *errors, const struct config_place *place, enum hazard hazard, const char *what)
{
    config_warning_add(errors, place, "%s: %s. %s %s", hazards[hazard].code, what, hazards[hazard].reason,
                       hazards[hazard].fix);
}

static void look_at_pool(const struct config_pool *pool, struct config_errors *errors)
{
    const struct config_health *health = &pool->health;
    const struct config_place *place = health->place.line > 0 ? &health->place : &pool->place;
    uint64_t detection_ms = health->interval_ms + (uint64_t)health->fall * health->timeout_ms +
                            (uint64_t)(health->fall - 1) * health->interval_doubt_ms;
    char what[CONFIG_LINE_MAX / 4];

    if (pool->workers.count == 1) {
        (void)snprintf(what, sizeof(what), "pool \"%.*s\" has one worker", STR_ARG(config_shown(pool->name)));
        note(errors, &pool->place, HAZARD_ONE_WORKER, what);
    }
    if (health->timeout_ms >= health->interval_ms) {
        (void)snprintf(what, sizeof(what), "the health timeout (%u ms) is not below the interval (%u ms)",
                       health->timeout_ms, health->interval_ms);
        note(errors, place, HAZARD_PROBE_TIMEOUT, what);
    }
    if (detection_ms > DETECTION_MS) {
        (void)snprintf(what, sizeof(what), "it may take %llu s until a silent worker is out",
                       (unsigned long long)(detection_ms / 1000));
        note(errors, place, HAZARD_SLOW_DETECTION, what);
    }
}

static void look_at_times(const struct config *config, struct config_errors *errors)
{
    const struct config_timeouts *times = &config->timeouts;
    uint64_t longest_ms = (uint64_t)config->limits.tries * times->connect_ms + times->response_head_ms;
    char what[CONFIG_LINE_MAX / 4];

    if (times->worker_idle_ms >= NODE_KEEP_ALIVE_MS) {
        (void)snprintf(what, sizeof(what), "timeouts.worker_idle is %u ms", times->worker_idle_ms);
        note(errors, &times->place, HAZARD_WORKER_IDLE, what);
    }
    if (longest_ms > PATIENCE_MS) {
        (void)snprintf(what, sizeof(what), "an answer may take %llu s to begin",
                       (unsigned long long)(longest_ms / 1000));
        note(errors, &times->place, HAZARD_RETRY_TIME, what);
    }
    if (times->drain_ms < times->response_head_ms) {
        (void)snprintf(what, sizeof(what), "timeouts.drain (%u ms) is below timeouts.response_head (%u ms)",
                       times->drain_ms, times->response_head_ms);
        note(errors, &times->place, HAZARD_SHORT_DRAIN, what);
    }
    if ((uint64_t)times->tunnel_drain_ms + TUNNEL_CLOSE_MS >= times->drain_ms) {
        (void)snprintf(what, sizeof(what), "timeouts.drain (%u ms) is not %d ms above timeouts.tunnel_drain (%u ms)",
                       times->drain_ms, TUNNEL_CLOSE_MS, times->tunnel_drain_ms);
        note(errors, &times->place, HAZARD_TUNNEL_DRAIN, what);
    }
}

static void look_at_descriptors(const struct config *config, uint64_t descriptors, struct config_errors *errors)
{
    char what[CONFIG_LINE_MAX / 4];

    if ((uint64_t)config->limits.connections * 2 <= descriptors)
        return;
    (void)snprintf(what, sizeof(what), "limits.connections is %u, and %llu descriptors may be opened here",
                   config->limits.connections, (unsigned long long)descriptors);
    note(errors, &config->limits.place, HAZARD_DESCRIPTORS, what);
}

uint64_t hazard_descriptors(void)
{
    struct rlimit limit;

    if (geteuid() == 0 || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max == RLIM_INFINITY)
        return UINT64_MAX; /* root raises it at the start */
    return limit.rlim_max;
}

struct hazard_means hazard_means(void)
{
    return (struct hazard_means){.descriptors = hazard_descriptors(), .kernel_tls = tls_kernel_offered()};
}

void hazard_find(const struct config *config, const struct hazard_means *means, struct config_errors *errors)
{
    for (size_t i = 0; i < config->pools.count; i++)
        look_at_pool(&config->pools.items[i], errors);
    look_at_times(config, errors);
    look_at_descriptors(config, means->descriptors, errors);
    for (size_t i = 0; i < config->listeners.count && !means->kernel_tls; i++)
        if (config->listeners.items[i].tls.kernel == CONFIG_TLS_KERNEL_AUTO)
            note(errors, &config->listeners.items[i].tls.place, HAZARD_KERNEL_TLS, "tls.kernel is auto");
}
