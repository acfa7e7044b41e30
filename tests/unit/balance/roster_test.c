/* Workers by identity: the same one is the same object, any difference makes another, and who is not yet published is
 * not seen. */
#include "balance/roster.h"

#include <stdio.h>

#include "balance_helper.h"
#include "tests/unit/alloc_fail.h"

static struct sock_addr nowhere = {.storage = {.ss_family = AF_INET}};

static struct roster_entry entry_of(const char *pool, const char *address, const char *name)
{
    return (struct roster_entry){str_of(pool), str_of(address), str_of(name), STR("shown"), STR("id"), &nowhere};
}

static struct worker *find(struct roster *roster, const char *pool, const char *address, const char *name)
{
    struct roster_entry entry = entry_of(pool, address, name);
    struct worker *worker = NULL;
    assert_int_equal(roster_find(roster, &entry, &worker), 0);
    return worker;
}

static void roster_knows_by_identity(void **state)
{
    struct roster roster;
    assert_int_equal(roster_init(&roster), 0);
    struct worker *a = find(&roster, "web", "10.0.0.1:80", "");
    struct worker *others[] = {find(&roster, "api", "10.0.0.1:80", ""), find(&roster, "web", "10.0.0.2:80", ""),
                               find(&roster, "web", "10.0.0.1:80", "blue"), find(&roster, "we", "b10.0.0.1:80", "")};
    for (uint32_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_ptr_not_equal(others[i], a);
        assert_int_equal(others[i]->index, i + 1);
    }
    assert_ptr_equal(find(&roster, "web", "10.0.0.1:80", ""), a);
    assert_ptr_equal(find(&roster, "web", "10.0.0.1:80", "blue"), others[2]);
    assert_true(str_eq(a->name, STR("shown")) && str_eq(a->id, STR("id")) && str_eq(a->pool_name, STR("web")));
    roster_fini(&roster);
}

static void roster_shows_what_was_published(void **state)
{
    struct roster roster;
    assert_int_equal(roster_init(&roster), 0);
    struct worker *a = find(&roster, "web", "1", "");
    assert_int_equal(roster_count(&roster), 0);
    roster_publish(&roster);
    assert_int_equal(roster_count(&roster), 1);
    assert_ptr_equal(roster_at(&roster, 0), a);
    for (int i = 0; i < 300; i++) {
        char address[8];
        snprintf(address, sizeof(address), "a%d", i);
        find(&roster, "web", address, "");
    }
    assert_int_equal(roster_count(&roster), 1);
    assert_ptr_equal(roster_at(&roster, 0), a); /* it grew, and nothing moved */
    roster_fini(&roster);
}

static void roster_pools_of_one_name_share_their_turn(void **state)
{
    struct roster roster;
    _Atomic uint64_t *web, *api, *again;
    assert_int_equal(roster_init(&roster), 0);
    assert_int_equal(roster_turn(&roster, STR("web"), &web), 0);
    assert_int_equal(roster_turn(&roster, STR("api"), &api), 0);
    assert_int_equal(roster_turn(&roster, STR("web"), &again), 0);
    assert_ptr_equal(web, again);
    assert_true((uintptr_t)web / 64 != (uintptr_t)api / 64 && (uintptr_t)web % 64 == 0);
    roster_fini(&roster);
}

static void roster_survives_no_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct roster roster;
        struct worker *worker = NULL;
        _Atomic uint64_t *turn;
        struct roster_entry entry = entry_of("web", "1", "");
        alloc_fail_at(n);
        int error = roster_init(&roster);
        if (!error)
            error = roster_find(&roster, &entry, &worker);
        if (!error)
            error = roster_turn(&roster, STR("web"), &turn);
        failed = alloc_fail_stop();
        assert_int_equal(error, failed ? -ERR_NO_MEMORY : 0);
        roster_fini(&roster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roster_knows_by_identity),
        cmocka_unit_test(roster_shows_what_was_published),
        cmocka_unit_test(roster_pools_of_one_name_share_their_turn),
        cmocka_unit_test(roster_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
