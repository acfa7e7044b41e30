/* Found by either way of naming an address, in its own pool only, however many there are. */
#include "control/worker_index.h"

#include <stdio.h>

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

enum { MANY = 5000, TEXT_MAX = 32 };

static struct listed {
    char pool[TEXT_MAX], address[TEXT_MAX];
    struct sock_addr addr;
} list[MANY];

static void set(struct listed *at, const char *pool, const char *address)
{
    struct sock_name name;
    const char *why;
    (void)snprintf(at->pool, sizeof(at->pool), "%s", pool);
    (void)snprintf(at->address, sizeof(at->address), "%s", address);
    assert_int_equal(sock_name_parse(str_of(address), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &at->addr), 0);
}

static struct worker_key key_of(const void *all, uint32_t number)
{
    const struct listed *at = &((const struct listed *)all)[number];
    return (struct worker_key){str_of(at->pool), str_of(at->address), &at->addr};
}

static void add(struct worker_index *index, uint32_t number)
{
    struct worker_key key = key_of(list, number);
    assert_int_equal(worker_index_reserve(index, number + 1), 0);
    worker_index_add(index, &key, number);
}

static uint32_t find(const struct worker_index *index, const char *pool, const char *address)
{
    struct listed wanted;
    set(&wanted, pool, address);
    struct worker_key key = key_of(&wanted, 0);
    return worker_index_find(index, &key, key_of, list);
}

static void test_by_either_way(void **state)
{
    struct worker_index index = {.slots = NULL};
    assert_int_equal(find(&index, "web", "3001"), WORKER_NOT_FOUND);
    set(&list[0], "web", "3001");
    set(&list[1], "web", "unix:/run/worker");
    set(&list[2], "api", "127.0.0.1:3001");
    set(&list[3], "web", "127.0.0.1:3001"); /* the first one again */
    for (uint32_t i = 0; i < 4; i++)
        add(&index, i);
    assert_int_equal(find(&index, "web", "3001"), 0);
    assert_int_equal(find(&index, "web", "127.0.0.1:3001"), 0);
    assert_int_equal(find(&index, "web", "unix:/run/worker"), 1);
    assert_int_equal(find(&index, "api", "3001"), 2);
    assert_int_equal(find(&index, "api", "3002"), WORKER_NOT_FOUND);
    assert_int_equal(find(&index, "we", "3001"), WORKER_NOT_FOUND);
    struct worker_key key = key_of(list, 0); /* a name that means another address by now */
    key.addr = &list[1].addr;
    assert_int_equal(worker_index_find(&index, &key, key_of, list), 0);
    key.address = STR("localhost:3001");
    assert_int_equal(worker_index_find(&index, &key, key_of, list), 1);
    worker_index_clear(&index);
    assert_int_equal(find(&index, "web", "3001"), WORKER_NOT_FOUND);
    add(&index, 1);
    assert_int_equal(find(&index, "web", "unix:/run/worker"), 1);
    worker_index_fini(&index);
    worker_index_fini(&index);
}

static void test_many(void **state)
{
    struct worker_index index = {.slots = NULL}, copy;
    assert_int_equal(worker_index_copy(&index, &copy), 0);
    assert_null(copy.slots);
    for (uint32_t i = 0; i < MANY; i++) {
        char address[TEXT_MAX];
        (void)snprintf(address, sizeof(address), "10.0.%u.%u:80", i / 250, i % 250);
        set(&list[i], i % 2 ? "web" : "api", address);
        add(&index, i);
    }
    assert_int_equal(worker_index_copy(&index, &copy), 0);
    worker_index_fini(&index);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(find(&copy, list[i].pool, list[i].address), i);
        assert_int_equal(find(&copy, "elsewhere", list[i].address), WORKER_NOT_FOUND);
    }
    worker_index_fini(&copy);
}

static void test_memory(void **state)
{
    struct worker_index index = {.slots = NULL}, copy;
    alloc_fail_at(1);
    assert_int_equal(worker_index_reserve(&index, 1), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    set(&list[0], "web", "3001");
    add(&index, 0);
    alloc_fail_at(1);
    assert_int_equal(worker_index_copy(&index, &copy), -ERR_NO_MEMORY);
    assert_int_equal(worker_index_reserve(&index, 1), 0);
    assert_true(alloc_fail_stop());
    alloc_fail_at(1);
    assert_int_equal(worker_index_reserve(&index, MANY), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(find(&index, "web", "3001"), 0);
    worker_index_fini(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_either_way), cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
