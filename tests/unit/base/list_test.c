/* Intrusive lists: order, removal anywhere, splicing. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

static struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};

static int items_init(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        list_init(&items[i].link);
    return 0;
}

/* The numbers on the list, as decimal digits behind a leading 9; backwards must say the same. */
static int list_digits(struct list *list)
{
    int digits = 9;
    int backwards = 0;
    int place = 1;
    LIST_FOREACH (node, list)
        digits = digits * 10 + CONTAINER_OF(node, struct item, link)->number;
    for (struct list *node = list->prev; node != list; node = node->prev, place *= 10)
        backwards += place * CONTAINER_OF(node, struct item, link)->number;
    assert_int_equal(digits, backwards + 9 * place);
    return digits;
}

static void list_keeps_order(void **state)
{
    struct list list;
    list_init(&list);
    assert_true(list_empty(&list));
    assert_null(list_pop(&list));
    list_append(&list, &items[1].link);
    list_append(&list, &items[2].link);
    list_prepend(&list, &items[0].link);
    assert_int_equal(list_digits(&list), 9012);
    list_insert_before(&items[1].link, &items[3].link);
    assert_int_equal(list_digits(&list), 90312);
    list_remove(&items[1].link);
    assert_false(list_linked(&items[1].link));
    list_remove(&items[1].link);
    assert_int_equal(list_digits(&list), 9032);
    assert_ptr_equal(list_pop(&list), &items[0].link);
    assert_false(list_linked(&items[0].link));
    assert_true(list_linked(&items[3].link));
    assert_int_equal(list_digits(&list), 932);
}

static void list_splices(void **state)
{
    struct list a;
    struct list b;
    list_init(&a);
    list_init(&b);
    list_splice(&a, &b);
    assert_true(list_empty(&a));
    list_append(&b, &items[0].link);
    list_append(&b, &items[1].link);
    list_splice(&a, &b);
    assert_true(list_empty(&b));
    assert_int_equal(list_digits(&a), 901);
    list_append(&b, &items[2].link);
    list_splice(&a, &b);
    assert_int_equal(list_digits(&a), 9012);
}

static void list_walk_may_remove(void **state)
{
    struct list list;
    list_init(&list);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        list_append(&list, &items[i].link);
    LIST_FOREACH_SAFE (node, &list) {
        if (CONTAINER_OF(node, struct item, link)->number % 2 == 1)
            list_remove(node);
    }
    assert_int_equal(list_digits(&list), 902);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(list_keeps_order, items_init),
        cmocka_unit_test_setup(list_splices, items_init),
        cmocka_unit_test_setup(list_walk_may_remove, items_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
