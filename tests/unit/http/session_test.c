/* What every stream shares: its set-up, its end, and being used again. */
#include "http_cmocka.h"

#include "http/session.h"

static struct buf_pool pool;
static struct arena arena;
static struct stream stream;

static void on_event(struct stream *self, unsigned events)
{
}

static int setup(void **state)
{
    buf_pool_init(&pool, 4 * BUF_CHUNK_BYTES);
    arena_init(&arena, 4096);
    memset(&stream, 0xa5, sizeof(stream));
    stream_init(&stream, on_event, &arena, &pool);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(pool.chunks.used, 0);
    assert_int_equal(pool.nodes.used, 0);
    arena_fini(&arena);
    buf_pool_fini(&pool);
    return 0;
}

static void fill(void)
{
    stream.head_buf = buf_take(&pool);
    assert_non_null(stream.head_buf);
    assert_int_equal(bufq_append(&stream.body, "body", 4), 0);
    stream.head.status = 200;
    stream.ended = stream.failed = stream.reused = stream.sent_bytes = true;
    stream.error = -1;
    stream.trailer_count = 3;
    stream.began_ns = 5;
}

static void assert_fresh(void)
{
    assert_int_equal(stream.magic, STREAM_MAGIC);
    assert_ptr_equal(stream.notify, on_event);
    assert_ptr_equal(stream.arena, &arena);
    assert_ptr_equal(stream.body.pool, &pool);
    assert_int_equal(bufq_bytes(&stream.body), 0);
    assert_null(stream.session);
    assert_null(stream.head_buf);
    assert_null(stream.trailers);
    assert_int_equal(stream.trailer_count + stream.error + stream.head.status, 0);
    assert_int_equal(stream.began_ns, 0);
    assert_false(stream.ended || stream.failed || stream.reused || stream.sent_bytes);
}

static void test_init(void **state)
{
    assert_fresh();
    assert_int_equal(stream.spare_fields, 0);
    stream_fini(&stream);
}

static void test_fini_gives_back(void **state)
{
    fill();
    stream_fini(&stream);
    assert_int_equal(pool.chunks.used, 0);
    assert_null(stream.head_buf);
    assert_int_not_equal(stream.magic, STREAM_MAGIC);
}

static void test_reset(void **state)
{
    fill();
    stream.spare_fields = 7;
    stream_reset(&stream);
    assert_fresh();
    assert_int_equal(stream.spare_fields, 7);
    assert_int_equal(pool.chunks.used, 0);
    fill();
    stream_reset(&stream);
    assert_fresh();
    stream_fini(&stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_init), TEST(test_fini_gives_back), TEST(test_reset)};
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
