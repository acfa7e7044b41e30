/* Slabs: the cap, the high-water mark, what is kept, and no memory. */
#include "base/slab.h"

#include <string.h>

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void slab_caps_and_counts(void **state)
{
    struct slab slab;
    void *objects[5];
    slab_init(&slab, 40, 5, 2);
    for (int i = 0; i < 5; i++) {
        objects[i] = slab_take(&slab);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % _Alignof(max_align_t), 0);
        memset(objects[i], i, 40);
    }
    assert_null(slab_take(&slab));
    assert_int_equal(slab.used, 5);
    for (int i = 0; i < 5; i++) {
        char wanted[40];
        memset(wanted, i, sizeof(wanted));
        assert_memory_equal(objects[i], wanted, 40);
        slab_give(&slab, objects[i]);
    }
    assert_int_equal(slab.used, 0);
    assert_int_equal(slab.used_max, 5);
    assert_int_equal(slab.free_count, slab.keep);
    slab_fini(&slab);
    assert_null(slab.free_list);
}

static void slab_reuses_what_it_kept(void **state)
{
    struct slab slab;
    slab_init(&slab, sizeof(void *), 10, 1);
    void *object = slab_take(&slab);
    slab_give(&slab, object);
    alloc_fail_at(1);
    void *again = slab_take(&slab);
    bool failed = alloc_fail_stop();
#ifdef BALLAST_SANITIZE
    assert_true(failed);
    assert_null(again);
    assert_int_equal(slab.used, 0);
#else
    assert_false(failed);
    assert_ptr_equal(again, object);
    slab_give(&slab, again);
#endif
    slab_fini(&slab);
}

static void slab_survives_no_memory(void **state)
{
    struct slab slab;
    slab_init(&slab, 64, 10, 2);
    alloc_fail_at(1);
    assert_null(slab_take(&slab));
    assert_true(alloc_fail_stop());
    assert_int_equal(slab.used, 0);
    void *object = slab_take(&slab);
    assert_non_null(object);
    slab_give(&slab, object);
    slab_fini(&slab);
}

enum { CROWD = 3000, ODD_BYTES = 202 };

/* In blocks: no two overlap, and each keeps what is in it. */
static void slab_in_blocks_keeps_apart(void **state)
{
    static unsigned char *objects[CROWD];
    struct slab slab;
    slab_init_blocks(&slab, ODD_BYTES, CROWD);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CROWD; i++) {
            objects[i] = slab_take(&slab);
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % _Alignof(void *), 0);
            memset(objects[i], i % 251, ODD_BYTES);
        }
        assert_null(slab_take(&slab));
        for (int i = 0; i < CROWD; i++)
            for (int k = 0; k < ODD_BYTES; k++)
                assert_true(objects[i][k] == i % 251);
        for (int i = 0; i < CROWD; i++)
            slab_give(&slab, objects[round == 1 ? CROWD - 1 - i : (i * 7) % CROWD]);
    }
    assert_int_equal(slab.used, 0);
    slab_fini(&slab);
    assert_int_equal(slab.blocks, 0);
}

/* Blocks come as they are needed, and go as they are empty but for one; those that stay are filled up first. */
static void slab_gives_blocks_back(void **state)
{
    static void *objects[CROWD];
    struct slab slab;
    slab_init_blocks(&slab, 256, CROWD);
    if (!slab.in_blocks)
        return; /* sanitizers: each object by itself */
    for (int i = 0; i < CROWD; i++)
        objects[i] = slab_take(&slab);
    size_t most = slab.blocks, each = (SLAB_BLOCK_BYTES - 64) / 256;
    assert_in_range(most, CROWD / (each + 1), CROWD / each + 1);
    for (int i = 1; i < CROWD; i++)
        slab_give(&slab, objects[i]);
    assert_in_range(slab.blocks, 1, 2);
    for (int i = 1; i < CROWD; i++)
        objects[i] = slab_take(&slab);
    assert_int_equal(slab.blocks, most);
    for (int i = 0; i < CROWD; i++)
        if (i % 20 != 0)
            slab_give(&slab, objects[i]);
    size_t left = slab.blocks;
    assert_in_range(left, 1, most);
    for (int i = 0; i < CROWD; i++)
        if (i % 20 != 0 && slab.used < left * each)
            objects[i] = slab_take(&slab);
        else if (i % 20 != 0)
            objects[i] = NULL;
    assert_int_equal(slab.blocks, left);
    for (int i = 0; i < CROWD; i++)
        if (objects[i])
            slab_give(&slab, objects[i]);
    assert_int_equal(slab.blocks, 1);
    slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slab_caps_and_counts),    cmocka_unit_test(slab_reuses_what_it_kept),
        cmocka_unit_test(slab_survives_no_memory), cmocka_unit_test(slab_in_blocks_keeps_apart),
        cmocka_unit_test(slab_gives_blocks_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
