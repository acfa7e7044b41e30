/* Each hazard, where it is one and right beside where it is none. */
#include "control_helper.h"

#include <sys/resource.h>
#include <unistd.h>

#include "control/hazard.h"

static struct config_errors errors;

/* Which hazards a configuration has, as bits. */
static unsigned found(const char *text)
{
    struct config_flags flags = {.sealed = true};
    struct config *config = NULL;
    unsigned bits = 0;

    config_errors_init(&errors);
    assert_int_equal(config_load_text("ballast.yaml", str_of(text), &flags, &errors, &config), 0);
    size_t before = errors.count;
    hazard_find(config, &(struct hazard_means){.descriptors = 1024}, &errors);
    for (size_t i = before; i < errors.count; i++) {
        assert_true(errors.items[i].warning);
        assert_true(errors.items[i].text.n < CONFIG_LINE_MAX - 1); /* nothing of it was cut */
        for (int hazard = 0; hazard < HAZARD_COUNT; hazard++) {
            char code[64];
            (void)snprintf(code, sizeof(code), "warning: %s: ", hazard_code((enum hazard)hazard));
            if (strstr(errors.items[i].text.p, code))
                bits |= 1u << hazard;
        }
    }
    config_destroy(&config);
    config_errors_fini(&errors);
    return bits;
}

#define WORKERS "workers: [3001, 3002]"
#define POOL    "pools: {w: {" WORKERS "}}\n"

static void each_is_found(void **state)
{
    static const struct {
        const char *text;
        unsigned bits;
    } cases[] = {
        {POOL, 0},
        {"pools: {w: {workers: [3001]}}\n", 1u << HAZARD_ONE_WORKER},
        {"pools: {w: {" WORKERS ", health: {interval: 1s, timeout: 1s}}}\n", 1u << HAZARD_PROBE_TIMEOUT},
        {"pools: {w: {" WORKERS ", health: {interval: 1s, timeout: 999ms}}}\n", 0},
        {"pools: {w: {" WORKERS ", health: {interval: 28s, timeout: 1s, fall: 1}}}\n", 0},
        {"pools: {w: {" WORKERS ", health: {interval: 28s, timeout: 1s, fall: 3}}}\n", 1u << HAZARD_SLOW_DETECTION},
        {POOL "timeouts: {worker_idle: 4999ms}\n", 0},
        {POOL "timeouts: {worker_idle: 5s}\n", 1u << HAZARD_WORKER_IDLE},
        {POOL "timeouts: {connect: 11s}\n", 1u << HAZARD_RETRY_TIME},
        {POOL "timeouts: {connect: 10s}\n", 0},
        {POOL "limits: {tries: 1}\ntimeouts: {connect: 20s}\n", 0},
        {POOL "timeouts: {drain: 29s}\n", 1u << HAZARD_SHORT_DRAIN},
        {POOL "timeouts: {drain: 1s, response_head: 1s}\n", 1u << HAZARD_TUNNEL_DRAIN},
        {POOL "timeouts: {drain: 2s, response_head: 1s, tunnel_drain: 0ms}\n", 1u << HAZARD_TUNNEL_DRAIN},
        {POOL "timeouts: {drain: 3s, response_head: 1s, tunnel_drain: 1s}\n", 1u << HAZARD_TUNNEL_DRAIN},
        {POOL "timeouts: {drain: 3s, response_head: 1s, tunnel_drain: 999ms}\n", 0},
        {POOL "limits: {connections: 512}\n", 0},
        {POOL "limits: {connections: 513}\n", 1u << HAZARD_DESCRIPTORS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned bits = found(cases[i].text);
        if (bits != cases[i].bits)
            print_error("%s: %#x, not %#x\n", cases[i].text, bits, cases[i].bits);
        assert_int_equal(bits, cases[i].bits);
    }
}

static void kernel_tls_is_missed_where_it_is_wanted(void **state)
{
    struct config_flags flags = {.sealed = true};
    struct config *config = NULL;

    for (int i = 0; i < 4; i++) {
        struct hazard_means means = {.descriptors = UINT64_MAX, .kernel_tls = (i & 1) != 0};
        config_errors_init(&errors);
        assert_int_equal(config_load_text("ballast.yaml", str_of(POOL), &flags, &errors, &config), 0);
        config->listeners.items[0].tls.place = config->pools.items[0].place;
        config->listeners.items[0].tls.kernel = i & 2 ? CONFIG_TLS_KERNEL_AUTO : CONFIG_TLS_KERNEL_OFF;
        hazard_find(config, &means, &errors);
        assert_int_equal(errors.count, i == 2);
        assert_true(i != 2 || strstr(errors.items[0].text.p, "warning: kernel-tls: tls.kernel is auto"));
        config_destroy(&config);
        config_errors_fini(&errors);
    }
}

static void descriptors_are_those_of_this_process(void **state)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (geteuid() == 0)
        assert_true(hazard_descriptors() == UINT64_MAX);
    else
        assert_true(hazard_descriptors() >= limit.rlim_cur);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_found),
                                       cmocka_unit_test(kernel_tls_is_missed_where_it_is_wanted),
                                       cmocka_unit_test(descriptors_are_those_of_this_process)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
