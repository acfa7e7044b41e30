/* The queue keeps order, is bounded, and counts what it loses; texts are cut, never mixed. */
#include "proxy/span.h"

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

static struct span spans[SPAN_QUEUE_MAX];

static void span_queue_is_bounded(void **state)
{
    struct span_queue *queue;
    struct span span = {.status = 0};

    assert_int_equal(span_queue_create(&queue), 0);
    assert_int_equal(span_queue_take(queue, spans, 10), 0);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < SPAN_QUEUE_MAX + 5; i++) {
            span.bytes_in = i;
            span_queue_put(queue, &span);
        }
        assert_int_equal(span_queue_count(queue), SPAN_QUEUE_MAX);
        assert_int_equal(span_queue_dropped(queue), 5 * (round + 1));
        assert_int_equal(span_queue_take(queue, spans, 7), 7);
        assert_int_equal(span_queue_take(queue, spans + 7, SPAN_QUEUE_MAX), SPAN_QUEUE_MAX - 7);
        for (uint32_t i = 0; i < SPAN_QUEUE_MAX; i++)
            assert_int_equal(spans[i].bytes_in, i);
    }
    span_queue_destroy(&queue);
    assert_null(queue);
}

static void span_texts_are_cut(void **state)
{
    static char text[5000];
    static struct span span;

    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < SPAN_TEXTS; i++)
        span_set_text(&span, i, i == SPAN_HOST ? str_slice(text, sizeof(text)) : STR("abc"));
    assert_int_equal(span_get_text(&span, SPAN_HOST).n, (SPAN_TEXT_MAX - 6) / 2);
    for (unsigned i = 0; i < SPAN_TEXTS; i++)
        assert_true(i == SPAN_HOST || str_eq(span_get_text(&span, i), STR("abc")));
    for (unsigned i = 0; i < SPAN_TEXTS; i++)
        span_set_text(&span, i, str_slice(text, sizeof(text)));
    struct str last = span_get_text(&span, SPAN_TEXTS - 1);
    assert_true(last.p + last.n <= span.text + SPAN_TEXT_MAX);
}

static void span_queue_survives_no_memory(void **state)
{
    struct span_queue *queue;

    alloc_fail_at(1);
    assert_int_equal(span_queue_create(&queue), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span_queue_is_bounded),
        cmocka_unit_test(span_texts_are_cut),
        cmocka_unit_test(span_queue_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
