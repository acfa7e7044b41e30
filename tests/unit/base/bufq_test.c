/* Queues of slices: against plain bytes in random operations, and each promise of the header by itself. */
#include "base/bufq.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/rand.h"

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct buf_pool pool;

static int pool_up(void **state)
{
    buf_pool_init(&pool, 64 << 20);
    return 0;
}

static int pool_down(void **state)
{
    buf_pool_fini(&pool); /* asserts that nothing is left */
    return 0;
}

/* What the queue holds must be these bytes, by all ways to look at it. */
static void assert_queue(const struct bufq *queue, const char *bytes, size_t n)
{
    struct iovec iov[512];
    size_t at = 0;
    assert_int_equal(bufq_bytes(queue), n);
    int count = bufq_iov(queue, iov, 512, SIZE_MAX);
    for (int i = 0; i < count; i++) {
        assert_true(iov[i].iov_len > 0 && at + iov[i].iov_len <= n);
        assert_memory_equal(iov[i].iov_base, bytes + at, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    assert_int_equal(at, n);
    assert_int_equal(bufq_front(queue).n, n > 0 ? iov[0].iov_len : 0);
    assert_true(n == 0 || bufq_front(queue).p == iov[0].iov_base);
    assert_true((queue->head == NULL) == (n == 0));
    assert_true((queue->tail == NULL) == (n == 0));
}

static int slices_of(const struct bufq *queue)
{
    struct iovec iov[512];
    return bufq_iov(queue, iov, 512, SIZE_MAX);
}

static struct buf *buf_with(const char *text)
{
    struct buf *buf = buf_take(&pool);
    buf->used = (uint32_t)strlen(text);
    memcpy(buf->data, text, buf->used);
    return buf;
}

static void bufq_merges_what_touches(void **state)
{
    struct bufq queue;
    struct buf *buf = buf_with("0123456789");
    bufq_init(&queue, &pool);
    assert_int_equal(bufq_push(&queue, buf, 0, 0), 0);
    assert_null(queue.head);
    assert_int_equal(bufq_push(&queue, buf, 0, 3), 0);
    assert_int_equal(bufq_push(&queue, buf, 3, 3), 0);
    assert_int_equal(slices_of(&queue), 1);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(bufq_push(&queue, buf, 7, 3), 0);
    assert_int_equal(slices_of(&queue), 2);
    assert_ptr_equal(bufq_front_buf(&queue), buf);
    assert_queue(&queue, "012345789", 9);
    bufq_consume(&queue, 7);
    assert_queue(&queue, "89", 2);
    bufq_consume(&queue, 2);
    assert_queue(&queue, "", 0);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(pool.nodes.used, 0);
    buf_unref(buf);
}

static void bufq_holds_static_text(void **state)
{
    static const char text[] = "static";
    struct bufq queue;
    bufq_init(&queue, &pool);
    assert_int_equal(bufq_push_static(&queue, STR_NONE), 0);
    assert_int_equal(bufq_push_static(&queue, str_slice(text, 6)), 0);
    assert_ptr_equal(bufq_front(&queue).p, text);
    assert_null(bufq_front_buf(&queue));
    assert_null(bufq_tail_buf(&queue));
    assert_int_equal(bufq_append(&queue, "+copy", 5), 0);
    assert_queue(&queue, "static+copy", 11);
    bufq_clear(&queue);
    assert_queue(&queue, "", 0);
}

static void bufq_appends_where_it_may(void **state)
{
    struct bufq queue;
    struct buf *buf = buf_with("ab");
    bufq_init(&queue, &pool);
    assert_int_equal(bufq_push(&queue, buf, 0, 2), 0);
    assert_ptr_equal(bufq_tail_buf(&queue), buf);
    assert_int_equal(bufq_append(&queue, "cd", 2), 0);
    assert_int_equal(buf->used, 4);
    assert_int_equal(slices_of(&queue), 1);
    /* A receive in flight owns what is behind. */
    buf->lent = true;
    assert_null(bufq_tail_buf(&queue));
    assert_int_equal(bufq_append(&queue, "ef", 2), 0);
    buf->lent = false;
    assert_int_equal(buf->used, 4);
    assert_int_equal(slices_of(&queue), 2);
    assert_queue(&queue, "abcdef", 6);
    /* Somebody else has written behind this slice. */
    struct bufq other;
    bufq_init(&other, &pool);
    assert_int_equal(bufq_push(&other, buf, 0, 3), 0);
    assert_null(bufq_tail_buf(&other));
    assert_int_equal(bufq_append(&other, "x", 1), 0);
    assert_queue(&other, "abcx", 4);
    assert_queue(&queue, "abcdef", 6);
    /* A full chunk has no room. */
    bufq_clear(&other);
    buf->used = buf->cap;
    assert_int_equal(bufq_push(&other, buf, buf->cap - 1, 1), 0);
    assert_null(bufq_tail_buf(&other));
    bufq_clear(&other);
    bufq_clear(&queue);
    buf_unref(buf);
}

static void bufq_append_spans_chunks(void **state)
{
    enum { N = 100000 };
    char *bytes = malloc(N);
    struct bufq queue;
    bufq_init(&queue, &pool);
    for (int i = 0; i < N; i++)
        bytes[i] = (char)(i * 7);
    assert_int_equal(bufq_append(&queue, bytes, 5), 0);
    assert_int_equal(bufq_append(&queue, bytes + 5, N - 5), 0);
    assert_queue(&queue, bytes, N);
    assert_int_equal(slices_of(&queue), (N + BUF_CHUNK_CAP - 1) / BUF_CHUNK_CAP);
    bufq_clear(&queue);
    free(bytes);
}

static void bufq_move_joins_small_and_refers_to_large(void **state)
{
    struct bufq src;
    struct bufq dst;
    bufq_init(&src, &pool);
    bufq_init(&dst, &pool);
    assert_int_equal(bufq_append(&dst, "head:", 5), 0);
    struct buf *tail = bufq_tail_buf(&dst);
    for (int i = 0; i < 100; i++) { /* byte by byte, each in a chunk of its own */
        struct buf *buf = buf_with("z");
        assert_int_equal(bufq_push(&src, buf, 0, 1), 0);
        buf_unref(buf);
    }
    assert_int_equal(bufq_move(&dst, &src, 100), 0);
    assert_int_equal(slices_of(&dst), 1);
    assert_int_equal(pool.chunks.used, 1);
    assert_int_equal(tail->used, 105);
    struct buf *large = buf_take(&pool);
    memset(large->data, 'L', large->cap);
    large->used = BUFQ_JOIN_BYTES + 1;
    assert_int_equal(bufq_push(&src, large, 0, BUFQ_JOIN_BYTES + 1), 0);
    assert_int_equal(bufq_move(&dst, &src, BUFQ_JOIN_BYTES + 1), 0);
    assert_int_equal(slices_of(&dst), 2);
    assert_int_equal(large->refs, 2);
    assert_ptr_equal(bufq_tail_buf(&dst), large);
    buf_unref(large);
    bufq_clear(&dst);
}

static void bufq_moves_part_of_a_slice(void **state)
{
    struct bufq src;
    struct bufq dst;
    bufq_init(&src, &pool);
    bufq_init(&dst, &pool);
    assert_int_equal(bufq_append(&src, "abcdef", 6), 0);
    assert_int_equal(bufq_move(&dst, &src, 2), 0);
    assert_int_equal(bufq_move(&dst, &src, 2), 0);
    assert_int_equal(slices_of(&dst), 1);
    assert_queue(&dst, "abcd", 4);
    assert_queue(&src, "ef", 2);
    assert_int_equal(bufq_append(&src, "gh", 2), 0);
    assert_queue(&dst, "abcd", 4);
    assert_int_equal(bufq_move(&dst, &src, 4), 0);
    assert_queue(&dst, "abcdefgh", 8);
    assert_int_equal(bufq_move(&dst, &src, 0), 0);
    assert_int_equal(pool.chunks.used, 1);
    bufq_clear(&dst);
}

static void bufq_shares(void **state)
{
    struct bufq src;
    struct bufq dst;
    bufq_init(&src, &pool);
    bufq_init(&dst, &pool);
    assert_int_equal(bufq_append(&src, "shared", 6), 0);
    assert_int_equal(bufq_push_static(&src, STR("!")), 0);
    assert_int_equal(bufq_append(&dst, "is ", 3), 0);
    assert_int_equal(bufq_share(&dst, &src), 0);
    assert_queue(&dst, "is shared!", 10);
    assert_queue(&src, "shared!", 7);
    bufq_clear(&src);
    assert_queue(&dst, "is shared!", 10);
    bufq_clear(&dst);
}

static void bufq_reserves_and_commits(void **state)
{
    struct bufq queue;
    bufq_init(&queue, &pool);
    char *place = bufq_reserve(&queue, 100);
    assert_non_null(place);
    memcpy(place, "hello", 5);
    bufq_commit(&queue, 5);
    assert_queue(&queue, "hello", 5);
    char *behind = bufq_reserve(&queue, 100);
    assert_ptr_equal(behind, place + 5);
    bufq_commit(&queue, 0);
    assert_queue(&queue, "hello", 5);
    bufq_clear(&queue);
    /* Nothing committed leaves nothing, at the front, behind others, and at the start of a second node. */
    assert_non_null(bufq_reserve(&queue, BUF_CHUNK_BYTES / 2));
    bufq_commit(&queue, 0);
    assert_queue(&queue, "", 0);
    for (int i = 0; i < 2 * BUFQ_NODE_SLICES; i++) {
        assert_int_equal(bufq_push_static(&queue, STR("s")), 0);
        assert_non_null(bufq_reserve(&queue, 10));
        bufq_commit(&queue, 0);
        assert_null(bufq_tail_buf(&queue));
        assert_queue(&queue, "ssssssssssss", (size_t)i + 1);
    }
    assert_int_equal(bufq_push_static(&queue, STR("t")), 0);
    assert_non_null(bufq_reserve(&queue, 10));
    bufq_clear(&queue); /* reserved, never committed */
    assert_queue(&queue, "", 0);
}

static void bufq_gathers(void **state)
{
    struct bufq queue;
    bufq_init(&queue, &pool);
    for (int i = 0; i < 4 * BUFQ_NODE_SLICES; i++)
        assert_int_equal(bufq_push_static(&queue, STR("abc")), 0);
    const char *first = bufq_front(&queue).p;
    assert_int_equal(bufq_gather(&queue, 3, 3), 0);
    assert_ptr_equal(bufq_front(&queue).p, first);
    assert_int_equal(bufq_gather(&queue, 7, 100), 0);
    assert_int_equal(bufq_front(&queue).n, 7);
    assert_memory_equal(bufq_front(&queue).p, "abcabca", 7);
    assert_null(bufq_tail_buf(&queue));
    assert_int_equal(bufq_gather(&queue, queue.bytes, 40000), 0);
    assert_int_equal(slices_of(&queue), 1);
    struct buf *big = bufq_tail_buf(&queue);
    assert_non_null(big);
    assert_true(buf_room(big) >= 40000 - queue.bytes);
    assert_int_equal(bufq_append(&queue, "!", 1), 0);
    assert_int_equal(slices_of(&queue), 1);
    assert_int_equal(bufq_bytes(&queue), 4 * BUFQ_NODE_SLICES * 3 + 1);
    bufq_consume(&queue, 4 * BUFQ_NODE_SLICES * 3);
    assert_queue(&queue, "!", 1);
    bufq_clear(&queue);
    assert_int_equal(bufq_gather(&queue, 0, 0), 0);
}

static void bufq_iov_keeps_its_limits(void **state)
{
    struct bufq queue;
    struct iovec iov[4];
    bufq_init(&queue, &pool);
    assert_int_equal(bufq_iov(&queue, iov, 4, 100), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(bufq_push_static(&queue, STR("abc")), 0);
    assert_int_equal(bufq_iov(&queue, iov, 4, SIZE_MAX), 4);
    assert_int_equal(bufq_iov(&queue, iov, 4, 7), 3);
    assert_int_equal(iov[2].iov_len, 1);
    assert_int_equal(bufq_iov(&queue, iov, 4, 6), 2);
    assert_int_equal(bufq_iov(&queue, iov, 4, 0), 0);
    bufq_clear(&queue);
}

/* Two queues of many kinds of slices. */
static void fill_pair(struct bufq *a, struct bufq *b, struct buf *buf)
{
    bufq_init(a, &pool);
    bufq_init(b, &pool);
    for (int i = 0; i < BUFQ_NODE_SLICES - 1; i++)
        assert_int_equal(bufq_push_static(a, STR("A")), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(bufq_push(b, buf, (size_t)(8 - i), 1), 0);
}

enum try { TRY_PUSH, TRY_STATIC, TRY_APPEND, TRY_APPEND_LARGE, TRY_MOVE, TRY_SHARE, TRY_GATHER, TRY_RESERVE, TRIES };

static int bufq_try(enum try what, struct bufq *a, struct bufq *b, struct buf *buf, const char *large)
{
    char *place;
    switch (what) {
    case TRY_PUSH: return bufq_push(b, buf, 0, 1);
    case TRY_STATIC: return bufq_push_static(a, STR("s"));
    case TRY_APPEND: return bufq_append(a, "xyz", 3);
    case TRY_APPEND_LARGE: return bufq_append(a, large, 200000);
    case TRY_MOVE: return bufq_move(a, b, 8);
    case TRY_SHARE: return bufq_share(a, b);
    case TRY_GATHER: return bufq_gather(b, 5, 30000);
    case TRY_RESERVE:
        place = bufq_reserve(a, 10);
        if (place)
            bufq_commit(a, 0);
        return place ? 0 : -ERR_NO_MEMORY;
    default: return 0;
    }
}

/* In each operation each allocation fails in turn, and the queues must be as before. */
static void bufq_failure_changes_nothing(void **state)
{
    char *large = calloc(1, 200000);
    for (int what = 0; what < TRIES; what++) {
        for (unsigned n = 1;; n++) {
            struct bufq a;
            struct bufq b;
            struct buf *buf = buf_with("012345678");
            fill_pair(&a, &b, buf);
            alloc_fail_at(n);
            int code = bufq_try((enum try)what, &a, &b, buf, large);
            bool failed = alloc_fail_stop();
            /* Without a chunk for a copy, what is moved or shared keeps its own. */
            bool went_well = code == 0 && (!failed || what == TRY_MOVE || what == TRY_SHARE);
            assert_true(went_well || (failed && code == -ERR_NO_MEMORY));
            if (!went_well) {
                assert_queue(&a, "AAAAA", BUFQ_NODE_SLICES - 1);
                assert_queue(&b, "876543210", 9);
                assert_int_equal(buf->refs, 10);
            }
            bufq_clear(&a);
            bufq_clear(&b);
            assert_int_equal(buf->refs, 1);
            buf_unref(buf);
            assert_int_equal(pool.chunks.used, 0);
            assert_int_equal(pool.nodes.used, 0);
            if (!failed)
                break;
        }
    }
    free(large);
}

/* The model: plain bytes. */
struct model {
    struct bufq queue;
    char *bytes;
    size_t n;
};

enum { MODEL_BYTES = 1 << 20, MODEL_FULL = 200000 };

static void model_add(struct model *model, const char *bytes, size_t n)
{
    memcpy(model->bytes + model->n, bytes, n);
    model->n += n;
}

static void model_drop(struct model *model, size_t n)
{
    memmove(model->bytes, model->bytes + n, model->n - n);
    model->n -= n;
}

static size_t random_size(struct rand_gen *gen, size_t most)
{
    size_t scale = (size_t)1 << rand_below(gen, 16);
    return rand_below(gen, (scale < most ? scale : most) + 1);
}

/* As a receive would: into the tail if there is room, or into a new chunk. */
static void model_receive(struct rand_gen *gen, struct model *model)
{
    struct buf *tail = bufq_tail_buf(&model->queue);
    struct buf *buf = tail ? buf_ref(tail) : buf_take(&pool);
    size_t n = random_size(gen, buf_room(buf));
    uint32_t at = buf->used;
    for (size_t i = 0; i < n; i++)
        buf->data[at + i] = (char)rand_u64(gen);
    buf->used += (uint32_t)n;
    assert_int_equal(bufq_push(&model->queue, buf, at, n), 0);
    model_add(model, buf->data + at, n);
    buf_unref(buf);
}

static void model_format(struct rand_gen *gen, struct model *model)
{
    size_t n = random_size(gen, BUF_CHUNK_BYTES / 2);
    size_t used = rand_below(gen, n + 1);
    char *place = bufq_reserve(&model->queue, n);
    memset(place, (int)rand_below(gen, 256), n);
    bufq_commit(&model->queue, used);
    model_add(model, place, used);
}

static void model_step(struct rand_gen *gen, struct model *model, struct model *other)
{
    static char bytes[1 << 16];
    size_t n;
    switch (model->n < MODEL_FULL ? rand_below(gen, 9) : 6 + rand_below(gen, 2)) {
    case 0: model_receive(gen, model); break;
    case 1: model_format(gen, model); break;
    case 2:
        n = random_size(gen, sizeof(bytes));
        memset(bytes, (int)rand_below(gen, 256), n);
        assert_int_equal(bufq_append(&model->queue, bytes, n), 0);
        model_add(model, bytes, n);
        break;
    case 3:
        assert_int_equal(bufq_push_static(&model->queue, STR("constant")), 0);
        model_add(model, "constant", 8);
        break;
    case 4:
        n = random_size(gen, other->n);
        assert_int_equal(bufq_move(&model->queue, &other->queue, n), 0);
        model_add(model, other->bytes, n);
        model_drop(other, n);
        break;
    case 5:
        if (other->n > MODEL_FULL / 2)
            break;
        assert_int_equal(bufq_share(&model->queue, &other->queue), 0);
        model_add(model, other->bytes, other->n);
        break;
    case 6:
    case 7:
        n = random_size(gen, model->n);
        bufq_consume(&model->queue, n);
        model_drop(model, n);
        break;
    default:
        n = random_size(gen, model->n);
        assert_int_equal(bufq_gather(&model->queue, n, n + random_size(gen, 1000)), 0);
        assert_true(bufq_front(&model->queue).n >= n);
        break;
    }
}

static bool model_matches(const struct model *model)
{
    size_t at = 0;
    for (const struct bufq_node *node = model->queue.head; node; node = node->next) {
        for (uint32_t i = node->first; i < node->end; i++) {
            const struct bufq_slice *slice = &node->slices[i];
            if (slice->n == 0 || memcmp(slice->p, model->bytes + at, slice->n) != 0)
                return false;
            at += slice->n;
        }
    }
    return at == model->n && at == model->queue.bytes;
}

/* Bytes that come one by one, each in a chunk of its own, and are shared before they are moved on. */
static void bufq_small_slices_pin_little(void **state)
{
    struct bufq in, out, kept;
    bufq_init(&in, &pool);
    bufq_init(&out, &pool);
    bufq_init(&kept, &pool);
    for (int i = 0; i < 10000; i++) {
        struct buf *buf = buf_with("x");
        assert_int_equal(bufq_push(&in, buf, 0, 1), 0);
        buf_unref(buf);
        assert_int_equal(bufq_share(&kept, &in), 0);
        assert_int_equal(bufq_append(&out, "1\r\n", 3), 0);
        assert_int_equal(bufq_move(&out, &in, 1), 0);
    }
    assert_int_equal(bufq_bytes(&kept), 10000);
    assert_true(pool.chunks.used <= 6);
    bufq_clear(&out);
    bufq_clear(&kept);
}

static void bufq_behaves_like_bytes(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct model models[2] = {{.n = 0}, {.n = 0}};
        struct rand_gen gen;
        rand_seed(&gen, seed);
        for (int i = 0; i < 2; i++) {
            bufq_init(&models[i].queue, &pool);
            models[i].bytes = malloc(MODEL_BYTES);
        }
        for (int step = 0; step < 4000; step++) {
            int which = (int)rand_below(&gen, 2);
            model_step(&gen, &models[which], &models[1 - which]);
            assert_true(model_matches(&models[0]) && model_matches(&models[1]));
        }
        for (int i = 0; i < 2; i++) {
            bufq_clear(&models[i].queue);
            free(models[i].bytes);
        }
        assert_int_equal(pool.chunks.used, 0);
        assert_int_equal(pool.nodes.used, 0);
    }
}

#define BUFQ_TEST(name) cmocka_unit_test_setup_teardown(name, pool_up, pool_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUFQ_TEST(bufq_merges_what_touches),
        BUFQ_TEST(bufq_holds_static_text),
        BUFQ_TEST(bufq_appends_where_it_may),
        BUFQ_TEST(bufq_append_spans_chunks),
        BUFQ_TEST(bufq_move_joins_small_and_refers_to_large),
        BUFQ_TEST(bufq_moves_part_of_a_slice),
        BUFQ_TEST(bufq_shares),
        BUFQ_TEST(bufq_reserves_and_commits),
        BUFQ_TEST(bufq_gathers),
        BUFQ_TEST(bufq_iov_keeps_its_limits),
        BUFQ_TEST(bufq_failure_changes_nothing),
        BUFQ_TEST(bufq_small_slices_pin_little),
        BUFQ_TEST(bufq_behaves_like_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
