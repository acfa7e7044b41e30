/* The classes of bytes against the RFCs' lists, and the fast runs against the scalar ones. */
#include "http/bytes.h"

#include <stdlib.h>

#include "base/rand.h"
#include "http/h1_parse.h"
#include "http_cmocka.h"

static void classes_are_what_the_rfcs_say(void **state)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        assert_int_equal(bytes_is_plain(c), b != 0 && strchr(plain, b) != NULL);
        assert_int_equal(bytes_is_target(c), b > 0x20 && b < 0x7f && b != '#');
        assert_int_equal(bytes_is_value(c), b == '\t' || (b >= ' ' && b < 0x7f) || b >= 0x80);
    }
}

/* Every byte at every place of a vector. */
static void each_byte_stops_where_it_should(void **state)
{
    char text[40];
    for (int b = 0; b < 256; b++) {
        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'a', sizeof(text));
            text[at] = (char)b;
            assert_int_equal(bytes_plain_run(text, sizeof(text)), bytes_is_plain((char)b) ? sizeof(text) : at);
            assert_int_equal(bytes_target_run(text, sizeof(text)), bytes_is_target((char)b) ? sizeof(text) : at);
            assert_int_equal(bytes_value_run(text, sizeof(text)), bytes_is_value((char)b) ? sizeof(text) : at);
        }
    }
}

static void fast_and_scalar_agree_on_random_bytes(void **state)
{
    static const char mostly[] = "abcXYZ019-._ \t:/;=,\"#%?&";
    struct rand_gen random;
    rand_seed(&random, 20260131);
    for (int round = 0; round < 100000; round++) {
        size_t n = rand_below(&random, 201), offset = rand_below(&random, 32);
        /* Exactly as long as it is said to be: a sanitizer sees a read past the end. */
        char *memory = malloc(offset + n + 1);
        assert_non_null(memory);
        char *text = memory + offset + 1;
        bool wild = rand_below(&random, 4) == 0;
        for (size_t i = 0; i < n; i++)
            text[i] = wild || rand_below(&random, 60) == 0
                          ? (char)rand_below(&random, 256)
                          : mostly[rand_below(&random, round % 2 ? 12 : sizeof(mostly) - 1)];
        assert_int_equal(bytes_plain_run(text, n), bytes_run_scalar(text, n, bytes_is_plain));
        assert_int_equal(bytes_target_run(text, n), bytes_run_scalar(text, n, bytes_is_target));
        assert_int_equal(bytes_value_run(text, n), bytes_run_scalar(text, n, bytes_is_value));
        assert_int_equal(h1_value_end(text, n), h1_value_end_scalar(text, n));
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_what_the_rfcs_say),
        cmocka_unit_test(each_byte_stops_where_it_should),
        cmocka_unit_test(fast_and_scalar_agree_on_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
