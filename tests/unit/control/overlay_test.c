/* A file's configuration with changes over it, and what becomes of them over another file. */
#include "control/overlay.h"

#include <limits.h>

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static const char base[] = "pools:\n"
                           "  web: {workers: [3001, {address: 3002, name: blue, weight: 3}]}\n"
                           "  api: {workers: [3003]}\n"
                           "routes: [{path: /api/, pool: api}, {pool: web}]\n";

static struct changes none;

static void put(struct changes *changes, enum change_kind kind, const char *pool, const char *address, uint32_t weight)
{
    struct change change = {.kind = kind, .weight = weight, .keep = true};
    struct sock_name name;
    const char *why;
    assert_int_equal(sock_name_parse(str_of(address), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &change.addr), 0);
    change_text(change.pool, sizeof(change.pool), str_of(pool));
    change_text(change.address, sizeof(change.address), str_of(address));
    assert_int_equal(changes_put(changes, &change), 0);
}

static const struct config_worker *worker_at(const struct overlay *overlay, size_t pool, size_t worker)
{
    assert_true(worker < overlay->config->pools.items[pool].workers.count);
    return &overlay->config->pools.items[pool].workers.items[worker];
}

static void test_nothing_is_the_file(void **state)
{
    struct config *file = helper_load(base);
    struct overlay overlay;
    char why[OVERLAY_WHY_MAX];
    assert_int_equal(overlay_make(file, &none, &overlay, why), 0);
    assert_ptr_equal(overlay.config, file);
    overlay_fini(&overlay);
    config_destroy(&file);
}

static void test_all_kinds(void **state)
{
    struct config *file = helper_load(base);
    struct changes changes = {.items = NULL};
    struct overlay overlay;
    char why[OVERLAY_WHY_MAX];
    put(&changes, CHANGE_ADDED, "web", "127.0.0.2:3003", 5);
    put(&changes, CHANGE_REMOVED, "web", "127.0.0.1:3001", 0);
    put(&changes, CHANGE_SET, "web", "3002", 7);
    assert_int_equal(overlay_make(file, &changes, &overlay, why), 0);
    assert_int_equal(changes.count, 0);
    assert_int_equal(overlay.changes.count, 3);
    assert_int_equal(overlay.config->worker_count, 3);
    assert_int_equal(overlay.config->pools.items[0].workers.count, 2);
    const struct config_worker *blue = worker_at(&overlay, 0, 0), *added = worker_at(&overlay, 0, 1);
    assert_str(blue->name, "blue");
    assert_true(blue->named && blue->weight == 3 && blue->weight_change == 7);
    assert_str(added->address.text, "127.0.0.2:3003");
    assert_true(added->weight == 5 && added->weight_change == 0 && !added->named);
    /* Two share a port now: both are called by host and port, as in a file. */
    assert_str(added->id, "127_0_0_2_3003");
    assert_str(worker_at(&overlay, 1, 0)->name, "127_0_0_1_3003");
    assert_str(file->pools.items[1].workers.items[0].name, "3003");
    assert_int_equal(overlay.config->routes.count, 2);
    overlay_fini(&overlay);
    config_destroy(&file);
}

static void test_what_does_not_fit(void **state)
{
    static const struct {
        enum change_kind kind;
        const char *pool, *address, *why;
    } cases[] = {
        {CHANGE_REMOVED, "api", "3003", "the pool \"api\" would have no worker"},
        {CHANGE_ADDED, "web", "127.0.0.1:3001",
         "worker: the worker 127.0.0.1:3001 is given twice in this pool; first at ballast.yaml:2:19"},
    };
    struct config *file = helper_load(base);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct changes changes = {.items = NULL};
        struct overlay overlay;
        char why[OVERLAY_WHY_MAX];
        put(&changes, cases[i].kind, cases[i].pool, cases[i].address, 1);
        assert_int_equal(overlay_make(file, &changes, &overlay, why), -ERR_CONFIG);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(changes.count, 0);
    }
    config_destroy(&file);
}

static void test_words_of_the_configuration(void **state)
{
    static const struct {
        struct overlay_setting settings[2];
        size_t count;
        const char *why;
    } cases[] = {
        {{{"address", "127.0.0.1:3001"}, {"weight", "4"}}, 2, NULL},
        {{{"address", "here:x"}}, 1, "address: \"here:x\" is no address: the port must be 1 to 65535"},
        {{{"address", "example.org:80"}}, 1, "address: \"example.org\" is a name, and names are not looked up here"},
        {{{"address", "3001"}, {"weight", "0"}},
         2,
         "weight: \"0\" is out of range; expected a whole number from 1 to 256"},
        {{{"address", "3001"}, {"wieght", "1"}}, 2, "wieght: unknown key \"wieght\"; did you mean \"weight\"?"},
        {{{"weight", "1"}}, 1, "worker: \"address\" is missing"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config_worker worker;
        struct arena arena;
        char why[OVERLAY_WHY_MAX] = "";
        arena_init(&arena, 1 << 20);
        int error = overlay_worker(cases[i].settings, cases[i].count, &arena, &worker, why);
        assert_int_equal(error, cases[i].why ? -ERR_CONFIG : 0);
        assert_string_equal(why, cases[i].why ? cases[i].why : "");
        assert_true(error || (worker.weight == 4 && worker.address.port == 3001));
        arena_fini(&arena);
    }
}

struct fate_case {
    const char *pool, *address;
    enum change_kind kind;
    uint32_t weight;
    bool keep;
    const char *why; /* empty: it goes on */
};

static void check_fates(const char *text, bool all, const struct fate_case *cases, size_t count)
{
    struct config *file = helper_load(text);
    struct carried carried = {.ends = NULL};
    struct overlay overlay;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        put(&carried.changes, cases[i].kind, cases[i].pool, cases[i].address, cases[i].weight);
        carried.changes.items[i].keep = cases[i].keep;
    }
    assert_int_equal(overlay_carry(file, &carried, all, &overlay), 0);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(carried.ends[i].why, cases[i].why);
        assert_int_equal(carried.ends[i].fate == CHANGE_GOES_ON, cases[i].why[0] == '\0');
        left += carried.ends[i].fate == CHANGE_GOES_ON;
    }
    assert_int_equal(overlay.changes.count, left);
    carried_log(&carried);
    overlay_fini(&overlay);
    carried_fini(&carried);
    config_destroy(&file);
}

static void test_another_file(void **state)
{
    static const struct fate_case cases[] = {
        {"web", "3005", CHANGE_ADDED, 1, true, ""},
        {"web", "3006", CHANGE_ADDED, 1, false, "it was not to be kept"},
        {"web", "127.0.0.1:3001", CHANGE_ADDED, 1, true, "the file has this worker now"},
        {"old", "3007", CHANGE_ADDED, 1, true, "the file has no such pool"},
        {"web", "3008", CHANGE_REMOVED, 0, true, "the file has no such worker any more"},
        {"web", "3002", CHANGE_SET, 3, true, "the file says the same now"},
        {"api", "3003", CHANGE_SET, 9, true, ""},
    };
    static const struct fate_case every[] = {{"web", "3005", CHANGE_ADDED, 1, true, ""},
                                             {"web", "3006", CHANGE_ADDED, 1, false, ""}};
    check_fates(base, false, cases, ARRAY_SIZE(cases));
    check_fates(base, true, every, ARRAY_SIZE(every));
}

static void test_those_that_fit_together(void **state)
{
    static const struct fate_case cases[] = {
        {"web", "3001", CHANGE_REMOVED, 0, true, ""},
        {"api", "3003", CHANGE_REMOVED, 0, true, "the pool \"api\" would have no worker"},
        {"web", "3002", CHANGE_REMOVED, 0, true, ""},
        {"web", "3009", CHANGE_ADDED, 1, true, ""},
    };
    check_fates(base, false, cases, ARRAY_SIZE(cases));
}

/* How much is allocated to carry so many changes over a file of workers, with one besides that does not fit or not. */
static unsigned cost_of(bool fits)
{
    enum { WORKERS = 512, LINE = 40 };
    char text[WORKERS * LINE + 200], address[LINE];
    int n = snprintf(text, sizeof(text), "pools:\n  api: {workers: [3003]}\n  web:\n    workers:\n");
    struct carried carried = {.ends = NULL};
    struct overlay overlay;
    for (int i = 0; i < WORKERS; i++) {
        (void)snprintf(address, sizeof(address), "10.0.%d.%d:80", i / 250, i % 250);
        n += snprintf(text + n, sizeof(text) - (size_t)n, "      - %s\n", address);
        put(&carried.changes, CHANGE_SET, "web", address, 3);
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "routes: [{path: /api/, pool: api}, {pool: web}]\n");
    if (!fits)
        put(&carried.changes, CHANGE_REMOVED, "api", "3003", 0);
    struct config *file = helper_load(text);
    alloc_fail_at(UINT_MAX);
    assert_int_equal(overlay_carry(file, &carried, false, &overlay), 0);
    assert_false(alloc_fail_stop());
    unsigned count = alloc_fail_count();
    assert_int_equal(overlay.changes.count, WORKERS);
    overlay_fini(&overlay);
    carried_fini(&carried);
    config_destroy(&file);
    return count;
}

static void test_one_that_does_not_fit_costs_little(void **state)
{
    assert_in_range(cost_of(false), 1, 25 * cost_of(true));
}

static void test_no_memory(void **state)
{
    struct config *file = helper_load(base);
    struct overlay overlay;
    for (unsigned n = 1;; n++) {
        struct carried carried = {.ends = NULL};
        put(&carried.changes, CHANGE_ADDED, "web", "3005", 1);
        put(&carried.changes, CHANGE_REMOVED, "api", "3003", 0);
        put(&carried.changes, CHANGE_REMOVED, "web", "3001", 0);
        alloc_fail_at(n);
        int error = overlay_carry(file, &carried, false, &overlay);
        bool failed = alloc_fail_stop();
        assert_true(failed ? error == -ERR_NO_MEMORY || error == 0 : error == 0);
        if (!error)
            overlay_fini(&overlay);
        carried_fini(&carried);
        if (!failed)
            break;
    }
    config_destroy(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_the_file),
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_words_of_the_configuration),
        cmocka_unit_test(test_another_file),
        cmocka_unit_test(test_those_that_fit_together),
        cmocka_unit_test(test_one_that_does_not_fit_costs_little),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
