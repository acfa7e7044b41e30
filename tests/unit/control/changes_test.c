/* A list with one entry for each worker that differs. */
#include "control/changes.h"

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static struct sock_addr addr_of(const char *text)
{
    struct sock_name name;
    struct sock_addr addr;
    const char *why;
    assert_int_equal(sock_name_parse(str_of(text), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &addr), 0);
    return addr;
}

static struct change change_of(const char *pool, const char *address, enum change_kind kind)
{
    struct change change = {.kind = kind, .addr = addr_of(address)};
    change_text(change.pool, sizeof(change.pool), str_of(pool));
    change_text(change.address, sizeof(change.address), str_of(address));
    return change;
}

static void test_one_entry_a_worker(void **state)
{
    struct changes changes = {.items = NULL};
    struct sock_addr addr = addr_of("127.0.0.1:3001"), other = addr_of("3002");
    struct change change = change_of("web", "3001", CHANGE_SET);
    assert_null(changes_find(&changes, STR("web"), STR("3001"), &addr));
    assert_int_equal(changes_put(&changes, &change), 0);
    change.pool[0] = 'x';
    assert_int_equal(changes_put(&changes, &change), 0);
    change = change_of("web", "127.0.0.1:3001", CHANGE_REMOVED); /* the same, written otherwise */
    assert_int_equal(changes_put(&changes, &change), 0);
    assert_int_equal(changes.count, 2);
    assert_ptr_equal(changes_find(&changes, STR("web"), STR("anything"), &addr), &changes.items[0]);
    assert_int_equal(changes.items[0].kind, CHANGE_REMOVED);
    assert_null(changes_find(&changes, STR("web"), STR("3002"), &other));
    struct worker worker = {.pool_name = STR("xeb"), .address = STR("3001"), .addr = addr};
    assert_ptr_equal(changes_of(&changes, &worker), &changes.items[1]);
    changes_drop(&changes, &changes.items[0]);
    assert_int_equal(changes.count, 1);
    assert_string_equal(changes.items[0].pool, "xeb");
    changes_fini(&changes);
    changes_fini(&changes);
}

static void test_copies_and_memory(void **state)
{
    struct changes changes = {.items = NULL}, copy;
    struct change change = change_of("web", "3001", CHANGE_ADDED);
    alloc_fail_at(1);
    assert_int_equal(changes_put(&changes, &change), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(changes_copy(&changes, &copy), 0);
    assert_int_equal(copy.count, 0);
    assert_int_equal(changes_reserve(&changes), 0);
    alloc_fail_at(1);
    assert_int_equal(changes_put(&changes, &change), 0);
    assert_int_equal(changes_copy(&changes, &copy), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    alloc_fail_at(2);
    assert_int_equal(changes_copy(&changes, &copy), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(changes_copy(&changes, &copy), 0);
    assert_true(copy.count == 1 && copy.items != changes.items && copy.items[0].kind == CHANGE_ADDED);
    changes_fini(&changes);
    changes_fini(&copy);
}

/* Written in another way now, or another address: it is found by what it is. */
static void test_found_by_what_it_became(void **state)
{
    struct changes changes = {.items = NULL};
    struct sock_addr addr = addr_of("3001"), nobody = addr_of("3009");
    struct change change = change_of("web", "3001", CHANGE_SET);
    assert_int_equal(changes_put(&changes, &change), 0);
    change = change_of("web", "127.0.0.1:3001", CHANGE_SET);
    assert_int_equal(changes_put(&changes, &change), 0);
    assert_ptr_equal(changes_find(&changes, STR("web"), STR("127.0.0.1:3001"), &nobody), &changes.items[0]);
    assert_null(changes_find(&changes, STR("web"), STR("3001"), &nobody));
    change.addr = nobody;
    assert_int_equal(changes_put(&changes, &change), 0);
    assert_null(changes_find(&changes, STR("web"), STR("3001"), &addr));
    assert_int_equal(changes.count, 1);
    changes_fini(&changes);
}

/* Looking through the list for each would take minutes. */
static void test_many(void **state)
{
    enum { MANY = 1 << 16 };
    struct changes changes = {.items = NULL}, copy;
    for (uint32_t i = 0; i < MANY; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.%u.%u.%u:80", i >> 16, i >> 8 & 255, i & 255);
        struct change change = change_of("web", address, CHANGE_SET);
        assert_int_equal(changes_put(&changes, &change), 0);
    }
    assert_int_equal(changes_copy(&changes, &copy), 0);
    assert_true(changes_equal(&changes, &copy));
    changes_drop(&copy, &copy.items[0]);
    assert_false(changes_equal(&changes, &copy));
    assert_int_equal(copy.count, MANY - 1);
    assert_ptr_equal(changes_find(&copy, STR("web"), STR("10.0.255.255:80"), &copy.items[MANY - 2].addr),
                     &copy.items[MANY - 2]);
    changes_fini(&copy);
    changes_fini(&changes);
}

static void test_words(void **state)
{
    char text[4];
    change_text(text, sizeof(text), STR("abc"));
    assert_string_equal(text, "abc");
    change_text(text, sizeof(text), STR("abcd"));
    assert_string_equal(text, "abc");
    change_text(text, sizeof(text), STR_NONE);
    assert_string_equal(text, "");
    assert_string_equal(change_word(CHANGE_ADDED), "added");
    assert_string_equal(change_word(CHANGE_SET), "changed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_entry_a_worker), cmocka_unit_test(test_copies_and_memory),
        cmocka_unit_test(test_found_by_what_it_became), cmocka_unit_test(test_many), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
