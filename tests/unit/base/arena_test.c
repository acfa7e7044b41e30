/* Arenas: alignment, the cap, what a reset keeps, and no memory. */
#include "base/arena.h"

#include <string.h>

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void arena_pieces_are_apart(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 17, 100, 4000, 5000, 1, 70000, 3};
    unsigned char *pieces[ARRAY_SIZE(sizes)];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 3; round++) {
        size_t total = 0;
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            pieces[i] = arena_take(&arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            memset(pieces[i], (int)i + 1, sizes[i]);
            total += sizes[i];
        }
        assert_int_equal(arena.bytes, total);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(pieces[i][j], i + 1);
        }
        arena_reset(&arena);
        assert_int_equal(arena.bytes, 0);
    }
    arena_fini(&arena);
    assert_null(arena.first);
}

static void arena_keeps_to_its_cap(void **state)
{
    struct arena arena;
    arena_init(&arena, 100);
    assert_non_null(arena_take(&arena, 60));
    assert_null(arena_take(&arena, 41));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_non_null(arena_take(&arena, 40));
    assert_null(arena_take(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_take(&arena, 100));
    arena_fini(&arena);
}

#ifndef BALLAST_SANITIZE
static void arena_small_round_allocates_once(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    alloc_fail_at(1000);
    for (int round = 0; round < 10; round++) {
        assert_non_null(arena_take(&arena, 1000));
        assert_non_null(arena_take(&arena, 1000));
        arena_reset(&arena);
    }
    alloc_fail_stop();
    assert_int_equal(alloc_fail_count(), 1);
    /* A large first piece is not kept. */
    arena_fini(&arena);
    assert_non_null(arena_take(&arena, 100000));
    arena_reset(&arena);
    assert_null(arena.first);
    arena_fini(&arena);
}
#endif

static void arena_copies_and_prints(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str copy = arena_copy(&arena, STR("text"));
    assert_true(str_eq(copy, STR("text")));
    copy = arena_copy(&arena, STR_NONE);
    assert_non_null(copy.p);
    assert_int_equal(copy.n, 0);
    assert_true(str_eq(arena_print(&arena, "%s-%d", "x", 7), STR("x-7")));
    struct str padded = arena_print(&arena, "%5000d", 1);
    assert_int_equal(padded.n, 5000);
    assert_int_equal(padded.p[4999], '1');
    struct str empty = arena_print(&arena, "%s", "");
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
    arena_fini(&arena);
    arena_init(&arena, 3);
    assert_null(arena_print(&arena, "%d", 123).p);
    assert_null(arena_copy(&arena, STR("1234")).p);
    assert_int_equal(arena.bytes, 0);
    arena_fini(&arena);
}

static void arena_survives_no_memory(void **state)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        bool whole = arena_take(&arena, 10) && arena_copy(&arena, STR("abc")).p && arena_print(&arena, "%5000d", 1).p &&
                     arena_take(&arena, 9000);
        bool failed = alloc_fail_stop();
        assert_int_equal(whole, !failed);
        arena_reset(&arena);
        if (!failed)
            break;
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_pieces_are_apart),           cmocka_unit_test(arena_keeps_to_its_cap),
#ifndef BALLAST_SANITIZE
        cmocka_unit_test(arena_small_round_allocates_once),
#endif
        cmocka_unit_test(arena_copies_and_prints),          cmocka_unit_test(arena_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
