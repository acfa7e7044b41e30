/* Whole configurations: whatever the text, a load ends with a configuration that keeps its promises, or with errors of
 * one line each; and what loads, loads again to the same.
 *
 * Sealed: neither files nor names nor the environment are looked at.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "control/config.h"

static void check_errors(const struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        struct str text = errors->items[i].text;
        ASSERT(str_starts(text, STR("f:")));
        ASSERT(text.n < CONFIG_LINE_MAX);
        for (size_t at = 0; at < text.n; at++)
            ASSERT((unsigned char)text.p[at] >= 0x20 && text.p[at] != 0x7F);
    }
}

static void check_id(struct str id)
{
    ASSERT(id.n > 0);
    for (size_t i = 0; i < id.n; i++) {
        char c = str_lower(id.p[i]);
        ASSERT((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    }
}

static void check_pool(const struct config_pool *pool)
{
    ASSERT(pool->name.n > 0 && pool->workers.count > 0);
    for (size_t i = 0; i < pool->workers.count; i++) {
        const struct config_worker *worker = &pool->workers.items[i];
        check_id(worker->id);
        ASSERT(worker->name.n > 0 && worker->address.addr.len > 0);
        ASSERT(worker->weight >= 1 && worker->weight <= 256);
    }
    const struct config_health *health = &pool->health;
    ASSERT(health->path.n > 0 && health->path.p[0] == '/');
    ASSERT(health->interval_doubt_ms <= health->interval_ms && health->interval_ms > 0 && health->timeout_ms > 0);
    ASSERT(health->rise > 0 && health->fall > 0 && health->jitter_percent <= 50);
    ASSERT(health->expect.min >= 100 && health->expect.min <= health->expect.max && health->expect.max <= 599);
}

static void check_config(const struct config *config)
{
    ASSERT(config->listeners.count > 0 && config->pools.count > 0 && config->routes.count > 0);
    size_t workers = 0;
    for (size_t i = 0; i < config->pools.count; i++) {
        check_pool(&config->pools.items[i]);
        workers += config->pools.items[i].workers.count;
    }
    ASSERT(workers == config->worker_count);
    for (size_t i = 0; i < config->routes.count; i++) {
        const struct config_route *route = &config->routes.items[i];
        ASSERT(route->pool < config->pools.count);
        ASSERT(str_eq(config->pools.items[route->pool].name, route->pool_name));
        ASSERT(route->path.n > 0 && route->path.p[0] == '/');
    }
    for (size_t i = 0; i < config->forwarded.trusted.count; i++)
        ASSERT(config->forwarded.trusted.items[i].bits <= (config->forwarded.trusted.items[i].v6 ? 128 : 32));
    ASSERT(config->limits.target_bytes <= config->limits.header_bytes);
    ASSERT(config->threads <= 256 && config->limits.tries > 0 && config->access_log.path.n > 0);
}

static struct config *load(struct str text, int *ret_result, unsigned *ret_errors)
{
    struct config_flags flags = {.sealed = true};
    struct config_errors errors;
    struct config *config = NULL;
    config_errors_init(&errors);
    *ret_result = config_load_text("f", text, &flags, &errors, &config);
    *ret_errors = errors.error_count;
    ASSERT((*ret_result == 0) == (config != NULL));
    ASSERT(*ret_result == 0 || *ret_result == -ERR_CONFIG);
    ASSERT((*ret_result == 0) == (errors.error_count == 0));
    check_errors(&errors);
    config_errors_fini(&errors);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = str_slice((const char *)bytes, n);
    int result;
    int again;
    unsigned errors;
    unsigned errors_again;
    struct config *config = load(text, &result, &errors);
    if (config != NULL)
        check_config(config);
    struct config *second = load(text, &again, &errors_again);
    ASSERT(result == again && errors == errors_again);
    if (config != NULL)
        ASSERT(config->worker_count == second->worker_count && config->routes.count == second->routes.count);
    config_destroy(&config);
    config_destroy(&second);
    return 0;
}
