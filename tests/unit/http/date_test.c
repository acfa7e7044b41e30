/* IMF-fixdate against known dates and against the C library. */
#include "http/date.h"

#include <stdio.h>
#include <time.h>

#include "http_cmocka.h"

static void known_dates(void **state)
{
    static const struct {
        int64_t wall_s;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110 section 5.6.7 */
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868799, "Tue, 29 Feb 2000 23:59:59 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[DATE_BYTES];
        date_format(out, cases[i].wall_s);
        assert_str(str_slice(out, DATE_BYTES), str_of(cases[i].text));
    }
}

static void every_day_as_the_c_library_has_it(void **state)
{
    for (int64_t day = 0; day < 366 * 450; day++) {
        time_t wall_s = (time_t)(day * 86400 + day * 7919 % 86400);
        struct tm parts;
        char expected[DATE_BYTES + 1], out[DATE_BYTES];
        assert_non_null(gmtime_r(&wall_s, &parts));
        assert_int_equal(strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &parts), DATE_BYTES);
        date_format(out, wall_s);
        assert_str(str_slice(out, DATE_BYTES), str_of(expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_dates),
        cmocka_unit_test(every_day_as_the_c_library_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
