/* Chunks: references, the cap, big ones, room. */
#include "base/buf.h"

#include <string.h>

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void buf_lives_with_its_references(void **state)
{
    struct buf_pool pool;
    buf_pool_init(&pool, 1 << 20);
    struct buf *buf = buf_take(&pool);
    assert_non_null(buf);
    assert_int_equal(buf->used, 0);
    assert_int_equal(buf_room(buf), buf->cap);
    assert_true(buf->data + buf->cap <= (char *)buf + BUF_CHUNK_BYTES);
    assert_true(buf->cap > BUF_CHUNK_BYTES - 64);
    memset(buf->data, 'x', buf->cap);
    assert_ptr_equal(buf_ref(buf), buf);
    buf_unref(buf);
    assert_int_equal(pool.chunks.used, 1);
    assert_int_equal(buf->data[buf->cap - 1], 'x');
    buf_unref(buf);
    assert_int_equal(pool.chunks.used, 0);
    buf_unref(NULL);
    buf_pool_fini(&pool);
}

static void buf_lent_has_no_room(void **state)
{
    struct buf_pool pool;
    buf_pool_init(&pool, 1 << 20);
    struct buf *buf = buf_take(&pool);
    buf->used = 10;
    assert_int_equal(buf_room(buf), buf->cap - 10);
    buf->lent = true;
    assert_int_equal(buf_room(buf), 0);
    buf->lent = false;
    buf_unref(buf);
    buf_pool_fini(&pool);
}

static void buf_keeps_to_the_cap(void **state)
{
    struct buf_pool pool;
    buf_pool_init(&pool, 2 * BUF_CHUNK_BYTES);
    struct buf *a = buf_take(&pool);
    struct buf *b = buf_take(&pool);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(buf_take(&pool));
    struct buf *big = buf_take_big(&pool, 100000);
    assert_non_null(big);
    assert_true(big->cap >= 100000);
    memset(big->data, 'y', 100000);
    buf_unref(a);
    a = buf_take(&pool);
    assert_non_null(a);
    buf_unref(a);
    buf_unref(b);
    buf_unref(big);
    buf_pool_fini(&pool);
}

static void buf_survives_no_memory(void **state)
{
    struct buf_pool pool;
    buf_pool_init(&pool, 1 << 20);
    alloc_fail_at(1);
    assert_null(buf_take(&pool));
    assert_true(alloc_fail_stop());
    alloc_fail_at(1);
    assert_null(buf_take_big(&pool, 100000));
    assert_true(alloc_fail_stop());
    assert_int_equal(pool.chunks.used, 0);
    buf_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_lives_with_its_references),
        cmocka_unit_test(buf_lent_has_no_room),
        cmocka_unit_test(buf_keeps_to_the_cap),
        cmocka_unit_test(buf_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
