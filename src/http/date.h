/* The Date field: IMF-fixdate of RFC 9110 section 5.6.7.
 */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include <stdint.h>

enum { DATE_BYTES = 29 };

/* "Sun, 06 Nov 1994 08:49:37 GMT" into out, no NUL. wall_s: seconds since 1970, 0 to the year 9999. */
void date_format(char out[DATE_BYTES], int64_t wall_s);

#endif
