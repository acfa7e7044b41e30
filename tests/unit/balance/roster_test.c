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
    const struct worker_label *label = NULL;
    assert_int_equal(roster_find(roster, &entry, &worker, &label), 0);
    assert_true(str_eq(label->name, STR("shown")) && str_eq(label->id, STR("id")));
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
    assert_true(str_eq(worker_name(a), STR("shown")) && str_eq(worker_id(a), STR("id")) &&
                str_eq(a->pool_name, STR("web")));
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
        char address[16];
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

/* One that was removed is spoken for by whoever has its name now; without such a one the newest of that name speaks. */
static void roster_names_heirs(void **state)
{
    struct roster roster;
    assert_int_equal(roster_init(&roster), 0);
    struct worker *first = find(&roster, "web", "1", ""), *second = find(&roster, "web", "2", "");
    struct worker *third = find(&roster, "web", "3", ""), *other = find(&roster, "api", "1", "");
    atomic_store(&first->removed, true);
    atomic_store(&third->removed, true);
    roster_publish(&roster);
    assert_true(first->heir == second && third->heir == second && !second->heir && !other->heir);
    atomic_store(&second->removed, true);
    roster_publish(&roster);
    assert_true(first->heir == third && second->heir == third && !third->heir && !other->heir);
    atomic_store(&first->removed, false);
    roster_publish(&roster);
    assert_true(!first->heir && second->heir == first && third->heir == first);
    roster_fini(&roster);
}

static void roster_keeps_every_label(void **state)
{
    struct roster roster;
    struct worker *worker = NULL;
    const struct worker_label *labels[3];
    static const char *const names[] = {"3001", "10.0.0.1:3001", "3001"};
    assert_int_equal(roster_init(&roster), 0);
    for (int i = 0; i < 3; i++) {
        struct roster_entry entry = {STR("web"), STR("1"), STR(""), str_of(names[i]), STR("id"), &nowhere};
        assert_int_equal(roster_find(&roster, &entry, &worker, &labels[i]), 0);
    }
    assert_ptr_equal(labels[0], labels[2]);
    assert_true(str_eq(labels[1]->name, STR("10.0.0.1:3001")) && str_eq(worker_name(worker), STR("3001")));
    roster_fini(&roster);
}

static void roster_survives_no_memory(void **state)
{
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct roster roster;
        struct worker *worker = NULL;
        const struct worker_label *label;
        _Atomic uint64_t *turn;
        struct roster_entry entry = entry_of("web", "1", "");
        alloc_fail_at(n);
        int error = roster_init(&roster);
        if (!error)
            error = roster_find(&roster, &entry, &worker, &label);
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
        cmocka_unit_test(roster_names_heirs),
        cmocka_unit_test(roster_keeps_every_label),
        cmocka_unit_test(roster_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
