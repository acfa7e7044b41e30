/* Numbers of streams go up, and a window keeps below its bound. */
#include "http/h2_rules.h"

#include <nghttp2/nghttp2.h>

#include "http_cmocka.h"

static void test_frames(void **state)
{
    static const struct {
        struct h2_frame frame;
        uint32_t error;
    } cases[] = {
        {{NGHTTP2_DATA, 0, 1}, 0},
        {{NGHTTP2_CONTINUATION, 0, 1}, 0},
        {{NGHTTP2_CONTINUATION, 1 << 14, 1}, 0},
        {{NGHTTP2_CONTINUATION, (1 << 14) + 1, 1}, NGHTTP2_FRAME_SIZE_ERROR},
        {{NGHTTP2_PRIORITY, 5, 1}, 0},
        {{NGHTTP2_PRIORITY, 5, 0}, NGHTTP2_PROTOCOL_ERROR},
        {{NGHTTP2_PRIORITY, 4, 1}, NGHTTP2_FRAME_SIZE_ERROR},
        {{NGHTTP2_PUSH_PROMISE, 9, 1}, NGHTTP2_PROTOCOL_ERROR},
        {{NGHTTP2_PING, 8, 0}, 0},
        {{0x77, 0, 0}, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(h2_frame_error(cases[i].frame), cases[i].error);
}

static void test_rising_numbers(void **state)
{
    struct h2_numbers numbers = {0};

    for (uint32_t id = 1; id < 100; id += 2)
        assert_true(h2_numbers_note(&numbers, id));
    for (uint32_t id = 1; id < 100; id += 2) /* trailers, of a stream that is or was */
        assert_true(h2_numbers_note(&numbers, id));
    assert_int_equal(numbers.gaps, 0);
}

static void test_skipped_numbers(void **state)
{
    struct h2_numbers numbers = {0};

    assert_true(h2_numbers_note(&numbers, 5));
    assert_true(h2_numbers_note(&numbers, 7));
    assert_true(h2_numbers_note(&numbers, 13));
    assert_false(h2_numbers_note(&numbers, 1));
    assert_false(h2_numbers_note(&numbers, 3));
    assert_true(h2_numbers_note(&numbers, 5));
    assert_true(h2_numbers_note(&numbers, 7));
    assert_false(h2_numbers_note(&numbers, 9));
    assert_false(h2_numbers_note(&numbers, 11));
    assert_true(h2_numbers_note(&numbers, 13));
    assert_true(h2_numbers_note(&numbers, INT32_MAX));
    assert_false(h2_numbers_note(&numbers, INT32_MAX - 2));
}

static void test_the_last_gaps_are_known(void **state)
{
    struct h2_numbers numbers = {0};

    for (uint32_t i = 0; i <= H2_SKIPPED_MOST; i++)
        assert_true(h2_numbers_note(&numbers, 3 + 4 * i));
    assert_true(h2_numbers_note(&numbers, 1));
    for (uint32_t i = 1; i <= H2_SKIPPED_MOST; i++) {
        assert_false(h2_numbers_note(&numbers, 1 + 4 * i));
        assert_true(h2_numbers_note(&numbers, 3 + 4 * i));
    }
}

static void test_window(void **state)
{
    assert_true(h2_window_fits(0, 0, 1000000));
    assert_true(h2_window_fits(INT32_MAX, 0, 0));
    assert_false(h2_window_fits(INT32_MAX, 1, 0));
    assert_true(h2_window_fits(INT32_MAX, 5, 5));
    assert_false(h2_window_fits(INT32_MAX, 6, 5));
    assert_true(h2_window_fits(65535, INT32_MAX - 65535, 0));
    assert_false(h2_window_fits(65536, INT32_MAX - 65535, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_frames), cmocka_unit_test(test_rising_numbers),
                                       cmocka_unit_test(test_skipped_numbers),
                                       cmocka_unit_test(test_the_last_gaps_are_known), cmocka_unit_test(test_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
