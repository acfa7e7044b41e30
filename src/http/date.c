/* The Date field from seconds, without the C library's locale and time zone machinery.
 *
 * Called about once a second by whoever keeps the current date ready; on any thread.
 */
#include "http/date.h"

#include <string.h>

#include "base/assert.h"

static void put_two(char *out, int64_t value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

struct civil {
    int64_t year;
    int64_t month; /* 0 is March: the leap day is a year's last */
    int64_t day;   /* from 0 */
};

/* Days since 1970-01-01, counted in eras of 400 years from 0000-03-01. */
static struct civil civil_of(int64_t days)
{
    days += 719468;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    return (struct civil){era * 400 + year + (month >= 10), month, day_of_year - (153 * month + 2) / 5};
}

void date_format(char out[DATE_BYTES], int64_t wall_s)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    ASSERT(wall_s >= 0 && wall_s < INT64_C(253402300800));
    int64_t second = wall_s % 86400;
    struct civil date = civil_of(wall_s / 86400);
    memcpy(out, "Ddd, dd Mmm yyyy hh:mm:ss GMT", DATE_BYTES);
    memcpy(out, days + wall_s / 86400 % 7 * 3, 3);
    put_two(out + 5, date.day + 1);
    memcpy(out + 8, months + date.month * 3, 3);
    put_two(out + 12, date.year / 100);
    put_two(out + 14, date.year % 100);
    put_two(out + 17, second / 3600);
    put_two(out + 20, second / 60 % 60);
    put_two(out + 23, second % 60);
}
