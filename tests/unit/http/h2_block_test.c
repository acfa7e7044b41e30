/* What is kept is what came, up to the limits; long heads move to a big chunk. */
#include "http/h2_block.h"

#include "base/err.h"
#include "http_cmocka.h"

static const struct h1_limits limits = {.head_bytes = 40000, .fields = 10, .target_bytes = 500};
static struct buf_pool pool;

static int setup(void **state)
{
    buf_pool_init(&pool, 10 * BUF_CHUNK_BYTES);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(pool.chunks.used, 0);
    buf_pool_fini(&pool);
    return 0;
}

static void test_keeps(void **state)
{
    static char big[9000];
    struct h2_block block = {0};
    struct str rest, name, value;
    memset(big, 'v', sizeof(big));
    assert_int_equal(h2_block_text(&block).n, 0);
    h2_block_add(&block, &pool, &limits, STR(":path"), STR("/"));
    for (int i = 0; i < 4; i++)
        h2_block_add(&block, &pool, &limits, STR("x"), str_slice(big, sizeof(big)));
    h2_block_add(&block, &pool, &limits, STR("empty"), STR(""));
    assert_int_equal(block.error, 0);
    assert_int_equal(block.count, 6);
    rest = h2_block_text(&block);
    assert_true(h2_block_next(&rest, &name, &value));
    assert_str(name, STR(":path"));
    assert_str(value, STR("/"));
    for (int i = 0; i < 4; i++) {
        assert_true(h2_block_next(&rest, &name, &value));
        assert_str(name, STR("x"));
        assert_str(value, str_slice(big, sizeof(big)));
    }
    assert_true(h2_block_next(&rest, &name, &value));
    assert_str(name, STR("empty"));
    assert_int_equal(value.n, 0);
    assert_false(h2_block_next(&rest, &name, &value));
    h2_block_end(&block);
    assert_int_equal(block.count, 0);
}

static void test_limits(void **state)
{
    static char big[20000];
    struct h2_block block = {0};
    memset(big, 'v', sizeof(big));
    h2_block_add(&block, &pool, &limits, STR("x"), str_slice(big, sizeof(big)));
    assert_int_equal(block.error, 0);
    h2_block_add(&block, &pool, &limits, STR("x"), str_slice(big, sizeof(big)));
    assert_int_equal(block.error, -ERR_REQUEST_HEAD_SIZE);
    h2_block_add(&block, &pool, &limits, STR("x"), STR("y"));
    assert_int_equal(block.count, 1);
    h2_block_end(&block);
    for (uint32_t i = 0; i < limits.fields + 5; i++)
        h2_block_add(&block, &pool, &limits, STR("x"), STR("y"));
    assert_int_equal(block.error, 0);
    h2_block_add(&block, &pool, &limits, STR("x"), STR("y"));
    assert_int_equal(block.error, -ERR_REQUEST_FIELD_COUNT);
    h2_block_end(&block);
}

/* What is not kept is counted all the same. */
static void test_flood(void **state)
{
    static char big[4000];
    struct h2_block block = {0};
    size_t most = (limits.head_bytes + H2_BLOCK_BEYOND) / (sizeof(big) + 1);
    for (size_t i = 0; i < most; i++)
        h2_block_add(&block, &pool, &limits, STR("x"), str_slice(big, sizeof(big)));
    assert_int_equal(block.error, -ERR_REQUEST_HEAD_SIZE);
    assert_false(h2_block_is_flood(&block, &limits));
    h2_block_add(&block, &pool, &limits, STR("x"), str_slice(big, sizeof(big)));
    assert_true(h2_block_is_flood(&block, &limits));
    h2_block_end(&block);
    assert_false(h2_block_is_flood(&block, &limits));
}

static void test_no_memory(void **state)
{
    struct h2_block block = {0};
    pool.chunks.max_objects = 0;
    h2_block_add(&block, &pool, &limits, STR("x"), STR("y"));
    assert_int_equal(block.error, -ERR_NO_MEMORY);
    h2_block_end(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_keeps, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
