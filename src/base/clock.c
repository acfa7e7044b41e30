/* Time for everyone: the system's, or a source that a test put in its place. Any thread.
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static clock_source_fn clock_source;

void clock_set_source(clock_source_fn source)
{
    clock_source = source;
}

static int64_t clock_system_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now); /* cannot fail: the id is valid */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_steady_ns(void)
{
    return clock_source ? clock_source(CLOCK_KIND_STEADY) : clock_system_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return clock_source ? clock_source(CLOCK_KIND_WALL) : clock_system_ns(CLOCK_REALTIME);
}

static void clock_put_digits(char *out, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Writes YYYY-MM-DD. Years are counted from March, so that the leap day is the last of its year. gmtime_r is not used
 * because the C library takes a process-wide lock in it. */
static void clock_put_date(char *out, int64_t days_since_1970)
{
    static const int16_t month_ends[12] = {31,  61,  92,  122, 153, 184,
                                           214, 245, 275, 306, 337, 366}; /* March is first */
    enum { DAYS_400_YEARS = 146097, DAYS_100_YEARS = 36524, DAYS_4_YEARS = 1461, MARCH_0000_TO_1970 = 719468 };
    int64_t days = days_since_1970 + MARCH_0000_TO_1970;
    int64_t year = days / DAYS_400_YEARS * 400;
    days %= DAYS_400_YEARS;
    /* The last day of 400 years and of 4 years is an extra one: it belongs to the period before it. */
    int64_t centuries = days / DAYS_100_YEARS < 4 ? days / DAYS_100_YEARS : 3;
    days -= centuries * DAYS_100_YEARS;
    int64_t fours = days / DAYS_4_YEARS;
    days %= DAYS_4_YEARS;
    int64_t years = days / 365 < 4 ? days / 365 : 3;
    days -= years * 365;
    year += centuries * 100 + fours * 4 + years;
    int month = 0;
    while (days >= month_ends[month])
        month++;
    int64_t day = days - (month > 0 ? month_ends[month - 1] : 0) + 1;
    clock_put_digits(out, month < 10 ? year : year + 1, 4);
    clock_put_digits(out + 5, month < 10 ? month + 3 : month - 9, 2);
    clock_put_digits(out + 8, day, 2);
}

void clock_stamp(char out[CLOCK_STAMP_BYTES], int64_t wall_ns)
{
    int64_t ms = wall_ns / 1000000 - (wall_ns % 1000000 < 0);
    int64_t days = ms / 86400000 - (ms % 86400000 < 0);
    int64_t ms_of_day = ms - days * 86400000;
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_STAMP_BYTES);
    clock_put_date(out, days);
    clock_put_digits(out + 11, ms_of_day / 3600000, 2);
    clock_put_digits(out + 14, ms_of_day / 60000 % 60, 2);
    clock_put_digits(out + 17, ms_of_day / 1000 % 60, 2);
    clock_put_digits(out + 20, ms_of_day % 1000, 3);
}
