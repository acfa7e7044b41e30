/* A bucket lets a burst through, and a steady rate, and nothing above both. */
#include "http/h2_guard.h"

#include "http_cmocka.h"

static void test_burst(void **state)
{
    struct h2_bucket bucket = {0};
    for (unsigned i = 0; i < 100; i++)
        assert_true(h2_bucket_note(&bucket, 100, 5000));
    assert_false(h2_bucket_note(&bucket, 100, 5000));
}

static void test_leaks(void **state)
{
    struct h2_bucket bucket = {0};
    for (unsigned i = 0; i < 1000; i++) /* 10 a second, for longer than the window */
        assert_true(h2_bucket_note(&bucket, 100, i * 100));
    bool held = true;
    for (unsigned i = 0; i < 1000; i++) /* 20 a second */
        held = held && h2_bucket_note(&bucket, 100, 100000 + i * 50);
    assert_false(held);
}

static void test_credit(void **state)
{
    struct h2_bucket bucket = {0};
    for (unsigned i = 0; i < 1000; i++) {
        h2_bucket_credit(&bucket, 2);
        assert_true(h2_bucket_note(&bucket, 10, 1));
        assert_true(h2_bucket_note(&bucket, 10, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_burst), cmocka_unit_test(test_leaks),
                                       cmocka_unit_test(test_credit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
